import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from loanword.evaluation.benchmark import Example
from loanword.evaluation.benchmarks.gaokao import GAOKAO, SUBJECTS
from loanword.evaluation.benchmarks.gaokao_sections import SECTIONS
from loanword.evaluation.grading import grade
from loanword.recipe import GradesConfig
from loanword.records import Response

ROWS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "golden" / "gaokao.json").read_text(encoding="utf-8")
)["responses"]["rows"]
ASKING = GAOKAO.protocols["official"]["generation"]
HISTORY, USAGE, PHYSICS = "2010-2022_History_MCQs", "2010-2022_Chinese_Lang_and_Usage_MCQs", "2010-2022_Physics_MCQs"
GEOGRAPHY, CLOZE_TEST = "2010-2022_Geography_MCQs", "2012-2022_English_Cloze_Test"
BLANKS = "2010-2022_Math_I_Fill-in-the-Blank"


def response(subject: str, answers: Iterable[str], text: str, points: float = 6) -> Response:
    facts = {"id": f"{subject}/0", "benchmark": "gaokao", "subject": subject, "answers": tuple(answers)}
    return Response.model_validate(facts | {"texts": (text,), "points": points, "num_shots": 0, "ended": "stopped"})


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['subject'][10:]}: {row['text']}")
def test_responses_are_read_and_marked_as_the_authors_do(row: dict[str, Any]):
    said = response(row["subject"], row["answers"], row["text"], points=row["worth"])
    assert ASKING.read is not None
    assert ASKING.read(said) == (None if row["read"] is None else tuple(row["read"]))
    marked = grade(said, ASKING, GradesConfig())
    assert marked.score * marked.points == pytest.approx(row["earned"])
    assert (marked.outcome == "correct") == (row["earned"] == row["worth"])


def test_a_response_without_the_right_number_of_answers_is_unparsed():
    marked = grade(response(GEOGRAPHY, "AC", "第一题选A。"), ASKING, GradesConfig())
    assert (marked.outcome, marked.score, marked.given) == ("unparsed", 0, "")


@pytest.mark.parametrize(
    ("subject", "answers", "text", "score"),
    [
        (HISTORY, ["C"], "答案是C。", 1.0),
        (HISTORY, ["C"], "我不知道。", 0.0),
        (PHYSICS, ["AB"], "BA", 1.0),
        (PHYSICS, ["AB"], "B", 0.5),
        (GEOGRAPHY, ["A", "C"], "A D", 0.5),
        (CLOZE_TEST, list("ECAGF"), "E C A G F", 1.0),
        (USAGE, ["B"], "B", 1.0),
    ],
)
def test_robust_extraction_knows_the_types_too(subject: str, answers: list[str], text: str, score: float):
    marked = grade(response(subject, answers, text), ASKING, GradesConfig(extraction="robust"))
    assert marked.score == score


@pytest.mark.parametrize("extraction", ["read", "robust"])
def test_open_responses_are_left_to_a_judge(extraction: str):
    assert getattr(ASKING, extraction)(response(BLANKS, (), "【答案】 2 <eoa>")) is None


@pytest.mark.parametrize(
    ("subject", "answers", "share"),
    [
        (HISTORY, ["C"], 1 / 4),
        (GEOGRAPHY, ["A", "C"], 1 / 4),
        (CLOZE_TEST, list("ECAGF"), 1 / 7),
        (PHYSICS, ["C"], 1 / 4),
        (PHYSICS, ["AB"], 1 / 4),
        (PHYSICS, ["ABD"], 3 / 8),
        (PHYSICS, ["ABCD"], 1 / 2),
    ],
)
def test_chance_is_what_letters_at_random_earn(subject: str, answers: list[str], share: float):
    example = Example(id="0", question="", options=(), answers=tuple(answers), points=6)
    said = response(subject, answers, "")
    letters = SECTIONS[subject].letters
    marks = [ASKING.mark(said, (letter,) * len(answers)) for letter in letters]
    assert ASKING.chance(SUBJECTS[subject], example) == pytest.approx(sum(marks) / len(marks)) == share
