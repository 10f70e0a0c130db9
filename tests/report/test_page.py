"""The page as a reader, a machine and a screen reader find it."""

import csv
import json
import math
import re
import subprocess
import sys
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

import loanword
from loanword.records import DocumentLikelihood, read_lines
from loanword.report import RunFolders, StudyInfo, write_report

VOID = {"meta", "link", "br"}


class Outline(HTMLParser):
    """Elements of a page: their balance, attributes, and the text of cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in ("td", "th"):
            self.cells.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "td" in self.open or "th" in self.open:
            self.cells[-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def written(study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(study.runs, study.info, tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def page(written: Path) -> str:
    return written.read_text(encoding="utf-8")


def test_the_page_is_well_formed_and_its_ids_are_unique(page: str):
    outline = Outline(page)
    ids = [attributes["id"] for _, attributes in outline.elements if "id" in attributes]
    assert outline.open == []
    assert len(ids) == len(set(ids))


def test_the_page_asks_the_network_for_nothing(page: str):
    outline = Outline(page)
    assert "default-src 'none'" in page
    assert not re.search(r"https?:|@import|url\(", page)
    assert all("src" not in attributes for _, attributes in outline.elements)
    beside = {"report.html", "report.zh.html"}
    links = [str(found["href"]) for found in outline.all("a") + outline.all("link")]
    assert all(link.startswith(("#", "data:")) or link in beside for link in links)


def test_no_cell_is_blank_and_what_is_missing_says_so(page: str):
    outline = Outline(page)
    assert all(cell.strip() for cell in outline.cells)
    assert "missing" in [cell.strip() for cell in outline.cells]
    assert "1 of 12 runs still lacks records: extended-2MB-r0.2-sft1000" in page


def test_tables_and_drawings_speak_to_a_screen_reader(page: str):
    outline = Outline(page)
    assert len(outline.all("caption")) == len(outline.all("table"))
    assert all("scope" in found for found in outline.all("th"))
    ids = {attributes.get("id") for _, attributes in outline.elements}
    labels = [str(found["aria-labelledby"]).split() for found in outline.all("svg")]
    assert labels
    assert all(label in ids for found in labels for label in found)


def test_the_summary_says_what_was_gained_and_what_was_lost(page: str):
    assert re.search(r"<dt>Chinese: gained</dt><dd>Under the best run for Chinese, extended-2MB-r0.*\[.*\]", page)
    assert re.search(r"<dt>English: (lost|no change shown)</dt>", page)
    assert "Guessing scores 25.0\u202f%" in page


def test_labels_in_a_drawing_do_not_overlap(page: str):
    for drawing in re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL):
        ends: dict[float, list[float]] = {}
        for text in ElementTree.fromstring(drawing).iter("text"):
            if str(text.get("class")).startswith("label series"):
                ends.setdefault(float(text.attrib["x"]), []).append(float(text.attrib["y"]))
        for places in ends.values():
            assert all(after - before >= 14.9 for before, after in pairwise(sorted(places)))


def test_json_and_csv_hold_the_numbers_of_the_records(study, written: Path):
    folder = study.run("original-2MB-r0.2").artifacts["likelihoods"]
    chinese = [
        found for found in read_lines(DocumentLikelihood, folder / "likelihoods.jsonl") if found.language == "zh"
    ]
    expected = sum(found.nats for found in chinese) / math.log(2) / sum(found.num_bytes for found in chinese)
    tables = json.loads((written.parent / "report.json").read_text(encoding="utf-8"))["tables"]
    row = next(row for row in tables["likelihoods.zh"]["rows"] if row["run"] == "original-2MB-r0.2")
    assert row["bits_per_byte"]["value"] == pytest.approx(expected)
    assert row["bits_per_byte"]["low"] < expected < row["bits_per_byte"]["high"]
    with (written.parent / "tables" / "likelihoods.zh.csv").open(encoding="utf-8", newline="") as file:
        lines = {line["run"]: line for line in csv.DictReader(file)}
    assert float(lines["original-2MB-r0.2"]["bits_per_byte_low"]) == row["bits_per_byte"]["low"]
    assert lines["extended-2MB-r0.2-sft1000"]["bits_per_byte"] == "missing"


def test_the_same_records_give_the_same_bytes(study, written: Path, tmp_path: Path):
    again = write_report(study.runs, study.info, tmp_path)
    assert again.read_bytes() == written.read_bytes()
    assert (tmp_path / "report.json").read_bytes() == (written.parent / "report.json").read_bytes()


def test_a_report_that_is_written_again_leaves_nothing_of_the_old_one(study, tmp_path: Path):
    kept = tmp_path / "tables" / "notes.txt"
    for file in (tmp_path / "responses.html", tmp_path / "tables" / "knowledge.gone.csv", kept):
        file.parent.mkdir(exist_ok=True)
        file.write_text("old", encoding="utf-8")
    page = write_report(study.runs, study.info, tmp_path)
    assert "responses.html" not in page.read_text(encoding="utf-8")
    assert not (tmp_path / "responses.html").exists()
    tables = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["tables"]
    assert {file.name for file in kept.parent.iterdir()} == {f"{key}.csv" for key in tables} | {kept.name}


def test_names_of_runs_are_escaped_wherever_they_are_shown(study, tmp_path: Path):
    hostile = "<script>alert(1)</script>\"'&"
    runs = [
        RunFolders(hostile if run.label == "original-2MB-r0.2" else run.label, run.settings, run.seed, run.artifacts)
        for run in study.runs
    ]
    page = write_report(runs, StudyInfo(hostile, hostile, ((hostile, "original-0MB"),)), tmp_path).read_text("utf-8")
    assert "<script>alert" not in page
    assert Outline(page).open == []


def test_a_study_with_nothing_finished_still_has_a_page(study, tmp_path: Path):
    runs = [RunFolders(run.label, run.settings, 0, dict.fromkeys(run.artifacts)) for run in study.runs]
    page = write_report(runs, study.info, tmp_path).read_text(encoding="utf-8")
    assert "12 of 12 runs still lack records" in page


def test_one_run_without_settings_has_a_page(study, tmp_path: Path):
    run = study.run("original-2MB-r0.2")
    page = write_report([RunFolders("alone", {}, 3, run.artifacts)], StudyInfo("s", ""), tmp_path).read_text("utf-8")
    assert Outline(page).open == []
    assert "alone" in page


def test_reporting_loads_no_torch():
    heavy = ("torch", "transformers", "scipy.optimize", "scipy.stats")
    code = f"import sys, loanword.report; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(Path(loanword.__file__).parents[1])},
    )
    assert found.stdout.strip() == "[]"
