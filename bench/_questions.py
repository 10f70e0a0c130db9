"""Multiple-choice prompts for benches: published ones read in place, as lm-eval asks them, and invented ones."""

import os
import random
from collections.abc import Sequence
from pathlib import Path

from loanword.evaluation.benchmark import Example, SubjectQuestions
from loanword.evaluation.benchmarks import asking_of, benchmark_of, settled
from loanword.evaluation.benchmarks.mmlu import MMLU
from loanword.model.prompts import fit_prompts
from loanword.protocols import ChoicePrompt
from loanword.recipe import BenchmarkConfig
from loanword.tokenizer.interface import Tokenizer

NUM_SHOTS = 5
SETS = {
    "MMLU, 5-shot": BenchmarkConfig(
        name="mmlu", folder="mmlu/data", split="test", protocol="harness", answering="likelihood", num_shots=5,
        subjects=("abstract_algebra", "anatomy", "astronomy"),
    ),
    "C-Eval val, 5-shot": BenchmarkConfig(
        name="ceval", folder="ceval", split="val", protocol="harness", answering="likelihood", num_shots=5,
        subjects=("accountant", "chinese_language_and_literature", "law", "modern_chinese_history", "physician"),
    ),
    "AGIEval, zero-shot": BenchmarkConfig(
        name="agieval", folder="agieval/v1", split="test", protocol="harness", answering="likelihood", num_shots=0,
        subjects=("lsat-rc", "sat-en", "logiqa-en", "logiqa-zh", "gaokao-geography"), limit_examples=20,
    ),
}  # fmt: skip


def data_folder() -> Path:
    """Where published data lie: the folder that LOANWORD_TEST_DATA names, or ../shared/data."""
    return Path(os.environ.get("LOANWORD_TEST_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))


def published(config: BenchmarkConfig, tokenizer: Tokenizer, context_tokens: int) -> list[list[ChoicePrompt]]:
    """The prompts of each subject that fit a context with all their shots."""
    config = settled(config)
    assert config.folder is not None
    loaded = benchmark_of(config).load(data_folder() / "benchmarks" / str(config.folder), config)
    subjects: list[list[ChoicePrompt]] = []
    for questions in loaded:
        prompts = [one for one in asking_of(config).prompts(questions, config) if isinstance(one, ChoicePrompt)]
        fitted = fit_prompts(prompts, tokenizer, context_tokens)
        pairs = zip(prompts, fitted, strict=True)
        subjects.append([one for one, ids in pairs if ids is not None and ids.num_shots == len(one.shots)])
    return subjects


def invented(num_questions: int, seed: int) -> list[ChoicePrompt]:
    """Questions of no meaning, as long as those of MMLU, with five solved examples before each."""
    words, draw = _words(random.Random(1)), random.Random(seed)
    examples = [_example(str(number), words, draw) for number in range(NUM_SHOTS + num_questions)]
    subject = next(iter(MMLU.subjects.values()))
    questions = SubjectQuestions(subject, tuple(examples[:NUM_SHOTS]), tuple(examples[NUM_SHOTS:]))
    config = settled(BenchmarkConfig(name="mmlu", folder=".", num_shots=NUM_SHOTS, answering="likelihood"))
    return [one for one in asking_of(config).prompts(questions, config) if isinstance(one, ChoicePrompt)]


def _example(id: str, words: Sequence[str], draw: random.Random) -> Example:
    return Example(
        id=id,
        question=" ".join(draw.choices(words, k=draw.randint(12, 40))) + "?",
        options=tuple(" ".join(draw.choices(words, k=draw.randint(2, 12))) for _ in range(4)),
        answers=(draw.choice("ABCD"),),
    )


def _words(draw: random.Random) -> list[str]:
    syllables = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]
    return ["".join(draw.choices(syllables, k=draw.choice((1, 2, 2, 3)))) for _ in range(3000)]
