"""Study files: TOML in, one recipe a run out, all problems at once with their paths.

`[recipe]` is the recipe that all runs start from. `[axes]` multiplies it: a list of values for one key, or named
tables that set several keys together. `[[runs]]` adds single cells, `[[compare]]` pairs an arm with its control. An
axis that sets nothing but the seed makes several runs of one arm, which is called by the rest of their labels.
"""

import difflib
import itertools
import json
import math
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from loanword.errors import UserError
from loanword.recipe import Recipe
from loanword.records import Count, Record, problems

SEED = "seed"
ONLY = "run"
"""What the runs of a study without other axes than seeds are called."""
Settings = Mapping[str, Any]
"""Recipe keys as dotted paths, with the values they are set to."""


class RunEntry(Record):
    """One explicit cell: a name and what it sets on top of `[recipe]`; with `seeds`, one cell a seed."""

    name: str = Field(min_length=1)
    set: dict[str, Any] = Field(default_factory=dict)
    seeds: tuple[Count, ...] = ()


class Comparison(Record):
    """An arm, the control it is measured against, and the question that the two answer.

    Either is a run, or an arm of several seeds by its label without the seed. `on` names the languages and benchmarks
    that the question is about; without it, it is about all.
    """

    arm: str
    control: str
    question: str = ""
    on: tuple[str, ...] = ()


class Published(Record):
    """Figures of others that a study is reported beside: which ones, and how far the two can be compared.

    They are told apart by the labels of runs: a study that repeats a table calls its runs as the table does.
    """

    table: Literal["table1", "table2", "table3", "knowledge", "switching", "vocabulary"]
    note: str = ""


class StudyFile(Record):
    """A study as it is written."""

    name: str = Field(min_length=1)
    summary: str = ""
    published: Published | None = None
    recipe: dict[str, Any]
    axes: dict[str, Any] = Field(default_factory=dict)
    runs: tuple[RunEntry, ...] = ()
    compare: tuple[Comparison, ...] = ()


@dataclass(frozen=True)
class Cell:
    """One run before its jobs are named: its label, where it stands on each axis, and its recipe.

    `arm` is the label without the seed, where an axis or an entry of the study gives several.
    """

    label: str
    position: Mapping[str, str]
    recipe: Recipe
    arm: str


@dataclass(frozen=True)
class _Entry:
    """What a cell is made of."""

    label: str
    arm: str
    position: Mapping[str, str]
    settings: Settings


