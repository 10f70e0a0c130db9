"""How far two lists of ratings agree: order, values, chance-corrected agreement. Pure: arrays in, numbers out.

Shapes: N rated responses, Q examples, K kinds of responses, V values, R resamples, C columns.

Responses whose numbers are all equal are one kind, and every measure here is a function of how often each kind occurs.
A bootstrap over examples therefore only counts kinds anew, all resamples at once: `times_RK` says how often.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from loanword.report.saying import say
from loanword.report.statistics import CONFIDENCE, Floats, resampled_sums

Ints = NDArray[np.int64]
Measure = Callable[[Floats], Floats]
"""From how often each kind occurs, [R, K], to a number a resample, [R]; not a number where it is undefined."""

MOST_RESAMPLES, FEWEST_RESAMPLES = 2_000, 400
"""Of agreement; fewer than the most where kinds are so many that all of them would be more than a chunk."""
SMALLEST_NUM_FOR_INTERVAL = 10
MOST_UNDEFINED = 0.05
"""The share of resamples in which a measure may be undefined and still have an interval."""
NUMBERS_PER_CHUNK = 2_000_000
FEW_EXAMPLES = say("fewer than {number} examples: no interval", number=str(SMALLEST_NUM_FOR_INTERVAL))
FEW_SYSTEMS = say("fewer than {number} systems: no interval", number=str(SMALLEST_NUM_FOR_INTERVAL))


@dataclass(frozen=True)
class Measured:
    """A number and its 95 % interval; what is not there is None, and `why` says the reason."""

    value: float | None
    low: float | None = None
    high: float | None = None
    why: str = ""


@dataclass(frozen=True)
class Kinds:
    """Rated responses, counted by kind: the numbers of each kind, and how often it occurs in each example."""

    columns_CK: Floats
    times_QK: Floats

    @property
    def num_examples(self) -> int:
        return len(self.times_QK)

    @property
    def num_responses(self) -> int:
        return int(self.times_QK.sum())

    @cached_property
    def resampled_RK(self) -> Floats:
        """How often each kind occurs in resamples of the examples."""
        fitting = NUMBERS_PER_CHUNK // self.times_QK.shape[1]
        return resampled_sums(self.times_QK, num_resamples=min(MOST_RESAMPLES, max(FEWEST_RESAMPLES, fitting)))


def kinds_of(columns: Sequence[Floats], examples_N: Ints) -> Kinds:
    """The kinds of N responses with C numbers each, which answer the examples numbered in `examples_N`."""
    rows_KC, kind_N = np.unique(np.column_stack(columns), axis=0, return_inverse=True)
    _, place_N = np.unique(examples_N, return_inverse=True)
    times_QK = np.zeros((int(place_N.max()) + 1, len(rows_KC)))
    np.add.at(times_QK, (place_N, kind_N.reshape(-1)), 1.0)
    return Kinds(rows_KC.T.copy(), times_QK)


def measured(kinds: Kinds, measure: Measure, undefined: str, few: str = FEW_EXAMPLES) -> Measured:
    """A measure over all responses, with its percentile interval over examples.

    `undefined` is the reason where it has no value; `few` says that examples are too few for an interval.
    """
    (value,) = measure(kinds.times_QK.sum(axis=0)[None])
    if not np.isfinite(value):
        return Measured(None, why=undefined)
    if kinds.num_examples < SMALLEST_NUM_FOR_INTERVAL:
        return Measured(float(value), why=few)
    drawn_R = _in_chunks(measure, kinds.resampled_RK)
    defined_R = np.isfinite(drawn_R)
    if 1 - defined_R.mean() > MOST_UNDEFINED:
        return Measured(float(value), why=say("too few different scores for an interval"))
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(drawn_R[defined_R], [tail, 100 - tail])
    return Measured(float(value), float(low), float(high))


def _in_chunks(measure: Measure, times_RK: Floats) -> Floats:
    rows = max(1, NUMBERS_PER_CHUNK // times_RK.shape[1])
    return np.concatenate([measure(times_RK[start : start + rows]) for start in range(0, len(times_RK), rows)])


def mean_of(values_K: Floats) -> Measure:
    """The mean of a number over responses."""
    return lambda times_RK: times_RK @ values_K / times_RK.sum(axis=1)


def spearman(first_K: Floats, second_K: Floats) -> Measure:
    """Spearman's rank correlation, ties at their mean rank.

    Source: Spearman 1904.
    """
    return lambda times_RK: _correlations(_ranks(first_K, times_RK), _ranks(second_K, times_RK), times_RK)


def partial_spearman(first_K: Floats, second_K: Floats, given_K: Floats) -> Measure:
    """Spearman's correlation of two numbers with the ranks of a third held constant.

    Source: Kendall and Stuart, The Advanced Theory of Statistics, volume 2, partial correlation of first order.
    """

    def measure(times_RK: Floats) -> Floats:
        ranks = [_ranks(values_K, times_RK) for values_K in (first_K, second_K, given_K)]
        between_R = _correlations(ranks[0], ranks[1], times_RK)
        first_R, second_R = (_correlations(rank_RK, ranks[2], times_RK) for rank_RK in ranks[:2])
        left_R = (1 - first_R**2) * (1 - second_R**2)
        return _ratio(between_R - first_R * second_R, np.sqrt(np.maximum(left_R, 0.0)), left_R > 1e-12)

    return measure


def kendall(first_K: Floats, second_K: Floats) -> Measure:
    """Kendall's tau-b.

    Source: Kendall 1945, The treatment of ties in ranking problems.
    """

    def measure(times_RK: Floats) -> Floats:
        both_R, first_R, second_R = _ordered_pairs(first_K, second_K, times_RK)
        return _ratio(both_R, np.sqrt(first_R * second_R), (first_R > 0) & (second_R > 0))

    return measure


def same_order(judge_K: Floats, other_K: Floats) -> Measure:
    """The share of pairs of responses that the other tells apart which the judge puts in the same order.

    A pair that the judge rates alike counts half: a judge that never tells responses apart has 0.5.
    """

    def measure(times_RK: Floats) -> Floats:
        both_R, _, other_R = _ordered_pairs(judge_K, other_K, times_RK)
        return _ratio(other_R + both_R, 2 * other_R, other_R > 0)

    return measure


def pairs_within(judge_N: Floats, other_N: Floats, examples_N: Ints) -> Kinds:
    """For each example, two totals of which `share_of` makes `same_order` over pairs of responses to one example."""
    _, place_N = np.unique(examples_N, return_inverse=True)
    totals_Q2 = np.zeros((int(place_N.max()) + 1, 2))
    for place in range(len(totals_Q2)):
        at_N = place_N == place
        ones_K = np.ones((1, int(at_N.sum())))
        both_R, _, other_R = _ordered_pairs(judge_N[at_N], other_N[at_N], ones_K)
        totals_Q2[place] = (other_R[0] + both_R[0]) / 2, other_R[0]
    return Kinds(np.eye(2), totals_Q2)


def share_of(totals_R2: Floats) -> Floats:
    """The first total as a share of the second."""
    return _ratio(totals_R2[:, 0], totals_R2[:, 1], totals_R2[:, 1] > 0)


def quadratic_kappa(first_K: Floats, second_K: Floats) -> Measure:
    """Cohen's kappa with quadratic weights on the scores themselves, which need not be whole numbers.

    Chance is that every score of one meets every score of the other, so it needs no table of categories.

    Source: Fleiss and Cohen 1973, which shows that it is an intraclass correlation.
    """

    def measure(times_RK: Floats) -> Floats:
        num_R = times_RK.sum(axis=1)
        apart_R = times_RK @ (first_K - second_K) ** 2 / num_R
        first_R, second_R = times_RK @ first_K / num_R, times_RK @ second_K / num_R
        by_chance_R = times_RK @ (first_K**2 + second_K**2) / num_R - 2 * first_R * second_R
        scale = float(np.max(first_K**2 + second_K**2, initial=0.0))
        return 1 - _ratio(apart_R, by_chance_R, by_chance_R > 1e-12 * scale)

    return measure


def counts_by_value(scores: Sequence[Sequence[float]]) -> Floats:
    """How often each response was given each score, [N, V], values ascending."""
    values_V = np.unique(np.concatenate([np.asarray(given, dtype=np.float64) for given in scores]))
    counts_NV = np.zeros((len(scores), len(values_V)))
    for place, given in enumerate(scores):
        np.add.at(counts_NV[place], np.searchsorted(values_V, np.asarray(given)), 1.0)
    return counts_NV


def ordinal_alpha(counts_KV: Floats) -> Measure:
    """Krippendorff's alpha for ordered categories; responses with fewer than two scores do not count.

    Scores are compared by their ranks among all scores, so that only their order matters.

    Source: Krippendorff 2011, Computing Krippendorff's alpha-reliability, sections C and D. Its ordinal metric,
    the scores between two categories with half of those in them, is the difference of their mean ranks.
    """
    raters_K = counts_KV.sum(axis=1)
    paired_K = raters_K >= 2
    weights_K = np.where(paired_K, 1 / np.maximum(raters_K - 1, 1), 0.0)

    def measure(times_RK: Floats) -> Floats:
        used_RK = times_RK * paired_K
        num_RV = used_RK @ counts_KV
        ranks_RV = np.cumsum(num_RV, axis=1) - num_RV / 2
        total_R = num_RV.sum(axis=1)
        ranks_RV -= (_ratio((num_RV * ranks_RV).sum(axis=1), total_R, total_R > 0))[:, None]
        spread_RK = raters_K * (ranks_RV**2 @ counts_KV.T) - (ranks_RV @ counts_KV.T) ** 2
        observed_R = (used_RK * weights_K * spread_RK).sum(axis=1)
        by_chance_R = total_R * (num_RV * ranks_RV**2).sum(axis=1)
        several_R = np.count_nonzero(num_RV, axis=1) > 1
        return 1 - _ratio((total_R - 1) * observed_R, by_chance_R, several_R)

    return measure


def equal_repeats(counts_KV: Floats) -> Measure:
    """The mean share of pairs of scores for one response that are equal; each response with several weighs the same."""
    raters_K = counts_KV.sum(axis=1)
    paired_K = raters_K >= 2
    equal_K = (counts_KV * (counts_KV - 1)).sum(axis=1) / np.maximum(raters_K * (raters_K - 1), 1)
    return lambda times_RK: _ratio(
        times_RK @ (equal_K * paired_K), times_RK @ paired_K.astype(np.float64), (times_RK @ paired_K) > 0
    )


def _correlations(first_RK: Floats, second_RK: Floats, times_RK: Floats) -> Floats:
    """Pearson's correlation of centred ranks in each resample."""
    weighted_RK = times_RK * first_RK
    both_R, first_R = (np.einsum("rk,rk->r", weighted_RK, other_RK) for other_RK in (second_RK, first_RK))
    second_R = np.einsum("rk,rk,rk->r", times_RK, second_RK, second_RK)
    # Ranks that differ at all differ by a half at least; what is left of equal ones is rounding.
    varies_R = (first_R > 1e-6) & (second_R > 1e-6)
    return _ratio(both_R, np.sqrt(np.where(varies_R, first_R * second_R, 1.0)), varies_R)


