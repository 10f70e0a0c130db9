"""Judged responses and what was seen in them, as the report holds them.

In: artifacts of the stages ratings, switching and alignment, by role: `ratings.BENCHMARK.JUDGE`, with
`.against.CONTROL` behind it where two runs' responses were compared; `switching.BENCHMARK`; `alignment`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from loanword.recipe.judging import AGAINST
from loanword.records import (
    AlignedLayer,
    JudgeFacts,
    Preference,
    Rating,
    Switching,
    read_json,
    read_lines,
)

POINTS, COHERENCE = "points", "coherence"
"""Rubrics: an examination's, and whether a response that switches languages hangs together."""


@dataclass(frozen=True)
class Judged:
    """The ratings of one benchmark's responses by one judge, and who that is."""

    judge: JudgeFacts
    ratings: tuple[Rating, ...]


@dataclass(frozen=True)
class Preferred:
    """What a judge prefers of a run's responses and those of its control."""

    judge: JudgeFacts
    preferences: tuple[Preference, ...]


def judged_role(role: str, benchmarks: Iterable[str]) -> tuple[str, str, str] | None:
    """Benchmark, judge and control (empty for none) of a role that begins with a stage's name; None for no such role.

    Benchmarks may have points in their names: the longest that fits is meant.
    """
    rest = role.partition(".")[2]
    found = [name for name in benchmarks if rest.startswith(f"{name}.")]
    if not found:
        return None
    benchmark = max(found, key=len)
    judge, _, control = rest[len(benchmark) + 1 :].partition(AGAINST)
    return benchmark, judge, control


def read_judged(path: Path) -> Judged:
    """What a judge gave, from a ratings.jsonl."""
    return Judged(read_json(JudgeFacts, path.with_name("judge.json")), tuple(read_lines(Rating, path)))


def read_preferred(path: Path) -> Preferred:
    """What a judge prefers, from a preferences.jsonl."""
    return Preferred(read_json(JudgeFacts, path.with_name("judge.json")), tuple(read_lines(Preference, path)))


def read_switching(path: Path) -> tuple[Switching, ...]:
    """What was seen in every response, from a switching.jsonl."""
    return tuple(read_lines(Switching, path))


def read_alignment(path: Path) -> tuple[AlignedLayer, ...]:
    """Every layer of every pair of languages, from an alignment.jsonl."""
    return tuple(read_lines(AlignedLayer, path))
