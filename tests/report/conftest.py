"""A study as a store would hold it: twelve runs, one of them missing, with numbers drawn from a known truth."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loanword.records import (
    ConversationCounts,
    CurvePoint,
    DocumentLikelihood,
    Grade,
    Record,
    TokenizerMeasure,
    TrainingSummary,
    write_json,
    write_lines,
)
from loanword.report.gather import RunFolders, StudyInfo, read_runs
from loanword.report.sections import Report, compose
from loanword.report.wording import Setting
from tests.report.seeded_runs import with_seeds

NUM_DOCUMENTS = 200
NUM_PARAMETERS = 3_100_000
NEW_PIECES = 2_000
SUBJECTS = (*(f"subject_{number:02d}" for number in range(6)), "advanced_mathematics", "college_physics")
QUESTIONS_PER_SUBJECT = 25


@dataclass(frozen=True)
class Cell:
    """One run of the synthetic study."""

    vocabulary: str
    budget_bytes: int
    replay: float
    instructions: int = 0

    @property
    def label(self) -> str:
        parts = [self.vocabulary, f"{self.budget_bytes / 1e6:g}MB"]
        parts += [f"r{self.replay:g}"] if self.budget_bytes else []
        parts += [f"sft{self.instructions}"] if self.instructions else []
        return "-".join(parts)

    @property
    def settings(self) -> dict[str, Setting]:
        settings: dict[str, Setting] = {
            "source": "en",
            "target": "zh",
            "tokenizer.num_new_pieces": NEW_PIECES if self.vocabulary == "extended" else 0,
            "pretraining.budget.bytes": self.budget_bytes,
        }
        settings |= {"pretraining.replay": self.replay} if self.budget_bytes else {}
        return settings | {"tuning.num_conversations": self.instructions, "likelihoods.window_tokens": 2048}


CELLS = tuple(
    Cell(vocabulary, budget, 0.2 if budget else 0.0)
    for vocabulary in ("original", "extended")
    for budget in (0, 400_000, 2_000_000)
) + tuple(
    cell
    for vocabulary in ("original", "extended")
    for cell in (
        Cell(vocabulary, 2_000_000, 0.0),
        Cell(vocabulary, 2_000_000, 0.2, 200),
        Cell(vocabulary, 2_000_000, 0.2, 1_000),
    )
)
MISSING = Cell("extended", 2_000_000, 0.2, 1_000)
GRADED = ("original-0MB", "original-2MB-r0.2", "extended-2MB-r0.2", "extended-2MB-r0", "extended-2MB-r0.2-sft1000")
TWO = ("original-2MB-r0.2", "extended-2MB-r0.2")
COMPARISONS = (
    (TWO[1], TWO[0]),
    (TWO[0], "original-2MB-r0"),
    ("original-2MB-r0.2-sft1000", TWO[0]),
    ("extended-2MB-r0.2-sft1000", TWO[1]),
)


@dataclass
class StoreLike:
    """Writes artifact folders as the store does; equal content is one folder."""

    root: Path
    made: dict[str, Path] = field(default_factory=dict[str, Path])

    def artifact(self, stage: str, name: str, payloads: Mapping[str, Any], seconds: float = 4.0) -> Path:
        folder = self.root / stage / name
        if folder in self.made.values():
            return folder
        folder.mkdir(parents=True)
        for file, content in payloads.items():
            if isinstance(content, list):
                write_lines(content, folder / file)
            elif isinstance(content, Record):
                write_json(content, folder / file)
            else:
                (folder / file).write_text(json.dumps(content), encoding="utf-8")
        provenance = {
            "seconds": seconds,
            "cpu_seconds": 1.9 * seconds,
            "commit": "0123456789abcdef",
            "versions": {"loanword": "0.1.0", "numpy": "2.4.0"},
            "execution": {"device": "cpu", "threads": 2, "micro_batch_tokens": 16_384},
            "machine": "two cores, x86_64",
        }
        manifest = {"name": name, "stage": stage, "stage_version": 1, "content": "0" * 64, "provenance": provenance}
        (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        self.made[f"{stage}/{name}"] = folder
        return folder


def true_bits_per_byte(cell: Cell, language: str) -> float:
    """The loss that the synthetic models have."""
    megabytes = cell.budget_bytes / 1e6
    if language == "zh":
        gain = 0.9 * (1 - math.exp(-1.2 * megabytes))
        start = 3.3 if cell.vocabulary == "extended" and not cell.budget_bytes else 2.55
        return (
            start
            - gain
            - (0.09 if cell.vocabulary == "extended" else 0.0) * megabytes / 2
            + 0.02 * bool(cell.instructions)
        )
    forgot = (0.42 if cell.replay == 0 else 0.03) * (1 - math.exp(-1.5 * megabytes))
    return 1.82 + forgot + 0.01 * bool(cell.instructions)


def _likelihoods(cell: Cell) -> Iterator[DocumentLikelihood]:
    noise = np.random.default_rng(abs(hash_of(cell.label)))
    for language, mean_bytes in (("zh", 110), ("en", 130)):
        documents = np.random.default_rng(len(language) + mean_bytes)
        sizes = documents.integers(mean_bytes // 2, mean_bytes * 2, NUM_DOCUMENTS)
        difficulty = documents.normal(1.0, 0.12, NUM_DOCUMENTS)
        bytes_per_token = 3.4 if language == "en" else 2.6 if cell.vocabulary == "extended" else 1.25
        for place, (size, hard) in enumerate(zip(sizes, difficulty, strict=True)):
            bits = true_bits_per_byte(cell, language) * hard + noise.normal(0, 0.05)
            yield DocumentLikelihood(
                id=f"{place:04d}",
                language=language,
                nats=float(bits * math.log(2) * size),
                num_tokens=int(size / bytes_per_token),
                num_bytes=int(size),
            )


def _grades(cell: Cell, benchmark: str, accuracy: float) -> Iterator[Grade]:
    shared = np.random.default_rng(7)
    own = np.random.default_rng(abs(hash_of(cell.label + benchmark)))
    for subject in SUBJECTS:
        for number in range(QUESTIONS_PER_SUBJECT):
            draw = shared.random() if own.random() < 0.6 else own.random()
            outcome = "unparsed" if own.random() < 0.01 else "correct" if draw < accuracy else "incorrect"
            yield Grade(
                id=f"{subject}-{number}",
                benchmark=benchmark,
                subject=subject,
                outcome=outcome,
                score=float(outcome == "correct"),
                given="" if outcome == "unparsed" else "A",
                answer="A",
                num_shots=5 if number % 7 else 3,
            )


def hash_of(text: str) -> int:
    """A number that is the same in every process."""
    return sum((place + 1) * ord(char) for place, char in enumerate(text))


def _curve(num_steps: int, start: float, end: float, tokens_per_step: int, first_step: int = 1) -> list[CurvePoint]:
    noise = np.random.default_rng(num_steps + first_step)
    return [
        CurvePoint(
            step=step,
            rows=8 * step,
            tokens=tokens_per_step * step,
            learning_rate=1e-3,
            nats_per_token=float(end + (start - end) * math.exp(-step / 40) + noise.normal(0, 0.04)),
            gradient_norm=1.0,
        )
        for step in range(first_step, num_steps + 1)
    ]


def _summary(tokens: int, target_bytes: int, replay: float) -> TrainingSummary:
    return TrainingSummary(
        num_rows=tokens // 2048,
        num_tokens=tokens,
        num_target_bytes=target_bytes,
        num_target_tokens=int(tokens * (1 - replay)) if target_bytes else 0,
        num_replay_tokens=int(tokens * replay) if target_bytes else 0,
        num_steps=tokens // 16_384,
        num_parameters=NUM_PARAMETERS,
        train_flops=6.0 * NUM_PARAMETERS * tokens,
    )


def _measures(bytes_per_token: float) -> list[TokenizerMeasure]:
    return [
        TokenizerMeasure(
            language=language,
            num_tokens=int(100_000 / per_token),
            num_bytes=100_000,
            tokens_per_character=bytes_per_character / per_token,
            bytes_per_token=per_token,
            tokens_per_word=words,
            byte_fallback_share=fallback,
        )
        for language, per_token, bytes_per_character, words, fallback in (
            ("zh", bytes_per_token, 2.9, None, 0.71 if bytes_per_token < 2 else 0.08),
            ("en", 3.4, 1.0, 1.62, 0.001),
        )
    ]


def _run(cell: Cell, store: StoreLike, *, is_graded: bool) -> RunFolders:
    planned: dict[str, Path | None] = {
        "corpus.en": store.artifact("corpus", "e1", {}, 3.1),
        "corpus.zh": store.artifact("corpus", "c1", {}, 2.4),
        "tokenizer.base": store.artifact("tokenizer", "t0", {"measures.jsonl": _measures(1.25)}, 20.0),
        "base": store.artifact(
            "base",
            "b1",
            {"curve.jsonl": _curve(244, 8.3, 4.1, 16_384), "summary.json": _summary(4_000_000, 0, 0.0)},
            610.0,
        ),
    }
    if cell.vocabulary == "extended":
        planned["tokenizer"] = store.artifact("tokenizer", "t1", {"measures.jsonl": _measures(2.6)}, 14.0)
    missing = cell == MISSING
    model = cell.label.partition("-sft")[0]
    if cell.budget_bytes:
        tokens = int(cell.budget_bytes / (2.6 if cell.vocabulary == "extended" else 1.25) / (1 - cell.replay))
        steps = max(4, tokens // 16_384)
        start, end = (8.0, 5.2) if cell.vocabulary == "extended" else (4.6, 2.4)
        whole = _curve(steps, start, end - cell.budget_bytes / 8e6, 16_384)
        cut = int(0.8 * steps)
        planned["trunk"] = store.artifact("trunk", f"k-{model}", {"curve.jsonl": whole[:cut]}, 60.0)
        payloads = {"curve.jsonl": whole, "summary.json": _summary(tokens, cell.budget_bytes + 321, cell.replay)}
        planned["pretraining"] = store.artifact("pretraining", f"p-{model}", payloads, 75.0)
    elif cell.vocabulary == "extended":
        planned["pretraining"] = store.artifact("pretraining", "p-new-rows", {}, 1.0)
    if cell.instructions:
        counts = ConversationCounts(
            num_read=51_000,
            num_conversations=cell.instructions,
            num_removed={"too long": 3},
            num_rows=cell.instructions // 9,
            num_response_tokens=cell.instructions * 88,
            row_tokens=2048,
        )
        name = f"{cell.vocabulary}-{cell.instructions}"
        planned["conversations"] = store.artifact("conversations", f"v-{name}", {"counts.json": counts}, 1.5)
        steps = max(10, cell.instructions // 12)
        payloads = {
            "curve.jsonl": _curve(steps, 4.4, 3.2 + 40 / cell.instructions, 3_000),
            "summary.json": _summary(2_200_000 + cell.instructions * 88, cell.budget_bytes + 321, cell.replay),
        }
        planned["tuning"] = None if missing else store.artifact("tuning", f"u-{name}", payloads, 30.0)
    likelihoods = (
        None
        if missing
        else store.artifact("likelihoods", f"l-{cell.label}", {"likelihoods.jsonl": list(_likelihoods(cell))}, 12.0)
    )
    planned["likelihoods"] = likelihoods
    if is_graded:
        planned |= _knowledge(cell, store, missing)
    return RunFolders(cell.label, cell.settings, 0, planned)


def _knowledge(cell: Cell, store: StoreLike, missing: bool) -> dict[str, Path | None]:
    found: dict[str, Path | None] = {}
    for benchmark, language, accuracy in (("ceval", "zh", 0.25 + cell.budget_bytes / 4e7), ("mmlu", "en", 0.27)):
        facts = {
            "name": benchmark,
            "language": language,
            "chance": 0.25,
            "split": "val",
            "num_shots": 5,
            "protocol": "official",
            "subjects": {subject: {"category": "", "num_examples": QUESTIONS_PER_SUBJECT} for subject in SUBJECTS},
            "hard_subjects": ["advanced_mathematics", "college_physics"] if benchmark == "ceval" else [],
        }
        grades = list(_grades(cell, benchmark, accuracy))
        name = f"{benchmark}-{cell.label}"
        found[f"responses.{benchmark}"] = (
            None if missing else store.artifact("responses", name, {"benchmark.json": facts}, 40.0)
        )
        found[f"grades.{benchmark}"] = (
            None if missing else store.artifact("grades", name, {"grades.jsonl": grades}, 0.4)
        )
    return found


@dataclass(frozen=True)
class SyntheticStudy:
    """The synthetic study's folders and what it says of itself."""

    runs: tuple[RunFolders, ...]
    info: StudyInfo

    def run(self, label: str) -> RunFolders:
        return next(run for run in self.runs if run.label == label)


