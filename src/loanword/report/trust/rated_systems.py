"""Systems by what they were given: whether two sides rank them alike, and which of them one side tells apart.

Shapes: S systems, Q examples, R resamples.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from loanword.report.statistics import (
    Floats,
    PairedDifference,
    Z,
    bootstrap_estimate,
    holm,
    paired_bootstrap,
    resampled_sums,
)
from loanword.report.trust.concordance import (
    FEW_EXAMPLES,
    FEW_SYSTEMS,
    SMALLEST_NUM_FOR_INTERVAL,
    Measured,
    kendall,
    kinds_of,
    mean_of,
    measured,
    same_order,
    spearman,
)
from loanword.report.trust.rated import ALL_EQUAL, NONE_TOLD_APART, Side, mean_score

Means = Mapping[str, Mapping[str, float]]
"""Mean scores by system and item."""
SMALLEST_NUM_SYSTEMS = 3


@dataclass(frozen=True)
class SystemAgreement:
    """How far two sides' means of systems agree on one item, with intervals over systems.

    Spreads are the largest mean minus the smallest.
    """

    item: str
    num_systems: int
    spearman: Measured
    kendall: Measured
    order: Measured
    bias: Measured
    spread: float
    other_spread: float

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why some of it is not there."""
        found = (self.spearman, self.kendall, self.order, self.bias)
        return tuple(dict.fromkeys(one.why for one in found if one.why))


@dataclass(frozen=True)
class SystemMean:
    """A system's mean over examples, with an interval where they are not too few."""

    system: str
    mean: Measured
    num_examples: int


@dataclass(frozen=True)
class SystemPair:
    """Two systems next to each other in rank, over the examples that both were rated on.

    `unpaired_error` is the standard error that the difference would have between two samples of different examples.
    """

    first: str
    second: str
    paired: PairedDifference
    unpaired_error: float
    adjusted_p: float

    @property
    def standard_error(self) -> float:
        return self.paired.standard_error

    @property
    def is_told_apart(self) -> bool:
        """Whether the difference is more than 1.96 standard errors."""
        return abs(self.paired.difference.value) > Z * self.standard_error

    @property
    def pairing_gain(self) -> float | None:
        """How many times smaller pairing makes the standard error; None where it leaves none."""
        return self.unpaired_error / self.standard_error if self.standard_error else None


def means_of(side: Side, items: Sequence[str]) -> Means:
    """Each system's mean over its examples by item; an item that it was never given is not in it."""
    given: dict[str, dict[str, list[float]]] = {system: {} for system in side.systems}
    for one in side.responses:
        for item in items:
            score = mean_score(one, item, side.items)
            if score is not None:
                given[one.system].setdefault(item, []).append(score)
    return {
        system: {item: float(np.mean(scores)) for item, scores in by_item.items()} for system, by_item in given.items()
    }


def system_agreements(judge: Means, other: Means, items: Sequence[str]) -> tuple[SystemAgreement, ...]:
    """Agreement on each item over the systems that have it on both sides; none of an item with fewer than three."""
    found = [_system_agreement(judge, other, item) for item in items]
    return tuple(one for one in found if one is not None)


def _system_agreement(judge: Means, other: Means, item: str) -> SystemAgreement | None:
    shared = [system for system in judge if item in judge[system] and item in other.get(system, {})]
    if len(shared) < SMALLEST_NUM_SYSTEMS:
        return None
    judge_S = np.array([judge[system][item] for system in shared])
    other_S = np.array([other[system][item] for system in shared])
    kinds = kinds_of([judge_S, other_S], np.arange(len(shared)))
    judge_K, other_K = kinds.columns_CK
    return SystemAgreement(
        item=item,
        num_systems=len(shared),
        spearman=measured(kinds, spearman(judge_K, other_K), ALL_EQUAL, FEW_SYSTEMS),
        kendall=measured(kinds, kendall(judge_K, other_K), ALL_EQUAL, FEW_SYSTEMS),
        order=measured(kinds, same_order(judge_K, other_K), NONE_TOLD_APART, FEW_SYSTEMS),
        bias=measured(kinds, mean_of(judge_K - other_K), ALL_EQUAL, FEW_SYSTEMS),
        spread=float(np.ptp(judge_S)),
        other_spread=float(np.ptp(other_S)),
    )


