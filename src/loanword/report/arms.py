"""Which settings tell a study's runs apart, and which runs lie on one line when only the budget of text changes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from loanword.report.gather import BUDGET, NEW_PIECES, VOCABULARY, RunRecords
from loanword.report.saying import say
from loanword.report.wording import Setting, setting_name, setting_phrase, setting_value

PRETRAINING = "pretraining."
METHOD = "tokenizer.method"
INSTRUCTIONS = "tuning.num_conversations"
SEED = "seed"
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
    whatever it is put together from. The seed is one where both were trained under it; of an arm with several seeds it
    is no setting.
    """
    keys = varying_keys([control.settings, arm.settings])
    if not (_is_seeded(arm) and _is_seeded(control)):
        keys = [key for key in keys if key != SEED]
    parts = [key for key in keys if key in PARTS_OF_BASE]
    keys = [key for key in keys if key not in parts[1:]]
    if arm.is_pretrained != control.is_pretrained:
        keys = [key for key in keys if not key.startswith(PRETRAINING) or key.startswith(BUDGET)]
    return [_factor(key, control.settings.get(key), arm.settings.get(key)) for key in keys]


def _is_seeded(run: RunRecords) -> bool:
    trained = any(key.startswith("base.train.") for key in run.settings)
    return trained or run.is_pretrained or run.plans("tuning")


def _factor(key: str, before: Setting | None, after: Setting | None) -> str:
    if key == SEED:
        before, after = (say("several") if seed is None else seed for seed in (before, after))
    return say(
        "{setting}: {before} to {after}",
        setting=setting_name(key),
        before=_or_none(key, before),
        after=_or_none(key, after),
    )


def _or_none(key: str, value: Setting | None) -> str:
    return say("none") if value is None else setting_value(key, value)


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
    return (
        say("{vocabulary}, appended", vocabulary=name)
        if run.settings.get(NEW_PIECES) and run.settings.get(METHOD) == "append"
        else name
    )


def budget_arms(runs: Sequence[RunRecords]) -> list[Arm]:
    """The lines of a figure against budget. A run without further pretraining starts every line that shares the
    rest of its settings; a line of one point is dropped where another has more.
    """
    starts = [run for run in runs if not run.is_pretrained]
    lines = _lines([run for run in runs if run.is_pretrained], BUDGET)
    return _named([_with_start(line, starts) for line in lines], BUDGET)


def instruction_arms(runs: Sequence[RunRecords]) -> list[Arm]:
    """Tuned runs that differ in their number of instructions alone, fewest first."""
    lines = _lines([run for run in runs if run.plans("tuning")], INSTRUCTIONS)
    return _named(
        [sorted(line, key=lambda run: float(run.settings.get(INSTRUCTIONS, 0))) for line in lines], INSTRUCTIONS
    )


def _lines(runs: Sequence[RunRecords], varied: str) -> list[list[RunRecords]]:
    """Runs that share their seed and all settings but one."""
    groups: dict[tuple[object, ...], list[RunRecords]] = {}
    for run in runs:
        groups.setdefault((run.seed, *_sorted(_fixed(run, varied))), []).append(run)
    return list(groups.values())


def _named(lines: Sequence[list[RunRecords]], varied: str) -> list[Arm]:
    if any(len(line) > 1 for line in lines):
        lines = [line for line in lines if len(line) > 1]
    keys = varying_keys([_fixed(line[-1], varied) for line in lines]) if lines else []
    several_seeds = len({line[-1].seed for line in lines}) > 1
    return [
        Arm(
            describe(line[-1], keys) + ((say("seed {number}", number=str(line[-1].seed)),) if several_seeds else ()),
            tuple(line),
        )
        for line in lines
    ]


def _with_start(group: list[RunRecords], starts: Sequence[RunRecords]) -> list[RunRecords]:
    rest = _without_pretraining(group[0])
    start = [run for run in starts if _without_pretraining(run) == rest and run.seed == group[0].seed]
    return start[:1] + sorted(group, key=_size)


def _fixed(run: RunRecords, varied: str) -> dict[str, Setting]:
    return {key: value for key, value in run.settings.items() if not key.startswith(varied)}


def _without_pretraining(run: RunRecords) -> dict[str, Setting]:
    # A setting of zero does not act, and may be absent where the stage is.
    return {key: value for key, value in run.settings.items() if not key.startswith(PRETRAINING) and value != 0}


def _sorted(settings: Mapping[str, Setting]) -> list[tuple[str, str]]:
    return sorted((key, repr(value)) for key, value in settings.items())


def _size(run: RunRecords) -> float:
    amounts = [value for key, value in run.settings.items() if key.startswith(BUDGET) and not isinstance(value, str)]
    return run.num_target_bytes or max(amounts, default=0)
