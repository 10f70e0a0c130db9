"""How long a study takes on so many workers: the scheduler's own policy, played through with seconds that are told.

Longest path first; a job waits for its inputs and for the next smaller cut of its trajectory; stages that want the
whole machine wait until it is free, and nothing less urgent goes before them; jobs that ask one model go one after the
other in one process. (execution/scheduler.py does the same with processes.)
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from loanword.protocols import Stage
from loanword.store import Job

START_SECONDS = 0.04
"""From when a worker is asked for until its stage starts, and from a stage's end until its artifact is written."""


@dataclass(frozen=True)
class Schedule:
    """Seconds until all is built, those of the longest path of jobs that wait for each other, and those of all workers.

    `busy_seconds` are of one worker; a stage that takes the whole machine counts for all of them.
    """

    seconds: float
    longest_path_seconds: float
    busy_seconds: float


@dataclass
class _Played:
    """A schedule while it is played: what waits for what, what may start, what runs until when."""

    ranks: Mapping[str, int]
    num_blockers: dict[str, int]
    waiting_for: Mapping[str, list[Job]]
    free: int
    ready: list[tuple[int, Job]] = field(default_factory=list[tuple[int, Job]])
    ready_by_model: dict[str, dict[str, Job]] = field(default_factory=dict[str, dict[str, Job]])
    started: set[str] = field(default_factory=set[str])
    running: list[tuple[float, int, str, int]] = field(default_factory=list[tuple[float, int, str, int]])


def schedule(
    jobs: Sequence[Job],
    seconds: Mapping[str, float],
    stages: Mapping[str, Stage],
    smaller_cuts: Mapping[str, Sequence[Job]],
    workers: int,
    *,
    start_seconds: float = START_SECONDS,
) -> Schedule:
    """What building jobs takes, inputs first in the sequence; `seconds` by key."""
    here = {job.key for job in jobs}
    blockers = {job.key: _blockers(job, smaller_cuts, here) for job in jobs}
    waiting_for: dict[str, list[Job]] = {}
    for job in jobs:
        for key in blockers[job.key]:
            waiting_for.setdefault(key, []).append(job)
    order = most_urgent_first(jobs, seconds)
    played = _Played(
        ranks={job.key: rank for rank, job in enumerate(order)},
        num_blockers={key: len(those) for key, those in blockers.items()},
        waiting_for=waiting_for,
        free=workers,
    )
    for job in jobs:
        if not blockers[job.key]:
            _make_ready(played, job, stages)
    now = _play(played, seconds, stages, workers, start_seconds)
    slots = {job.key: workers if stages[job.stage].whole_machine else 1 for job in jobs}
    return Schedule(
        seconds=now,
        longest_path_seconds=_longest(jobs, blockers, seconds),
        busy_seconds=sum(slots[job.key] * seconds[job.key] for job in jobs),
    )


def _play(
    played: _Played, seconds: Mapping[str, float], stages: Mapping[str, Stage], workers: int, start_seconds: float
) -> float:
    now = 0.0
    count = 0
    while True:
        while played.ready:
            _, job = played.ready[0]
            if job.key in played.started:
                heapq.heappop(played.ready)
                continue
            slots = workers if stages[job.stage].whole_machine else 1
            if slots > played.free:
                break
            group = _sharing_a_model(played, job, stages)
            played.free -= slots
            end = now + start_seconds
            for place, one in enumerate(group):
                _take(played, one, stages)
                end += seconds[one.key]
                count += 1
                # Slots come back with the last job of a process.
                heapq.heappush(played.running, (end, count, one.key, slots if place == len(group) - 1 else 0))
        if not played.running:
            return now
        now, _, key, slots = heapq.heappop(played.running)
        played.free += slots
        for job in played.waiting_for.get(key, ()):
            played.num_blockers[job.key] -= 1
            if not played.num_blockers[job.key]:
                _make_ready(played, job, stages)


def _model_of(job: Job, stages: Mapping[str, Stage]) -> str | None:
    role = stages[job.stage].model_input
    return None if role is None or role not in job.inputs else f"{role} {job.inputs[role].key}"


def _make_ready(played: _Played, job: Job, stages: Mapping[str, Stage]) -> None:
    heapq.heappush(played.ready, (played.ranks[job.key], job))
    if (model := _model_of(job, stages)) is not None:
        played.ready_by_model.setdefault(model, {})[job.key] = job


def _sharing_a_model(played: _Played, job: Job, stages: Mapping[str, Stage]) -> list[Job]:
    model = _model_of(job, stages)
    if model is None:
        return [job]
    return sorted(played.ready_by_model[model].values(), key=lambda one: played.ranks[one.key])


def _take(played: _Played, job: Job, stages: Mapping[str, Stage]) -> None:
    played.started.add(job.key)
    if (model := _model_of(job, stages)) is not None:
        del played.ready_by_model[model][job.key]


def _blockers(job: Job, smaller_cuts: Mapping[str, Sequence[Job]], here: set[str]) -> set[str]:
    smaller = smaller_cuts.get(job.key, ())
    keys = {made.key for made in job.inputs.values()} | {cut.key for cut in smaller[:1]}
    return keys & here


def most_urgent_first(jobs: Sequence[Job], seconds: Mapping[str, float]) -> list[Job]:
    """Jobs by the longest path of jobs that waits for each, given inputs first; `seconds` by key, in any unit."""
    urgency = dict(seconds)
    for job in reversed(jobs):
        for made in job.inputs.values():
            if made.key in urgency:
                urgency[made.key] = max(urgency[made.key], seconds[made.key] + urgency[job.key])
    return sorted(jobs, key=lambda job: (-urgency[job.key], job.key))


def _longest(jobs: Sequence[Job], blockers: Mapping[str, set[str]], seconds: Mapping[str, float]) -> float:
    """Smaller cuts need not come first in the sequence, so ends are found on the way back from each job."""
    ends: dict[str, float] = {}

    def end(key: str) -> float:
        if key not in ends:
            ends[key] = seconds[key] + max((end(before) for before in blockers[key]), default=0.0)
        return ends[key]

    return max((end(job.key) for job in jobs), default=0.0)