def read_study(path: Path) -> StudyFile:
    """The study that a file describes.

    Raises:
        UserError: it is not there, not TOML, or not a study; all problems at once.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(path, "no such study file", do="write one with `loanword init`, or correct the path") from None
    except UnicodeDecodeError as error:
        raise UserError(path, f"not UTF-8 at byte {error.start}", do="save the file as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(path, f"not TOML: {error}", do="mend the line") from None
    odd = [f"{key}: not a finite number (got {leaf})" for key, leaf in flat(table).items() if _is_endless(leaf)]
    if odd:
        raise _invalid(path, odd)
    try:
        return StudyFile.model_validate_json(json.dumps(table, allow_nan=False))
    except (TypeError, ValueError) as error:
        found = problems(error) if isinstance(error, ValidationError) else [str(error)]
        raise _invalid(path, found) from None


def _is_endless(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def cells(study: StudyFile, where: object) -> list[Cell]:
    """One recipe a run: the product of the axes, then the explicit runs.

    Raises:
        UserError: a key that does not exist, an empty axis, a value of the wrong type, two runs of one name, a
            comparison of runs that are not there; all problems at once.
    """
    found: list[str] = []
    axes = dict(_axes(study.axes, found))
    entries = [*_product(axes), *(entry for run in study.runs for entry in _explicit(run, found))]
    for path in {path for entry in entries for path in entry.settings}:
        found.extend(_unknown_key(path))
    made: dict[str, Cell] = {}
    for entry in entries if not found else []:
        if entry.label in made:
            found.append(f"two runs are named {entry.label!r}")
            continue
        recipe = _recipe(study.recipe, entry.settings, entry.label, found)
        if recipe is not None:
            made[entry.label] = Cell(entry.label, entry.position, recipe, entry.arm)
    arms = _arms(list(made.values()))
    if not found:
        found.extend(
            f"{name!r} is a run, and what several seeds of another are called; name one of them otherwise"
            for name in sorted(arms.keys() & made.keys())
            if any(cell.label != name for cell in arms[name])
        )
        known = {**made, **arms}
        names = {name for pair in study.compare for name in (pair.arm, pair.control)}
        found.extend(f"compare: no run is named {name!r}{nearest(name, known)}" for name in sorted(names - set(known)))
    if not found:
        found.extend(problem for pair in study.compare for problem in _sharing_no_seed(pair, list(made.values())))
    if not found:
        found.extend(_compares_nothing(study.compare, made))
        found.extend(_compared_twice(study.compare))
        found.extend(problem for pair in study.compare for problem in _unmeasured(pair, list(made.values())))
    if found:
        raise _invalid(where, list(dict.fromkeys(found)))
    return list(made.values())


def paired_labels(pair: Comparison, made: Sequence[Cell]) -> list[tuple[str, str]]:
    """The runs that a comparison sets side by side: one pair, or one a seed of the arm.

    Arms of several seeds meet under the seeds that both have; a control of one run is beside every seed.
    """
    arm, control = _named(pair.arm, made), _named(pair.control, made)
    if len(control) == 1:
        return [(cell.label, control[0].label) for cell in arm]
    by_seed = {cell.recipe.seed: cell for cell in control}
    return [(cell.label, by_seed[cell.recipe.seed].label) for cell in arm if cell.recipe.seed in by_seed]


def _named(name: str, made: Sequence[Cell]) -> list[Cell]:
    """The run of that label, or the runs of the arm that is called so."""
    return [cell for cell in made if cell.label == name] or [cell for cell in made if cell.arm == name]


def _arms(made: Sequence[Cell]) -> dict[str, list[Cell]]:
    """The runs of every arm by its name."""
    found: dict[str, list[Cell]] = {}
    for cell in made:
        found.setdefault(cell.arm, []).append(cell)
    return found


def _sharing_no_seed(pair: Comparison, made: Sequence[Cell]) -> Iterator[str]:
    if not paired_labels(pair, made):
        seeds = [", ".join(str(cell.recipe.seed) for cell in _named(name, made)) for name in (pair.arm, pair.control)]
        yield (
            f"compare: {pair.arm!r} (seed {seeds[0]}) and {pair.control!r} (seed {seeds[1]}) share no seed; "
            "give both the same seeds"
        )


def _compares_nothing(pairs: Sequence[Comparison], made: Mapping[str, Cell]) -> Iterator[str]:
    """A complaint for each judge that is to compare runs of a study that names none to compare."""
    judges = {name: judge for cell in made.values() for name, judge in cell.recipe.judges.items()}
    for name, judge in judges.items() if not pairs else ():
        if judge.pairwise:
            yield f"recipe.judges.{name}.pairwise: no runs to compare; name pairs under [[compare]], or leave it out"


def _compared_twice(pairs: Sequence[Comparison]) -> Iterator[str]:
    named = [(pair.arm, pair.control) for pair in pairs]
    for arm, control in dict.fromkeys(pair for pair in named if named.count(pair) > 1):
        yield f"compare: {arm!r} against {control!r} stands twice; give it one entry"


def _unmeasured(pair: Comparison, made: Sequence[Cell]) -> Iterator[str]:
    """A complaint for each thing that a question is about and one of its runs is not measured on."""
    if pair.on and not pair.question:
        yield f"compare: on: what {pair.arm!r} against {pair.control!r} is asked about goes with a question"
    for label in (pair.arm, pair.control):
        recipe = _named(label, made)[0].recipe
        measured = (*recipe.likelihoods.texts, *recipe.responses.benchmarks)
        for name in pair.on:
            if name not in measured:
                yield f"compare: on: {label!r} is not measured on {name!r}{nearest(name, measured)}"


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """Nested tables as dotted paths; lists are leaves."""
    if not isinstance(value, dict):
        return {path: value}
    entries = typing.cast("dict[str, Any]", value)
    dotted = {key: f"{path}.{key}" if path else key for key in entries}
    return {inner: leaf for key, item in entries.items() for inner, leaf in flat(item, dotted[key]).items()}


def _axes(table: Mapping[str, Any], found: list[str]) -> Iterator[tuple[str, dict[str, Settings]]]:
    """Each axis as label -> settings, from the three ways in which one may be written."""
    for name, value in table.items():
        inner = typing.cast("dict[str, Any]", value) if isinstance(value, dict) else {}
        if isinstance(value, list):
            values = typing.cast("list[Any]", value)
            yield name, {f"{name.rpartition('.')[2]}={_label(item)}": {name: item} for item in values}
        elif inner and all(isinstance(item, list) for item in inner.values()):
            yield from _axes({f"{name}.{key}": items for key, items in inner.items()}, found)
        elif isinstance(value, dict) and all(isinstance(item, dict) for item in inner.values()):
            yield name, inner
        else:
            found.append(f"axes.{name}: neither a list of values nor named tables of settings")
        if not value:
            found.append(f"axes.{name}: an axis without values leaves no runs; give values or remove it")


def _product(axes: Mapping[str, dict[str, Settings]]) -> Iterator[_Entry]:
    if not axes:
        yield _Entry(ONLY, ONLY, {}, {})
        return
    of_seeds = {axis for axis, values in axes.items() if all(set(settings) == {SEED} for settings in values.values())}
    for labels in itertools.product(*axes.values()):
        position = dict(zip(axes, labels, strict=True))
        settings = {path: value for axis, label in position.items() for path, value in axes[axis][label].items()}
        arm = ", ".join(label for axis, label in position.items() if axis not in of_seeds)
        yield _Entry(", ".join(labels), arm or ONLY, position, settings)


def _explicit(run: RunEntry, found: list[str]) -> Iterator[_Entry]:
    if not run.seeds:
        yield _Entry(run.name, run.name, {}, run.set)
    if run.seeds and SEED in run.set:
        found.append(f"runs: {run.name!r} has seeds and sets the seed too; leave one of them out")
    for seed in run.seeds:
        yield _Entry(f"{run.name}, seed={_label(seed)}", run.name, {}, {**run.set, SEED: seed})


def _label(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{item} {key}" for key, item in typing.cast("dict[str, Any]", value).items())
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _recipe(template: Mapping[str, Any], settings: Settings, label: str, found: list[str]) -> Recipe | None:
    table = json.loads(json.dumps(template))
    for path, value in settings.items():
        *folders, leaf = path.split(".")
        place = table
        for folder in folders:
            place = place.setdefault(folder, {})
        place[leaf] = value
    try:
        return Recipe.model_validate_json(json.dumps(table))
    except ValidationError as error:
        own = {path.partition(".")[0] for path in settings}
        for problem in problems(error):
            section = problem.partition(".")[0].partition(":")[0]
            origin = f"recipe (run {label!r})" if section in own else "recipe"
            found.append(f"{origin}.{problem}{_suggestion(problem)}")
        return None


def _unknown_key(path: str) -> list[str]:
    """A complaint if a dotted path leads nowhere in a recipe."""
    kind: Any = Recipe
    for part in path.split("."):
        kind = _record_or_value(kind)
        if isinstance(kind, type) and issubclass(kind, Record):
            if part not in kind.model_fields:
                return [f"{path}: no such key in a recipe{nearest(part, kind.model_fields)}"]
            kind = kind.model_fields[part].annotation
        elif typing.get_origin(kind) is dict:
            kind = typing.get_args(kind)[1]
        else:
            return [f"{path}: no such key in a recipe ({part!r} would be inside a value)"]
    return []


def _record_or_value(kind: Any) -> Any:
    """An annotation without its `| None`."""
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        return next(part for part in typing.get_args(kind) if part is not type(None))
    return kind


def _suggestion(problem: str) -> str:
    """The nearest key to one that is unknown."""
    path, _, message = problem.partition(": ")
    if message != "unknown key":
        return ""
    *folders, leaf = path.split(".")
    kind: Any = Recipe
    for part in folders:
        kind = _record_or_value(kind)
        if isinstance(kind, type) and issubclass(kind, Record):
            kind = kind.model_fields[part].annotation
        else:
            kind = typing.get_args(kind)[-1]
    kind = _record_or_value(kind)
    return nearest(leaf, kind.model_fields) if isinstance(kind, type) and issubclass(kind, Record) else ""


def nearest(word: str, known: typing.Iterable[str]) -> str:
    """A question after the known word that is most like another, as it ends a complaint; empty where none is."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _invalid(where: object, found: list[str]) -> UserError:
    what = found[0] if len(found) == 1 else f"{len(found)} problems\n    " + "\n    ".join(found)
    return UserError(
        where, what, expected="a study as docs/tutorial.md describes it", do="mend the file; nothing was built"
    )
