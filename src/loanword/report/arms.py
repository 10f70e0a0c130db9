"""Which settings tell a study's runs apart, and which runs lie on one line when only the budget of text changes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from loanword.report.gather import BUDGET, NEW_PIECES, VOCABULARY, RunRecords
from loanword.report.wording import Setting, setting_name, setting_phrase, setting_value

PRETRAINING = "pretraining."
METHOD = "tokenizer.method"
PARTS_OF_BASE = tuple(
    f"base.{part}" for part in ("model", "revision", "patch", "original_weights", "adapter", "tokenizer")
)


@dataclass(frozen=True)
class Arm:
    """Runs that differ in their budget of target text alone, smallest first; `phrases` say what they share."""

    phrases: tuple[str, ...]
    runs: tuple[RunRecords, ...]


def varying_keys(tables: Sequence[Mapping[str, Setting]]) -> list[str]:
    """Settings that are not the same in all tables, in the order of the tables.

    Those of new pieces are not the same if tables that have new pieces differ in them.
    """
    keys = dict.fromkeys(key for table in tables for key in table)
    return [key for key in keys if len(set(_values(key, tables))) > 1]


def _values(key: str, tables: Sequence[Mapping[str, Setting]]) -> Iterator[Setting | None]:
    of_pieces = key.startswith(VOCABULARY) and key != NEW_PIECES
    return (table.get(key) for table in tables if not of_pieces or table.get(NEW_PIECES))


def factors(arm: RunRecords, control: RunRecords) -> list[str]:
    """The factors in which two runs differ, each as `name: control to arm`.

    Further pretraining is one factor where only one of them has it: its settings come with it. So is a published base,
    whatever it is put together from.
    """
    keys = varying_keys([control.settings, arm.settings])
    parts = [key for key in keys if key in PARTS_OF_BASE]
    keys = [key for key in keys if key not in parts[1:]]
    if arm.is_pretrained != control.is_pretrained:
        keys = [key for key in keys if not key.startswith(PRETRAINING) or key.startswith(BUDGET)]
    found = [_factor(key, control.settings.get(key), arm.settings.get(key)) for key in keys]
    return found + ([f"seed: {control.seed} to {arm.seed}"] if arm.seed != control.seed and "seed" not in keys else [])


def _factor(key: str, before: Setting | None, after: Setting | None) -> str:
    return f"{setting_name(key)}: {_or_none(key, before)} to {_or_none(key, after)}"


def _or_none(key: str, value: Setting | None) -> str:
    return "none" if value is None else setting_value(key, value)


def describe(run: RunRecords, keys: Sequence[str]) -> tuple[str, ...]:
    """The settings of a run under the given keys, in words."""
    told = [key for key in keys if key in run.settings or not key.startswith(VOCABULARY)]
    # The vocabulary's name says both of its settings.
    return tuple(dict.fromkeys(_phrase(run, key) for key in told))


def _phrase(run: RunRecords, key: str) -> str:
    return vocabulary_name(run) if key in (NEW_PIECES, METHOD) else setting_phrase(key, run.settings.get(key))


def vocabulary_name(run: RunRecords) -> str:
    """A run's vocabulary in words, as the whole report has it, with the method where pieces were appended."""
    name = setting_phrase(NEW_PIECES, run.settings.get(NEW_PIECES))
    return f"{name}, appended" if run.settings.get(NEW_PIECES) and run.settings.get(METHOD) == "append" else name


def budget_arms(runs: Sequence[RunRecords]) -> list[Arm]:
    """The lines of a figure against budget. A run without further pretraining starts every line that shares the
    rest of its settings; a line of one point is dropped where another has more.
    """
    groups: dict[tuple[object, ...], list[RunRecords]] = {}
    for run in runs:
        if run.is_pretrained:
            groups.setdefault((run.seed, *_sorted(_fixed(run))), []).append(run)
    starts = [run for run in runs if not run.is_pretrained]
    lines = [_with_start(group, starts) for group in groups.values()]
    if any(len(line) > 1 for line in lines):
        lines = [line for line in lines if len(line) > 1]
    keys = varying_keys([_fixed(line[-1]) for line in lines]) if lines else []
    several_seeds = len({line[-1].seed for line in lines}) > 1
    return [
        Arm(describe(line[-1], keys) + ((f"seed {line[-1].seed}",) if several_seeds else ()), tuple(line))
        for line in lines
    ]


def _with_start(group: list[RunRecords], starts: Sequence[RunRecords]) -> list[RunRecords]:
    rest = _without_pretraining(group[0])
    start = [run for run in starts if _without_pretraining(run) == rest and run.seed == group[0].seed]
    return start[:1] + sorted(group, key=_size)


def _fixed(run: RunRecords) -> dict[str, Setting]:
    return {key: value for key, value in run.settings.items() if not key.startswith(BUDGET)}


def _without_pretraining(run: RunRecords) -> dict[str, Setting]:
    # A setting of zero does not act, and may be absent where the stage is.
    return {key: value for key, value in run.settings.items() if not key.startswith(PRETRAINING) and value != 0}


def _sorted(settings: Mapping[str, Setting]) -> list[tuple[str, str]]:
    return sorted((key, repr(value)) for key, value in settings.items())


def _size(run: RunRecords) -> float:
    amounts = [value for key, value in run.settings.items() if key.startswith(BUDGET) and not isinstance(value, str)]
    return run.num_target_bytes or max(amounts, default=0)
