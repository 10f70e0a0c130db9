"""Published figures: as printed, with what can be derived from them, and beside a study's own."""

from typing import Any

import pytest

from loanword.report.cells import Table
from loanword.report.gather import PublishedBeside, RunRecords, StudyInfo, read_runs
from loanword.report.page import render
from loanword.report.published.figures import PublishedRow, PublishedTable, Statement, read_published
from loanword.report.sections import Report, compose
from tests.report.conftest import SyntheticStudy
from tests.report.judged_runs import ITEMS, judged_runs
from tests.report.page_texts import english_sentences

RATED = ("table1", "table3", "vocabulary")


def test_six_averages_of_table_1_are_not_the_mean_of_their_items():
    table = read_published("table1")
    marked = {row.run: round(table.mean_of_items(row), 3) for row in table.rows if table.is_inconsistent(row)}
    assert marked == {
        "5K, LLaMA": 1.222,
        "5K, LLaMA + 10K": 1.234,
        "5K, LLaMA + 100K": 1.453,
        "5K, LLaMA + 1M": 1.557,
        "5K, Chinese LLaMA": 1.319,
        "5K, Open Chinese LLaMA": 2.059,
    }


@pytest.mark.parametrize("name", ["table3", "vocabulary"])
def test_all_other_averages_are(name: str):
    table = read_published(name)
    assert [row.run for row in table.rows if table.is_inconsistent(row)] == []


@pytest.mark.parametrize("name", RATED)
def test_ratings_are_on_their_scale(name: str):
    table = read_published(name)
    assert all(len(row.values) == len(table.columns) and all(0 <= of <= 3 for of in row.values) for row in table.rows)


def test_the_columns_of_table_3_have_the_means_that_the_paper_prints():
    table = read_published("table3")
    for sft, printed in (
        ("1K", (0.124, 0.776, 0.144, 0.143, 2.998, 0.837)),
        ("65K", (1.074, 2.377, 1.331, 1.354, 2.999, 1.827)),
    ):
        rows = [row.values for row in table.rows if row.run.startswith(f"{sft}, ")]
        assert len(rows) == 13
        assert [sum(of) / 13 for of in zip(*rows, strict=True)] == pytest.approx(printed, abs=0.0011)


def rows_of(columns: tuple[str, ...], **values: tuple[float, ...]) -> dict[str, Any]:
    return {"columns": columns, "rows": tuple(PublishedRow(run=run, values=of) for run, of in values.items())}


def shown(runs: list[RunRecords], measure: str, **fields: Any) -> tuple[Report, dict[str, Table]]:
    """A report beside made-up figures, and its tables of them by key."""
    told = {"title": "Theirs", "source": "somewhere", "measure": measure} | fields
    table = PublishedTable.model_validate(told)
    report = compose(runs, StudyInfo("s", "", published=PublishedBeside(table, "Another model.")))
    (section,) = [one for one in report.sections if one.key == "published"]
    assert section.lead == "Theirs (somewhere). Another model."
    return report, {one.key: one for one in section.all_tables}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> list[RunRecords]:
    return judged_runs(tmp_path_factory.mktemp("judged"))


