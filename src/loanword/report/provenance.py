"""The artifacts behind the numbers: each of them once, and those that a number was computed from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loanword.records import canonical_json
from loanword.report.cells import Sources
from loanword.report.gather import Artifact, RunRecords, stage_of
from loanword.report.saying import say
from loanword.report.wording import duration

NOT_RECORDED = say("not recorded")
WHERE = "data"
"""A field of an Execution that says where the data lie on one machine, which is nobody else's business."""


@dataclass(frozen=True)
class Entry:
    """One artifact: what it is, its settings as JSON, what it was built from, and how and where.

    `made_from` are its inputs by role: the key of each, and its number in the list where the report has it.
    """

    number: int
    key: str
    role: str
    stage: str
    name: str
    runs: tuple[str, ...]
    settings: str
    made_from: tuple[tuple[str, str, int | None], ...]
    commit: str
    versions: str
    execution: str
    machine: str
    time: str

    @property
    def anchor(self) -> str:
        return f"artifact-{self.number}"


class Origins:
    """Every finished artifact of some runs, numbered in their order, and which of them numbers come from."""

    def __init__(self, runs: Sequence[RunRecords]) -> None:
        self._runs = {run.label: [run] for run in runs}
        for run in runs:
            if run.arm and run.arm != run.label:
                # An arm of several seeds stands for all of its runs.
                self._runs.setdefault(run.arm, []).append(run)
        self._numbers: dict[Path, int] = {}
        self._found: dict[Sources, list[int]] = {}
        found: dict[Path, tuple[Artifact, list[str]]] = {}
        for run in runs:
            for artifact in run.artifacts.values():
                if artifact is not None:
                    self._numbers.setdefault(artifact.folder, len(self._numbers) + 1)
                    found.setdefault(artifact.folder, (artifact, []))[1].append(run.label)
        numbers = {artifact_key(artifact): self._numbers[folder] for folder, (artifact, _) in found.items()}
        self.entries = tuple(
            _entry(self._numbers[folder], artifact, labels, numbers) for folder, (artifact, labels) in found.items()
        )

    def numbers(self, sources: Sources) -> list[int]:
        """The artifacts that numbers were computed from, run by run; none of no role, nor of a run that is none."""
        if sources not in self._found:
            self._found[sources] = self._look_up(sources)
        return self._found[sources]

    def _look_up(self, sources: Sources) -> list[int]:
        labels = sources.runs or tuple(self._runs)
        found = (
            self._numbers[artifact.folder]
            for label in labels
            for run in self._runs.get(label, ())
            for role, artifact in run.artifacts.items()
            if artifact is not None and (role in sources.roles or stage_of(role) in sources.roles)
        )
        return list(dict.fromkeys(found))

    def keys(self, sources: Sources) -> list[str]:
        """The same by stage and name."""
        return [self.entries[number - 1].key for number in self.numbers(sources)]

    def number_of(self, artifact: Artifact) -> int:
        """The number of a finished artifact."""
        return self._numbers[artifact.folder]

    @property
    def by_stage(self) -> dict[str, list[Entry]]:
        """The entries of each stage."""
        found: dict[str, list[Entry]] = {}
        for entry in self.entries:
            found.setdefault(entry.stage, []).append(entry)
        return found

    def to_json(self) -> dict[str, Any]:
        """Every artifact by stage and name: its settings, inputs, and how it came about."""
        artifacts = {
            artifact_key(artifact): artifact
            for runs in self._runs.values()
            for run in runs
            for artifact in run.artifacts.values()
            if artifact is not None
        }
        return {
            key: {
                "settings": artifact.manifest.config,
                "seed": artifact.manifest.seed,
                "inputs": artifact.manifest.inputs,
                "provenance": artifact.manifest.provenance.model_dump(mode="json"),
            }
            for key, artifact in artifacts.items()
        }


def artifact_key(artifact: Artifact) -> str:
    """Stage and name, as a store has them."""
    return f"{artifact.manifest.stage}/{artifact.manifest.name}"


def _entry(number: int, artifact: Artifact, labels: Sequence[str], numbers: Mapping[str, int]) -> Entry:
    manifest = artifact.manifest
    provenance = manifest.provenance
    settings = manifest.config | ({} if manifest.seed is None else {"seed": manifest.seed})
    return Entry(
        number=number,
        key=artifact_key(artifact),
        role=artifact.role,
        stage=manifest.stage,
        name=manifest.name,
        runs=tuple(dict.fromkeys(labels)),
        settings=canonical_json(settings) if settings else "",
        made_from=tuple((role, key, numbers.get(key)) for role, key in manifest.inputs.items()),
        commit=provenance.commit[:12] if provenance.commit else NOT_RECORDED,
        versions=", ".join(f"{name} {version}" for name, version in sorted(provenance.versions.items()))
        or NOT_RECORDED,
        execution=_fields({name: value for name, value in provenance.execution.items() if name != WHERE}),
        machine=_fields(provenance.machine),
        time=NOT_RECORDED if provenance.seconds is None else duration(provenance.seconds),
    )


def _fields(found: str | Mapping[str, Any] | None) -> str:
    """What is set of some fields, by name."""
    if isinstance(found, str):
        return found
    told = (f"{name} {value}" for name, value in sorted((found or {}).items()) if value not in (None, [], {}))
    return ", ".join(told) or NOT_RECORDED
