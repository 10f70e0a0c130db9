"""Scores of the examples that a run's training texts touch, beside those that none touches.

An example is touched where any text that the run trained on holds it. What is touched may be easier or harder by
itself, and a difference between the two alone proves nothing: beside it stands how much of it the base shows on the
same examples.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from loanword.records import Grade, Overlap
from loanword.report.comparisons import reference_run
from loanword.report.facts import ScoreFacts
from loanword.report.gather import RunRecords
from loanword.report.knowledge import Knowledge, KnowledgeScore, value
from loanword.report.statistics import (
    RESAMPLING_SEED,
    SMALLEST_NUM_EXAMPLES,
    Estimate,
    Floats,
    bootstrap_estimate,
    resampled_shares,
    share_estimate,
    shares,
    wilson,
)

State = Literal["told", "missing", "too few", "none"]


@dataclass(frozen=True)
class SourceOverlap:
    """What one text holds of one benchmark; `artifact` tells texts apart that have the same name in different runs."""

    benchmark: str
    source: str
    artifact: str
    overlaps: tuple[Overlap, ...]

    @property
    def touched(self) -> list[Overlap]:
        """The examples that the text touches, in the benchmark's order."""
        return [one for one in self.overlaps if one.touched]

    @property
    def num_too_short(self) -> int:
        """Examples of which nothing can be told."""
        return sum(not one.num_ngrams for one in self.overlaps)


@dataclass(frozen=True)
class SplitScore:
    """One benchmark under one run, over touched and over clean examples apart.

    `difference` is touched minus clean, `beyond_base` the same of what the run earns more than the base on each
    example; None where there is none. `state` says why: records are missing, either side has too few examples, or
    nothing is touched at all.
    """

    state: State
    num_graded: int
    num_touched: int
    num_too_short: int
    clean: Estimate | None = None
    touched: Estimate | None = None
    difference: Estimate | None = None
    beyond_base: Estimate | None = None


Splits = Mapping[tuple[str, str], SplitScore]
"""By run label and benchmark."""


def source_overlaps(runs: Sequence[RunRecords]) -> list[SourceOverlap]:
    """Every text that was measured against every benchmark, each once, in the order of the runs."""
    found: dict[tuple[str, str, str], SourceOverlap] = {}
    for run in runs:
        for benchmark in asked_of(run):
            for source, role in sources_of(run, benchmark).items():
                artifact = run.artifacts[role]
                if artifact is not None and role in run.overlaps:
                    key = benchmark, source, artifact.manifest.name
                    found.setdefault(key, SourceOverlap(*key, run.overlaps[role]))
    return list(found.values())


def asked_of(run: RunRecords) -> list[str]:
    """The benchmarks that a run is to answer."""
    return run.named("grades")


def sources_of(run: RunRecords, benchmark: str) -> dict[str, str]:
    """The texts that a run measures a benchmark against: name and role."""
    names = sorted(asked_of(run), key=len, reverse=True)
    found: dict[str, str] = {}
    for role in run.artifacts:
        stage, _, rest = role.partition(".")
        # Names may hold points themselves: the longest that fits is the benchmark's.
        of = next((name for name in names if rest.startswith(f"{name}.")), None)
        if stage == "overlap" and of == benchmark:
            found[rest.removeprefix(f"{benchmark}.")] = role
    return found


def split_scores(runs: Sequence[RunRecords], knowledge: Knowledge) -> Splits:
    """The scores of touched and clean examples of every run and benchmark whose overlap is measured."""
    base = reference_run(runs)
    found: dict[tuple[str, str], SplitScore] = {}
    for run in runs:
        for benchmark in asked_of(run):
            if roles := list(sources_of(run, benchmark).values()):
                under_base = None if base is None or base is run else knowledge.get((base.label, benchmark))
                graded = knowledge.get((run.label, benchmark))
                found[run.label, benchmark] = _split(run, roles, graded, under_base)
    return found


