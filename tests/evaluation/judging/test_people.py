import gzip
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
    places = [("q1", 1, "rater 2"), ("q2", 0, "rater 1"), ("q2", 1, "rater 2")]
    assert [(one.id, one.repeat, one.model) for one in judged] == places
    facts = judge_facts(PEOPLE, judged)
    assert (facts.kind, facts.repeats, facts.num_requests) == ("people", 2, 0)
    assert facts.models == ("rater 1", "rater 2")
    ratings = rated(ANSWERED, judged, facts)
    assert [(one.id, one.repeat, one.outcome) for one in ratings] == [
        ("q1", 1, "rated"),
        ("q2", 0, "rated"),
        ("q2", 1, "rated"),
        ("q3", 0, "not answered"),
    ]
    assert ratings[0].scores == {"accuracy": 2, "fluency": 2.5}, "items that nobody rated are absent"


def test_raters_are_numbered_in_the_order_of_the_file_and_their_names_stay_in_it(tmp_path: Path):
    judged, _ = judge(tmp_path, *(line("q1", "It is red.", f"person {letter}") for letter in "lkjihgfedcba"))
    facts = judge_facts(PEOPLE, judged)
    assert facts.models == tuple(f"rater {number}" for number in range(1, 13))
    assert "person" not in facts.to_json() + "".join(one.to_json() for one in judged)


@pytest.mark.parametrize("packed", [False, True])
def test_a_mark_before_the_first_line_and_blank_lines_are_nothing(tmp_path: Path, packed: bool):
    content = f"\ufeff{json.dumps(line('q1', 'It is red.'))}\r\n\n  \n{json.dumps(line('q1', 'It is red.', 'b'))}\n\n"
    path = tmp_path / ("ratings.jsonl.gz" if packed else "ratings.jsonl")
    path.write_bytes(gzip.compress(content.encode()) if packed else content.encode())
    judged = judge_responses(None, ANSWERED, PEOPLE, Place(tmp_path).work, language="en", people=path)
    assert [(one.id, one.repeat) for one in judged] == [("q1", 0), ("q1", 1)]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("r.jsonl", b"", "is empty"),
        ("r.jsonl", b"\n \n", "is empty"),
        ("r.jsonl.gz", b"", "is empty"),
        ("r.jsonl.gz", b'{"id": "q1"}', "cannot be read: Not a gzipped file"),
        ("r.jsonl.gz", gzip.compress(b"{}" * 99)[:-9], "cannot be read"),
        ("r.jsonl", None, "cannot be read"),
        ("r.jsonl", b"\xff\xfe{", "invalid"),
    ],
)
def test_a_file_that_holds_no_ratings_is_an_error(tmp_path: Path, name: str, content: bytes | None, told: str):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError) as error:
        judge_responses(None, ANSWERED, PEOPLE, Place(tmp_path).work, language="en", people=path)
    assert error.value.where.startswith(str(path))
    assert told in error.value.what


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
