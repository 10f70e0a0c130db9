"""Benchmarks by subject: the shares of each subject's own questions."""

import pytest

from loanword.report.facts import SubjectFacts
from loanword.report.gather import RunRecords, read_runs
from loanword.report.knowledge import benchmarks_of, score_grades, score_knowledge, subject_estimate
from loanword.report.statistics import wilson
from loanword.report.subjects import subject_tables


@pytest.fixture(scope="module")
def runs(study) -> list[RunRecords]:
    return read_runs(study.runs)


def test_every_subject_of_every_benchmark_has_a_row_with_its_questions(runs: list[RunRecords]):
    tables = {table.key: table for table in subject_tables(runs, score_knowledge(runs))}
    assert set(tables) == {"subjects.ceval", "subjects.mmlu"}
    rows = tables["subjects.ceval"].to_json()["rows"]
    assert len(rows) == 8
    assert {row["num_questions"] for row in rows} == {25}


def test_a_subject_is_scored_over_its_own_questions(runs: list[RunRecords]):
    run = next(run for run in runs if run.label == "original-2MB-r0.2")
    score = score_knowledge(runs)[run.label, "ceval"]
    for subject in score.by_subject:
        right = [grade.outcome == "correct" for grade in run.grades["ceval"] if grade.subject == subject]
        assert subject_estimate(score, subject) == wilson(sum(right), len(right))


def test_a_run_without_grades_is_missing_and_categories_stand_apart(runs: list[RunRecords]):
    facts = benchmarks_of(runs)["ceval"]
    categories = {"advanced_mathematics": SubjectFacts(category="STEM")}
    named = facts.model_copy(update={"subjects": categories})
    changed = [
        run if not run.benchmarks else type(run)(**{**vars(run), "benchmarks": {**run.benchmarks, "ceval": named}})
        for run in runs
    ]
    (table,) = (one for one in subject_tables(changed, score_knowledge(changed)) if one.key == "subjects.ceval")
    assert {group.title: len(group.rows) for group in table.groups} == {"no category": 7, "STEM": 1}
    place = [column.key for column in table.columns].index("extended-2MB-r0.2-sft1000")
    assert {row[place].state for group in table.groups for row in group.rows} == {"missing"}


def test_a_subject_that_a_run_was_not_asked_is_not_planned(runs: list[RunRecords]):
    scores = dict(score_knowledge(runs))
    kept = [grade for grade in runs[0].grades["ceval"] if grade.subject != "subject_00"]
    scores[runs[0].label, "ceval"] = score_grades(kept, benchmarks_of(runs)["ceval"])
    (table,) = (one for one in subject_tables(runs, scores) if one.key == "subjects.ceval")
    row = next(row for group in table.groups for row in group.rows if row[0].text == "subject_00")
    assert [cell.state for cell in row[2:]].count("not planned") == 1
