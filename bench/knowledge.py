"""Multiple choice: questions a second against one plain forward pass a question.

The peer is what harnesses do with a transformers model: the whole prompt of every question, logits of all positions,
log-softmax over all of them, read at the last. The questions are invented, and as long as those of MMLU: five solved
examples stand before each. Both arms encode the same prompts with the same tokenizer, in float32, on one thread.
"""

import random
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from transformers import PreTrainedModel

from loanword.evaluation.benchmark import Example, SubjectQuestions
from loanword.evaluation.benchmarks.mmlu import MMLU
from loanword.model.load import new_model
from loanword.model.prompts import prompt_text
from loanword.model.score import LocalModel
from loanword.protocols import ChoicePrompt
from loanword.recipe import ArchitectureConfig
from loanword.tokenizer.interface import Tokenizer
from loanword.tokenizer.learn import learn

GOAL = 4.0
NUM_SHOTS = 5
ARCHITECTURE = ArchitectureConfig(
    width=256, num_layers=3, num_heads=4, num_key_value_heads=4, feed_forward_width=512, context_tokens=2048
)
"""That of studies/real-small.toml: about 3M parameters with 4,096 pieces."""


def run(quick: bool) -> dict[str, Any]:
    """Both arms on one subject's questions, interleaved; the ratio is of median CPU-seconds."""
    torch.set_num_threads(1)
    words = _words(random.Random(1))
    # Learned on more such questions, so that its pieces are words, and each letter has one of its own.
    tokenizer = learn((prompt_text(prompt, 0) for prompt in MMLU.prompts(_questions(3000, words, seed=1))), 4096)
    model = new_model(ARCHITECTURE, tokenizer.num_pieces, 1, bos_id=tokenizer.bos_id, eos_id=tokenizer.eos_id)
    prompts = MMLU.prompts(_questions(40 if quick else 100, words, seed=2))
    ours = LocalModel(model, tokenizer)
    arms: dict[str, Callable[[], list[tuple[float, ...]]]] = {
        "transformers, one forward pass a question": lambda: plain(model, tokenizer, prompts),
        "loanword": lambda: [score.log_likelihoods_nats for score in ours.choose(prompts)],
    }
    _require_equal(*(arm() for arm in arms.values()))
    measured = {name: _Times() for name in arms}
    for _ in range(1 if quick else 3):
        for name, arm in arms.items():
            measured[name].add(arm)
    peer, own = measured.values()
    return {
        "name": "knowledge",
        "ratio": peer.cpu_seconds / own.cpu_seconds,
        "goal": GOAL,
        "rows": [times.row(name, len(prompts)) for name, times in measured.items()],
    }


@torch.inference_mode()
def plain(model: PreTrainedModel, tokenizer: Tokenizer, prompts: list[ChoicePrompt]) -> list[tuple[float, ...]]:
    """Log-likelihoods of the choices' single ids after each prompt, each prompt read by itself."""
    scores: list[tuple[float, ...]] = []
    for prompt in prompts:
        text = prompt_text(prompt, len(prompt.shots))
        ids, *whole = tokenizer.encode_batch([text, *(text + choice for choice in prompt.choices)])
        log_probabilities = model(torch.tensor([[tokenizer.bos_id, *ids]])).logits.log_softmax(-1)
        scores.append(tuple(float(log_probabilities[0, -1, one[-1]]) for one in whole))
    return scores


class _Times:
    """CPU and wall times of the rounds of one arm."""

    def __init__(self) -> None:
        self._cpu: list[float] = []
        self._wall: list[float] = []

    def add(self, arm: Callable[[], object]) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        arm()
        self._cpu.append(time.process_time() - cpu)
        self._wall.append(time.perf_counter() - wall)

    @property
    def cpu_seconds(self) -> float:
        return statistics.median(self._cpu)

    def row(self, name: str, num_questions: int) -> dict[str, Any]:
        return {
            "arm": name,
            "questions": num_questions,
            "cpu_seconds": self.cpu_seconds,
            "wall_seconds": statistics.median(self._wall),
            "questions_per_cpu_second": num_questions / self.cpu_seconds,
        }


def _require_equal(plain: list[tuple[float, ...]], ours: list[tuple[float, ...]]) -> None:
    difference = max(
        abs(a - b) for one, other in zip(plain, ours, strict=True) for a, b in zip(one, other, strict=True)
    )
    if difference > 1e-4:
        raise AssertionError(f"the arms differ by {difference} nats")


def _words(draw: random.Random) -> list[str]:
    syllables = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]
    return ["".join(draw.choices(syllables, k=draw.choice((1, 2, 2, 3)))) for _ in range(3000)]


def _questions(num_questions: int, words: list[str], seed: int) -> SubjectQuestions:
    draw = random.Random(seed)
    examples = [
        Example(
            id=str(number),
            question=" ".join(draw.choices(words, k=draw.randint(12, 40))) + "?",
            options=tuple(" ".join(draw.choices(words, k=draw.randint(2, 12))) for _ in range(4)),
            answer=draw.choice("ABCD"),
        )
        for number in range(NUM_SHOTS + num_questions)
    ]
    subject = next(iter(MMLU.subjects.values()))
    return SubjectQuestions(subject, tuple(examples[:NUM_SHOTS]), tuple(examples[NUM_SHOTS:]))
