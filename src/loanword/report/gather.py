"""Finished records of a study's runs, read once and held in memory.

In: the finished artifact folders of each run: `manifest.json` and the payloads that the report shows.
Out: one RunRecords a run. A planned artifact that is not finished stays in it as None, so that it can be shown
as missing; an artifact that several runs share is read once.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from loanword.records import (
    AlignedLayer,
    ConversationCounts,
    CurvePoint,
    DocumentLikelihood,
    Grade,
    Overlap,
    ProbedDocument,
    Record,
    SkippedRows,
    Switching,
    TokenizerMeasure,
    TrainingSummary,
    read_json,
    read_lines,
)
from loanword.report.cleaned import CleanedText, read_corpus, read_instructions
from loanword.report.extensions import Decoder, Extension, read_decoder, read_extension
from loanword.report.facts import BenchmarkFacts, Manifest
from loanword.report.judged import (
    Judged,
    Preferred,
    judged_role,
    read_alignment,
    read_judged,
    read_preferred,
    read_switching,
)
from loanword.report.lenient import read_lenient
from loanword.report.published.figures import PublishedTable
from loanword.report.statistics import Floats
from loanword.report.wording import Setting

R = TypeVar("R", bound=Record)
T = TypeVar("T")

BUDGET = "pretraining.budget"
NEW_PIECES = "tokenizer.num_new_pieces"
VOCABULARY = ("tokenizer.", "initialisation.")
"""Settings of new pieces, `NEW_PIECES` among them."""
TRAINING_ROLES = ("base", "trunk", "pretraining", "tuning")


@dataclass(frozen=True)
class StudyInfo:
    """What a study says of itself, what it compares, (arm, control) by label or arm, and what it asks of them."""

    name: str
    summary: str
    comparisons: tuple[tuple[str, str], ...] = ()
    questions: Mapping[tuple[str, str], "Question"] = field(default_factory=dict[tuple[str, str], "Question"])
    published: "PublishedBeside | None" = None


@dataclass(frozen=True)
class PublishedBeside:
    """Figures of others that a study is shown beside, and how far the two can be compared."""

    table: PublishedTable
    note: str = ""


@dataclass(frozen=True)
class Question:
    """What a comparison answers, and on which languages and benchmarks; on all where none is named."""

    text: str
    on: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunFolders:
    """One run: its settings by their path in the study file, and the folders of its artifacts by role.

    A role is a stage, with the language or benchmark after a point where a stage has several (`grades.ceval`).
    None is an artifact that is planned and not finished; a role that is not there is not planned. `arm` is what the
    run and its other seeds are called together, the label where it has none.
    """

    label: str
    settings: Mapping[str, Setting | None]
    seed: int
    artifacts: Mapping[str, Path | None]
    arm: str = ""


@dataclass(frozen=True)
class Likelihoods:
    """Held-out documents of one language under one checkpoint, in their file's order; arrays are [N]."""

    ids: tuple[str, ...]
    nats: Floats
    num_tokens: Floats
    num_bytes: Floats


@dataclass(frozen=True)
class Artifact:
    """A finished artifact."""

    role: str
    folder: Path
    manifest: Manifest


