"""A study of several targets: what a run was never meant to be measured on is no gap of it; questions come first."""

from dataclasses import replace

import pytest

from loanword.report.comparisons import all_pairs, compare
from loanword.report.figures import budget_figure
from loanword.report.gather import Question, RunRecords, StudyInfo, read_runs
from loanword.report.knowledge import score_knowledge
from loanword.report.likelihoods import score_languages
from loanword.report.summary import findings
from loanword.report.tables import likelihoods_table

PAIR: tuple[str, str] = ("extended-2MB-r0.2", "original-2MB-r0.2")


@pytest.fixture(scope="module")
def runs(study) -> list[RunRecords]:
    """The runs that are finished, of which one reads Swahili in the place of Chinese."""
    finished = [run for run in read_runs(study.runs) if not run.missing()]
    return [_to_swahili(run) if run.label == "extended-2MB-r0" else run for run in finished]


def _to_swahili(run: RunRecords) -> RunRecords:
    likelihoods = {"en": run.likelihoods["en"], "sw": run.likelihoods["zh"]}
    return replace(run, likelihoods=likelihoods, settings={**run.settings, "target": "sw"})


def said(runs: list[RunRecords], info: StudyInfo):
    scores, knowledge = score_languages(runs), score_knowledge(runs)
    compared = compare(all_pairs(info, runs, scores), runs, scores, knowledge)
    return findings(info, runs, scores, compared)


def test_a_language_that_one_of_two_was_never_read_in_is_not_compared(runs):
    scores, knowledge = score_languages(runs), score_knowledge(runs)
    (found,) = compare([("extended-2MB-r0", "original-2MB-r0")], runs, scores, knowledge)
    assert [one.measure.key for one in found.differences if one.measure.lower_is_better] == ["bits_per_byte.en"]
    assert not any(one.is_missing for one in found.differences)


def test_tables_and_figures_hold_the_runs_that_are_read_in_a_language(runs):
    scores = score_languages(runs)
    rows = likelihoods_table("sw", runs, scores).to_json()["rows"]
    assert [row["run"] for row in rows] == ["extended-2MB-r0"]
    figure = budget_figure(runs, scores)
    assert figure is not None
    assert "Missing" not in figure.caption


def test_a_run_that_waits_for_its_measurement_is_still_missing(runs):
    waiting = [replace(run, likelihoods={}, artifacts={**run.artifacts, "likelihoods": None}) for run in runs[:1]]
    assert waiting[0].is_read("zh")
    assert not runs[0].is_read("sw")


def test_a_question_is_answered_first_and_in_one_line_on_what_it_is_about(runs):
    asked = {PAIR: Question("Does it pay?", ("zh",))}
    first, *_ = said(runs, StudyInfo("s", "", (PAIR,), asked))
    assert first.heading == "Does it pay?"
    assert first.text.startswith(f"{PAIR[0]} against {PAIR[1]}. They differ in")
    assert first.line.startswith("Does it pay? Chinese \u2212")
    assert first.line.endswith("] bits per byte.")
    assert "English" not in first.line


def test_a_question_about_everything_names_what_was_shown(runs):
    first, *_ = said(runs, StudyInfo("s", "", (PAIR,), {PAIR: Question("Does it pay?")}))
    assert first.line.startswith("Does it pay? Chinese \u2212")
    assert "nothing shown on" in first.line


def test_a_comparison_without_a_question_has_no_line(runs):
    assert not any(found.line for found in said(runs, StudyInfo("s", "", (PAIR,))))
