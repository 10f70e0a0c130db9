"""Every number leads to the artifacts that it was computed from, and those to their settings, commit and versions."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from loanword.report import write_report
from loanword.report.cells import Sources
from loanword.report.gather import read_runs
from loanword.report.provenance import Origins
from loanword.report.section import Section
from loanword.report.sections import Report, compose


@pytest.fixture(scope="module")
def report(study) -> Report:
    return compose(read_runs(study.runs), study.info)


def numbers_of(report: Report, section: Section):
    """Sources of every number of a section's tables."""
    for table in section.all_tables:
        for group in table.groups:
            for row in group.rows:
                for column, cell in zip(table.columns[1:], row[1:], strict=True):
                    if cell.state == "present" and isinstance(cell.value, int | float):
                        yield table.key, row[0].text, report.origins.numbers(table.sources_of(group, row, column))


@pytest.mark.parametrize("of", ["report", "over_seeds"])
def test_every_number_of_every_table_leads_to_an_artifact(of: str, request: pytest.FixtureRequest):
    report: Report = request.getfixturevalue(of)
    alone = [
        (key, row)
        for section in report.sections
        for key, row, artifacts in numbers_of(report, section)
        # Settings are of the study file, and of its stages as a whole.
        if not artifacts and key not in ("settings", "time")
    ]
    assert alone == []


def test_a_score_leads_to_the_artifacts_of_its_run_and_a_difference_to_those_of_both(report: Report):
    origins = report.origins
    one = Sources(("original-2MB-r0.2",), ("likelihoods",))
    assert origins.keys(one) == ["likelihoods/l-original-2MB-r0.2"]
    both = Sources(("original-2MB-r0.2", "extended-2MB-r0.2"), ("grades.ceval",))
    assert origins.keys(both) == ["grades/ceval-original-2MB-r0.2", "grades/ceval-extended-2MB-r0.2"]
    assert origins.keys(Sources(("original-2MB-r0.2",))) == []


def test_an_arm_of_several_seeds_leads_to_the_artifacts_of_all_of_its_runs(study):
    labels = ("original-0.4MB-r0.2", "original-2MB-r0.2")
    runs = read_runs([study.run(label) for label in labels])
    origins = Origins([replace(run, arm="both", seed=seed) for seed, run in enumerate(runs)])
    assert origins.keys(Sources(("both",), ("likelihoods",))) == [f"likelihoods/l-{label}" for label in labels]


def test_a_law_leads_to_the_artifacts_of_all_of_its_budgets(over_seeds: Report):
    tables = {table.key: table for section in over_seeds.sections for table in section.all_tables}
    table = tables["scaling.bits"]
    group = table.groups[0]
    row = next(row for row in group.rows if "original" in row[0].text)
    keys = over_seeds.origins.keys(table.sources_of(group, row))
    sizes = ("0.25", "0.5", "1", "2", "4")
    assert [key for key in keys if key.startswith("likelihoods/")] == [
        f"likelihoods/l-original-{size}MB-r0.2" for size in sizes
    ]


def test_an_artifact_that_runs_share_stands_once_and_names_them(report: Report):
    base = [entry for entry in report.origins.entries if entry.stage == "base"]
    assert [entry.key for entry in base] == ["base/b1"]
    assert len(base[0].runs) == 12
    assert [entry.number for entry in report.origins.entries] == list(range(1, len(report.origins.entries) + 1))


def test_every_link_of_the_page_meets_an_entry_with_commit_versions_and_execution(study, tmp_path: Path):
    page = write_report(study.runs, study.info, tmp_path).read_text(encoding="utf-8")
    named = {number for found in re.findall(r'data-of="([^"]+)"', page) for number in found.split()}
    ids = set(re.findall(r'id="artifact-(\d+)"', page))
    assert named and named <= ids
    assert set(re.findall(r'href="#artifact-(\d+)"', page)) <= ids
    assert page.count("<code>0123456789ab</code>") == page.count("loanword 0.1.0, numpy 2.4.0") == len(ids)
    assert "device cpu, micro_batch_tokens 16384, threads 2" in page


def test_rows_of_the_json_name_artifacts_that_it_holds_with_their_provenance(study, tmp_path: Path):
    write_report(study.runs, study.info, tmp_path)
    told = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    row = next(one for one in told["tables"]["likelihoods.zh"]["rows"] if one["run"] == "original-2MB-r0.2")
    assert row["sources"] == ["likelihoods/l-original-2MB-r0.2"]
    artifact = told["artifacts"][row["sources"][0]]
    assert artifact["provenance"]["commit"] == "0123456789abcdef"
    assert artifact["provenance"]["execution"]["device"] == "cpu"
    named = {key for table in told["tables"].values() for one in table["rows"] for key in one["sources"]}
    assert named <= told["artifacts"].keys()


def test_settings_are_shown_as_they_stand_in_the_manifest_and_never_as_markup(study, tmp_path: Path):
    run = study.run("original-2MB-r0.2")
    folder = tmp_path / "likelihoods"
    folder.mkdir()
    for file in run.artifacts["likelihoods"].iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest |= {"config": {"window": "</code><script>"}, "inputs": {"model": "pretraining/p-original-2MB-r0.2"}}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    runs = [type(run)(run.label, run.settings, run.seed, {**run.artifacts, "likelihoods": folder})]
    entry = next(one for one in Origins(read_runs(runs)).entries if one.stage == "likelihoods")
    assert entry.settings == '{"window":"</code><script>"}'
    assert [(role, key, number is not None) for role, key, number in entry.made_from] == [
        ("model", "pretraining/p-original-2MB-r0.2", True)
    ]
    page = write_report(runs, study.info.__class__("s", ""), tmp_path / "out").read_text(encoding="utf-8")
    assert '{"window":"&lt;/code&gt;&lt;script&gt;"}' in page
    assert page.count("<script") == 1
