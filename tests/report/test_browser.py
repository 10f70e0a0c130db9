"""The pages in a headless Chromium: nothing complains, nothing is asked for, axe finds nothing serious.

Needs Debian's chromium, and axe-core's `axe.min.js` at LOANWORD_AXE.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from loanword.report import write_report
from tests.report.browser import Browser, browsing

pytestmark = pytest.mark.browser
CHROMIUM = shutil.which("chromium")
AXE = Path(os.environ.get("LOANWORD_AXE") or "axe.min.js")
PAGES = ("report.html", "report.zh.html")
UNFOLD = "for (const one of document.querySelectorAll('details')) one.open = true"
FINDINGS = """axe.run().then((found) => found.violations
    .filter((one) => ["serious", "critical"].includes(one.impact))
    .map((one) => `${one.id}: ${one.nodes[0].html}`))"""


@pytest.fixture(scope="module")
def folder(study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(study.runs, study.info, tmp_path_factory.mktemp("pages")).parent


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no chromium on the path")
    with browsing(CHROMIUM, tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_complains_of_nothing_asks_for_nothing_and_fits_its_window(
    browser: Browser, folder: Path, name: str, width: int
):
    browser.open(folder / name, width=width)
    browser.value(UNFOLD)
    assert browser.complaints() == []
    assert browser.requests() == [(folder / name).resolve().as_uri()]
    assert browser.value("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_serious(browser: Browser, folder: Path, name: str, *, dark: bool):
    if not AXE.is_file():
        pytest.skip(f"no axe-core at {AXE}: `npm pack axe-core` fetches it, LOANWORD_AXE says where it is")
    browser.open(folder / name, width=390 if dark else 1280, dark=dark)
    browser.value(UNFOLD)
    browser.value(AXE.read_text(encoding="utf-8"))
    assert browser.value(FINDINGS) == []


def test_a_number_opens_the_artifacts_that_it_comes_from(browser: Browser, folder: Path):
    browser.open(folder / "report.html", width=1280)
    shown = "[...document.querySelectorAll('dialog[open] .artifact')].map((one) => one.textContent).join()"
    assert browser.value(shown) == ""
    browser.value("document.querySelector('#retention tbody tr:nth-child(2) td.number').click()")
    told = browser.value(shown)
    assert "likelihoods/l-original-0MB" in told and "0123456789ab" in told and "numpy 2.4.0" in told
    browser.value("document.querySelector('dialog button').click()")
    assert browser.value("document.querySelector('dialog').open") is False


def test_a_heading_sorts_its_table_and_says_so(browser: Browser, folder: Path):
    browser.open(folder / "report.html", width=1280)
    column = "[...document.querySelectorAll('#language table tbody tr')].slice(0, 11).map((row) => row.cells[1])"
    browser.value("document.querySelector('#language table thead th:nth-child(2) button').click()")
    values = browser.value(f"{column}.filter((one) => one.dataset.value).map((one) => Number(one.dataset.value))")
    assert values == sorted(values) and len(values) > 5
    assert browser.value("document.querySelector('#language table th:nth-child(2)').ariaSort") == "ascending"
    assert "ascending" in browser.value("document.getElementById('sorted').textContent")


def test_a_link_to_what_is_folded_away_unfolds_it(browser: Browser, folder: Path):
    browser.open(folder / "report.html", width=1280, fragment="#language")
    assert browser.value("document.querySelector('#language > details').open") is True
    browser.open(folder / "report.html", width=1280, fragment="#artifact-1")
    assert browser.value("document.getElementById('artifact-1').checkVisibility()") is True


def test_print_unfolds_the_sections_and_leaves_the_list_of_artifacts_out(
    browser: Browser, folder: Path, tmp_path: Path
):
    browser.open(folder / "report.html", width=1280)
    browser.value("dispatchEvent(new Event('beforeprint'))")
    assert browser.value("document.querySelector('#language > details').open") is True
    assert browser.value("document.querySelector('#provenance > details').open") is False
    browser.value("dispatchEvent(new Event('afterprint'))")
    assert browser.value("document.querySelector('#language > details').open") is False
    browser.printed(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF-")
