"""Questions that are answered by a letter: their prompts, for likelihoods and for texts.

A protocol is a Wording; both ways of asking put the same text together from it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from loanword.evaluation.benchmark import LETTERS, Example, Subject, SubjectQuestions
from loanword.evaluation.extraction import read_letter
from loanword.protocols import ChoicePrompt, OpenPrompt
from loanword.recipe import BenchmarkConfig
from loanword.records import Response


@dataclass(frozen=True)
class Wording:
    """How a protocol puts a subject, its questions and their answers into words.

    `choices` are what may follow a question; `system` is what a chat model is told before it.
    """

    header: Callable[[Subject], str]
    question: Callable[[Example], str]
    solved: Callable[[Example], str]
    choices: tuple[str, ...] = LETTERS
    system: Callable[[Subject], str] | None = None

    def choice_prompts(self, questions: SubjectQuestions, config: BenchmarkConfig) -> list[ChoicePrompt]:
        """One prompt an example, of which the likelihoods of `choices` are asked."""
        header, shots = self._start(questions)
        return [
            ChoicePrompt(id=one.id, header=header, shots=shots, question=self.question(one), choices=self.choices)
            for one in questions.examples
        ]

    def open_prompts(self, questions: SubjectQuestions, config: BenchmarkConfig) -> list[OpenPrompt]:
        """One prompt an example, which the model goes on from or, in a chat, replies to."""
        header, shots = self._start(questions)
        system = self.system(questions.subject) if config.chat and self.system is not None else ""
        return [
            OpenPrompt(
                id=one.id, header=header, shots=shots, question=self.question(one), system=system, chat=config.chat
            )
            for one in questions.examples
        ]

    def _start(self, questions: SubjectQuestions) -> tuple[str, tuple[str, ...]]:
        return self.header(questions.subject), tuple(map(self.solved, questions.shots))


def lettered_options(example: Example) -> str:
    """The options of an example, each on a line of its own behind its letter."""
    return "".join(f"\n{letter}. {option}" for letter, option in zip(LETTERS, example.options, strict=True))


def robust_letter(response: Response) -> tuple[str] | None:
    """The letter that a text gives by our own rules, for many languages and ways to answer."""
    letter = read_letter(response.texts[-1], LETTERS, response.options)
    return None if letter is None else (letter,)
