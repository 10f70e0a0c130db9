"""Scores of touched and clean examples: who is touched, what is computed, and what the page shows of it."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from loanword.records import Grade, Overlap
from loanword.report.gather import RunFolders, RunRecords, read_runs
from loanword.report.knowledge import score_knowledge
from loanword.report.overlap import Earned, difference, source_overlaps, sources_of, split_scores
from loanword.report.overlap_tables import overlap_tables, touched_tables
from loanword.report.page import render, write_report
from loanword.report.sections import compose
from loanword.report.statistics import wilson
from tests.report.conftest import GRADED, StoreLike, SyntheticStudy

ARM, BASE = "original-2MB-r0.2", "original-0MB"


def overlaps(run: RunRecords, benchmark: str, touched: Sequence[int], document: str = "page-1") -> list[Overlap]:
    """Of the examples that a run was graded on, those at some places touched; the last is too short to tell."""
    grades = run.grades[benchmark]
    return [
        Overlap(
            id=grade.id,
            num_ngrams=0 if place == len(grades) - 1 else 20,
            num_found=7 if place in touched else 0,
            short_share=0.9 if place in touched else 0.1,
            touched=place in touched,
            document=document,
        )
        for place, grade in enumerate(grades)
    ]


def with_overlap(
    study: SyntheticStudy, root: Path, touched: dict[str, Sequence[int]], labels: Sequence[str] = (ARM,)
) -> list[RunFolders]:
    """The study's graded runs, some of them with texts measured against MMLU; `touched` is by the text's name."""
    store = StoreLike(root)
    runs: list[RunFolders] = []
    for label in GRADED[:3]:
        folders = study.run(label)
        (records,) = read_runs([folders])
        made = {
            f"overlap.mmlu.{source}": store.artifact(
                "overlap",
                f"{source}-{len(places)}",
                {"overlap.jsonl": overlaps(records, "mmlu", places, f"<{source}>")},
            )
            for source, places in touched.items()
            if label in labels
        }
        runs.append(replace(folders, artifacts={**folders.artifacts, **made}))
    return runs


def split(runs: Sequence[RunFolders], label: str = ARM):
    records = read_runs(runs)
    return split_scores(records, score_knowledge(records))[label, "mmlu"]


def test_what_any_text_of_a_run_touches_is_touched(study: SyntheticStudy, tmp_path: Path):
    one = split(with_overlap(study, tmp_path, {"en": range(40), "instructions.zh": range(20, 70)}))
    assert (one.state, one.num_touched, one.num_too_short, one.num_graded) == ("told", 70, 1, 200)


def test_the_two_scores_and_their_difference_are_those_of_the_grades(study: SyntheticStudy, tmp_path: Path):
    runs = with_overlap(study, tmp_path, {"en": range(0, 200, 4)})
    one = split(runs)
    records = next(run for run in read_runs(runs) if run.label == ARM)
    right = np.array([grade.outcome == "correct" for grade in records.grades["mmlu"]])
    is_touched = np.arange(200) % 4 == 0
    assert one.touched is not None
    assert one.clean is not None
    assert one.difference is not None
    assert (one.touched.value, one.clean.value) == (right[is_touched].mean(), right[~is_touched].mean())
    assert one.difference.value == pytest.approx(right[is_touched].mean() - right[~is_touched].mean())
    # Newcombe's interval is near the normal one at this size, and no wider than both sides' together.
    p, q, n, m = one.touched.value, one.clean.value, is_touched.sum(), (~is_touched).sum()
    half = 1.96 * math.sqrt(p * (1 - p) / n + q * (1 - q) / m)
    assert one.difference.high - one.difference.low == pytest.approx(2 * half, rel=0.08)
    assert one.difference.low < one.difference.value < one.difference.high


def test_newcombes_interval_is_that_of_his_example():
    def side(right: int, of: int) -> Earned:
        return Earned(np.array([[float(place < right), 1.0] for place in range(of)]))

    # Newcombe 1998, table II, example (a): 56/70 against 48/80.
    found = difference(side(56, 70), side(48, 80))
    assert (round(found.value, 4), round(found.low, 4), round(found.high, 4)) == (0.2, 0.0524, 0.3339)


def test_what_training_on_them_gave_is_taken_over_the_base(study: SyntheticStudy, tmp_path: Path):
    runs = with_overlap(study, tmp_path, {"en": range(100)})
    records = {run.label: run for run in read_runs(runs)}
    gains = np.array(
        [
            ours.score - theirs.score
            for ours, theirs in zip(records[ARM].grades["mmlu"], records[BASE].grades["mmlu"], strict=True)
        ]
    )
    one = split(runs)
    assert one.beyond_base is not None
    assert one.beyond_base.value == pytest.approx(gains[:100].mean() - gains[100:].mean())
    half = 1.96 * math.sqrt(gains[:100].var() / 100 + gains[100:].var() / 100)
    assert one.beyond_base.high - one.beyond_base.low == pytest.approx(2 * half, rel=0.1)


@pytest.mark.parametrize(("touched", "state"), [((), "none"), (range(29), "too few"), (range(5, 200), "too few")])
def test_too_few_on_either_side_get_no_interval(study: SyntheticStudy, tmp_path: Path, touched: range, state: str):
    one = split(with_overlap(study, tmp_path, {"en": touched}))
    assert (one.state, one.difference, one.num_touched) == (state, None, len(touched))


def test_a_text_that_is_not_measured_yet_leaves_the_split_open(study: SyntheticStudy, tmp_path: Path):
    runs = [
        replace(run, artifacts={**run.artifacts, "overlap.mmlu.zh": None}) if run.label == ARM else run
        for run in with_overlap(study, tmp_path, {"en": range(90)})
    ]
    assert split(runs).state == "missing"


def test_scores_in_parts_are_compared_by_points(study: SyntheticStudy, tmp_path: Path):
    runs = with_overlap(study, tmp_path, {"en": range(80)})
    records = read_runs(runs)
    parts = {
        run.label: tuple(
            grade.model_copy(update={"score": 0.5 if place % 3 else 1.0}) for place, grade in enumerate(grades)
        )
        for run in records
        for grades in [run.grades["mmlu"]]
    }
    records = [replace(run, grades={**run.grades, "mmlu": parts[run.label]}) for run in records]
    one = split_scores(records, score_knowledge(records))[ARM, "mmlu"]
    expected = [np.mean([grade.score for grade in side]) for side in (parts[ARM][:80], parts[ARM][80:])]
    assert one.touched is not None
    assert one.difference is not None
    assert one.touched.value == pytest.approx(expected[0])
    assert one.difference.value == pytest.approx(expected[0] - expected[1])
    assert one.difference.low < one.difference.value < one.difference.high
    # Every example earns under the run what it earns under the base: no spread, no interval.
    assert one.beyond_base is None


def test_sides_that_earn_all_or_nothing_leave_doubt_where_examples_weigh_differently():
    weights_N = np.array([2.0, 5.0] * 20)
    full, empty = (Earned(np.column_stack([weights_N * share, weights_N])) for share in (1, 0))
    assert (full.share, empty.share) == (wilson(40, 40), wilson(0, 40))
    same = difference(full, full)
    assert same.low < same.value == 0 < same.high
    apart = difference(full, empty)
    assert apart.low < apart.value == 1


def test_names_with_points_are_told_apart(study: SyntheticStudy, tmp_path: Path):
    (run, *_) = read_runs(with_overlap(study, tmp_path, {"en": ()}, labels=GRADED[:1]))
    artifact = run.artifacts["overlap.mmlu.en"]
    roles = ("grades.mmlu", "grades.mmlu.zh", "overlap.mmlu.en", "overlap.mmlu.zh.en", "overlap.mmlu.instructions.zh")
    run = replace(run, artifacts=dict.fromkeys(roles, artifact))
    assert list(sources_of(run, "mmlu")) == ["en", "instructions.zh"]
    assert list(sources_of(run, "mmlu.zh")) == ["en"]


def test_the_page_shows_the_split_and_lists_what_is_touched(study: SyntheticStudy, tmp_path: Path):
    runs = with_overlap(study, tmp_path / "store", {"en": range(0, 100, 2), "instructions.zh": ()})
    page = write_report(runs, replace(study.info, comparisons=()), tmp_path)
    written = page.read_text(encoding="utf-8")
    assert "What was in the training text" in written
    assert "&lt;en&gt;" in written
    assert "<en>" not in written
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    (row,) = [row for row in report["tables"]["overlap.mmlu"]["rows"] if row["run"] == ARM]
    assert (row["num_examples"], row["num_touched"], row["num_too_short"]) == (200, 50, 1)
    assert row["difference"]["low"] < row["difference"]["value"] < row["difference"]["high"]
    listed = report["tables"]["touched.mmlu"]["rows"]
    assert [one["group"] for one in listed] == ["en"] * 50
    assert listed[0]["document"] == "<en>"
    assert (tmp_path / "tables" / "touched.mmlu.csv").is_file()


def test_a_text_that_several_runs_share_is_listed_once(study: SyntheticStudy, tmp_path: Path):
    records = read_runs(with_overlap(study, tmp_path, {"en": range(300)}, labels=GRADED[:3]))
    (found,) = source_overlaps(records)
    (table,) = touched_tables([found])
    (group,) = table.groups
    assert (found.num_too_short, len(group.rows), group.title) == (1, 200, "en")


def test_characters_that_nobody_sees_are_named_in_the_list(study: SyntheticStudy, tmp_path: Path):
    (found,) = source_overlaps(read_runs(with_overlap(study, tmp_path, {"en": (0,)})))
    odd = found.overlaps[0].model_copy(update={"id": "q\u202e1", "document": "page\u200b"})
    (table,) = touched_tables([replace(found, overlaps=(odd,))])
    (row,) = table.groups[0].rows
    assert [cell.text for cell in row[:2]] == ["q⟨U+202E⟩1", "page⟨U+200B⟩"]


def test_a_study_without_overlap_has_no_such_section(study: SyntheticStudy):
    records = read_runs(study.runs)
    assert overlap_tables(records, split_scores(records, score_knowledge(records))) == ()
    assert "What was in the training text" not in render(compose(records, study.info))


def test_grades_of_other_subjects_than_the_score_are_left_out(study: SyntheticStudy, tmp_path: Path):
    runs = with_overlap(study, tmp_path, {"en": range(200)})
    records = read_runs(runs)
    extra = Grade(
        id="other", benchmark="mmlu", subject="other", outcome="correct", score=1, given="A", answer="A", num_shots=0
    )
    records = [replace(run, grades={**run.grades, "mmlu": (*run.grades["mmlu"], extra)}) for run in records]
    one = split_scores(records, score_knowledge(records))[ARM, "mmlu"]
    assert one.num_touched == 200
    assert one.num_graded == 201
