"""Measures of agreement against other hands, and what must hold of any of them."""

import itertools
import warnings
from collections.abc import Sequence

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from loanword.report.statistics import Floats, resampled_sums
from loanword.report.trust.concordance import (
    Kinds,
    Measure,
    counts_by_value,
    equal_repeats,
    kendall,
    kinds_of,
    mean_of,
    measured,
    ordinal_alpha,
    pairs_within,
    partial_spearman,
    quadratic_kappa,
    same_order,
    share_of,
    spearman,
)

PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=3, max_size=30)
UNITS = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=4), min_size=2, max_size=12)


def columns(pairs: Sequence[tuple[float, ...]]) -> list[Floats]:
    return [np.array(column, dtype=np.float64) for column in zip(*pairs, strict=True)]


def each_its_own(*given_columns: Floats) -> Kinds:
    return kinds_of(given_columns, np.arange(len(given_columns[0])))


def value(measure: Measure, num_kinds: int) -> float:
    """A measure of responses that are all their own kind."""
    return float(measure(np.ones((1, num_kinds)))[0])


def of_scipy(statistic, one: Floats, other: Floats) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(statistic(one, other).statistic)


@given(PAIRS)
def test_rank_correlations_are_those_of_scipy(pairs: list[tuple[int, int]]):
    one, other = columns(pairs)
    kinds = each_its_own(one, other)
    times_1K = kinds.times_QK.sum(axis=0)[None]
    for ours, statistic in ((spearman, scipy.stats.spearmanr), (kendall, scipy.stats.kendalltau)):
        assert ours(*kinds.columns_CK)(times_1K)[0] == pytest.approx(of_scipy(statistic, one, other), nan_ok=True)


@given(PAIRS)
def test_kappa_is_that_of_a_table_of_categories(pairs: list[tuple[int, int]]):
    one, other = columns(pairs)
    table = np.zeros((4, 4))
    for row, column in pairs:
        table[row, column] += 1
    weights = np.subtract.outer(np.arange(4), np.arange(4)) ** 2
    by_chance = np.outer(table.sum(axis=1), table.sum(axis=0)) / len(pairs)
    ours = value(quadratic_kappa(one, other), len(pairs))
    if (by_chance * weights).sum() == 0:
        assert np.isnan(ours)
    else:
        assert ours == pytest.approx(1 - (table * weights).sum() / (by_chance * weights).sum())


def alpha_by_definition(units: Sequence[Sequence[int]]) -> float:
    """Pair by pair, with the ordinal metric as it is printed."""
    units = [unit for unit in units if len(unit) > 1]
    everything = [score for unit in units for score in unit]
    times = {score: everything.count(score) for score in set(everything)}

    def apart(one: int, other: int) -> float:
        low, high = sorted((one, other))
        between = sum(times[score] for score in times if low <= score <= high)
        return (between - (times[low] + times[high]) / 2) ** 2 if low != high else 0.0

    observed = sum(
        sum(apart(one, other) for one, other in itertools.permutations(unit, 2)) / (len(unit) - 1) for unit in units
    ) / max(len(everything), 1)
    pairs = list(itertools.permutations(everything, 2))
    expected = sum(apart(one, other) for one, other in pairs) / max(len(pairs), 1)
    return 1 - observed / expected if expected else float("nan")


@given(UNITS)
def test_alpha_is_that_of_its_definition(units: list[list[int]]):
    counts = counts_by_value(units)
    assert value(ordinal_alpha(counts), len(counts)) == pytest.approx(alpha_by_definition(units), nan_ok=True)


def test_alpha_of_krippendorffs_own_example_is_the_published_one():
    # Krippendorff 2011, section C: four observers, twelve units, some of them missing; ordinal metric 0.815.
    observers = ("1233214 12...", "1233224125.3", ".33323422 51.", "1233244125 1.")
    observers = tuple(text.replace(" ", "") for text in observers)
    units = [[int(row[place]) for row in observers if row[place] != "."] for place in range(12)]
    counts = counts_by_value(units)
    assert round(value(ordinal_alpha(counts), 12), 3) == 0.815


@given(PAIRS)
def test_the_order_of_pairs_counts_ties_of_the_judge_half(pairs: list[tuple[int, int]]):
    one, other = columns(pairs)
    told = [(p, q) for p, q in itertools.combinations(pairs, 2) if p[1] != q[1]]
    right = [1.0 if (p[0] - q[0]) * (p[1] - q[1]) > 0 else 0.5 if p[0] == q[0] else 0.0 for p, q in told]
    expected = sum(right) / len(right) if right else float("nan")
    assert value(same_order(one, other), len(pairs)) == pytest.approx(expected, nan_ok=True)
    alone = pairs_within(one, other, np.zeros(len(pairs), dtype=np.int64))
    assert share_of(alone.times_QK)[0] == pytest.approx(expected, nan_ok=True)


def test_pairs_within_examples_are_never_of_two_examples():
    examples = np.array([0, 0, 1, 1])
    judge, other = np.array([1.0, 2.0, 5.0, 3.0]), np.array([1.0, 2.0, 8.0, 9.0])
    totals = pairs_within(judge, other, examples).times_QK
    assert share_of(totals).tolist() == [1.0, 0.0]
    assert measured(pairs_within(judge, other, examples), share_of, "").value == 0.5


def test_what_is_left_of_length_is_the_correlation_of_residuals_of_ranks():
    rng = np.random.default_rng(5)
    length = rng.integers(20, 60, 80).astype(float)
    people = np.round(length / 20 + rng.normal(0, 1, 80))
    judge = np.round(people + length / 30 + rng.normal(0, 0.5, 80))
    ranks = [scipy.stats.rankdata(column) for column in (length, judge, people)]
    left = [rank - np.polyval(np.polyfit(ranks[2], rank, 1), ranks[2]) for rank in ranks[:2]]
    expected = np.corrcoef(*left)[0, 1]
    assert value(partial_spearman(length, judge, people), 80) == pytest.approx(expected)
    assert np.isnan(value(partial_spearman(length, people, people), 80))


