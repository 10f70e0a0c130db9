"""Questions as statements: by which of its options a question becomes the likeliest one.

In: questions with options. Out: one ChoicePrompt an example. Its choices follow the same text, so the sums of their
nats order the whole statements, of which only the options differ. Both protocols are ours, and letters are in neither:

- options: the option stands in the question's blank, where there is exactly one, else behind question and answer cue.
- options-only: the options with nothing before them. What they earn can be guessed without the question.

A space before an option belongs to its choice: ` Paris` is often one piece where `Paris` after a space would be others.
Where a blank touches a word so does the option: prefixes and endings are written so in many languages.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

from loanword.errors import UserError
from loanword.evaluation.benchmark import (
    LETTERS,
    Asking,
    Chance,
    Example,
    Mark,
    Subject,
    SubjectQuestions,
)
from loanword.protocols import ChoicePrompt
from loanword.recipe import Answering, BenchmarkConfig
from loanword.records import Response

OPTIONS, OPTIONS_ONLY = "options", "options-only"
PROTOCOLS = (OPTIONS, OPTIONS_ONLY)

_BLANK = re.compile("[_＿]{2,}")

Texts = Callable[[tuple[str, ...]], tuple[str, ...]]
"""The texts of published options, in the order of their letters."""


def as_published(options: tuple[str, ...]) -> tuple[str, ...]:
    """Options that are their texts and nothing else."""
    return options


@dataclass(frozen=True)
class Statements:
    """How a benchmark's questions take their options.

    `cued` is all that stands before an option where the question has no blank: passage, question, answer cue, and the
    space behind it. `letters` name the options in their order. `separator` follows a solved statement.
    """

    cued: Callable[[Subject, Example], str]
    letters: tuple[str, ...] = LETTERS
    separator: str = "\n\n"

    def protocols(self, mark: Mark, chance: Chance) -> dict[str, dict[Answering, Asking]]:
        """Both protocols; what was given, what is marked and what is guessed are letters."""
        ways = {OPTIONS: self.whole, OPTIONS_ONLY: self.alone}
        return {
            name: {"likelihood": Asking(prompts, partial(_mark, mark), partial(_chance, chance), names=self.letters)}
            for name, prompts in ways.items()
        }

    def prepared(
        self, asked: Iterable[SubjectQuestions], config: BenchmarkConfig, texts: Texts = as_published
    ) -> list[SubjectQuestions]:
        """Questions whose options are texts alone, where a config asks for statements; else as they are.

        Where an option has no text, as a picture has none, the example keeps no options: it is asked for a letter, and
        nothing earns anything. Such examples are malformed, and those whose right option stands twice.
        """
        if config.protocol not in PROTOCOLS:
            return list(asked)
        return [self._prepared(questions, texts) for questions in asked]

    def whole(self, questions: SubjectQuestions, _: BenchmarkConfig) -> list[ChoicePrompt]:
        """One prompt an example, after which its options complete the statement."""
        shots = tuple(self._solved(questions.subject, shot) for shot in questions.shots)
        return [self._prompt(questions.subject, example, shots) for example in questions.examples]

    def alone(self, questions: SubjectQuestions, _: BenchmarkConfig) -> list[ChoicePrompt]:
        """One prompt an example, which is empty; its choices are the options, without what a question says after them.

        A model reads its BOS before an empty prompt, or what begins its documents.
        """
        return [
            ChoicePrompt(example.id, header="", shots=(), question="", choices=self._options(example))
            for example in questions.examples
        ]

    def _prepared(self, questions: SubjectQuestions, texts: Texts) -> SubjectQuestions:
        examples = [replace(example, options=texts(example.options)) for example in questions.examples]
        # A label that cannot be right says more than options that make it so.
        found = {one.id: questions.malformed.get(one.id) or self._wrong_options(one) for one in examples}
        return replace(
            questions,
            shots=tuple(replace(shot, options=texts(shot.options)) for shot in questions.shots),
            examples=tuple(example if _all_texts(example) else replace(example, options=()) for example in examples),
            malformed={id: wrong for id, wrong in found.items() if wrong},
        )

    def _wrong_options(self, example: Example) -> str:
        options = [option.strip() for option in example.options]
        empty = [letter for letter, option in zip(self.letters, options, strict=False) if not option]
        if empty:
            return f"without a text: option {', '.join(empty)}"
        named = [option for letter, option in zip(self.letters, options, strict=False) if letter in example.answers]
        return "the right option stands twice" if any(options.count(option) > 1 for option in named) else ""

    def _prompt(self, subject: Subject, example: Example, shots: tuple[str, ...]) -> ChoicePrompt:
        before, after = self._around(subject, example)
        stem = before.rstrip()
        space = before[len(stem) :] if stem else ""
        choices = tuple(f"{space}{option}{after}" for option in self._options(example))
        return ChoicePrompt(example.id, header="", shots=shots, question=stem, choices=choices)

    def _solved(self, subject: Subject, shot: Example) -> str:
        before, after = self._around(subject, shot)
        right = self._options(shot)[self.letters.index(shot.answers[0])]
        return f"{before}{right}{after}{self.separator}"

    def _around(self, subject: Subject, example: Example) -> tuple[str, str]:
        """What stands before and after the option."""
        around = _BLANK.split(example.question.strip())
        if len(around) != 2:
            return self.cued(subject, example), ""
        passage = f"{example.passage.rstrip()}\n" if example.passage.strip() else ""
        return passage + around[0], around[1]

    def _options(self, example: Example) -> tuple[str, ...]:
        return tuple(option.strip() for option in example.options) or self.letters[: len(LETTERS)]


def require_askable(config: BenchmarkConfig, where: str) -> None:
    """Nothing, where statements can be asked for as a config says.

    Raises:
        UserError: `choice_ids` isolated, which compares what options begin with; shots before options alone.
    """
    if config.choice_ids == "isolated":
        raise UserError(
            f"{where}.choice_ids",
            f"isolated is the first id of a choice, and the {config.protocol} protocol compares whole texts",
            expected='choice_ids "in-context"',
            do="leave choice_ids out, or ask for letters (protocol official)",
        )
    if config.protocol == OPTIONS_ONLY and config.num_shots:
        raise UserError(
            f"{where}.num_shots",
            f"{config.num_shots} shots, but nothing stands before the options in the {OPTIONS_ONLY} protocol",
            expected="num_shots 0",
            do=f"leave num_shots out, or set protocol {OPTIONS}",
        )


def _all_texts(example: Example) -> bool:
    return all(option.strip() for option in example.options)


def _mark(mark: Mark, response: Response, given: tuple[str, ...]) -> float:
    return mark(response, given) if response.options else 0.0


def _chance(chance: Chance, subject: Subject, example: Example) -> float:
    return chance(subject, example) if example.options else 0.0
