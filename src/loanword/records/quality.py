"""Open questions, what judges say of the responses to them, and what is seen in the responses."""

from typing import Annotated, Literal

from pydantic import Field

from loanword.records.record import Count, Language, PositiveCount, PositiveFloat, Record


class Properties(Record):
    """What can be seen of a good answer without understanding it; what is not set is not asked for."""

    mentions: tuple[str, ...] = ()
    min_sentences: Count = 0
    num_lines: Count = 0
    min_lines: Count = 0
    differs_from_input: bool = False
    shorter_than_input: bool = False


class Checks(Record):
    """What rules can grade a response by.

    One that holds one of `accepted`, as whole words or a whole number, is right unless it holds one of `refused`.
    `properties` may compare it with `input`, the text that the question is about.
    """

    accepted: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    properties: Properties = Properties()
    input: str = ""


class OpenQuestion(Record):
    """What was asked, turn by turn, and what a judge may compare the responses with: a reference a turn, or none.

    `language` is that which the responses are to be in, where it is not the question's: a translation is.
    """

    turns: Annotated[tuple[str, ...], Field(min_length=1)]
    references: tuple[str, ...] = ()
    checks: Checks | None = None
    language: Language | None = None


class Judgement(Record):
    """What a judge said of one response, or of the responses of an arm and its control.

    `replies` are raw: the first, and where that could not be read the one to the request to mend it. `model` is the
    name under which it was answered. `shown_first` says whose response stood first where two were compared. `refused`
    where a server or its filter refused to have the last of them answered, or the model did so apart from its text.
    """

    id: str
    repeat: Count = 0
    shown_first: Literal["arm", "control"] | None = None
    replies: tuple[str, ...]
    refused: bool = False
    model: str = ""
    num_prompt_tokens: Count = 0
    num_new_tokens: Count = 0


class Item(Record):
    """One thing that a rubric rates, and on which scale."""

    name: str
    lowest: float
    highest: float


class JudgeFacts(Record):
    """Who judged, by which rubric: `kind` says what the ratings are worth.

    `combines` are the judges of a panel; `models` the names under which answers came.
    """

    name: str
    kind: Literal["rules", "model", "panel", "people"]
    title: str
    rubric: str
    items: tuple[Item, ...]
    prompt_version: Count = 0
    repeats: PositiveCount = 1
    models: tuple[str, ...] = ()
    combines: tuple[str, ...] = ()
    num_requests: Count = 0
    num_prompt_tokens: Count = 0
    num_new_tokens: Count = 0


class Rating(Record):
    """One judgement of one response as numbers, by item; an item that the judge does not rate is not in it.

    Only what was `rated` has scores: unparsed replies, refusals to judge, and responses that were never given ("not
    answered": the question did not fit the context) have none, and no one of them is a 0. `num_characters` is the
    length of the response; `points` what the example is worth.
    """

    id: str
    benchmark: str
    subject: str
    repeat: Count = 0
    outcome: Literal["rated", "unparsed", "refused", "not answered"]
    scores: dict[str, float] = Field(default_factory=dict[str, float])
    points: PositiveFloat = 1.0
    num_characters: Count = 0


class Preference(Record):
    """Which of two responses to one question a judge prefers: asked in both orders, a win only if both say so.

    `verdicts` are those with the arm shown first and with the control shown first. "inconsistent" counts as a tie.
    """

    id: str
    benchmark: str
    subject: str
    repeat: Count = 0
    verdicts: tuple[Literal["arm", "control", "tie", "unparsed"], Literal["arm", "control", "tie", "unparsed"]]
    outcome: Literal["arm", "control", "tie", "inconsistent", "unparsed"]


class SwitchedSpan(Record):
    """Characters [start, end) of a response that are in another language, or in a script of none that is expected.

    `language` is a code, or the name of a script where no language can be told.
    """

    start: Count
    end: Count
    level: Literal["script", "word"]
    language: str


class Switching(Record):
    """Where one response leaves the language that it was to be in.

    `share` is that of its letters in the spans. `line_passes` and `word_passes` are the Language Confusion
    Benchmark's; None where a response has nothing that they look at.
    """

    id: str
    benchmark: str
    subject: str
    language: Language
    switched: bool
    spans: tuple[SwitchedSpan, ...] = ()
    num_letters: Count
    share: Annotated[float, Field(ge=0, le=1)]
    line_passes: bool | None = None
    word_passes: bool | None = None


class AlignedLayer(Record):
    """How well one layer's vectors tell which sentences of two languages are translations of each other.

    Layer 0 is the embeddings. Forward: from a sentence of `source` to those of `target`; a hit ("1") has its own
    translation nearest. Margins are means over sentences of cosine to the translation minus the largest cosine to any
    other. `shuffled_accuracy` is that of both directions, with translations dealt out at random. `texts` is a digest of
    the sentences of both languages. `num_cut` counts those that are longer than the context.
    """

    source: Language
    target: Language
    layer: Count
    texts: str
    num_sentences: PositiveCount
    forward_hits: str
    backward_hits: str
    forward_margin: float
    backward_margin: float
    shuffled_accuracy: float
    num_cut: Count = 0
