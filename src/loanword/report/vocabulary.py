"""Whether a larger vocabulary is worth it: arms that differ in their new pieces alone, at equal text and equal compute.

At equal compute an arm is compared with a control that nobody trained: its bits per byte are interpolated, straight in
the logarithm of training FLOPs, between the control's two measured budgets around the arm's FLOPs, and never beyond
them. Interpolating every resample gives the paired interval.

Shapes: B budgets, R resamples.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from loanword.report.arms import Arm, budget_arms, describe
from loanword.report.comparisons import MARGIN_BITS_PER_BYTE
from loanword.report.gather import BUDGET, NEW_PIECES, VOCABULARY, RunRecords
from loanword.report.likelihoods import LanguageScore, Scores, compare_languages, interpolated
from loanword.report.saying import listed, say
from loanword.report.statistics import (
    CONFIDENCE,
    Estimate,
    Floats,
    PairedDifference,
    Verdict,
    with_verdicts,
)
from loanword.report.wording import Setting

Reading = Literal["equal text", "equal compute"]
Places = NDArray[np.int64]

NEVER = float("inf")
FROM_THE_START = 0.0


@dataclass(frozen=True)
class Measured:
    """An arm minus its control in bits per byte; `outside` where the control was not measured at such compute."""

    paired: PairedDifference | None
    outside: Literal["", "below", "beyond"] = ""
    adjusted_p: float | None = None
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Level:
    """One budget of target text: an arm, the control that read the same text, and their differences.

    `run` is the arm's label, `asked` the budget in words, `target_bytes` what was read for it. FLOPs are of training
    after the base; None where they, or the text, are missing.
    """

    run: str
    asked: str
    target_bytes: float | None
    flops: float | None
    arm: LanguageScore | None
    control: LanguageScore | None
    equal_text: Measured
    equal_compute: Measured


@dataclass(frozen=True)
class BreakEven:
    """Bytes of target text from which an arm has no more bits per byte than its control at every larger budget.

    0 means at every measured budget, infinity not at the largest. The median and the interval are of resampled
    documents, budgets outside the measured ones counted as 0 and infinity; the shares are of resamples.
    """

    bytes: Estimate
    median: float
    share_never: float
    share_from_start: float
    smallest: float
    largest: float
    is_ahead_before: bool


@dataclass(frozen=True)
class VocabularyPair:
    """An arm with new pieces and the control without, over their budgets of text, smallest first."""

    target: str
    arm: Arm
    control: Arm
    levels: tuple[Level, ...]
    at_equal_text: BreakEven | None
    at_equal_compute: BreakEven | None

    @property
    def break_evens(self) -> tuple[tuple[Reading, BreakEven | None], ...]:
        """Where the arm breaks even, by either reading."""
        return ("equal text", self.at_equal_text), ("equal compute", self.at_equal_compute)

    @property
    def last(self) -> Level | None:
        """The largest budget at which both have bits per byte."""
        return next((level for level in reversed(self.levels) if level.equal_text.paired is not None), None)


def vocabulary_pairs(runs: Sequence[RunRecords], scores: Scores) -> list[VocabularyPair]:
    """Every line of budgets with new pieces beside the line that differs from it in nothing else.

    p-values are adjusted by Holm over the differences of all pairs.
    """
    lines = budget_arms(runs)
    controls: dict[tuple[object, ...], Arm] = {}
    for line in lines:
        if not line.runs[-1].settings.get(NEW_PIECES):
            # Settings of new pieces tell apart runs that have none, and are one run all the same.
            controls.setdefault(_rest(line.runs[-1]), line)
    arms = [line for line in lines if line.runs[-1].settings.get(NEW_PIECES)]
    found = [_pair(arm, control, scores) for arm in arms if (control := controls.get(_rest(arm.runs[-1]))) is not None]
    return _judged(found)


def train_flops(run: RunRecords) -> float | None:
    """FLOPs of a run's training after the base; None where a stage of it is missing."""
    after = run.after_base
    return None if after is None else sum(summary.train_flops for summary in after)


def _rest(run: RunRecords) -> tuple[object, ...]:
    """Seed and settings of a run, those apart that a pair may differ in, or has at every budget."""
    kept = {key: value for key, value in run.settings.items() if not key.startswith((*VOCABULARY, BUDGET))}
    return run.seed, *sorted(kept.items())


def _pair(arm: Arm, control: Arm, scores: Scores) -> VocabularyPair:
    target = str(arm.runs[-1].settings.get("target", ""))
    curve = _compute_curve(control, scores, target)
    controls = {_budget(run): run for run in control.runs}
    levels = tuple(
        _level(run, controls[_budget(run)], scores, target, curve) for run in arm.runs if _budget(run) in controls
    )
    return VocabularyPair(
        target,
        arm,
        control,
        levels,
        _break_even([(level, level.control) for level in levels]),
        _break_even([(level, _at_compute(curve, level.flops)) for level in levels]),
    )


def _budget(run: RunRecords) -> tuple[tuple[str, Setting], ...]:
    """What was asked for: arms read the same documents for it, though rows may end elsewhere in the last one."""
    return tuple(sorted((key, value) for key, value in run.settings.items() if key.startswith(BUDGET) and value))


@dataclass(frozen=True)
class _Curve:
    """A control's scores over training FLOPs, all on the same documents."""

    log_flops_B: Floats
    scores: tuple[LanguageScore, ...]