def _ranks(values_K: Floats, times_RK: Floats) -> Floats:
    """Mean ranks of each kind's responses among all of a resample, less the mean of all ranks."""
    _, place_K = np.unique(values_K, return_inverse=True)
    order_K = np.argsort(place_K, kind="stable")
    starts_V = np.flatnonzero(np.diff(place_K[order_K], prepend=-1))
    num_RV = np.add.reduceat(times_RK[:, order_K], starts_V, axis=1)
    ranks_RV = np.cumsum(num_RV, axis=1) - num_RV / 2 - num_RV.sum(axis=1, keepdims=True) / 2
    return ranks_RV[:, place_K]


def _ordered_pairs(first_K: Floats, second_K: Floats, times_RK: Floats) -> tuple[Floats, Floats, Floats]:
    """Pairs in the same order less those in the opposite one, and pairs that each of both tells apart; twice each."""
    totals = np.zeros((3, len(times_RK)))
    rows = max(1, NUMBERS_PER_CHUNK // len(first_K))
    for start in range(0, len(first_K), rows):
        part = slice(start, start + rows)
        signs_PK = [np.sign(values_K[part, None] - values_K[None, :]) for values_K in (first_K, second_K)]
        for place, matrix_PK in enumerate((signs_PK[0] * signs_PK[1], np.abs(signs_PK[0]), np.abs(signs_PK[1]))):
            totals[place] += ((times_RK[:, part] @ matrix_PK) * times_RK).sum(axis=1)
    return totals[0], totals[1], totals[2]


def _ratio(over_R: Floats, under_R: Floats, defined_R: NDArray[np.bool_]) -> Floats:
    """A quotient, not a number where it is undefined."""
    return np.where(defined_R, over_R / np.where(defined_R, under_R, 1.0), np.nan)
