"""Models at the boundary: they read nothing, and answer by a rule."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from loanword.protocols import ChoicePrompt, ChoiceScores, Generated, OpenPrompt, Progress, TextLikelihood, silent
from loanword.records import Decoding


@dataclass
class Ruled:
    """Scores and texts from a rule, and what was asked, call by call."""

    asked: list[list[str]] = field(default_factory=list[list[str]])
    decoded: list[Decoding] = field(default_factory=list[Decoding])

    @property
    def described(self) -> dict[str, str]:
        return {}

    def nats(self, prompt: ChoicePrompt) -> tuple[float, ...]:
        return tuple(-1.0 - place for place in range(len(prompt.choices)))

    def says(self, prompt: OpenPrompt) -> str:
        return "A"

    def choose(self, prompts: Sequence[ChoicePrompt], progress: Progress = silent) -> list[ChoiceScores]:
        self.asked.append([prompt.id for prompt in prompts])
        progress(len(prompts), len(prompts), "questions")
        return [
            ChoiceScores(self.nats(prompt), len(prompt.shots), tuple((place,) for place in range(len(prompt.choices))))
            for prompt in prompts
        ]

    def choose_singly(self, prompts: Sequence[ChoicePrompt]) -> list[ChoiceScores] | None:
        return [ChoiceScores(self.nats(prompt), len(prompt.shots), ()) for prompt in prompts]

    def likelihoods(
        self, texts: Sequence[str], *, window_tokens: int, stride_tokens: int, progress: Progress = silent
    ) -> list[TextLikelihood]:
        raise AssertionError("not asked here")

    def generate(
        self, prompts: Sequence[OpenPrompt], decoding: Decoding, progress: Progress = silent
    ) -> list[Generated]:
        self.asked.append([prompt.id for prompt in prompts])
        self.decoded.append(decoding)
        return [Generated(self.says(prompt), len(prompt.shots), 1, "stopped") for prompt in prompts]


@dataclass
class Dice(Ruled):
    """Independent random scores, and a random letter among the first four."""

    draw: random.Random = field(default_factory=lambda: random.Random(7))

    def nats(self, prompt: ChoicePrompt) -> tuple[float, ...]:
        return tuple(self.draw.random() for _ in prompt.choices)

    def says(self, prompt: OpenPrompt) -> str:
        return self.draw.choice("ABCD")


class AlwaysA(Ruled):
    """Likes the first choice best, and says nothing but its letter."""