def synthetic_study(root: Path) -> SyntheticStudy:
    """Writes the twelve runs under a folder."""
    store = StoreLike(root)
    info = StudyInfo(
        "real-small",
        "A LLaMA of three million parameters goes from English to Chinese: two vocabularies, three budgets of text, "
        "with and without English replay, tuned on 200 and 1,000 instructions.",
        COMPARISONS,
    )
    return SyntheticStudy(tuple(_run(cell, store, is_graded=cell.label in GRADED) for cell in CELLS), info)


def grown_study(root: Path) -> SyntheticStudy:
    """Writes runs of five budgets under a folder, as many as a law takes and one to hold out."""
    store = StoreLike(root)
    cells = [
        Cell(vocabulary, budget, 0.2 if budget else 0.0)
        for vocabulary in ("original", "extended")
        for budget in (0, 250_000, 500_000, 1_000_000, 2_000_000, 4_000_000)
    ]
    runs = tuple(_run(cell, store, is_graded=True) for cell in cells)
    return SyntheticStudy(runs, StudyInfo("grown", "Five budgets of text.", COMPARISONS[:1]))


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> SyntheticStudy:
    return synthetic_study(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="session")
def grown(tmp_path_factory: pytest.TempPathFactory) -> SyntheticStudy:
    return grown_study(tmp_path_factory.mktemp("grown"))


@pytest.fixture(scope="session")
def over_seeds(grown: SyntheticStudy) -> Report:
    """The report of the grown study under three seeds."""
    return compose(with_seeds(read_runs(grown.runs)), grown.info)
