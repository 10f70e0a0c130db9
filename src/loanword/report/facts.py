"""What artifacts say of themselves, as far as the report shows it; what it does not know is passed over."""

from typing import Any, Literal

from pydantic import Field

from loanword.report.lenient import Lenient


class Provenance(Lenient):
    """How an artifact came about; nothing in it is part of its identity."""

    seconds: float | None = None
    cpu_seconds: float | None = None
    started: str | float | None = None
    finished: str | float | None = None
    commit: str | None = None
    versions: dict[str, str] = Field(default_factory=dict[str, str])
    execution: dict[str, Any] = Field(default_factory=dict[str, Any])
    machine: str | dict[str, Any] | None = None


class Manifest(Lenient):
    """What the report shows of an artifact's manifest."""

    name: str
    stage: str
    content: str = ""
    config: dict[str, Any] = Field(default_factory=dict[str, Any])
    identity: dict[str, Any] = Field(default_factory=dict[str, Any])
    inputs: dict[str, str] = Field(default_factory=dict[str, str])
    seed: int | None = None
    provenance: Provenance = Provenance()


class ScoreFacts(Lenient):
    """One number that is reported of a benchmark: what it averages over, and what it is by chance."""

    name: str
    over: Literal["questions", "subjects", "points"] = "questions"
    measure: Literal["score", "f1"] = "score"
    is_part: bool = False
    subjects: tuple[str, ...] = ()
    chance: float | None = None


class SubjectFacts(Lenient):
    """One subject of a benchmark; those of a category stand together."""

    category: str = ""


class BenchmarkFacts(Lenient):
    """What a benchmark's responses say of the benchmark."""

    name: str
    title: str = ""
    language: str = ""
    chance: float | None = None
    split: str = ""
    num_shots: int | None = None
    chat: bool = False
    protocol: str = ""
    answering: str = ""
    precision: str = ""
    fragile_nats: float = 0.0
    scores: tuple[ScoreFacts, ...] = ()
    subjects: dict[str, SubjectFacts] = Field(default_factory=dict[str, SubjectFacts])
    malformed: dict[str, str] = Field(default_factory=dict[str, str])
    num_too_long: int = 0
    num_cut: int = 0
    extraction: str = ""
    config: dict[str, Any] = Field(default_factory=dict[str, Any])

    @property
    def headline_chance(self) -> float | None:
        """What naming options at random earns of the number that is reported first."""
        return self.scores[0].chance if self.scores else self.chance
