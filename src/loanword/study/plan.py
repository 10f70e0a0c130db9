"""What a study still needs, in which order, and what changed since it was last run."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loanword.protocols import Stage
from loanword.records import Record, canonical_json, read_json, write_json
from loanword.store import Job, Store
from loanword.store.artifacts import file_name
from loanword.study.file import flat, read_study
from loanword.study.study import Study


class PlanRecord(Record):
    """What a study was when it was last run: its settings as dotted paths, and every run's artifacts by role."""

    settings: dict[str, Any]
    runs: dict[str, dict[str, str]]


@dataclass(frozen=True)
class Change:
    """One setting that is not what it was; None where it was not there."""

    path: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Changes:
    """Settings that changed since the last run, and how many artifacts of each stage have a new name by it."""

    settings: tuple[Change, ...]
    follows: Mapping[str, int]


def missing(jobs: Iterable[Job], finished: set[str]) -> list[Job]:
    """Jobs to build, inputs first. What only finished artifacts needed is not built again."""
    needed: dict[str, Job] = {}

    def visit(job: Job) -> None:
        if job.key in finished or job.key in needed:
            return
        for made in job.inputs.values():
            visit(made)
        needed[job.key] = job

    for job in jobs:
        visit(job)
    return list(needed.values())


def results(study: Study) -> list[Job]:
    """The jobs that a study is for: those that no other job of it reads."""
    read = {made.key for job in study.jobs.values() for made in job.inputs.values()}
    return [job for key, job in study.jobs.items() if key not in read]


def smaller_cuts(jobs: Iterable[Job], stages: Mapping[str, Stage]) -> dict[str, list[Job]]:
    """For each cut of a trajectory, the smaller cuts of the same one, nearest first."""
    trajectories: dict[str, list[tuple[int, Job]]] = {}
    for job in jobs:
        position = stages[job.stage].position
        if position is not None:
            place, rest = position(job.config)
            names = {role: made.name for role, made in job.inputs.items()}
            key = canonical_json([job.stage, rest.model_dump(mode="json"), names, job.seed])
            trajectories.setdefault(key, []).append((place, job))
    found: dict[str, list[Job]] = {}
    for cuts in trajectories.values():
        ordered = [job for _, job in sorted(cuts, key=lambda cut: cut[0])]
        found |= {job.key: ordered[:place][::-1] for place, job in enumerate(ordered)}
    return found


def remember(study: Study, file: Path, store: Store) -> None:
    """Keeps what the study is now, for the next plan to compare with."""
    path = _record_path(study, store)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(_record(study, file), path)


def changes(study: Study, file: Path, store: Store) -> Changes:
    """What is not as it was when the study was last run in this store; empty if it never was."""
    path = _record_path(study, store)
    if not path.is_file():
        return Changes((), {})
    before, after = read_json(PlanRecord, path), _record(study, file)
    paths = dict.fromkeys([*before.settings, *after.settings])
    settings = tuple(
        Change(path, before.settings.get(path), after.settings.get(path))
        for path in paths
        if before.settings.get(path) != after.settings.get(path)
    )
    known = {key for roles in before.runs.values() for key in roles.values()}
    new = {key for roles in after.runs.values() for key in roles.values()} - known
    follows: dict[str, int] = {}
    for key in study.jobs:
        if key in new:
            follows[key.partition("/")[0]] = follows.get(key.partition("/")[0], 0) + 1
    return Changes(settings, follows)


def _record_path(study: Study, store: Store) -> Path:
    return store.root / "studies" / file_name(study.name) / "plan.json"


def _record(study: Study, file: Path) -> PlanRecord:
    written = read_study(file).model_dump(mode="json")
    runs = {run.label: {role: job.key for role, job in run.jobs.items()} for run in study.runs}
    return PlanRecord(settings=flat(written), runs=runs)
