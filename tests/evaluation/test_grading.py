import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loanword.evaluation.benchmark import Asking, letter_chance, single_mark
from loanword.evaluation.grading import grade
from loanword.recipe import GradesConfig
from loanword.records import ChoiceScore, Grade, Response


def half(response: Response, given: tuple[str, ...]) -> float:
    return sum(a == b for a, b in zip(given, response.answers, strict=True)) / len(response.answers)


SCORED = Asking(lambda asked, config: (), single_mark, letter_chance)
PARTS = Asking(lambda asked, config: (), half, letter_chance)
WRITTEN = Asking(
    lambda asked, config: (), single_mark, letter_chance,
    read=lambda response: (response.texts[-1],) if response.texts[-1] in "ABCD" else None,
    robust=lambda response: (response.texts[-1].upper(),) if response.texts[-1] else None,
)  # fmt: skip


def scores(*nats: float) -> ChoiceScore:
    return ChoiceScore(choices=(" A", " B", " C", " D"), log_likelihoods_nats=nats, choice_ids=((1,),) * len(nats))


def scored(*of_parts: ChoiceScore, answers: tuple[str, ...] = ("A",), ended: str = "scored") -> Response:
    return Response.model_validate(
        {
            "id": "x/0", "benchmark": "world", "subject": "x", "num_shots": 5, "answers": answers, "points": 3.0,
            "scores": of_parts, "ended": ended,
        }
    )  # fmt: skip


def written(text: str, ended: str = "stopped") -> Response:
    return scored(ended=ended).model_copy(update={"texts": (text,)})


def test_the_likeliest_choice_is_what_was_given():
    made = grade(scored(scores(-2.0, -1.0, -3.0, -4.0), answers=("B",)), SCORED, GradesConfig())
    assert (made.outcome, made.given, made.score, made.points) == ("correct", "B", 1.0, 3.0)
    made = grade(scored(scores(-2.0, -1.0, -3.0, -4.0)), SCORED, GradesConfig())
    assert (made.outcome, made.given, made.answer, made.score) == ("incorrect", "B", "A", 0.0)


def test_a_tie_of_the_best_two_is_unparsed_and_a_tie_below_them_is_not():
    assert grade(scored(scores(-1.0, -1.0, -3.0, -4.0)), SCORED, GradesConfig()).outcome == "unparsed"
    assert grade(scored(scores(-1.0, -2.0, -2.0, -2.0)), SCORED, GradesConfig()).outcome == "correct"


def test_a_question_that_did_not_fit_is_unparsed():
    made = grade(scored(scores(), ended="too long"), SCORED, GradesConfig())
    assert (made.outcome, made.given, made.score, made.margin_nats) == ("unparsed", "", 0.0, None)


def test_a_part_of_the_points_is_not_correct():
    both = (scores(-1.0, -2.0, -3.0, -4.0), scores(-2.0, -1.9, -3.0, -4.0))
    made = grade(scored(*both, answers=("A", "C")), PARTS, GradesConfig())
    assert (made.outcome, made.given, made.score) == ("incorrect", "A B", 0.5)
    assert made.margin_nats == pytest.approx(0.1), "the least of the parts' margins"


def test_a_tie_in_one_part_leaves_the_others():
    both = (scores(-1.0, -1.0, -3.0, -4.0), scores(-1.0, -2.0, -3.0, -4.0))
    made = grade(scored(*both, answers=("A", "A")), PARTS, GradesConfig())
    assert (made.outcome, made.score) == ("incorrect", 0.5)


def test_texts_are_read_by_the_protocols_rules_unless_the_robust_ones_are_asked_for():
    assert grade(written("a"), WRITTEN, GradesConfig()).outcome == "unparsed"
    assert grade(written("a"), WRITTEN, GradesConfig(extraction="robust")).outcome == "correct"
    assert grade(written("B"), WRITTEN, GradesConfig()).outcome == "incorrect"


@settings(deadline=None)
@given(st.lists(st.floats(-50, 0), min_size=4, max_size=4), st.sampled_from("ABCD"))
def test_a_response_is_never_graded_on_a_letter_that_another_equals(nats: list[float], answer: str):
    made: Grade = grade(scored(scores(*nats), answers=(answer,)), SCORED, GradesConfig())
    best = [letter for letter, value in zip("ABCD", nats, strict=True) if value == max(nats)]
    assert made.given == (best[0] if len(best) == 1 else "")
    assert (made.outcome == "correct") == (best == [answer])
