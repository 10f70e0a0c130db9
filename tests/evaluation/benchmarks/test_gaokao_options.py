import json
from pathlib import Path
from typing import Any

import pytest

from loanword.errors import UserError
from loanword.evaluation.answering import answer
from loanword.evaluation.benchmark import SubjectQuestions
from loanword.evaluation.benchmarks import asking_of, settled
from loanword.evaluation.benchmarks.gaokao import GAOKAO
from loanword.evaluation.benchmarks.gaokao_options import split_options
from loanword.evaluation.benchmarks.gaokao_sections import SECTIONS
from loanword.evaluation.facts import benchmark_facts
from loanword.evaluation.grading import grade
from loanword.protocols import ChoicePrompt
from loanword.recipe import BenchmarkConfig, GradesConfig
from tests.evaluation.models import AlwaysA

ENGLISH, HISTORY = "2010-2013_English_MCQs", "2010-2022_History_MCQs"
PHYSICS, POETRY = "2010-2022_Physics_MCQs", "2010-2022_Chinese_Language_Ancient_Poetry_Reading"
BRIDGE = " 1. 桥先于路修成，说明\nA. 河急  B. 路远  C. 桥短  D. 人多\n\n"


def write(folder: Path, name: str, *questions: tuple[str, str]) -> None:
    """A file of questions, each with its answer, worth four points, and numbered from 3."""
    example = [
        {"question": question, "answer": [answer], "analysis": "略", "index": index, "score": 4}
        for index, (question, answer) in enumerate(questions, start=3)
    ]
    path = folder / "Objective_Questions" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"keywords": name, "example": example}, ensure_ascii=False), encoding="utf-8")


def config(*subjects: str, protocol: str = "options") -> BenchmarkConfig:
    written = {"name": "gaokao", "folder": "gaokao", "protocol": protocol, "subjects": subjects}
    return settled(BenchmarkConfig.model_validate(written))


def loaded(folder: Path, *subjects: str, protocol: str = "options") -> list[SubjectQuestions]:
    return GAOKAO.load(folder, config(*subjects, protocol=protocol))


def prompts(folder: Path, *subjects: str, protocol: str = "options") -> list[Any]:
    how = config(*subjects, protocol=protocol)
    return [one for questions in GAOKAO.load(folder, how) for one in asking_of(how).prompts(questions, how)]


SPLIT = {
    "1. 桥先于路\n修成，说明\nA. 河急  B. 路远  C. 桥短  D. 人多\n\n": (
        "1. 桥先于路\n修成，说明",
        "河急",
        "路远",
        "桥短",
        "人多",
    ),
    "①甲\n②乙A．①② B．①\nC．②D．①②": ("①甲\n②乙", "①②", "①", "②", "①②"),
    "含 DNA. 的是（）\nA 、RNA、 B、$ABC.$ C .甲 D. B": ("含 DNA. 的是（）", "RNA、", "$ABC.$", "甲", "B"),
    "表\nA. & 一 \\\\ B. & 二\nA. $A$\nB. $B$\nC. C\nD. D": ("表\nA. & 一 \\\\ B. & 二", "$A$", "$B$", "C", "D"),
    "交于 $A 、 B$ 两点\nA. 1\nB. 2\nC. 3\nD. 4": ("交于 $A 、 B$ 两点", "1", "2", "3", "4"),
    "图示是（）\nA．  B．  \nC．  D．\n": ("图示是（）", "", "", "", ""),
    "A. 甲 B. 乙 C. 丙": None,
    "A. 甲 B. 乙 D. 丁 C. 丙": None,
    "(A) 甲 (B) 乙 (C) 丙 (D) 丁": None,
}


@pytest.mark.parametrize(("text", "parts"), SPLIT.items())
def test_options_are_split_from_the_text_of_their_question(text: str, parts: tuple[str, ...] | None):
    assert split_options(text) == (parts and (parts[0], parts[1:]))