def _compute_curve(control: Arm, scores: Scores, target: str) -> _Curve | None:
    points = [(train_flops(run), scores.get((run.label, target))) for run in control.runs]
    known = [(flops, score) for flops, score in points if flops and score is not None]
    known = sorted((one for one in known if one[1].documents == known[-1][1].documents), key=lambda one: one[0])
    if len(known) < 2:
        return None
    return _Curve(np.log([flops for flops, _ in known]), tuple(score for _, score in known))


def _at_compute(curve: _Curve | None, flops: float | None) -> LanguageScore | None:
    """The control as it would be at so many FLOPs; None outside those that were measured."""
    if curve is None or not flops or _outside(curve, flops):
        return None
    log_flops_B, place = curve.log_flops_B, math.log(flops)
    after = max(1, sum(place > log_flops for log_flops in log_flops_B.tolist()))
    share = float((place - log_flops_B[after - 1]) / (log_flops_B[after] - log_flops_B[after - 1]))
    return interpolated(curve.scores[after - 1], curve.scores[after], share)


def _outside(curve: _Curve, flops: float) -> Literal["", "below", "beyond"]:
    place = math.log(flops)
    return "below" if place < curve.log_flops_B[0] else "beyond" if place > curve.log_flops_B[-1] else ""


def _level(arm: RunRecords, control: RunRecords, scores: Scores, target: str, curve: _Curve | None) -> Level:
    ours, theirs, flops = scores.get((arm.label, target)), scores.get((control.label, target)), train_flops(arm)
    equal = _at_compute(curve, flops)
    return Level(
        run=arm.label,
        asked=listed(describe(arm, [key for key in arm.settings if key.startswith(BUDGET)])) or say("no target text"),
        target_bytes=arm.num_target_bytes,
        flops=flops,
        arm=ours,
        control=theirs,
        equal_text=Measured(compare_languages(ours, theirs) if ours and theirs else None),
        equal_compute=Measured(
            compare_languages(ours, equal) if ours and equal else None,
            _outside(curve, flops) if curve and flops else "",
        ),
    )


def _break_even(sides: Sequence[tuple[Level, LanguageScore | None]]) -> BreakEven | None:
    known = [
        (level.target_bytes, level.arm, control)
        for level, control in sides
        if level.target_bytes and level.arm and control and level.arm.documents == control.documents
    ]
    if not known:
        return None
    budgets_B = np.array([budget for budget, _, _ in known], dtype=np.float64)
    differences_B = np.array([arm.bits_per_byte.value - control.bits_per_byte.value for _, arm, control in known])
    resampled_RB = np.stack(
        [arm.resampled_bits_per_byte_R - control.resampled_bits_per_byte_R for _, arm, control in known], axis=1
    )
    return break_even(budgets_B, differences_B, resampled_RB)


def break_even(budgets_B: Floats, differences_B: Floats, resampled_RB: Floats) -> BreakEven:
    """Where differences over ascending budgets stop being above 0 for good, straight in the logarithm of the budget.

    Differences are an arm's bits per byte minus its control's.
    """
    crossings_R = _crossings(budgets_B, resampled_RB)
    tail = 100 * (1 - CONFIDENCE) / 2
    # Ranks, because nothing lies halfway to infinity.
    low, median, high = np.percentile(crossings_R, [tail, 50, 100 - tail], method="inverted_cdf")
    return BreakEven(
        bytes=Estimate(float(_crossings(budgets_B, differences_B[None])[0]), float(low), float(high)),
        median=float(median),
        share_never=np.count_nonzero(crossings_R == NEVER) / len(crossings_R),
        share_from_start=np.count_nonzero(crossings_R == FROM_THE_START) / len(crossings_R),
        smallest=float(budgets_B[0]),
        largest=float(budgets_B[-1]),
        is_ahead_before=bool((differences_B[:-1] <= 0).any()),
    )


def _crossings(budgets_B: Floats, differences_RB: Floats) -> Floats:
    num_resamples, num_budgets = differences_RB.shape
    behind_RB = differences_RB > 0
    # The last budget at which the arm is behind, and the one after it.
    ranks_R: Places = np.max(behind_RB * np.arange(1, num_budgets + 1, dtype=np.int64), axis=1)
    last_R, next_R = np.maximum(ranks_R - 1, 0), np.minimum(ranks_R, num_budgets - 1)
    rows_R, log_B = np.arange(num_resamples, dtype=np.int64), np.log(budgets_B)
    before_R, after_R = differences_RB[rows_R, last_R], differences_RB[rows_R, next_R]
    with np.errstate(invalid="ignore", divide="ignore"):
        share_R = before_R / (before_R - after_R)
        crossings_R = np.exp(log_B[last_R] + share_R * (log_B[next_R] - log_B[last_R]))
    crossings_R[ranks_R == num_budgets] = NEVER
    crossings_R[ranks_R == 0] = FROM_THE_START
    return crossings_R


def _judged(pairs: Sequence[VocabularyPair]) -> list[VocabularyPair]:
    measured = [one for pair in pairs for level in pair.levels for one in (level.equal_text, level.equal_compute)]
    judged = iter(with_verdicts(measured, lower_is_better=lambda _: True, margin=lambda _: MARGIN_BITS_PER_BYTE))
    return [
        replace(
            pair,
            levels=tuple(replace(level, equal_text=next(judged), equal_compute=next(judged)) for level in pair.levels),
        )
        for pair in pairs
    ]