def test_ratings_stand_beside_those_of_a_judge_on_the_same_scale(judged: list[RunRecords]):
    published = rows_of(
        (*ITEMS, "average"),
        base=(1.0, 1.0, 1.0, 1.0, 1.0, 1.0),
        control=(1.0, 2.0, 1.0, 1.0, 3.0, 1.6),
        arm=(0.5, 1.0, 1.0, 1.0, 3.0, 2.0),
        elsewhere=(0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    )
    report, tables = shown(judged, "ratings", judge="X", **published)
    assert set(tables) == {"published", "published.items"}
    base, control, arm, elsewhere = tables["published"].to_json()["rows"]
    assert base["ours"] == base["difference"] == {"state": "missing"}
    assert elsewhere["ours"] == elsewhere["difference"] == {"state": "not planned"}
    assert (control["mark"], arm["mark"]) == ("consistent", "stated 2.000, items give 1.300")
    for row, mean in ((control, 1.6), (arm, 1.3)):
        assert row["mean_of_items"] == pytest.approx(mean)
        assert row["difference"] == pytest.approx(row["ours"]["value"] - mean)
    items = [row for row in tables["published.items"].to_json()["rows"] if row["run"] == "arm"]
    assert [row["published"] for row in items] == [0.5, 1.0, 1.0, 1.0, 3.0]
    # Theirs has the control above the arm by its items, ours has not.
    (section,) = [one for one in report.sections if one.key == "published"]
    assert [found.text.split(" pairs")[0] for found in section.answers] == ["0 of 1"]


def test_a_judge_on_another_scale_gives_an_order_and_no_difference(judged: list[RunRecords]):
    published = rows_of((*ITEMS, "average"), control=(1.0,) * 6, arm=(2.0,) * 6)
    alone = [RunRecords(**{**vars(run), "judged": _by_rules(run), "artifacts": _of_rules(run)}) for run in judged]
    _, tables = shown(alone, "ratings", judge="X", **published)
    assert all("items" not in key for key in tables)
    assert all("difference" not in row and row["ours"]["value"] > 0 for row in tables["published"].to_json()["rows"])
    assert "another scale" in tables["published"].note


def _by_rules(run: RunRecords) -> dict[tuple[str, str], Any]:
    return {key: one for key, one in run.judged.items() if key[1] == "rules"}


def _of_rules(run: RunRecords) -> dict[str, Any]:
    return {role: one for role, one in run.artifacts.items() if ".gpt" not in role}


def test_shares_that_switch_are_read_against_the_published_range(judged: list[RunRecords]):
    published = rows_of(("low", "high"), arm=(0.0, 1.0), control=(0.98, 0.99), elsewhere=(0.02, 0.05))
    _, tables = shown(judged, "switching", **published)
    assert [row["reads"] for row in tables["published"].to_json()["rows"]] == [
        "within",
        "below",
        {"state": "not planned"},
    ]


def test_perplexities_and_statements_stand_beside_theirs(study: SyntheticStudy):
    runs = read_runs(study.runs)
    labels = [run.label for run in runs if run.likelihoods and run.grades][:2]
    published = rows_of(("zh", "en"), **{labels[0]: (10.0, 14.0), "elsewhere": (5.0, 200.0)})
    _, tables = shown(runs, "perplexity", **published)
    assert set(tables) == {"published.zh", "published.en"}
    ours, elsewhere = tables["published.zh"].to_json()["rows"]
    assert ours["published"] == 10.0 and ours["ours"]["value"] > 1 and ours["bits_per_byte"]["value"] > 0
    assert elsewhere["ours"] == {"state": "not planned"}
    benchmark = next(iter(runs[0].named("grades")))
    said = tuple(Statement(arm=labels[0], control=labels[0], said=one, benchmarks=(benchmark,)) for one in SAID)
    _, tables = shown(runs, "statements", statements=said)
    assert [row["reads"] for row in tables["published"].to_json()["rows"]] == [
        "no difference shown",
        "agrees: no difference shown",
    ]


SAID = ("higher", "about equal")


def test_the_page_shows_published_figures_of_runs_that_are_none_of_ours(judged: list[RunRecords]):
    """They lead to no artifact, and those of our runs do."""
    published = rows_of((*ITEMS, "average"), arm=(1.0,) * 6, elsewhere=(2.0,) * 6)
    report, tables = shown(judged, "ratings", judge="X", **published)
    page = render(report, "zh")
    assert "elsewhere" in page
    assert english_sentences(page) == []
    table = tables["published"]
    (group,) = table.groups
    arm, elsewhere = (report.origins.keys(table.sources_of(group, row)) for row in group.rows)
    assert arm and all(key.startswith("ratings/") for key in arm)
    assert elsewhere == []


def test_a_study_without_published_figures_has_no_section_of_them(judged: list[RunRecords]):
    assert all(section.key != "published" for section in compose(judged, StudyInfo("s", "")).sections)