def test_equal_repeats_weigh_every_response_the_same():
    counts = counts_by_value([[1, 1, 1, 2], [3, 3], [2]])
    assert value(equal_repeats(counts), 3) == pytest.approx((3 / 6 + 1) / 2)


def test_resamples_are_those_of_whole_examples():
    rng = np.random.default_rng(2)
    examples = np.repeat(np.arange(15), 3)
    one = rng.integers(0, 4, 45).astype(float)
    other = np.clip(one + rng.integers(-1, 2, 45), 0, 3).astype(float)
    kinds = kinds_of([one, other], examples)
    drawn_RQ = resampled_sums(np.eye(15), num_resamples=len(kinds.resampled_RK))
    found = measured(kinds, spearman(*kinds.columns_CK), "")
    by_hand = []
    for times_Q in drawn_RQ:
        rows = np.repeat(np.arange(45), times_Q[examples].astype(int))
        by_hand.append(of_scipy(scipy.stats.spearmanr, one[rows], other[rows]))
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(by_hand, [2.5, 97.5])))


def test_an_interval_holds_the_truth_nineteen_times_in_twenty():
    rng = np.random.default_rng(11)
    truth, hits, num = 0.6, 0, 200
    # Spearman's correlation of a bivariate normal: Kruskal 1958.
    expected = 6 / np.pi * np.arcsin(truth / 2)
    for _ in range(num):
        one = rng.normal(size=60)
        other = truth * one + np.sqrt(1 - truth**2) * rng.normal(size=60)
        kinds = each_its_own(one, other)
        found = measured(kinds, spearman(*kinds.columns_CK), "")
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= expected <= found.high
    assert 0.90 <= hits / num <= 0.985


@given(st.lists(st.integers(0, 3), min_size=10, max_size=25), st.randoms())
def test_a_list_agrees_with_itself_wholly_and_with_its_reverse_not_at_all(scores: list[int], shuffled):
    one = np.array([*scores, 0, 3], dtype=np.float64)
    kinds = each_its_own(one, one)
    judge, other = kinds.columns_CK
    pairs = counts_by_value(kinds.columns_CK.T.tolist())
    measures = (
        spearman(judge, other),
        kendall(judge, other),
        quadratic_kappa(judge, other),
        ordinal_alpha(pairs),
        same_order(judge, other),
    )
    assert [measured(kinds, measure, "").value for measure in measures] == pytest.approx([1.0] * 5)
    assert value(spearman(one, 3 - one), len(one)) == pytest.approx(-1)
    assert value(same_order(one, 3 - one), len(one)) == pytest.approx(0)
    order = shuffled.sample(range(len(one)), len(one))
    assert value(kendall(one[order], (one**2)[order]), len(one)) == pytest.approx(1)


def test_alpha_of_unrelated_scores_is_near_nothing():
    rng = np.random.default_rng(3)
    counts = counts_by_value(rng.integers(0, 4, (3_000, 2)).tolist())
    assert abs(value(ordinal_alpha(counts), 3_000)) < 0.05


@given(PAIRS)
def test_only_the_order_of_scores_counts_where_it_should(pairs: list[tuple[int, int]]):
    one, other = columns(pairs)
    for measure in (spearman, kendall, same_order):
        before, after = value(measure(one, other), len(one)), value(measure(np.exp(one), other**3), len(one))
        assert after == pytest.approx(before, nan_ok=True)
    stretched = [[float(np.exp(score)) for score in pair] for pair in pairs]
    before, after = (value(ordinal_alpha(counts_by_value(of)), len(pairs)) for of in (pairs, stretched))
    assert after == pytest.approx(before, nan_ok=True)


def test_equal_scores_have_no_correlation_and_say_why():
    kinds = each_its_own(np.full(40, 3.0), np.arange(40.0))
    found = measured(kinds, spearman(*kinds.columns_CK), "all scores are equal")
    assert (found.value, found.low, found.why) == (None, None, "all scores are equal")
    # A huge constant leaves rounding behind, which is no spread either.
    assert np.isnan(value(quadratic_kappa(np.full(40, 1e9), np.full(40, 1e9)), 40))


def test_under_ten_examples_there_is_a_value_and_no_interval():
    kinds = kinds_of([np.arange(90.0), np.arange(90.0)], np.arange(90) % 9)
    found = measured(kinds, mean_of(kinds.columns_CK[0]), "")
    assert (found.value, found.low, found.why) == (44.5, None, "fewer than 10 examples: no interval")


def test_where_most_resamples_have_no_spread_there_is_no_interval():
    one = np.array([0.0] + [3.0] * 29)
    kinds = each_its_own(one, one)
    found = measured(kinds, spearman(*kinds.columns_CK), "")
    assert (found.value, found.low) == (pytest.approx(1), None)
    assert "too few different scores" in found.why


def test_the_order_of_responses_to_an_example_changes_no_interval():
    rng = np.random.default_rng(8)
    one, other = rng.integers(0, 4, (2, 60)).astype(float)
    examples = np.repeat(np.arange(20), 3)
    turned = np.arange(60).reshape(20, 3)[:, ::-1].ravel()
    results = [
        measured(kinds, kendall(*kinds.columns_CK), "")
        for kinds in (kinds_of([one, other], examples), kinds_of([one[turned], other[turned]], examples))
    ]
    assert results[0] == results[1]
