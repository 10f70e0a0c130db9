"""Arms of several seeds: one line of the report each, means over seeds, comparisons paired by seed and example."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtri, stdtrit

from loanword.report.arms import factors
from loanword.report.comparisons import compare
from loanword.report.gather import RunRecords, StudyInfo, read_runs
from loanword.report.knowledge import score_knowledge
from loanword.report.likelihoods import score_languages
from loanword.report.page import render
from loanword.report.retention import retained
from loanword.report.sections import compose
from loanword.report.seed_statistics import Spread, difference_over_seeds, mean_over_seeds, resampled_over_seeds
from loanword.report.seeds import Arms, over_seeds, run_pairs, seeds_table
from loanword.report.statistics import Floats
from loanword.report.tables import comparisons_table
from loanword.report.vocabulary import vocabulary_pairs
from tests.report.conftest import SyntheticStudy
from tests.report.seeded_runs import SEEDS, seeded, with_seeds

ORIGINAL, EXTENDED = "original-2MB-r0.2", "extended-2MB-r0.2"


@pytest.fixture(scope="module")
def runs(study: SyntheticStudy) -> list[RunRecords]:
    return read_runs(study.runs)


def arms_of(runs: list[RunRecords]) -> Arms:
    return over_seeds(runs, score_languages(runs), score_knowledge(runs))


def test_a_study_of_one_seed_is_as_it_was(runs: list[RunRecords]):
    arms = arms_of(runs)
    assert arms.runs == tuple(runs) and arms.seeds == ()
    alone = score_languages(runs)
    assert {key: score.bits_per_byte for key, score in arms.scores.items()} == {
        key: score.bits_per_byte for key, score in alone.items()
    }
    assert seeds_table(runs, arms) is None


def test_an_arm_is_the_mean_over_its_seeds(runs: list[RunRecords]):
    several = with_seeds(runs)
    arms, alone = arms_of(several), score_languages(several)
    assert [run.label for run in arms.runs] == [run.label for run in runs]
    assert len(arms.seeds) == 3 * len(runs)
    score = arms.scores[ORIGINAL, "zh"]
    values = [alone[f"seed={seed}, {ORIGINAL}", "zh"].bits_per_byte for seed in SEEDS]
    assert score.bits_per_byte.value == pytest.approx(np.mean([one.value for one in values]))
    # Three seeds that lie 3 % apart leave more open than 200 documents do.
    assert score.bits_per_byte.high - score.bits_per_byte.low > 2 * (values[1].high - values[1].low)
    drawn_R = score.resampled_bits_per_byte_R
    low, high = np.percentile(drawn_R, [2.5, 97.5])
    assert (low, high) == pytest.approx((score.bits_per_byte.low, score.bits_per_byte.high), rel=0.02)
    accuracy = arms.knowledge[ORIGINAL, "ceval"].headline
    assert accuracy.low < accuracy.value < accuracy.high


def test_seeds_that_agree_leave_the_interval_over_examples(runs: list[RunRecords]):
    same = arms_of(with_seeds(runs, {1: 1.0, 2: 1.0, 3: 1.0}))
    one = score_languages(runs)[ORIGINAL, "zh"].bits_per_byte
    found = same.scores[ORIGINAL, "zh"].bits_per_byte
    assert found.value == pytest.approx(one.value)
    assert found.high - found.low == pytest.approx(one.high - one.low, rel=0.03)


def test_comparisons_are_paired_by_seed(runs: list[RunRecords]):
    several = with_seeds(runs)
    arms = arms_of(several)
    (over,) = compare([(EXTENDED, ORIGINAL)], arms.and_seeds, arms.scores, arms.knowledge)
    (single,) = compare([(f"seed=2, {EXTENDED}", f"seed=2, {ORIGINAL}")], arms.and_seeds, arms.scores, arms.knowledge)
    bits, bits_of_one = over.differences[0], single.differences[0]
    assert bits.paired is not None and bits_of_one.paired is not None
    assert (over.num_seeds, single.num_seeds) == (3, 1)
    assert bits.paired.difference.value == pytest.approx(bits_of_one.paired.difference.value, rel=0.01)
    # A seed that makes both arms harder by 3 % moves their difference by 3 % of itself, and not of either.
    assert bits.paired.standard_error < 2 * bits_of_one.paired.standard_error
    assert over.factors == single.factors and not over.confounded
    table = comparisons_table([over])
    assert "mean of 3 seeds, paired by seed" in table.groups[0].note
    (row, *_) = table.to_json()["rows"]
    assert row["smallest_detectable"] == bits.paired.smallest_detectable
    assert row["effect"] == pytest.approx(bits.paired.standardised)


def test_two_factors_are_confounded_with_seeds_and_without(runs: list[RunRecords]):
    for made, labels in (
        (runs, (EXTENDED, "original-0.4MB-r0.2")),
        (with_seeds(runs), (EXTENDED, "original-0.4MB-r0.2")),
        (with_seeds(runs), (f"seed=1, {ORIGINAL}", f"seed=2, {ORIGINAL.replace('2MB', '0.4MB')}")),
    ):
        arms = arms_of(made)
        (found,) = compare([labels], arms.and_seeds, arms.scores, arms.knowledge)
        assert found.confounded
        assert "confounded: more than one factor differs" in comparisons_table([found]).groups[0].note


def test_the_seed_is_a_factor_of_what_was_trained_under_it(runs: list[RunRecords]):
    by_label = {run.label: run for run in runs}
    untouched, trained = by_label["original-0MB"], by_label[ORIGINAL]
    assert any("seed" in one for one in factors(seeded(trained, 1, 1.0), seeded(trained, 2, 1.0)))
    assert not any("seed" in one for one in factors(seeded(trained, 1, 1.0), seeded(untouched, 2, 1.0)))


def test_pairs_of_arms_are_pairs_of_runs(runs: list[RunRecords]):
    several = [run for run in with_seeds(runs) if (run.label, run.seed) != (f"seed=3, {ORIGINAL}", 3)]
    expected = [(f"seed={seed}, {EXTENDED}", f"seed={seed}, {ORIGINAL}") for seed in (1, 2)]
    assert run_pairs([(EXTENDED, ORIGINAL)], several) == expected
    assert run_pairs([expected[0], (EXTENDED, ORIGINAL)], several) == expected
    assert run_pairs([(EXTENDED, ORIGINAL)], runs) == [(EXTENDED, ORIGINAL)]


def test_every_seed_stands_in_the_table_and_what_is_missing_is_missing(runs: list[RunRecords]):
    several = with_seeds(runs)
    lost = f"seed=2, {ORIGINAL}"
    several = [replace(run, likelihoods={}) if run.label == lost else run for run in several]
    table = seeds_table(several, arms_of(several))
    assert table is not None
    rows = {(row["group"], row["arm"]): row for row in table.to_json()["rows"]}
    row = rows["Chinese, bits per byte", ORIGINAL]
    assert row["seed_2"] == {"state": "missing"}
    assert row["seed_1"] < row["seed_3"]
    whole = rows["Chinese, bits per byte", EXTENDED]
    seeds = [whole[f"seed_{seed}"] for seed in SEEDS]
    assert whole["deviation"] == pytest.approx(np.std(seeds, ddof=1))
    assert whole["mean"]["low"] < min(seeds) < max(seeds) < whole["mean"]["high"]


def test_retention_and_vocabulary_are_over_seeds(runs: list[RunRecords]):
    arms = arms_of(with_seeds(runs))
    kept = retained(arms.runs, arms.scores, arms.knowledge)
    assert {one.run for one in kept} == {run.label for run in runs if run.label != "original-0MB"}
    assert any(one.paired and one.paired.num_seeds == 3 for one in kept)
    pairs = vocabulary_pairs(arms.runs, arms.scores)
    assert len(pairs) == len(vocabulary_pairs(runs, score_languages(runs)))
    compared = [
        one.paired for pair in pairs for level in pair.levels for one in (level.equal_text, level.equal_compute)
    ]
    assert {paired.num_seeds for paired in compared if paired} == {3}


def test_the_page_of_a_study_with_seeds_has_one_line_an_arm(runs: list[RunRecords]):
    several = with_seeds(runs)
    report = compose(several, StudyInfo("s", "", comparisons=((EXTENDED, ORIGINAL),)))
    tables = {table.key: table for section in report.sections for table in section.all_tables}
    assert len(tables["likelihoods.zh"].to_json()["rows"]) == len(runs)
    assert len(tables["settings"].to_json()["rows"]) == 3 * len(runs)
    assert tables["comparisons"].groups[0].title == f"{EXTENDED} against {ORIGINAL}"
    assert "Over seeds" in render(report)


def test_p_is_that_of_students_test_or_the_normal_one_where_one_part_is_all():
    for level in (0.2, 0.05, 1e-4):
        for parts, quantile in (((0.02, 0.0), stdtrit(2, 1 - level / 2)), ((0.0, 0.02), ndtri(1 - level / 2))):
            spread = Spread(*parts, num_seeds=3)
            assert spread.p_value(quantile * spread.error) == pytest.approx(level, rel=1e-6)
    assert Spread(0.0, 0.0, 3).p_value(0.0) == 1.0 and Spread(0.0, 0.0, 3).p_value(0.1) == 0.0


@given(st.floats(1e-6, 1), st.floats(1e-6, 1), st.integers(2, 8))
def test_what_p_shows_the_interval_shows_too(of_seeds: float, of_examples: float, num_seeds: int):
    spread = Spread(of_seeds, of_examples, num_seeds)
    at_the_end = spread.critical() * spread.error
    assert spread.p_value(at_the_end) >= 0.05 - 1e-9
    assert spread.p_value(2 * at_the_end) < spread.p_value(at_the_end)


def test_two_seeds_that_agree_by_chance_are_no_certainty():
    resampled_SR: Floats = np.random.default_rng(0).normal([[0.1], [0.3]], 0.01, (2, 2_000))
    found = difference_over_seeds([0.1, 0.3], resampled_SR, 400)
    # One degree of freedom: half the interval is 12.7 times the error of the mean, which is 0.1.
    assert found.difference.low == pytest.approx(0.2 - 1.27, abs=0.02)
    assert found.p_value > 0.2
    assert mean_over_seeds([0.1, 0.3], resampled_SR) == found.difference


def test_resamples_over_seeds_keep_arms_paired():
    rng = np.random.default_rng(1)
    shared = {seed: float(rng.normal()) for seed in SEEDS}
    drawn_R = rng.normal(0, 0.01, 10_000)
    arm, control = (
        resampled_over_seeds({seed: (value + gap, value + gap + drawn_R) for seed, value in shared.items()})
        for gap in (0.2, 0.0)
    )
    assert arm - control == pytest.approx(0.2)
    assert np.std(arm) > 10 * np.std(drawn_R)