def test_a_statement_is_the_question_and_one_of_its_options(tmp_path: Path):
    write(tmp_path, ENGLISH, ("21. The bridge ____ by a smith.\nA. built  B. was built\nC. builds D. build\n", "B"))
    write(tmp_path, HISTORY, (BRIDGE, "C"))
    assert prompts(tmp_path, ENGLISH, HISTORY) == [
        ChoicePrompt(
            f"{ENGLISH}/3",
            header="",
            shots=(),
            question="21. The bridge",
            choices=(" built by a smith.", " was built by a smith.", " builds by a smith.", " build by a smith."),
        ),
        ChoicePrompt(
            f"{HISTORY}/3",
            header="",
            shots=(),
            question="1. 桥先于路修成，说明\n【答案】:",
            choices=(" 河急", " 路远", " 桥短", " 人多"),
        ),
    ]
    assert prompts(tmp_path, HISTORY, protocol="options-only") == [
        ChoicePrompt(f"{HISTORY}/3", header="", shots=(), question="", choices=("河急", "路远", "桥短", "人多"))
    ]


def test_single_choices_make_statements_and_nothing_else_does(tmp_path: Path):
    names = [name for name, section in SECTIONS.items() if section.kind == "single_choice"]
    for name in names:
        write(tmp_path, name, (BRIDGE, "C"))
    assert [questions.subject.name for questions in loaded(tmp_path)] == names
    assert len(names) == 7
    said = rf"(?s)no single choices.*: {PHYSICS}, {POETRY}\n  expected: any of {ENGLISH}"
    for protocol in ("options", "options-only"):
        with pytest.raises(UserError, match=said):
            loaded(tmp_path, HISTORY, PHYSICS, POETRY, protocol=protocol)


def test_a_question_that_cannot_be_split_is_named_by_file_and_index(tmp_path: Path):
    write(tmp_path, HISTORY, (BRIDGE, "C"), ("2. 下列正确的是\nA. 甲  B. 乙  D. 丁", "A"))
    said = rf"{HISTORY}\.json: index 4 - the question does not say which its options are: '.*D\. 丁'\n  expected: four"
    for protocol in ("options", "options-only"):
        with pytest.raises(UserError, match=said):
            loaded(tmp_path, HISTORY, protocol=protocol)
    (questions,) = loaded(tmp_path, HISTORY, protocol="official")
    assert len(questions.examples) == 2, "where letters are asked for nothing needs to be split"


def test_a_question_whose_options_are_pictures_is_asked_listed_and_earns_nothing(tmp_path: Path):
    write(tmp_path, HISTORY, (BRIDGE, "A"), ("2. 图示是\nA．  B．  \nC．  D．\n", "A"))
    for protocol in ("options", "options-only"):
        how = config(HISTORY, protocol=protocol)
        asking, (questions,) = asking_of(how), GAOKAO.load(tmp_path, how)
        assert questions.malformed == {f"{HISTORY}/4": "without a text: option A, B, C, D"}
        said = answer(AlwaysA(), "gaokao", questions, asking, how)
        graded = [grade(one, asking, GradesConfig()) for one in said]
        assert [(one.given, one.score, one.answer) for one in graded] == [("A", 1, "A"), ("A", 0, "A")]
        facts = benchmark_facts(GAOKAO, how, asking, [questions], said)
        assert facts["scores"][0]["chance"] == facts["subjects"][HISTORY]["chance"] == pytest.approx(1 / 8)
        assert facts["malformed"] == questions.malformed


def test_the_published_single_choices_are_split_but_for_five_that_are_pictures(shared_data: Path):
    asked = loaded(shared_data / "benchmarks/gaokao-bench")
    found = {one.subject.name: (len(one.examples), sum(bool(e.options) for e in one.examples)) for one in asked}
    assert found == {
        "2010-2013_English_MCQs": (105, 105),
        "2010-2022_Math_I_MCQs": (214, 214),
        "2010-2022_Math_II_MCQs": (218, 218),
        "2010-2022_Chemistry_MCQs": (124, 123),
        "2010-2022_Biology_MCQs": (150, 150),
        "2010-2022_History_MCQs": (287, 287),
        "2010-2022_Political_Science_MCQs": (320, 316),
    }
