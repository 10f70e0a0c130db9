from dataclasses import dataclass

import pytest

from loanword.errors import UserError
from loanword.evaluation.answering import answer, batches
from loanword.evaluation.check import NUM_EXAMPLES, check
from loanword.protocols import ChoicePrompt, ChoiceScores
from tests.evaluation.models import Ruled
from tests.evaluation.test_answering import CONFIG, SCORED, questions


@dataclass
class Leaning(Ruled):
    """Gives the first choice a little more when it is asked alone."""

    by: float = 0.0

    def choose_singly(self, prompts: list[ChoicePrompt]) -> list[ChoiceScores] | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        return [ChoiceScores((-1.0 + self.by, -2.0), 0, ()) for _ in prompts]


def checked(model: Ruled, number: int = 20):
    asked = [questions(number)]
    answered = [response for batch in batches(asked, 7) for response in answer(model, "world", batch, SCORED, CONFIG)]
    return check(model, asked, SCORED, CONFIG, answered)


def test_some_examples_are_read_again_and_the_difference_is_kept():
    found = checked(Leaning(by=1e-5))
    assert found is not None
    assert found.num_examples == NUM_EXAMPLES
    assert found.largest_difference_nats == pytest.approx(1e-5, rel=1e-6)


def test_a_difference_that_rounding_does_not_explain_stops_the_evaluation_and_names_the_example():
    with pytest.raises(UserError, match=r"rivers/\d+ - read together .* differ by 0\.1 nats"):
        checked(Leaning(by=0.1))


def test_likelihoods_that_are_no_numbers_stop_it_too():
    with pytest.raises(UserError, match="differ by nan nats"):
        checked(Leaning(by=float("nan")))


def test_fewer_examples_are_all_read_again():
    found = checked(Leaning(), number=3)
    assert found is not None
    assert found.num_examples == 3


class Remote(Ruled):
    """Shares nothing that we could get wrong."""

    def choose_singly(self, prompts: object) -> None:
        return None


def test_a_model_that_shares_nothing_is_not_checked():
    assert checked(Remote()) is None
