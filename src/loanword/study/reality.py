"""What finished artifacts took, beside what a plan says of them, and what a profile learns from it.

A plan is held against reality as it was before anything was built: nothing that is finished helps it.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loanword.protocols import Stage
from loanword.store import Job, Store
from loanword.store.artifacts import MANIFEST
from loanword.study.estimate import Estimate, trunk_saving
from loanword.study.estimate.asking import BY_A_SERVER
from loanword.study.hardware import HardwareProfile
from loanword.study.schedule import schedule
from loanword.study.speeds import Took, seconds_of, work_of


@dataclass(frozen=True)
class Finished:
    """What a manifest says of an artifact's making, and the bytes that its folder holds.

    `workers` and `threads` are those of the Execution; `threads` are all that the stage had.
    """

    key: str
    seconds: float
    cpu_seconds: float
    started: float
    ended: float
    device: str
    threads: int
    workers: int
    continued: bool
    disk_bytes: int

    def working_seconds(self, kind: str) -> float:
        """Seconds that the work itself took: on a processor without those in which others had it."""
        if self.device != "cpu" or kind == BY_A_SERVER:
            return self.seconds
        return min(self.seconds, self.cpu_seconds / self.threads)


@dataclass(frozen=True)
class Compared:
    """Planned and real amounts of one stage, or of all; of `seconds` others may have had the processor in some."""

    stage: str
    num_artifacts: int
    planned_seconds: float
    working_seconds: float
    seconds: float
    planned_bytes: int
    disk_bytes: int


@dataclass(frozen=True)
class Reality:
    """A study's finished artifacts, planned and real, by stage; `wall` seconds are those in which any was built.

    `num_elsewhere` were built on another kind of device, or with other threads, than the profile is of, and are left
    out; of `unknown` the plan could not say how long they take.
    """

    lines: tuple[Compared, ...]
    planned_wall_seconds: float
    wall_seconds: float
    workers: int
    num_elsewhere: int
    unknown: tuple[str, ...]


def finished_artifacts(store: Store, jobs: Sequence[Job]) -> Iterator[Finished]:
    """What the manifests of finished artifacts say."""
    for job in jobs:
        folder = store.folder(job)
        said: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())["provenance"]
        execution = said["execution"]
        yield Finished(
            key=job.key,
            seconds=said["seconds"],
            cpu_seconds=said["cpu_seconds"],
            started=said["started"],
            ended=said["finished"],
            device=str(execution["device"]).partition(":")[0],
            threads=execution["threads"],
            workers=execution["workers"],
            continued=said.get("continued_from") is not None,
            disk_bytes=_disk_bytes(folder),
        )


def took(
    profile: HardwareProfile,
    finished: Mapping[str, Finished],
    jobs: Sequence[Job],
    estimates: Callable[[Job], Estimate],
    smaller_cuts: Mapping[str, list[Job]],
) -> list[Took]:
    """Finished artifacts as a profile learns from them: those of its device and threads, whose work is known."""
    found: list[Took] = []
    for job in jobs:
        one, estimate = finished[job.key], estimates(job)
        if not _here(profile, one, job) or estimate.unknown or not estimate.kind:
            continue
        estimate = _continued(job, one, estimate, smaller_cuts)
        work = work_of(profile, estimate, parallel=_parallel(profile, one))
        found.append(Took(estimate.kind, work, one.working_seconds(estimate.kind)))
    return found


def reality(
    profile: HardwareProfile,
    finished: Mapping[str, Finished],
    jobs: Sequence[Job],
    estimates: Callable[[Job], Estimate],
    smaller_cuts: Mapping[str, list[Job]],
    stages: Mapping[str, Stage],
) -> Reality:
    """Finished artifacts, planned and real."""
    here = [job for job in jobs if _here(profile, finished[job.key], job)]
    made = {job.key: _continued(job, finished[job.key], estimates(job), smaller_cuts) for job in here}
    parallel = {job.key: _parallel(profile, finished[job.key]) for job in here}
    said = {job.key: seconds_of(profile, made[job.key], parallel=parallel[job.key]) for job in here}
    known = [job for job in here if said[job.key] is not None]
    planned = {job.key: said[job.key] or 0.0 for job in known}
    workers = Counter(finished[job.key].workers for job in here).most_common(1)[0][0] if here else 1
    return Reality(
        lines=tuple(_compared(known, planned, made, finished)),
        planned_wall_seconds=schedule(known, planned, stages, smaller_cuts, workers).seconds,
        wall_seconds=_union([(finished[job.key].started, finished[job.key].ended) for job in known]),
        workers=workers,
        num_elsewhere=len(jobs) - len(here),
        unknown=tuple(sorted({made[job.key].unknown or made[job.key].kind for job in here if said[job.key] is None})),
    )


def _compared(
    jobs: Sequence[Job],
    planned: Mapping[str, float],
    made: Mapping[str, Estimate],
    finished: Mapping[str, Finished],
) -> Iterator[Compared]:
    for stage in dict.fromkeys(job.stage for job in jobs):
        keys = [job.key for job in jobs if job.stage == stage]
        yield Compared(
            stage=stage,
            num_artifacts=len(keys),
            planned_seconds=sum(planned[key] for key in keys),
            working_seconds=sum(finished[key].working_seconds(made[key].kind) for key in keys),
            seconds=sum(finished[key].seconds for key in keys),
            planned_bytes=sum(made[key].disk_bytes for key in keys),
            disk_bytes=sum(finished[key].disk_bytes for key in keys),
        )


def in_total(lines: Sequence[Compared]) -> Compared:
    """All stages together."""
    return Compared(
        stage="in total",
        num_artifacts=sum(line.num_artifacts for line in lines),
        planned_seconds=sum(line.planned_seconds for line in lines),
        working_seconds=sum(line.working_seconds for line in lines),
        seconds=sum(line.seconds for line in lines),
        planned_bytes=sum(line.planned_bytes for line in lines),
        disk_bytes=sum(line.disk_bytes for line in lines),
    )


def _continued(job: Job, one: Finished, estimate: Estimate, smaller_cuts: Mapping[str, list[Job]]) -> Estimate:
    return trunk_saving(job, smaller_cuts.get(job.key, []), estimate) if one.continued else estimate


def _here(profile: HardwareProfile, one: Finished, job: Job) -> bool:
    """Whether an artifact was built on the profile's kind of device, by workers of as many threads."""
    kind = profile.device.partition(":")[0]
    return one.device == kind and (kind != "cpu" or one.threads in (profile.threads, one.workers * profile.threads))


def _parallel(profile: HardwareProfile, one: Finished) -> float:
    return one.threads / profile.threads if one.device == "cpu" else 1.0


def _union(spans: Sequence[tuple[float, float]]) -> float:
    """Seconds that lie in any of the spans."""
    total, end = 0.0, float("-inf")
    for started, ended in sorted(spans):
        total += max(0.0, ended - max(started, end))
        end = max(end, ended)
    return total


def _disk_bytes(folder: Path) -> int:
    return sum((Path(place) / name).stat().st_size for place, _, names in os.walk(folder) for name in names)
