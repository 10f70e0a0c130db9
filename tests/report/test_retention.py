"""What the source language keeps, against the base, and the front of gain and loss."""

from dataclasses import replace

import pytest

from loanword.report.gather import RunRecords, read_runs
from loanword.report.knowledge import score_knowledge
from loanword.report.likelihoods import score_languages
from loanword.report.retention import BITS, Retained, retained, retention_table, tradeoff_figure, tradeoffs
from loanword.report.statistics import SMALLEST_NUM_EXAMPLES, Estimate, PairedDifference, with_verdicts


@pytest.fixture(scope="module")
def runs(study) -> list[RunRecords]:
    return read_runs(study.runs)


@pytest.fixture(scope="module")
def scores(runs):
    return score_languages(runs)


@pytest.fixture(scope="module")
def found(runs, scores):
    return retained(runs, scores, score_knowledge(runs))


def test_every_run_stands_against_the_base_in_the_source_language_alone(found):
    assert {one.measure for one in found} == {BITS, "mmlu"}
    assert "original-0MB" not in {one.run for one in found}
    assert sum(one.measure == BITS for one in found) == 11


def test_forgetting_without_replay_is_seen_and_its_size_is_that_of_the_synthetic_models(found):
    lost = {one.run: one for one in found if one.measure == BITS}
    assert lost["original-2MB-r0"].paired.difference.value == pytest.approx(0.42 * 0.95, abs=0.03)
    assert lost["original-2MB-r0"].adjusted_p < 0.001
    assert lost["original-2MB-r0.2"].paired.difference.value == pytest.approx(0.03, abs=0.02)


def test_a_missing_run_is_missing_and_has_no_difference(found, runs):
    missing = [one for one in found if one.run == "extended-2MB-r0.2-sft1000"]
    assert [one.paired for one in missing] == [None, None]
    table = retention_table(found, runs, {"mmlu": "MMLU"})
    assert table is not None
    row = next(row for group in table.groups for row in group.rows if row[0].text == "extended-2MB-r0.2-sft1000")
    assert [cell.state for cell in row[1:]] == ["missing", "missing"]


def test_the_table_marks_losses_and_shows_the_base_itself(found, runs):
    table = retention_table(found, runs, {"mmlu": "MMLU"})
    assert table is not None
    rows = {row[0].text: row for group in table.groups for row in group.rows}
    assert rows["original-0MB (the base itself)"][1].value == pytest.approx(1.82, abs=0.05)
    assert rows["original-2MB-r0"][1].tone == "bad"
    assert rows["original-0.4MB-r0.2"][2].state == "not planned"


@pytest.mark.parametrize(("num_examples", "tone"), [(SMALLEST_NUM_EXAMPLES - 1, ""), (SMALLEST_NUM_EXAMPLES, "bad")])
def test_few_examples_are_not_coloured_however_small_p_is_and_the_note_says_so(runs, num_examples: int, tone: str):
    lost = PairedDifference(Estimate(0.4, 0.3, 0.5), 1e-6, num_examples, 0.05)
    unjudged = Retained("original-2MB-r0", "original-0MB", BITS, Estimate(1.8, 1.7, 1.9), Estimate(2.2, 2.1, 2.3), lost)
    found = with_verdicts([unjudged], lower_is_better=lambda one: one.lower_is_better, margin=lambda one: one.margin)
    table = retention_table(found, runs, {})
    assert table is not None
    assert table.groups[0].rows[1][1].tone == tone
    assert f"at least {SMALLEST_NUM_EXAMPLES} documents or questions are shared" in table.note


def test_the_front_holds_what_nobody_beats_in_both(runs, scores):
    points = tradeoffs(runs, scores)["zh"]
    front = {one.run for one in points if one.on_front}
    for one in points:
        better = [o for o in points if o.gain.value > one.gain.value and o.loss.value < one.loss.value]
        assert not (better and one.run in front)
        assert one.gain.low <= one.gain.value <= one.gain.high
    assert max(points, key=lambda one: one.gain.value).run in front
    assert all(one.gain.value > 0 for one in points if one.on_front)


def test_a_study_without_its_base_compares_nothing(runs, scores):
    others = [run for run in runs if run.label != "original-0MB"]
    assert retained(others, scores, score_knowledge(others)) == []
    assert retention_table([], others, {}) is None
    assert tradeoff_figure(others, scores) is None


def test_the_figure_names_every_run_and_the_front(runs, scores):
    figure = tradeoff_figure(runs, scores)
    assert figure is not None
    (drawing,) = figure.drawings
    assert "On the front: " in drawing and "extended-2MB-r0.2" in drawing


def test_other_documents_are_not_compared(runs, scores):
    base = next(run for run in runs if run.label == "original-0MB")
    cut = replace(base.likelihoods["en"], ids=base.likelihoods["en"].ids[:-1], nats=base.likelihoods["en"].nats[:-1],
                  num_tokens=base.likelihoods["en"].num_tokens[:-1],
                  num_bytes=base.likelihoods["en"].num_bytes[:-1])  # fmt: skip
    others = [replace(base, likelihoods={**base.likelihoods, "en": cut}) if run is base else run for run in runs]
    again = retained(others, score_languages(others), score_knowledge(others))
    assert all(one.paired is None for one in again if one.measure == BITS)
