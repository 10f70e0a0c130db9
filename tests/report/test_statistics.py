"""Estimates and tests against scipy, against long-hand computation, and against simulated truth."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from loanword.report import statistics
from loanword.report.statistics import Estimate, PairedDifference


def test_one_text_costs_the_same_bits_under_two_vocabularies():
    assert statistics.bits_per_byte(600, 1000) == pytest.approx(0.8656, abs=1e-4)
    assert statistics.perplexity(600, 500) == pytest.approx(3.32, abs=0.01)
    assert statistics.perplexity(600, 250) == pytest.approx(11.02, abs=0.01)


def test_resampled_sums_are_sums_of_whole_rows():
    columns_NK = np.stack([np.arange(1.0, 8.0), 10 * np.arange(1.0, 8.0), np.ones(7)], axis=1)
    sums_RK = statistics.resampled_sums(columns_NK, num_resamples=500)
    assert sums_RK.shape == (500, 3)
    assert np.all(sums_RK[:, 2] == 7)
    assert np.allclose(sums_RK[:, 1], 10 * sums_RK[:, 0])


def test_resampling_depends_on_the_number_of_rows_alone_not_on_chunks(monkeypatch: pytest.MonkeyPatch):
    values_NK = np.random.default_rng(0).normal(size=(50, 1))
    together_RK = statistics.resampled_sums(np.concatenate([values_NK, 2 * values_NK], axis=1), num_resamples=300)
    alone_RK = statistics.resampled_sums(values_NK, num_resamples=300)
    assert np.allclose(together_RK[:, :1], alone_RK)
    monkeypatch.setattr(statistics, "DRAWS_PER_CHUNK", 700)
    assert np.allclose(statistics.resampled_sums(values_NK, num_resamples=300), alone_RK)


def test_bootstrap_interval_of_a_ratio_agrees_with_scipy():
    rng = np.random.default_rng(3)
    num_bytes = rng.integers(50, 500, 120).astype(float)
    nats = num_bytes * rng.normal(1.2, 0.3, 120)
    sums_RK = statistics.resampled_sums(np.stack([nats, num_bytes], axis=1))
    ours = statistics.bootstrap_estimate(nats.sum() / num_bytes.sum(), sums_RK[:, 0] / sums_RK[:, 1])
    theirs = scipy.stats.bootstrap(
        (nats, num_bytes),
        lambda first, second, axis: first.sum(axis=axis) / second.sum(axis=axis),
        paired=True,
        method="percentile",
        n_resamples=4000,
        rng=np.random.default_rng(4),
    ).confidence_interval
    assert ours.low == pytest.approx(theirs.low, abs=0.006)
    assert ours.high == pytest.approx(theirs.high, abs=0.006)


@given(st.integers(1, 3000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_wilson_interval_equals_scipys(counts: tuple[int, int]):
    ours = statistics.wilson(*counts)
    theirs = scipy.stats.binomtest(*counts).proportion_ci(method="wilson")
    assert ours.low == pytest.approx(theirs.low, abs=1e-12)
    assert ours.high == pytest.approx(theirs.high, abs=1e-12)
    assert ours.low <= ours.value <= ours.high


@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemar_equals_the_exact_binomial_test(gained: int, lost: int):
    expected = scipy.stats.binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert statistics.mcnemar_p_value(gained, lost) == pytest.approx(expected, rel=1e-9)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_adjusts_as_its_definition_says(p_values: list[float]):
    adjusted = statistics.holm(p_values)
    ordered = sorted(p_values)
    for p_value, found in zip(p_values, adjusted, strict=True):
        rank = max(place for place, value in enumerate(ordered) if value == p_value)
        by_hand = max((len(ordered) - place) * ordered[place] for place in range(rank + 1))
        assert found == pytest.approx(min(1.0, by_hand))
        assert found >= p_value


def earned(*outcomes: tuple[int, int]) -> list[statistics.Floats]:
    """Strata of so many right of so many."""
    return [np.array([(float(place < right), 1.0) for place in range(total)]) for right, total in outcomes]


def test_a_mean_of_subjects_weighs_them_alike_and_is_exact_where_nothing_varies():
    assert statistics.share_estimate(earned((10, 10), (0, 90))) == Estimate(0.5, 0.5, 0.5)
    found = statistics.share_estimate(earned((50, 100), (5, 10)))
    assert found.value == 0.5
    # The small subject makes the interval: half of the standard errors of .05 and .158, in squares.
    assert found.high - found.low == pytest.approx(2 * 1.96 * 0.5 * math.hypot(0.05, 0.158), rel=0.06)


def test_a_scoring_rate_is_points_over_points():
    rows = np.array([(6.0, 6.0), (3.0, 6.0), (0.0, 2.0), (1.0, 1.0)] * 40)
    found = statistics.share_estimate([rows])
    assert found.value == pytest.approx(10 / 15)
    resampled = statistics.resampled_sums(rows)
    plain = statistics.bootstrap_estimate(10 / 15, resampled[:, 0] / resampled[:, 1])
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high), abs=0.005)


def test_drawing_kinds_of_rows_is_drawing_rows():
    rows_NK = np.random.default_rng(5).integers(0, 2, (300, 2)).astype(float)
    kinds_RK = statistics.resampled_totals(rows_NK, np.random.default_rng(1), 20_000)
    plain_RK = statistics.resampled_sums(rows_NK, num_resamples=20_000)
    assert kinds_RK.mean(axis=0) == pytest.approx(plain_RK.mean(axis=0), rel=0.005)
    assert np.cov(kinds_RK.T) == pytest.approx(np.cov(plain_RK.T), rel=0.06, abs=1.5)


def test_many_different_rows_are_drawn_one_by_one(monkeypatch: pytest.MonkeyPatch):
    rows_NK = np.random.default_rng(6).normal(2, 1, (400, 1))
    monkeypatch.setattr(statistics, "MOST_KINDS_OF_ROWS", 10)
    sums_RK = statistics.resampled_totals(rows_NK, np.random.default_rng(1), 5_000)
    assert sums_RK.mean() == pytest.approx(rows_NK.sum(), rel=0.005)
    assert sums_RK.std() == pytest.approx(rows_NK.std() * 20, rel=0.05)


def test_a_paired_bootstrap_of_right_and_wrong_agrees_with_mcnemar():
    rng = np.random.default_rng(2)
    control_N = rng.random(2000) < 0.4
    arm_N = np.where(rng.random(2000) < 0.1, rng.random(2000) < 0.6, control_N)
    rows = np.stack([arm_N, control_N, np.ones(2000)], axis=1).astype(float)
    bootstrap, exact = statistics.paired_shares([rows]), statistics.paired_accuracy(arm_N, control_N)
    assert bootstrap.difference.value == pytest.approx(exact.difference.value)
    assert bootstrap.standard_error == pytest.approx(exact.standard_error, rel=0.03)
    assert bootstrap.difference.low == pytest.approx(exact.difference.low, abs=0.002)
    assert math.log10(bootstrap.p_value) == pytest.approx(math.log10(exact.p_value), rel=0.2)


def test_the_smallest_detectable_difference_is_found_in_four_of_five_repetitions():
    rng = np.random.default_rng(9)
    noise = 0.3 / math.sqrt(400)
    detectable = PairedDifference(Estimate(0, 0, 0), 1.0, 400, noise).smallest_detectable
    found = [
        abs(float(np.mean(draw_N := rng.normal(detectable, 0.3, 400)))) > 1.96 * np.std(draw_N, ddof=1) / 20
        for _ in range(2000)
    ]
    assert np.mean(found) == pytest.approx(statistics.POWER, abs=0.03)


def test_paired_difference_is_sharper_than_two_intervals_of_their_own():
    rng = np.random.default_rng(1)
    difficulty = rng.normal(2.0, 0.5, 400)
    columns_NK = np.stack([difficulty, difficulty + rng.normal(0.01, 0.02, 400)], axis=1)
    sums_RK = statistics.resampled_sums(columns_NK) / 400
    control, arm = columns_NK.mean(axis=0)
    paired = statistics.paired_bootstrap(arm, control, sums_RK[:, 1], sums_RK[:, 0], 400)
    alone = statistics.bootstrap_estimate(control, sums_RK[:, 0])
    assert paired.difference.high - paired.difference.low < 0.1 * (alone.high - alone.low)
    expected = scipy.stats.ttest_rel(columns_NK[:, 1], columns_NK[:, 0]).pvalue
    assert math.log10(paired.p_value) == pytest.approx(math.log10(expected), rel=0.15)


def test_equal_runs_do_not_differ():
    same_R = statistics.resampled_sums(np.random.default_rng(0).normal(size=(40, 1)))[:, 0]
    paired = statistics.paired_bootstrap(1.0, 1.0, same_R, same_R, 40)
    assert (paired.difference, paired.p_value) == (Estimate(0.0, 0.0, 0.0), 1.0)
    right_N = np.array([True, False] * 20)
    assert statistics.paired_accuracy(right_N, right_N).p_value == 1.0


@pytest.mark.parametrize("num_examples", [50, 500])
@pytest.mark.parametrize("accuracy", [0.25, 0.5, 0.8])
def test_intervals_cover_the_truth_as_often_as_they_say(num_examples: int, accuracy: float):
    rng = np.random.default_rng(num_examples + int(100 * accuracy))
    trials = 1000
    covered = sum(
        (found := statistics.wilson(int(correct), num_examples)).low <= accuracy <= found.high
        for correct in rng.binomial(num_examples, accuracy, trials)
    )
    assert 0.925 <= covered / trials <= 0.98


def test_paired_accuracy_interval_covers_the_truth():
    rng = np.random.default_rng(8)
    covered = 0
    for _ in range(1000):
        draw_N = rng.random(200)
        arm_N, control_N = draw_N < 0.55, (draw_N < 0.4) | (draw_N > 0.95)
        found = statistics.paired_accuracy(arm_N, control_N).difference
        covered += found.low <= 0.10 <= found.high
    assert 0.93 <= covered / 1000 <= 0.975


def test_without_an_effect_a_verdict_is_rarely_helps_or_hurts():
    rng = np.random.default_rng(11)
    found = 0
    for _ in range(300):
        arms = [statistics.paired_accuracy(rng.random(300) < 0.3, rng.random(300) < 0.3) for _ in range(5)]
        adjusted = statistics.holm([paired.p_value for paired in arms])
        words = [
            statistics.verdict(paired, p_value, lower_is_better=False, margin=0.1).word
            for paired, p_value in zip(arms, adjusted, strict=True)
        ]
        found += "helps" in words or "hurts" in words
    assert found / 300 <= 0.05


def _paired(value: float, low: float, high: float, num_examples: int = 500) -> PairedDifference:
    return PairedDifference(Estimate(value, low, high), 0.5, num_examples, (high - low) / 3.92)


def test_verdict_follows_its_rule():
    fewer_bits = _paired(-0.2, -0.3, -0.1)
    assert statistics.verdict(fewer_bits, 0.01, lower_is_better=True, margin=0.1).word == "helps"
    assert statistics.verdict(fewer_bits, 0.01, lower_is_better=False, margin=0.1).word == "hurts"
    assert statistics.verdict(fewer_bits, 0.06, lower_is_better=True, margin=0.1).word == "not enough data"
    tight = statistics.verdict(_paired(0.01, -0.02, 0.04), 0.4, lower_is_better=True, margin=0.1)
    assert (tight.word, tight.bound) == ("no difference", 0.04)
    few = statistics.verdict(_paired(-0.2, -0.3, -0.1, num_examples=29), 0.001, lower_is_better=True, margin=0.1)
    assert few.word == "not enough data"


def test_one_question_of_a_small_subject_decides_nothing():
    """Six subjects, of one of which a single question is asked: there the arm is right and the control wrong."""
    same = np.array([[1.0, 1.0, 1.0]] * 8)
    found = statistics.paired_shares([same, same, same, same, same, np.array([[1.0, 0.0, 1.0]])])
    assert found.difference.value == pytest.approx(1 / 6)
    assert found.difference.low < 0 < found.difference.high
    assert found.p_value > 0.1


def test_equal_candidates_are_told_from_the_best_of_them_as_rarely_as_p_says():
    num_studies, num_candidates, num_documents = 300, 7, 80
    rng = np.random.default_rng(0)
    hard, own = rng.normal(1, 0.2, (num_documents, 1)), (num_documents, num_studies * num_candidates)
    columns_NK = hard + rng.normal(0, 0.05, own)
    shape = (num_studies, num_candidates)
    sums, resampled = columns_NK.sum(axis=0).reshape(shape), statistics.resampled_sums(columns_NK, num_resamples=2_000)
    resamples = resampled.reshape(-1, *shape).swapaxes(0, 1)
    found = [statistics.beyond_the_best(*study) for study in zip(sums, resamples, strict=True)]
    # The smallest of a study is at no distance from itself.
    others = [sorted(p_values)[:-1] for p_values in found]
    assert all(max(p_values) == 1 for p_values in found)
    assert np.mean([min(statistics.holm(p_values)) < 0.05 for p_values in others]) < 0.08


def test_a_candidate_far_behind_the_best_is_told_from_it():
    columns_NK = np.random.default_rng(0).normal([0.0, 0.1, 3.0], 1.0, (80, 3))
    best, near, far = statistics.beyond_the_best(columns_NK.sum(axis=0), statistics.resampled_sums(columns_NK))
    assert best == 1
    assert near > 0.05
    assert far == pytest.approx(1 / 10_001)