def ranked(side: Side, item: str) -> tuple[SystemMean, ...]:
    """Systems by their mean on one item, best first, with intervals over examples."""
    scores_SQ = _scores(side, item)
    has_SQ = np.isfinite(scores_SQ)
    columns_QC = np.concatenate([np.where(has_SQ, scores_SQ, 0.0), has_SQ]).T
    sums_RS, nums_RS = np.split(resampled_sums(columns_QC), 2, axis=1)
    means_RS = sums_RS / np.maximum(nums_RS, 1.0)
    found: list[SystemMean] = []
    for place, system in enumerate(side.systems):
        num = int(has_SQ[place].sum())
        if not num:
            continue
        mean = Measured(_mean(scores_SQ[place]), why=FEW_EXAMPLES)
        if num >= SMALLEST_NUM_FOR_INTERVAL:
            estimate = bootstrap_estimate(mean.value or 0.0, means_RS[:, place])
            mean = Measured(estimate.value, estimate.low, estimate.high)
        found.append(SystemMean(system, mean, num))
    return tuple(sorted(found, key=lambda one: -(one.mean.value or 0.0)))


def neighbours(side: Side, item: str) -> tuple[SystemPair, ...]:
    """Each system beside the next in rank, paired by example; p-values are adjusted over these pairs.

    Pairs that share fewer than ten examples are left out.
    """
    scores_SQ = _scores(side, item)
    rated = [place for place, has_Q in enumerate(np.isfinite(scores_SQ)) if has_Q.any()]
    order = sorted(rated, key=lambda place: -_mean(scores_SQ[place]))
    # One draw of examples for all pairs; a pair's mean is over those of the drawn that both were rated on.
    both_PQ = {pair: np.isfinite(scores_SQ[list(pair)]).all(axis=0) for pair in itertools.pairwise(order)}
    both_PQ = {pair: both_Q for pair, both_Q in both_PQ.items() if both_Q.sum() >= SMALLEST_NUM_FOR_INTERVAL}
    if not both_PQ:
        return ()
    columns = [
        np.where(both_Q, scores_SQ[first] - scores_SQ[second], 0.0) for (first, second), both_Q in both_PQ.items()
    ]
    sums_RP, nums_RP = np.split(resampled_sums(np.column_stack([*columns, *both_PQ.values()]).astype(float)), 2, axis=1)
    drawn_RP = sums_RP / np.maximum(nums_RP, 1.0)
    found = [
        (pair, *_paired(scores_SQ[list(pair)][:, both_Q], drawn_RP[:, place]))
        for place, (pair, both_Q) in enumerate(both_PQ.items())
    ]
    adjusted = holm([paired.p_value for _, paired, _ in found])
    return tuple(
        SystemPair(side.systems[first], side.systems[second], paired, error, adjusted_p)
        for ((first, second), paired, error), adjusted_p in zip(found, adjusted, strict=True)
    )


def _paired(scores_2Q: Floats, drawn_R: Floats) -> tuple[PairedDifference, float]:
    """A paired difference, and its standard error without pairing. Both errors are exact, not resampled."""
    num = scores_2Q.shape[1]
    paired = paired_bootstrap(float((scores_2Q[0] - scores_2Q[1]).mean()), 0.0, drawn_R, np.zeros_like(drawn_R), num)
    error = float(np.std(scores_2Q[0] - scores_2Q[1], ddof=1)) / math.sqrt(num)
    unpaired = math.sqrt(float(np.var(scores_2Q, axis=1, ddof=1).sum()) / num)
    return PairedDifference(paired.difference, paired.p_value, num, error), unpaired


def _mean(scores_Q: Floats) -> float:
    return float(scores_Q[np.isfinite(scores_Q)].mean())


def _scores(side: Side, item: str) -> Floats:
    """Each system's score on each example, [S, Q], not a number where it has none."""
    systems = {system: place for place, system in enumerate(side.systems)}
    examples = {example: place for place, example in enumerate(dict.fromkeys(one.example for one in side.responses))}
    scores_SQ = np.full((len(systems), len(examples)), np.nan)
    for one in side.responses:
        score = mean_score(one, item, side.items)
        if score is not None:
            scores_SQ[systems[one.system], examples[one.example]] = score
    return scores_SQ
