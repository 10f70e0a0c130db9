"""What models were asked and said, and how it is graded."""

from typing import Annotated, Literal

from pydantic import Field

from loanword.records.quality import OpenQuestion
from loanword.records.record import Count, Language, PositiveCount, PositiveFloat, Record


class DocumentLikelihood(Record):
    """Negative log-likelihood of one held-out document; special tokens carry no bytes and no nats."""

    id: str
    language: Language
    nats: float
    num_tokens: Count
    num_bytes: Count


class ProbedDocument(Record):
    """Negative log-likelihood of one held-out document before and after the steps of a probe."""

    id: str
    language: Language
    start_nats: Annotated[float, Field(ge=0)]
    nats: Annotated[float, Field(ge=0)]
    num_bytes: PositiveCount


class Decoding(Record):
    """How a response is generated: at most so many tokens, up to the first stop string.

    At temperature 0 every token is the likeliest; else it is drawn from the likeliest tokens that hold `top_p` of the
    probability. Equal seeds give equal responses to a prompt, whatever else is asked beside it. `kept_tokens` of a
    context stay free behind the response, for what is asked after it.
    """

    max_new_tokens: PositiveCount
    kept_tokens: Count = 0
    stop: tuple[str, ...] = ()
    temperature: Annotated[float, Field(ge=0)] = 0.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    seed: Count = 0


class ChoiceScore(Record):
    """What a model gave each choice of one question: nats of its ids after the prompt, which were `choice_ids`.

    No likelihoods: the question is longer than the model's context by itself.
    """

    choices: tuple[str, ...]
    log_likelihoods_nats: tuple[float, ...]
    choice_ids: tuple[tuple[int, ...], ...]


class Response(Record):
    """What a model answered to one example: likelihoods of choices, or texts.

    `scores` holds one a part of the example (most have one part), `texts` what was said, call by call: the last is
    what is read. `answers` is what is right, `options` the texts of the options, `points` what the example is worth.
    No `answers`: the label is withheld, or, where `asked` is there, a judge's to give; the last texts answer its turns,
    one each.
    """

    id: str
    benchmark: str
    subject: str
    num_shots: Count
    answers: tuple[str, ...]
    options: tuple[str, ...] = ()
    asked: OpenQuestion | None = None
    points: PositiveFloat = 1.0
    scores: tuple[ChoiceScore, ...] = ()
    texts: tuple[str, ...] = ()
    num_new_tokens: Count = 0
    ended: Literal["scored", "stopped", "cut", "too long"]


class Grade(Record):
    """Our judgement of one response.

    `score` is the share of the example's `points` that it earns; only the whole of them is correct. `margin_nats` is
    how much likelier what was given is than the next choice, the least of an example's parts. `f1` is that of free
    answers.
    """

    id: str
    benchmark: str
    subject: str
    outcome: Literal["correct", "incorrect", "unparsed"]
    score: Annotated[float, Field(ge=0, le=1)]
    points: PositiveFloat = 1.0
    given: str
    answer: str
    num_shots: Count
    margin_nats: float | None = None
    f1: float | None = None