@dataclass(frozen=True)
class RunRecords:
    """Everything the report knows of one run. Mappings lack what is missing or was not planned."""

    label: str
    settings: Mapping[str, Setting]
    seed: int
    artifacts: Mapping[str, Artifact | None]
    likelihoods: Mapping[str, Likelihoods]
    grades: Mapping[str, tuple[Grade, ...]]
    benchmarks: Mapping[str, BenchmarkFacts]
    curves: Mapping[str, tuple[CurvePoint, ...]]
    summaries: Mapping[str, TrainingSummary]
    measures: tuple[TokenizerMeasure, ...]
    conversations: ConversationCounts | None
    skipped: Mapping[str, tuple[SkippedRows, ...]] = field(default_factory=dict[str, tuple[SkippedRows, ...]])
    decoder: Decoder | None = None
    extension: Extension | None = None
    probes: Mapping[str, tuple[ProbedDocument, ...]] = field(default_factory=dict[str, tuple[ProbedDocument, ...]])
    texts: Mapping[str, CleanedText] = field(default_factory=dict[str, CleanedText])
    overlaps: Mapping[str, tuple[Overlap, ...]] = field(default_factory=dict[str, tuple[Overlap, ...]])
    judged: Mapping[tuple[str, str], Judged] = field(default_factory=dict[tuple[str, str], Judged])
    """By benchmark and judge."""
    preferred: Mapping[tuple[str, str, str], Preferred] = field(default_factory=dict[tuple[str, str, str], Preferred])
    """By benchmark, judge and the label of the control."""
    switching: Mapping[str, tuple[Switching, ...]] = field(default_factory=dict[str, tuple[Switching, ...]])
    """By benchmark."""
    alignment: tuple[AlignedLayer, ...] = ()
    arm: str = ""
    """What the run and its other seeds are called together; empty where it has none."""

    def plans(self, stage: str) -> bool:
        """Whether the run has a part of that stage, finished or not."""
        return any(stage_of(role) == stage for role in self.artifacts)

    def named(self, stage: str) -> list[str]:
        """The names of the run's parts of that stage, finished or not."""
        return named(self.artifacts, stage)

    def is_read(self, language: str) -> bool:
        """Whether held-out text of a language is, or may still be, among what the run is measured on."""
        finished = self.artifacts.get("likelihoods") is not None
        return language in self.likelihoods or (self.plans("likelihoods") and not finished)

    def missing(self) -> list[str]:
        """Roles that are planned and not finished."""
        return [role for role, artifact in self.artifacts.items() if artifact is None]

    @property
    def num_target_bytes(self) -> int | None:
        """Target text seen in further pretraining: 0 where none is planned, None where it is missing."""
        if "pretraining" not in self.artifacts:
            return 0
        if self.artifacts["pretraining"] is None:
            return None
        # An extended vocabulary on no text at all is an artifact too, which no training step has touched.
        summary = self.summaries.get("pretraining")
        return 0 if summary is None else summary.num_target_bytes

    @property
    def is_pretrained(self) -> bool:
        """Whether the run's plan has further pretraining on any text."""
        budgets = [value for key, value in self.settings.items() if key.startswith(BUDGET)]
        return bool(self.num_target_bytes) or any(not isinstance(value, str) and value > 0 for value in budgets)

    @property
    def tokenizer(self) -> Artifact | None:
        """The tokenizer that the run's model speaks, None where it came with the base or is missing."""
        role = "tokenizer" if "tokenizer" in self.artifacts else "tokenizer.base"
        return self.artifacts.get(role)

    @property
    def after_base(self) -> tuple[TrainingSummary, ...] | None:
        """What each training stage after the base has read, None where one is missing."""
        planned = [role for role in ("pretraining", "tuning") if role in self.artifacts]
        if any(self.artifacts[role] is None for role in planned):
            return None
        return tuple(self.summaries[role] for role in planned if role in self.summaries)

    @property
    def last_summary(self) -> TrainingSummary | None:
        """What the run's last training stage had seen, None where that stage is missing."""
        planned = [role for role in ("tuning", "pretraining", "base") if role in self.artifacts]
        return self.summaries.get(planned[0]) if planned else None


def stage_of(role: str) -> str:
    """The stage of a role: `grades` of `grades.ceval`."""
    return role.partition(".")[0]


def named(roles: Iterable[str], stage: str) -> list[str]:
    """The names behind a stage in some roles: `ceval` of `grades.ceval`."""
    return [_part(role) for role in roles if stage_of(role) == stage]


def read_runs(runs: Sequence[RunFolders]) -> list[RunRecords]:
    """The records of every run, in the given order.

    Raises:
        UserError: a manifest or payload that does not hold what it should, with file and line.
    """
    reader = _Reader({})
    return [_read_run(run, reader) for run in runs]


class _Reader:
    """Reads each file once: runs share most of their artifacts."""

    def __init__(self, seen: dict[Path, Any]) -> None:
        self.seen = seen

    def read(self, path: Path, parse: Callable[[Path], T]) -> T:
        if path not in self.seen:
            self.seen[path] = parse(path)
        return self.seen[path]

    def read_in(self, folder: Path | None, parse: Callable[[Path], T | None]) -> T | None:
        return None if folder is None else self.read(folder, parse)


