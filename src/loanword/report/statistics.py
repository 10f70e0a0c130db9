"""Estimates with intervals, paired tests, and verdicts in words. Pure: arrays in, numbers out.

Shapes: N examples or documents, K columns, R resamples, S subjects.

Every bootstrap draws with one fixed seed, so two runs over the same N documents are resampled alike, and the
difference of their resampled values is the paired bootstrap.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any, ClassVar, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, stdtr, stdtrit  # pyright: ignore[reportMissingTypeStubs]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

CONFIDENCE = 0.95
SIGNIFICANCE = 0.05
NUM_RESAMPLES = 10_000
RESAMPLING_SEED = 20240101
SMALLEST_NUM_EXAMPLES = 30
# Draws of one chunk; bounds the memory of a bootstrap at about 80 MB whatever the number of documents.
DRAWS_PER_CHUNK = 5_000_000

Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
POWER = 0.8
POWER_Z = NormalDist().inv_cdf(POWER)
MOST_KINDS_OF_ROWS = 256
"""Distinct rows up to which counting how often each is drawn is faster than drawing them one by one."""


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class PairedDifference:
    """Arm minus control over the same examples, with an unadjusted two-sided p-value and its standard error.

    `critical` is how many standard errors half the interval has. `example_error` is the part of the standard error
    that comes from examples: all of it where one seed was trained.
    """

    difference: Estimate
    p_value: float
    num_examples: int
    standard_error: float
    critical: float = Z
    num_seeds: int = 1
    example_error: float | None = None

    @property
    def smallest_detectable(self) -> float:
        """The true difference that so many such examples and seeds would show in four of five repetitions, at p < 0.05.

        Source: Cohen 1988, power of a two-sided normal test.
        """
        return (self.critical + POWER_Z) * self.standard_error

    @property
    def standardised(self) -> float | None:
        """The difference in standard deviations of the differences of single examples; None where they have none.

        Source: Cohen 1988, d of paired values (d_z).
        """
        error = self.standard_error if self.example_error is None else self.example_error
        return self.difference.value / (error * math.sqrt(self.num_examples)) if error else None


@dataclass(frozen=True)
class Verdict:
    """What a comparison shows; `bound` is the largest difference that the interval leaves possible."""

    word: Literal["helps", "hurts", "no difference", "not enough data"]
    bound: float | None = None


def bits_per_byte(nats: float, num_bytes: float) -> float:
    """Loss per byte of text: comparable across vocabularies, unlike perplexity per token."""
    return nats / (math.log(2) * num_bytes)


def perplexity(nats: float, num_tokens: float) -> float:
    """Exponential of the loss per token: comparable under one vocabulary only."""
    return math.exp(min(nats / num_tokens, 700.0))


def resampled_sums(
    columns_NK: Floats,
    *,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = RESAMPLING_SEED,
    num_drawn: int | None = None,
) -> Floats:
    """Column sums over `num_resamples` draws of `num_drawn` of N rows (of N by default) with replacement, [R, K].

    The draws depend on N and the seed alone, never on the values.
    """
    num_rows = len(columns_NK)
    rng = np.random.default_rng([seed, num_rows])
    chunk = max(1, DRAWS_PER_CHUNK // num_rows)
    sums: list[Floats] = []
    for start in range(0, num_resamples, chunk):
        size = min(chunk, num_resamples - start)
        drawn = rng.integers(0, num_rows, size=(size, num_drawn or num_rows), dtype=np.int64)
        drawn += np.arange(size, dtype=np.int64)[:, None] * num_rows
        times_RN = np.bincount(drawn.ravel(), minlength=size * num_rows).reshape(size, num_rows)
        sums.append(times_RN.astype(np.float64) @ columns_NK)
    return np.concatenate(sums)


def bootstrap_estimate(value: float, resampled_R: Floats) -> Estimate:
    """A value with its percentile interval."""
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(resampled_R, [tail, 100 - tail])
    return Estimate(value, float(low), float(high))


def paired_bootstrap(
    arm: float, control: float, arm_R: Floats, control_R: Floats, num_examples: int
) -> PairedDifference:
    """Difference of two numbers that were resampled alike, with Student's interval and p on the resampled error.

    Percentiles of the resamples would cover less often where a few long documents weigh most. Counting resamples
    beyond zero would end at 2 / (R + 1), which no adjustment over a few hundred comparisons survives.
    """
    difference, error = arm - control, float(np.std(arm_R - control_R, ddof=1))
    freedom = max(1, num_examples - 1)
    critical = float(stdtrit(freedom, (1 + CONFIDENCE) / 2))
    p_value = 1.0 if difference == 0 else 0.0 if error == 0 else 2 * float(stdtr(freedom, -abs(difference) / error))
    half = critical * error
    interval = Estimate(difference, difference - half, difference + half)
    return PairedDifference(interval, p_value, num_examples, error, critical)


def beyond_the_best(values_C: Floats, resampled_RC: Floats) -> list[float]:
    """For each of C candidates that were resampled alike, the p-value of its distance to the smallest of them all.

    Resamples are centred, so that all candidates are equal, and the smallest is taken anew in each: a distance to a
    smallest that was chosen on the same documents is never below 0, and large by chance where candidates are many.

    Source: Hsu 1984, comparisons with the best, under equal candidates; by bootstrap as in Westfall and Young 1993.
    """
    distances_C = values_C - values_C.min()
    centred_RC = resampled_RC - values_C
    by_chance_RC = centred_RC - centred_RC.min(axis=1, keepdims=True)
    reached_C = np.count_nonzero(by_chance_RC >= distances_C, axis=0)
    return [(int(reached) + 1) / (len(resampled_RC) + 1) for reached in reached_C]


def resampled_totals(columns_NK: Floats, rng: np.random.Generator, num_resamples: int = NUM_RESAMPLES) -> Floats:
    """Column sums over draws of N - 1 rows with replacement, [R, K]; of a single row, itself.

    Means of N draws spread too little, by (N - 1) / N, which small strata add up. Where few rows differ, how often each
    kind is drawn is multinomial, so that whole resamples are drawn at once.

    Source: McCarthy and Snowden 1985, the bootstrap with replacement of a stratified sample.
    """
    num_rows = len(columns_NK)
    num_drawn = max(1, num_rows - 1)
    kinds_MK, times_M = np.unique(columns_NK, axis=0, return_counts=True)
    if len(kinds_MK) > MOST_KINDS_OF_ROWS:
        seed = int(rng.integers(2**31))
        return resampled_sums(columns_NK, num_resamples=num_resamples, seed=seed, num_drawn=num_drawn)
    drawn_RM = rng.multinomial(num_drawn, times_M / num_rows, size=num_resamples)
    return drawn_RM @ kinds_MK


def resampled_shares(
    strata: Sequence[Floats], *, num_resamples: int = NUM_RESAMPLES, seed: int = RESAMPLING_SEED
) -> Floats:
    """Resampled shares of the last column, [R, K - 1]: a column's sum over the last one's, averaged over the strata.

    Rows are drawn inside their stratum. A stratum of a single row shows no spread of its own, which is no certainty:
    where there is one, strata are drawn too. Equal strata give equal draws.
    """
    rng = np.random.default_rng([seed, len(strata), sum(map(len, strata))])
    totals = (resampled_totals(columns_NK, rng, num_resamples) for columns_NK in strata)
    shares_SRK = np.stack([totals_RK[:, :-1] / totals_RK[:, -1:] for totals_RK in totals])
    if len(strata) > 1 and min(map(len, strata)) == 1:
        drawn_SR = rng.integers(0, len(strata), size=shares_SRK.shape[:2])
        shares_SRK = np.take_along_axis(shares_SRK, drawn_SR[:, :, None], axis=0)
    return shares_SRK.mean(axis=0)


def shares(strata: Sequence[Floats]) -> Floats:
    """The shares of the last column, [K - 1], that `resampled_shares` resamples."""
    sums = (columns_NK.sum(axis=0) for columns_NK in strata)
    return np.mean([sums_K[:-1] / sums_K[-1] for sums_K in sums], axis=0)


def share_estimate(strata: Sequence[Floats]) -> Estimate:
    """A score with its interval over examples: rows are (earned, possible)."""
    (value,) = shares(strata)
    return bootstrap_estimate(float(value), resampled_shares(strata)[:, 0])


def paired_shares(strata: Sequence[Floats]) -> PairedDifference:
    """Difference of two scores over the same examples: rows are (earned by the arm, by the control, possible)."""
    arm, control = shares(strata)
    resampled_R2 = resampled_shares(strata)
    num_examples = sum(map(len, strata))
    return paired_bootstrap(float(arm), float(control), resampled_R2[:, 0], resampled_R2[:, 1], num_examples)


def wilson(num_correct: int, num_examples: int) -> Estimate:
    """Accuracy with Wilson's score interval.

    Source: Wilson 1927; recommended for small samples by Brown, Cai and DasGupta 2001.
    """
    share = num_correct / num_examples
    scale = 1 + Z**2 / num_examples
    centre = (share + Z**2 / (2 * num_examples)) / scale
    half = Z * math.sqrt(share * (1 - share) / num_examples + Z**2 / (4 * num_examples**2)) / scale
    return Estimate(share, min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half)))


def paired_accuracy(arm_N: Bools, control_N: Bools) -> PairedDifference:
    """Difference in accuracy over the same examples: exact McNemar test, adjusted Wald interval.

    Source: McNemar 1947; Bonett and Price 2012 for the interval.
    """
    num_examples = len(arm_N)
    gained = int(np.count_nonzero(arm_N & ~control_N))
    lost = int(np.count_nonzero(~arm_N & control_N))
    share_gained, share_lost = (gained + 1) / (num_examples + 2), (lost + 1) / (num_examples + 2)
    centre = share_gained - share_lost
    half = Z * math.sqrt((share_gained + share_lost - centre**2) / (num_examples + 2))
    difference = (gained - lost) / num_examples
    interval = Estimate(difference, max(-1.0, centre - half), min(1.0, centre + half))
    error = math.sqrt((gained + lost) / num_examples - difference**2) / math.sqrt(num_examples)
    return PairedDifference(interval, mcnemar_p_value(gained, lost), num_examples, error)


def mcnemar_p_value(gained: int, lost: int) -> float:
    """Two-sided exact p-value of the examples that only one of two runs answered correctly."""
    return min(1.0, 2 * float(bdtr(min(gained, lost), gained + lost, 0.5)))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for the size of their family, in the given order.

    Source: Holm 1979.
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def verdict(paired: PairedDifference, adjusted_p: float, *, lower_is_better: bool, margin: float) -> Verdict:
    """What a paired difference shows, by the rule that the report prints.

    Not enough data: fewer than 30 shared examples, whatever p is. Helps or hurts: otherwise, with an adjusted p-value
    below 0.05 and an interval on one side of zero, which a test of another kind than the interval might leave open.
    Not enough data again: otherwise, with an interval that reaches beyond `margin`. No difference: all other cases.
    """
    difference = paired.difference
    bound = max(abs(difference.low), abs(difference.high))
    if paired.num_examples < SMALLEST_NUM_EXAMPLES:
        return Verdict("not enough data", bound)
    if adjusted_p < SIGNIFICANCE and (difference.low > 0 or difference.high < 0):
        return Verdict("helps" if (difference.value < 0) == lower_is_better else "hurts", bound)
    return Verdict("not enough data" if bound > margin else "no difference", bound)


def cohens_h(arm: float, control: float) -> float:
    """Effect size of a difference of two shares: the same near 0 and 1, where points are few, as in the middle.

    Source: Cohen 1988, chapter 6.
    """
    return 2 * (math.asin(math.sqrt(arm)) - math.asin(math.sqrt(control)))


class Compared(Protocol):
    """A dataclass of an arm beside its control; `paired` is None where there is nothing to compare."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def paired(self) -> PairedDifference | None: ...


D = TypeVar("D", bound=Compared)


def with_verdicts(found: Sequence[D], *, lower_is_better: Callable[[D], bool], margin: Callable[[D], float]) -> list[D]:
    """Differences of one family with `adjusted_p`, by Holm over all of them, and the `verdict` of each."""
    adjusted = iter(holm([one.paired.p_value for one in found if one.paired is not None]))
    told: list[D] = []
    for one in found:
        if one.paired is not None:
            p_value = next(adjusted)
            reached = verdict(one.paired, p_value, lower_is_better=lower_is_better(one), margin=margin(one))
            one = replace(one, adjusted_p=p_value, verdict=reached)
        told.append(one)
    return told