def _split(
    run: RunRecords, roles: Sequence[str], graded: KnowledgeScore | None, base: KnowledgeScore | None
) -> SplitScore:
    if graded is None or any(role not in run.overlaps for role in roles):
        return SplitScore("missing", 0, 0, 0)
    touched_ids = {one.id for role in roles for one in run.overlaps[role] if one.touched}
    short_ids = {one.id for one in run.overlaps[roles[0]] if not one.num_ngrams}
    facts = graded.scores[0].facts
    grades = [grade for grade in graded.grades.values() if grade.subject in facts.subjects]
    touched = [grade for grade in grades if grade.id in touched_ids]
    clean = [grade for grade in grades if grade.id not in touched_ids]
    num_too_short = sum(grade.id in short_ids for grade in grades)
    if not touched:
        return SplitScore("none", len(grades), 0, num_too_short)
    if min(len(touched), len(clean)) < SMALLEST_NUM_EXAMPLES:
        return SplitScore("too few", len(grades), len(touched), num_too_short)
    ours, theirs = Earned.of(touched, facts), Earned.of(clean, facts)
    return SplitScore(
        "told",
        len(grades),
        len(touched),
        num_too_short,
        clean=theirs.share,
        touched=ours.share,
        difference=difference(ours, theirs),
        beyond_base=None if base is None else _beyond(touched, clean, base, facts),
    )


@dataclass(frozen=True)
class Earned:
    """What some examples earned: rows are (earned, possible)."""

    rows_N2: Floats

    @classmethod
    def of(cls, grades: Sequence[Grade], facts: ScoreFacts) -> "Earned":
        weights = [_weight(grade, facts) for grade in grades]
        rows = [(value(grade, facts) * weight, weight) for grade, weight in zip(grades, weights, strict=True)]
        return cls(np.array(rows, dtype=np.float64))

    @property
    def num_right(self) -> int | None:
        """Examples that are right, where each is right or wrong and counts the same; else None."""
        plain = set(np.unique(self.rows_N2[:, 0]).tolist()) <= {0.0, 1.0} and (self.rows_N2[:, 1] == 1).all()
        return int(self.rows_N2[:, 0].sum()) if plain else None

    @property
    def share(self) -> Estimate:
        if self.num_right is not None:
            return wilson(self.num_right, len(self.rows_N2))
        (share,) = shares([self.rows_N2])
        if share in (0.0, 1.0):
            # Resamples of examples that earn all, or nothing, are equal, and would leave no doubt.
            return wilson(round(share * len(self.rows_N2)), len(self.rows_N2))
        return share_estimate([self.rows_N2])


def difference(ours: Earned, theirs: Earned) -> Estimate:
    """The difference of two shares over different examples, with its interval.

    Source: Newcombe 1998, method 10, square-and-add of the two intervals: Wilson's as there, or a bootstrap's.
    """
    one, other = ours.share, theirs.share
    found = one.value - other.value
    low = math.hypot(one.value - one.low, other.high - other.value)
    high = math.hypot(one.high - one.value, other.value - other.low)
    return Estimate(found, found - low, found + high)


def _beyond(
    touched: Sequence[Grade], clean: Sequence[Grade], base: KnowledgeScore, facts: ScoreFacts
) -> Estimate | None:
    """How much more a run gains on touched examples than on clean ones, over the base on each.

    None where a side has too few examples, or gains the same on each: that shows no spread to take an interval from.
    """
    sides = [_gains(side, base, facts) for side in (touched, clean)]
    if min(map(len, sides)) < SMALLEST_NUM_EXAMPLES or any(map(_are_equal, sides)):
        return None
    gains = [float(shares([rows_N2])[0]) for rows_N2 in sides]
    # Other draws for the other side: they are other examples.
    resampled = [resampled_shares([rows_N2], seed=RESAMPLING_SEED + place)[:, 0] for place, rows_N2 in enumerate(sides)]
    return bootstrap_estimate(gains[0] - gains[1], resampled[0] - resampled[1])


def _are_equal(rows_N2: Floats) -> bool:
    share_N = rows_N2[:, 0] / rows_N2[:, 1]
    return np.allclose(share_N, share_N[0])


def _gains(grades: Sequence[Grade], base: KnowledgeScore, facts: ScoreFacts) -> Floats:
    """(earned more than under the base, possible) of each example that both were graded on."""
    rows: list[tuple[float, float]] = []
    for grade in grades:
        before = base.grades.get((grade.subject, grade.id))
        if before is not None:
            weight = _weight(grade, facts)
            rows.append(((value(grade, facts) - value(before, facts)) * weight, weight))
    return np.array(rows, dtype=np.float64).reshape(-1, 2)


def _weight(grade: Grade, facts: ScoreFacts) -> float:
    return grade.points if facts.over == "points" else 1.0
