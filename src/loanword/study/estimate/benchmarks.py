"""How much benchmarks ask, counted from their questions where those are on this machine.

Questions are read once, however many runs ask them and judges judge what is answered.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from loanword.evaluation.benchmark import Example, SubjectQuestions
from loanword.evaluation.benchmarks import asking_of, settled
from loanword.inputs import questions_in
from loanword.recipe import BenchmarkConfig

PUBLISHED = {
    ("mmlu", "test"): (57, 14_042),
    ("mmlu", "val"): (57, 1_531),
    ("ceval", "test"): (52, 12_342),
    ("ceval", "val"): (52, 1_346),
    ("agieval", ""): (20, 8_062),
    ("gaokao", ""): (10, 1_781),
    ("llmeval", ""): (17, 453),
    ("belle", ""): (12, 1_000),
    ("mt_bench", ""): (8, 80),
}
"""Subjects and questions of published sets, by name and split. Source: the papers of MMLU (2009.03300), C-Eval
(2305.08322), AGIEval (2304.06364), GAOKAO-Bench (2305.12474, objective ones) 2401.01055, BELLE's
evaluation set, and MT-Bench (2306.05685)."""
QUESTION_BYTES, NUM_SHOTS = 300, 5
MOST_NEW_TOKENS = 256


@dataclass(frozen=True)
class Asked:
    """What one benchmark asks of one model: `shots_bytes` are read once a subject, `question_bytes` are all the rest.

    `num_new_tokens` is the most that may be written in all; 0 where choices are scored. `counted`: its questions were.
    """

    num_examples: int
    question_bytes: int
    shots_bytes: int
    num_new_tokens: int
    counted: bool = True

    @property
    def num_bytes(self) -> int:
        """All that is read, what is shared once."""
        return self.question_bytes + self.shots_bytes


class Benchmarks:
    """What benchmarks ask, each read once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._read: dict[str, Questions | None] = {}
        self._asked: dict[str, Asked | None] = {}

    def questions(self, config: BenchmarkConfig) -> "Questions | None":
        """The questions of a benchmark whose folder is on this machine."""
        key = config.model_dump_json()
        if key not in self._read:
            here = config.folder is not None and (self._root / config.folder).exists()
            self._read[key] = Questions(self._root / str(config.folder), config) if here else None
        return self._read[key]

    def asked(self, config: BenchmarkConfig) -> Asked | None:
        """What a benchmark asks; None where it is neither here nor one whose size is published."""
        key = config.model_dump_json()
        if key not in self._asked:
            questions = self.questions(config)
            self._asked[key] = _published(config) if questions is None else questions.asked
        return self._asked[key]


class Questions:
    """The questions of one benchmark, read when they are first counted."""

    def __init__(self, folder: Path, config: BenchmarkConfig) -> None:
        self._folder, self._config = folder, settled(config)

    @cached_property
    def subjects(self) -> list[SubjectQuestions]:
        """What is asked, by subject."""
        return questions_in(self._folder, self._config)

    @cached_property
    def num_open(self) -> int:
        """How many a judge says what their responses are worth."""
        return sum(one.asked is not None for subject in self.subjects for one in subject.examples)

    @cached_property
    def asked(self) -> Asked:
        """What that makes of reading and writing."""
        asking, config = asking_of(self._config), self._config
        num_shots = asking.num_shots if config.num_shots is None else config.num_shots
        scores = config.protocol in ("options", "options-only")
        return _asked(
            config,
            num_examples=sum(len(one.examples) for one in self.subjects),
            question_bytes=sum(_bytes(example, config.protocol) for one in self.subjects for example in one.examples),
            shots_bytes=0 if scores else sum(
                len(shot.text.encode()) for one in self.subjects for shot in one.shots[:num_shots]
            ),
        )  # fmt: skip


def _bytes(example: Example, protocol: str) -> int:
    """What is read of one question: for each option the question again, where statements are scored."""
    options = sum(len(option.encode()) for option in example.options)
    if protocol == "options-only":
        return options
    if protocol == "options":
        return len(example.passage.encode()) + len(example.question.encode()) * len(example.options) + options
    return len(example.text.encode())


def _asked(
    config: BenchmarkConfig, *, num_examples: int, question_bytes: int, shots_bytes: int, counted: bool = True
) -> Asked:
    generates = config.answering != "likelihood"
    most = config.decoding.max_new_tokens or asking_of(config).max_new_tokens or MOST_NEW_TOKENS
    return Asked(num_examples, question_bytes, shots_bytes, num_examples * most if generates else 0, counted)


def _published(config: BenchmarkConfig) -> Asked | None:
    found = PUBLISHED.get((config.name, config.split)) or PUBLISHED.get((config.name, ""))
    if found is None:
        return None
    num_subjects, num_examples = found
    if config.subjects:
        num_subjects, num_examples = len(config.subjects), num_examples * len(config.subjects) // num_subjects
    if config.limit_examples is not None:
        num_examples = min(num_examples, num_subjects * config.limit_examples)
    num_shots = NUM_SHOTS if config.num_shots is None else config.num_shots
    return _asked(
        settled(config),
        num_examples=num_examples,
        question_bytes=QUESTION_BYTES * num_examples,
        shots_bytes=QUESTION_BYTES * num_shots * num_subjects,
        counted=False,
    )
