import hashlib
import json
from pathlib import Path

import pytest

from loanword.errors import UserError
from loanword.evaluation.judging.judge import judge_facts, judge_responses
from loanword.evaluation.judging.rate import rated
from loanword.recipe.judging import JudgementsConfig
from loanword.records import Judgement
from tests.evaluation.judging.serving import NEVER_GIVEN, Place, response

PEOPLE = JudgementsConfig(kind="people", rubric="llm-eval-0-3", ratings="ratings.jsonl")
ANSWERED = [
    response(1, "It is red."),
    response(2, "It is big.", "It is far.", turns=("How big?", "How far?")),
    response(3, **NEVER_GIVEN),
]


def line(id: str, text: str, rater: str = "a", /, **more: object) -> dict[str, object]:
    return {"id": id, "response": text, "rater": rater, "scores": {"accuracy": 2, "fluency": 2.5}, **more}


def judge(tmp_path: Path, *lines: dict[str, object]) -> tuple[list[Judgement], list[str]]:
    path = tmp_path / "ratings.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in lines), encoding="utf-8")
    place = Place(tmp_path)
    return judge_responses(None, ANSWERED, PEOPLE, place.work, language="en", people=path), place.heard


def test_people_rate_what_they_saw_and_each_is_one_repeat(tmp_path: Path):
    digest = hashlib.sha256(b"It is big.\n\nIt is far.").hexdigest()
    judged, heard = judge(
        tmp_path,
        line("q2", "It is big.\n\nIt is far.", "b", benchmark="open"),
        line("q1", "It is red."),
        {**line("q2", "", "a"), "response": None, "response_sha256": digest.upper()},
    )
    assert heard == []
    assert [(one.id, one.repeat, one.model) for one in judged] == [("q1", 1, "a"), ("q2", 0, "b"), ("q2", 1, "a")]
    facts = judge_facts(None, PEOPLE, judged)
    assert (facts.kind, facts.repeats, facts.models, facts.num_requests) == ("people", 2, ("a", "b"), 0)
    ratings = rated(ANSWERED, judged, facts)
    assert [(one.id, one.repeat, one.outcome) for one in ratings] == [
        ("q1", 1, "rated"),
        ("q2", 0, "rated"),
        ("q2", 1, "rated"),
        ("q3", 0, "not answered"),
    ]
    assert ratings[0].scores == {"accuracy": 2, "fluency": 2.5}, "items that nobody rated are absent"


def test_ratings_of_other_responses_are_counted_and_said(tmp_path: Path):
    judged, heard = judge(
        tmp_path,
        line("q1", "It is red."),
        line("q1", "It is blue.", "b"),
        line("q9", "It is red."),
        line("q1", "It is red.", "c", benchmark="other"),
    )
    assert len(judged) == 1
    assert heard == [f"{tmp_path / 'ratings.jsonl'}: 3 of 4 ratings are of other responses than those judged here"]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (line("q1", "It is red.", scores={"accuracy": 4}), '"accuracy" is 4.0, not from 0 to 3'),
        (line("q1", "It is red.", scores={"style": 1}), '"style" is no item'),
        (line("q1", "It is red.", scores={}), '"accuracy" is missing'),
        (line("q1", "It is red.", scores={"accuracy": "2"}), "scores.accuracy"),
        (line("q1", "It is red.", rater=""), "rater"),
        (line("q1", "It is red.", mood="good"), "mood: unknown key"),
        (line("q2", "It is big.\n\nIt is far."), "rated the response to 'q2' before"),
        ({**line("q1", ""), "response": None}, "does not say which response"),
        ({**line("q1", "It is red."), "response_sha256": "0" * 64}, "does not say which response"),
    ],
)
def test_a_wrong_line_is_named_with_its_file(tmp_path: Path, wrong: dict[str, object], told: str):
    with pytest.raises(UserError) as error:
        judge(tmp_path, line("q2", "It is big.\n\nIt is far."), wrong)
    assert error.value.where == f"{tmp_path / 'ratings.jsonl'}:2"
    assert told in error.value.what
