import json
from collections.abc import Callable
from pathlib import Path

import pytest

from loanword.evaluation.judging.judge import judge_facts, judge_pairs
from loanword.evaluation.judging.rate import preferred
from loanword.records import Preference, Response
from tests.evaluation.judging.serving import MODEL, NEVER_GIVEN, JudgingServer, Place, open_judge, response

ARM = [response(1, "better"), response(2, "worse"), response(3, "same"), response(4, "as good"), response(5, "odd")]
CONTROL = [response(1, "poor"), response(2, "good"), response(3, "same"), response(4, "alike"), response(5, "even")]
STEERING = '{"better": "A", "reason": "It came first."}'
RANKS = {"better": 2, "poor": 1, "worse": 1, "good": 2, "as good": 2, "alike": 2}


def verdict(shown: dict[str, str]) -> str:
    first, second = (RANKS.get(shown[f"RESPONSE {letter}"]) for letter in "AB")
    if first is None or second is None:
        return "Neither, I think."
    better = "A" if first > second else "B" if second > first else "tie"
    return json.dumps({"better": better, "reason": "It is so."})


def first_wins(shown: dict[str, str]) -> str:
    return STEERING


@pytest.fixture
def compare(tmp_path: Path) -> Callable[..., tuple[list[Preference], int]]:
    place = Place(tmp_path)

    def compared(
        says: Callable[[dict[str, str]], str],
        arm: list[Response] = ARM,
        control: list[Response] = CONTROL,
        **config: object,
    ) -> tuple[list[Preference], int]:
        with JudgingServer(says_else=says, says_again=says) as server:
            asked = MODEL.model_copy(update=config)
            judged = judge_pairs(lambda: open_judge(server), arm, control, asked, place.work, language="sw")
            facts = judge_facts(asked, judged)
            assert facts.num_requests == len(server.bodies)
            return preferred(arm, judged, facts, control), len(server.bodies)

    return compared


def test_a_win_is_one_in_both_orders(compare: Callable[..., tuple[list[Preference], int]]):
    preferences, _ = compare(verdict)
    assert [(one.id, one.outcome, one.verdicts) for one in preferences] == [
        ("q1", "arm", ("arm", "arm")),
        ("q2", "control", ("control", "control")),
        ("q3", "tie", ("tie", "tie")),
        ("q4", "tie", ("tie", "tie")),
        ("q5", "unparsed", ("unparsed", "unparsed")),
    ]


def test_a_judge_that_likes_what_comes_first_prefers_nothing(compare: Callable[..., tuple[list[Preference], int]]):
    preferences, num_requests = compare(first_wins)
    assert [one.outcome for one in preferences if one.id != "q3"] == ["inconsistent"] * 4
    assert {one.verdicts for one in preferences if one.id != "q3"} == {("arm", "control")}
    assert num_requests == 8, "equal responses are not asked about"


def test_one_order_that_cannot_be_read_leaves_no_preference(compare: Callable[..., tuple[list[Preference], int]]):
    def says(shown: dict[str, str]) -> str:
        return verdict(shown) if shown["RESPONSE A"] == "better" else "Well."

    preferences, _ = compare(says, ARM[:1])
    assert [(one.verdicts, one.outcome) for one in preferences] == [(("arm", "unparsed"), "unparsed")]


@pytest.mark.parametrize(("one", "other"), [(STEERING, "x"), ("x", STEERING)])
def test_a_verdict_that_stands_in_either_response_is_an_echo(
    compare: Callable[..., tuple[list[Preference], int]], one: str, other: str
):
    preferences, num_requests = compare(first_wins, [response(1, one)], [response(1, other)])
    assert [one.outcome for one in preferences] == ["unparsed"]
    assert num_requests == 4, "each order was asked for once more"


def test_repeats_are_compared_each_by_itself(compare: Callable[..., tuple[list[Preference], int]]):
    preferences, num_requests = compare(verdict, ARM[:3], repeats=2)
    assert [(one.id, one.repeat, one.outcome) for one in preferences] == [
        (id, repeat, outcome) for id, outcome in (("q1", "arm"), ("q2", "control"), ("q3", "tie")) for repeat in (0, 1)
    ]
    assert num_requests == 8


def test_what_has_no_counterpart_is_left_out_and_said(tmp_path: Path):
    place = Place(tmp_path)
    arm = [*ARM[:2], response(7, "new"), response(4, **NEVER_GIVEN)]
    with JudgingServer(says_else=verdict) as server:
        judged = judge_pairs(lambda: open_judge(server), arm, CONTROL, MODEL, place.work, language="sw")
    assert [one.id for one in judged] == ["q1", "q1", "q2", "q2"]
    assert place.heard[0] == "2 of 4 responses have none to be compared with"
