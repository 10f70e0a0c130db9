"""Benchmarks as values: what they ask, in which ways, how what comes back is read, and which numbers are reported.

A benchmark is loaded into `SubjectQuestions`; an `Asking` makes prompts of them and reads the responses. Adding one is
a file with a `Benchmark` value. Nothing here knows a model.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from loanword.errors import UserError
from loanword.protocols import ChoicePrompt, OpenPrompt
from loanword.recipe import Answering, BenchmarkConfig
from loanword.records import OpenQuestion, Response

LETTERS = ("A", "B", "C", "D")


@dataclass(frozen=True)
class Subject:
    """One part of a benchmark: `title` is its name in the prompt."""

    name: str
    title: str
    category: str
    hard: bool = False


@dataclass(frozen=True)
class Example:
    """One question; `answers` is what is right: a letter, several that belong together, one a part, or a text.

    No answers: its label is withheld, or the question is open; then a judge reads what is `asked`, turn by turn.
    `options` are texts as they are published; none where the question is open.
    """

    id: str
    question: str
    options: tuple[str, ...]
    answers: tuple[str, ...]
    passage: str = ""
    explanation: str = ""
    points: float = 1.0
    asked: OpenQuestion | None = None

    @property
    def text(self) -> str:
        """All that is asked: passage, question, options and later turns, a line each."""
        later = self.asked.turns[1:] if self.asked is not None else ()
        return "\n".join(part for part in (self.passage, self.question, *self.options, *later) if part)


@dataclass(frozen=True)
class SubjectQuestions:
    """What one subject asks: `shots` are the solved examples of its prompts, in file order.

    `malformed` says of each example whose published label cannot be right what is wrong with it; it is asked and
    counted all the same.
    """

    subject: Subject
    shots: tuple[Example, ...]
    examples: tuple[Example, ...]
    malformed: Mapping[str, str] = field(default_factory=dict[str, str])


Prompt = ChoicePrompt | OpenPrompt
Read = Callable[[Response], tuple[str, ...] | None]
"""What a text gives as the answer, in the form of `Example.answers`; None where it cannot be read."""
Mark = Callable[[Response, tuple[str, ...]], float]
"""The share of an example's points that an answer earns."""
Chance = Callable[[Subject, Example], float]
"""What naming a letter at random earns of an example on average."""
Openness = Literal["all", "some", "none"]
"""Of how many of the questions that are asked a judge says what the responses are worth."""


@dataclass(frozen=True)
class Asking:
    """One way of asking a benchmark, and of reading what comes back.

    `prompts` gives those of one subject in the order of its examples; several with one id are the parts of one
    example, which only likelihoods are asked for. `follow_up` makes the prompt of a second call from that of the first
    and the text that it brought, and goes on as long as the prompt that it made has `later` turns; None where no call
    follows. A second call has `follow_up_tokens` for its answer, where that is less, and the first leaves as much again
    for what it adds. `read` is the protocol's own extraction and `robust` ours, both of texts; likelihoods name the
    likeliest choice, by its place among `names` or, where there are none, by its own text. `chance` is 0 where there
    are no letters to name. A response ends before any string of `stop`, and of `plain_stop` where no chat template says
    how it ends. `headline` names the score that is reported first, where it is not the one of the benchmark's authors.
    """

    prompts: Callable[[SubjectQuestions, BenchmarkConfig], Sequence[Prompt]]
    mark: Mark
    chance: Chance
    num_shots: int = 0
    names: tuple[str, ...] = ()
    read: Read | None = None
    robust: Read | None = None
    f1: Callable[[Response, tuple[str, ...]], float] | None = None
    follow_up: Callable[[OpenPrompt, str], OpenPrompt | None] | None = None
    follow_up_tokens: int = 0
    max_new_tokens: int = 0
    stop: tuple[str, ...] = ()
    plain_stop: tuple[str, ...] = ()
    headline: str = ""


@dataclass(frozen=True)
class Score:
    """A number to report: the mean over questions, over subjects without weights, or the share of points.

    `subjects` are those it is taken over; one of which nothing was asked is left out. The first score of a benchmark is
    the one that its authors report; one that `is_part` stands for a part of what a whole one covers.
    """

    name: str
    over: Literal["questions", "subjects", "points"]
    subjects: tuple[str, ...]
    measure: Literal["score", "f1"] = "score"
    is_part: bool = False


def never_open(_: BenchmarkConfig) -> Openness:
    """Every question has a label."""
    return "none"


@dataclass(frozen=True)
class Benchmark:
    """A published set of questions and the ways it is asked, by protocol and answering.

    The first answering of a protocol is its default. `scores` are those of the subjects that were asked, by labels: an
    open benchmark has none. Without splits all there is is asked.
    """

    name: str
    title: str
    language: str
    licence: str
    source: str
    subjects: Mapping[str, Subject]
    load: Callable[[Path, BenchmarkConfig], list[SubjectQuestions]]
    protocols: Mapping[str, Mapping[Answering, Asking]]
    scores: Callable[[Sequence[Subject]], Sequence[Score]]
    has_splits: bool = True
    openness: Callable[[BenchmarkConfig], Openness] = never_open


def single_mark(response: Response, given: tuple[str, ...]) -> float:
    """1 where what was given is what is right, else 0."""
    return float(given == response.answers)


def no_mark(response: Response, given: tuple[str, ...]) -> float:
    """Nothing: a judge says what a response to an open question is worth."""
    return 0.0


def letter_chance(_: Subject, example: Example) -> float:
    """What naming one of the options at random earns where one of them is right."""
    return 1 / len(example.options)


def no_chance(_: Subject, example: Example) -> float:
    """Open questions cannot be guessed."""
    return 0.0


def asked_subjects(config: BenchmarkConfig, subjects: Mapping[str, Subject]) -> list[Subject]:
    """The subjects that a config selects, all where it names none, in published order."""
    unknown = sorted(set(config.subjects) - set(subjects))
    if unknown:
        raise UserError(
            f"benchmarks.{config.name}.subjects" if config.name else "subjects",
            f"no subject is called {', '.join(unknown)}",
            expected=f"any of {', '.join(subjects)}",
            do="mend the name",
        )
    return [subject for name, subject in subjects.items() if not config.subjects or name in config.subjects]


def by_category(subjects: Sequence[Subject], over: Literal["questions", "subjects", "points"]) -> list[Score]:
    """A score for each category of some subjects, in their order."""
    categories = dict.fromkeys(subject.category for subject in subjects if subject.category)
    return [
        Score(category, over, tuple(one.name for one in subjects if one.category == category), is_part=True)
        for category in categories
    ]
