import json
import statistics
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loanword.errors import UserError
from loanword.evaluation.judging.judge import judge_facts
from loanword.evaluation.judging.rate import combined, rated
from loanword.recipe.judging import JudgementsConfig
from loanword.records import JudgeFacts, Judgement, Rating, Response
from tests.evaluation.judging.serving import MODEL, NEVER_GIVEN, response, scores


def judged(answered: list[Response], *replies: str, repeats: int = 1) -> tuple[JudgeFacts, list[Rating]]:
    config = MODEL.model_copy(update={"repeats": repeats})
    said = iter(replies)
    judgements = [
        Judgement(id=one.id, repeat=repeat, replies=(next(said),), model="m")
        for one in answered
        if one.texts
        for repeat in range(repeats)
    ]
    facts = judge_facts(config, judgements)
    return facts, rated(answered, judgements, facts)


def test_ratings_say_of_what_they_are_and_how_long_that_is():
    one = response(1, "a draft", "four", subject="Poetry", points=3.0)
    _, (rating,) = judged([one], scores(2))
    assert (rating.benchmark, rating.subject, rating.points, rating.num_characters) == ("open", "Poetry", 3.0, 4)


def test_the_last_reply_counts():
    judgement = Judgement(id="q1", replies=("No.", scores(3)), model="m")
    facts = judge_facts(MODEL, [judgement])
    (rating,) = rated([response(1, "x")], [judgement], facts)
    assert (rating.outcome, rating.scores["fluency"]) == ("rated", 3.0)


def test_each_repeat_of_what_was_never_given_is_counted():
    facts, ratings = judged([response(1, "x"), response(2, **NEVER_GIVEN)], scores(1), "No.", repeats=2)
    assert facts.repeats == 2
    assert [(one.id, one.repeat, one.outcome) for one in ratings] == [
        ("q1", 0, "rated"),
        ("q1", 1, "unparsed"),
        ("q2", 0, "not answered"),
        ("q2", 1, "not answered"),
    ]


def test_a_response_that_was_not_judged_has_no_rating():
    judgement = Judgement(id="q2", replies=(scores(3),), model="m")
    ratings = rated([response(1, "x"), response(2, "y")], [judgement], judge_facts(MODEL, [judgement]))
    assert [one.id for one in ratings] == ["q2"]


def test_points_are_those_that_are_earned():
    config = JudgementsConfig(kind="model", rubric="points")
    judgement = Judgement(id="q1", replies=(json.dumps({"scores": {"points": 7.5}}),), model="m")
    facts = judge_facts(config, [judgement])
    (rating,) = rated([response(1, "x", points=12.0)], [judgement], facts)
    assert (rating.scores, rating.points) == ({"points": 7.5}, 12.0)
    assert [(item.lowest, item.highest) for item in facts.items] == [(0, 1)], "in shares of the points"


def test_a_panel_is_the_middle_of_those_that_rated():
    answered = [response(1, "x"), response(2, "y"), response(3, "z"), response(4, **NEVER_GIVEN)]
    refused = "I'm sorry, I cannot rate this."
    of = {
        "one": judged(answered, scores(0), scores(1), "No."),
        "two": judged(answered, scores(1), "No.", refused),
        "three": judged(answered, scores(3), scores(2), "No."),
    }
    facts, ratings = combined(of, "median")
    assert [(one.id, one.outcome, one.scores.get("fluency")) for one in ratings] == [
        ("q1", "rated", 1.0),
        ("q2", "rated", 1.5),
        ("q3", "refused", None),
        ("q4", "not answered", None),
    ]
    assert (facts.kind, facts.combines, facts.num_requests) == ("panel", ("one", "two", "three"), 9)
    _, ratings = combined(of, "mean")
    assert ratings[0].scores["fluency"] == pytest.approx(4 / 3)


def test_the_repeats_of_a_judge_count_as_one():
    answered = [response(1, "x")]
    of = {"often": judged(answered, scores(0), scores(1), scores(1), repeats=3), "once": judged(answered, scores(3))}
    _, (rating,) = combined(of, "mean")
    assert rating.scores["accuracy"] == pytest.approx((2 / 3 + 3) / 2)
    assert rating.repeat == 0


@given(st.lists(st.integers(0, 3), min_size=1, max_size=5), st.sampled_from(["mean", "median"]))
def test_a_panel_of_judges_in_any_order_gives_the_same(grades: list[int], combine: Literal["mean", "median"]):
    answered = [response(1, "x")]
    of = {str(place): judged(answered, scores(grade)) for place, grade in enumerate(grades)}
    (one,), (other,) = (combined(dict(order), combine)[1] for order in (of.items(), reversed(of.items())))
    assert one.scores == other.scores
    middle = statistics.fmean(grades) if combine == "mean" else statistics.median(grades)
    assert one.scores["accuracy"] == pytest.approx(middle)


def test_judges_of_other_scales_are_no_panel():
    answered = [response(1, "x")]
    judgement = Judgement(id="q1", replies=(scores(3),), model="m")
    facts = judge_facts(MODEL.model_copy(update={"rubric": "llm-eval-1-3"}), [judgement])
    of = {"a": judged(answered, scores(1)), "b": (facts, rated(answered, [judgement], facts))}
    with pytest.raises(UserError, match=r"judge b - rates accuracy from 1 to 3\n  expected: 0 to 3"):
        combined(of, "mean")
