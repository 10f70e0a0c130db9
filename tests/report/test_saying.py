"""The interface in another language: whole templates, nothing left out, names and numbers left alone."""

import ast
import json
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import loanword.report
from loanword.cli.report import LANGUAGES
from loanword.language_names import NAMES
from loanword.report import write_report
from loanword.report.corpora import RULE_NAMES
from loanword.report.page import render
from loanword.report.quality.words import RULES
from loanword.report.saying import CODES, Interface, Said, interface, joined, listed, say, sentences
from loanword.report.sections import Report
from loanword.report.trust.judges import KINDS, NOT_CHECKED
from loanword.report.wording import BENCHMARK_NAMES, SETTING_NAMES
from tests.report.page_texts import english_sentences

CHINESE = interface("zh")
PACKAGE = Path(loanword.report.__file__).parent
VERDICTS = ("helps", "hurts", "no difference", "not enough data", "missing", "neither is above chance")
OUTCOMES = ("yes", "no", "not shown", "it depends", "at equal text only", "at equal compute only")


def places(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def templates() -> Iterator[str]:
    """Every text that the package hands to `say` as a literal."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("say", "_chained") and node.args:
                yield from literals(node.args[0])


def literals(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from literals(node.body)
        yield from literals(node.orelse)


def test_every_template_and_every_word_of_a_fixed_list_is_known_in_chinese():
    known = [*templates(), *NAMES.values(), *SETTING_NAMES.values(), *RULE_NAMES.values(), *KINDS.values()]
    known += [NOT_CHECKED, RULES, *VERDICTS, *OUTCOMES]
    assert sorted(set(known) - CHINESE.texts.keys()) == []


def test_a_translation_names_the_parts_of_its_template_and_no_others():
    assert {
        text: places(text) ^ places(told) for text, told in CHINESE.texts.items() if places(text) != places(told)
    } == {}
    assert all(CHINESE.texts.values())


def test_the_catalogue_is_sorted_so_that_changes_stay_small():
    keys = list(json.loads((PACKAGE / "interface.zh.json").read_text(encoding="utf-8")))
    assert keys == sorted(keys)


@pytest.fixture(scope="module")
def chinese(study, tmp_path_factory: pytest.TempPathFactory) -> str:
    page = write_report(study.runs, study.info, tmp_path_factory.mktemp("chinese"), "zh")
    return page.read_text(encoding="utf-8")


def test_no_english_sentence_is_left_on_the_chinese_page(chinese: str, over_seeds: Report):
    for page in (chinese, render(over_seeds, "zh")):
        assert '<html lang="zh-Hans">' in page
        assert english_sentences(page) == []
        assert "更大的词表有帮助吗？" in page


def test_every_fixed_text_of_tables_and_figures_is_known_in_chinese(over_seeds: Report):
    names = {*BENCHMARK_NAMES.values(), *(run.arm for run in over_seeds.runs)}
    assert sorted(set(fixed(over_seeds)) - names - CHINESE.texts.keys()) == []


def fixed(report: Report) -> Iterator[str]:
    """Titles, notes and captions that are made of no parts."""
    for section in report.sections:
        told = [section.title, section.lead]
        told += [text for figure in section.figures for text in (figure.title, figure.caption)]
        for table in section.all_tables:
            told += [table.title, table.note, *(column.title for column in table.columns)]
        yield from (text for text in told if text and not isinstance(text, Said))


def test_both_pages_hold_the_same_numbers_and_lead_to_each_other(chinese: str, study, tmp_path: Path):
    english = write_report(study.runs, study.info, tmp_path).read_text(encoding="utf-8")
    values = re.compile(r'data-value="([^"]*)"')
    assert values.findall(english) == values.findall(chinese)
    assert 'href="report.zh.html" hreflang="zh"' in english
    assert 'href="report.html" hreflang="en"' in chinese


def test_every_language_of_the_interface_can_be_asked_for():
    assert LANGUAGES == CODES


NAMED = st.text(alphabet="abc {}", min_size=1, max_size=8)


@given(st.lists(NAMED, min_size=1, max_size=6))
def test_names_are_left_alone_in_every_language(names: list[str]):
    spoken = Interface("zh", {"{before}, {thing}": "{before}、{thing}", "{before} and {last}": "{before}和{last}"})
    english = " and ".join(names) if len(names) < 3 else f"{', '.join(names[:-1])} and {names[-1]}"
    assert joined(names) == english
    *before, last = names
    assert spoken.text(joined(names)) == ("、".join(before) + "和" if before else "") + last


def test_parts_that_are_ours_are_said_in_their_language_and_a_run_of_the_same_name_is_not():
    spoken = Interface("zh", {"missing": "缺失", "{run}: {state}": "{state}（{run}）"})
    assert spoken.text(say("{run}: {state}", run="missing", state=say("missing"))) == "缺失（missing）"
    assert spoken.words("missing") == "missing"
    assert spoken.text("missing") == "缺失"


def test_what_is_empty_is_left_out_of_lists_and_sentences():
    assert sentences(("", say("One."), "", say("Two."))) == "One. Two."
    assert listed(()) == joined(()) == ""
