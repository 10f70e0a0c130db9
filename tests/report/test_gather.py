"""Records are read once, leniently where the store may grow, and what is missing stays visible."""

import json
from pathlib import Path

import pytest

from loanword.errors import UserError
from loanword.records import SkippedRows, write_lines
from loanword.report.comparisons import compare
from loanword.report.gather import RunFolders, read_runs
from loanword.report.tables import comparisons_table, settings_table


def test_a_missing_artifact_stays_in_the_run(study):
    run = read_runs([study.run("extended-2MB-r0.2-sft1000")])[0]
    assert "likelihoods" in run.missing()
    assert run.plans("likelihoods")
    assert not run.likelihoods
    assert run.last_summary is None


def test_a_folder_without_a_manifest_counts_as_missing(tmp_path: Path):
    (tmp_path / "curve.jsonl").write_text("{}\n")
    assert read_runs([RunFolders("one", {}, 0, {"base": tmp_path})])[0].missing() == ["base"]


def test_a_manifest_may_know_more_or_less_than_we_do(tmp_path: Path):
    manifest = {"name": "x", "stage": "base", "novelty": [1], "provenance": {"seconds": 2, "machine": {"cores": 2}}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    artifact = read_runs([RunFolders("one", {}, 0, {"base": tmp_path})])[0].artifacts["base"]
    assert artifact is not None
    assert artifact.manifest.provenance.seconds == 2
    assert artifact.manifest.provenance.commit is None


def test_a_broken_line_is_named_by_file_and_line(tmp_path: Path):
    (tmp_path / "manifest.json").write_text(json.dumps({"name": "x", "stage": "grades"}))
    (tmp_path / "grades.jsonl").write_text('{"id": 3}\n')
    with pytest.raises(UserError, match=r"grades\.jsonl:1"):
        read_runs([RunFolders("one", {}, 0, {"grades.ceval": tmp_path})])


def test_budget_is_the_text_that_was_read(study):
    runs = {run.label: run for run in read_runs(study.runs)}
    assert runs["original-0MB"].num_target_bytes == 0
    assert runs["extended-0MB"].num_target_bytes == 0
    assert runs["original-0.4MB-r0.2"].num_target_bytes == 400_321
    assert not runs["extended-0MB"].is_pretrained


def test_a_run_speaks_its_own_tokenizer(study):
    runs = {run.label: run for run in read_runs(study.runs)}
    assert runs["original-0MB"].measures[0].bytes_per_token == 1.25
    assert runs["extended-0MB"].measures[0].bytes_per_token == 2.6


def test_a_run_that_skipped_rows_is_marked_wherever_it_is_listed(tmp_path: Path):
    skipped = [
        SkippedRows(first_row=8, last_row=12, reason="exploding"),
        SkippedRows(first_row=40, last_row=64, reason="rolled back"),
    ]
    folders: list[RunFolders] = []
    for label, rows in (("rough", skipped), ("smooth", [])):
        folder = tmp_path / label
        folder.mkdir()
        (folder / "manifest.json").write_text(json.dumps({"name": label, "stage": "pretraining"}))
        write_lines(rows, folder / "skipped.jsonl")
        folders.append(RunFolders(label, {}, 0, {"pretraining": folder}))
    runs = read_runs(folders)
    (group,) = settings_table(runs).groups
    states = [row[-1].text for row in group.rows]
    assert states == ["complete; pretraining skipped 28 rows (exploding and rolled back)", "complete"]
    (group,) = comparisons_table(compare([("smooth", "rough")], runs, {}, {})).groups
    assert group.note.endswith("rough skipped rows in training")