def _read_run(run: RunFolders, reader: _Reader) -> RunRecords:
    artifacts = {role: _artifact(role, folder, reader) for role, folder in run.artifacts.items()}
    finished = [artifact for artifact in artifacts.values() if artifact is not None]

    def payloads(stage: str, name: str, parse: Callable[[Path], T]) -> Iterator[tuple[str, T]]:
        for artifact in finished:
            path = artifact.folder / name
            if stage_of(artifact.role) == stage and path.is_file():
                yield artifact.role, reader.read(path, parse)

    curves = {
        role: points
        for stage in TRAINING_ROLES
        for role, points in payloads(stage, "curve.jsonl", lambda path: _lines(CurvePoint, path))
    }
    summaries = {
        role: summary
        for stage in TRAINING_ROLES
        for role, summary in payloads(stage, "summary.json", lambda path: read_json(TrainingSummary, path))
    }
    skipped = {
        role: rows
        # Further pretraining tells of its trunk's rows too.
        for stage in ("base", "pretraining", "tuning")
        for role, rows in payloads(stage, "skipped.jsonl", lambda path: _lines(SkippedRows, path))
        if rows
    }
    likelihoods: dict[str, Likelihoods] = {}
    for _, languages in payloads("likelihoods", "likelihoods.jsonl", _likelihoods):
        likelihoods.update(languages)
    measures = dict(payloads("tokenizer", "measures.jsonl", lambda path: _lines(TokenizerMeasure, path)))
    benchmarks = named(run.artifacts, "responses")
    conversations = payloads("conversations", "counts.json", lambda path: read_json(ConversationCounts, path))
    probes = payloads("probe", "probe.jsonl", lambda path: _lines(ProbedDocument, path))
    return RunRecords(
        label=run.label,
        arm=run.arm,
        settings=_acting({key: value for key, value in run.settings.items() if value is not None and value != ""}),
        seed=run.seed,
        artifacts=artifacts,
        likelihoods=likelihoods,
        grades={_part(role): grades for role, grades in payloads("grades", "grades.jsonl", _grades)},
        benchmarks={
            _part(role): facts
            for stage in ("responses", "grades")
            for role, facts in payloads(stage, "benchmark.json", _benchmark)
        },
        curves=curves,
        summaries=summaries,
        measures=measures.get("tokenizer", () if "tokenizer" in artifacts else measures.get("tokenizer.base", ())),
        conversations=next((counts for _, counts in conversations), None),
        skipped=skipped,
        decoder=reader.read_in(_last(artifacts, "tuning", "pretraining", "base"), read_decoder),
        extension=reader.read_in(_last(artifacts, "tokenizer"), read_extension),
        probes={_part(role): documents for role, documents in probes},
        texts=dict(
            [
                *payloads("corpus", "counts.json", read_corpus),
                *payloads("instructions", "counts.json", read_instructions),
            ]
        ),
        judged={
            of[:2]: judged
            for role, judged in payloads("ratings", "ratings.jsonl", read_judged)
            if (of := judged_role(role, benchmarks))
        },
        preferred={
            of: preferred
            for role, preferred in payloads("ratings", "preferences.jsonl", read_preferred)
            if (of := judged_role(role, benchmarks))
        },
        switching={_part(role): seen for role, seen in payloads("switching", "switching.jsonl", read_switching)},
        alignment=next((layers for _, layers in payloads("alignment", "alignment.jsonl", read_alignment)), ()),
        overlaps=dict(payloads("overlap", "overlap.jsonl", lambda path: _lines(Overlap, path))),
    )


def _last(artifacts: Mapping[str, Artifact | None], *roles: str) -> Path | None:
    """The folder of the first of these roles that is planned; None where it is missing."""
    artifact = next((artifacts[role] for role in roles if role in artifacts), None)
    return None if artifact is None else artifact.folder


def _acting(settings: dict[str, Setting]) -> dict[str, Setting]:
    """Settings without those of new pieces where there are none."""
    if settings.get(NEW_PIECES):
        return settings
    return {key: value for key, value in settings.items() if key == NEW_PIECES or not key.startswith(VOCABULARY)}


def _artifact(role: str, folder: Path | None, reader: _Reader) -> Artifact | None:
    # A folder without its manifest is still being built.
    if folder is None or not (folder / "manifest.json").is_file():
        return None
    return Artifact(role, folder, reader.read(folder / "manifest.json", lambda path: read_lenient(Manifest, path)))


def _part(role: str) -> str:
    return role.partition(".")[2] or role


def _lines(kind: type[R], path: Path) -> tuple[R, ...]:
    return tuple(read_lines(kind, path))


def _grades(path: Path) -> tuple[Grade, ...]:
    return _lines(Grade, path)


def _benchmark(path: Path) -> BenchmarkFacts:
    return read_lenient(BenchmarkFacts, path)


def _likelihoods(path: Path) -> dict[str, Likelihoods]:
    languages: dict[str, list[DocumentLikelihood]] = {}
    for document in read_lines(DocumentLikelihood, path):
        languages.setdefault(document.language, []).append(document)
    return {
        language: Likelihoods(
            ids=tuple(document.id for document in documents),
            nats=np.array([document.nats for document in documents], dtype=np.float64),
            num_tokens=np.array([document.num_tokens for document in documents], dtype=np.float64),
            num_bytes=np.array([document.num_bytes for document in documents], dtype=np.float64),
        )
        for language, documents in languages.items()
    }
