"""From responses to grades: what was given, and what it earns. No model is needed, and no benchmark's files.

In: Responses (responses.jsonl). Out: one Grade a response whose label is known (grades.jsonl).
"""

from collections.abc import Sequence

from loanword.evaluation.benchmark import Asking
from loanword.recipe import GradesConfig
from loanword.records import ChoiceScore, Grade, Response


def grade(response: Response, asking: Asking, config: GradesConfig) -> Grade:
    """Correct where what was given earns all points, incorrect where it earns fewer.

    Unparsed, with nothing given and nothing earned: a text in which no answer can be read; likelihoods of which the
    two largest tie exactly in every part (to name one would be a guess); an example that is longer than the model's
    context.
    """
    given = _given(response, asking, config)
    score = 0.0 if given is None else asking.mark(response, given)
    outcome = "unparsed" if given is None else "correct" if score == 1 else "incorrect"
    margins = [margin(score) for score in response.scores if score.log_likelihoods_nats]
    return Grade(
        id=response.id,
        benchmark=response.benchmark,
        subject=response.subject,
        outcome=outcome,
        score=score,
        points=response.points,
        given=" ".join(given or ()),
        # Free answers have many accepted forms; the first is the one that was published as the answer.
        answer=response.answers[0] if asking.f1 and response.answers else " ".join(response.answers),
        num_shots=response.num_shots,
        margin_nats=min(margins) if margins else None,
        f1=(asking.f1(response, given) if given is not None else 0.0) if asking.f1 else None,
    )


def likeliest(score: ChoiceScore, names: Sequence[str] = ()) -> str:
    """The likeliest choice: its name, or where choices have none its text without the space before it.

    Nothing where the two likeliest tie, or nothing was scored.
    """
    nats = score.log_likelihoods_nats
    if not nats or nats.count(max(nats)) > 1:
        return ""
    place = nats.index(max(nats))
    return names[place] if names else score.choices[place].strip()


def margin(score: ChoiceScore) -> float:
    """Nats by which the likeliest choice is likelier than the next."""
    best, second = sorted(score.log_likelihoods_nats)[-1:-3:-1]
    return best - second


def _given(response: Response, asking: Asking, config: GradesConfig) -> tuple[str, ...] | None:
    if response.ended == "too long":
        return None
    if response.scores:
        named = tuple(likeliest(score, asking.names) for score in response.scores)
        return named if any(named) else None
    read = asking.robust if config.extraction == "robust" and asking.robust is not None else asking.read
    assert read is not None, "a way of asking for texts says how they are read"
    return read(response)
