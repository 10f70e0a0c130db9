"""Missing artifacts built by whatever a launcher starts: inputs first, longest path first, each by one builder.

Any number of schedulers may work on one store: leases keep them off each other's jobs.
"""

import contextlib
import os
import platform
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

from loanword.errors import UserError
from loanword.execution.launcher import Launcher, Report, Task
from loanword.interruption import noticed
from loanword.protocols import Stage
from loanword.records import Execution
from loanword.store import Job, Store
from loanword.store.failures import Kind, reason_of
from loanword.study.schedule import most_urgent_first

POLL_SECONDS = 0.5
GRACE_SECONDS = 60.0
"""How long stages that are asked to stop may write checkpoints."""
VERSIONS = ("loanword", "torch", "transformers", "tokenizers", "sentencepiece", "numpy")


class Show(Protocol):
    """Who wants to know what is going on."""

    def started(self, job: Job, seconds: float) -> None: ...
    def progress(self, job: Job, done: int, total: int, unit: str) -> None: ...
    def finished(self, job: Job, seconds: float) -> None: ...
    def failed(self, job: Job, reason: str, num_left_out: int) -> None: ...
    def elsewhere(self, job: Job) -> None: ...
    def said(self, job: Job, sentence: str) -> None: ...
    def stopping(self, jobs: Sequence[Job], seconds: float) -> None: ...
    def left_running(self, jobs: Sequence[Job]) -> None: ...


class StageCrashed(RuntimeError):
    """A bug in a stage; carries the worker's traceback."""


@dataclass(frozen=True)
class Failed:
    """A job that could not be built, and why."""

    job: Job
    error: UserError | StageCrashed


class Scheduler:
    """Builds jobs until none is missing.

    With `keep_going` one that fails stops nothing but those that are made of it. `failed` tells of all that did.
    """

    def __init__(
        self,
        store: Store,
        execution: Execution,
        stages: Mapping[str, Stage],
        stages_module: str,
        launcher: Launcher,
        show: Show,
        *,
        cost: Callable[[Job], float],
        smaller_cuts: Mapping[str, Sequence[Job]],
        keep_going: bool = False,
    ) -> None:
        self.store, self.execution, self.stages, self.stages_module = store, execution, stages, stages_module
        self.launcher, self.show, self.cost, self.smaller_cuts = launcher, show, cost, smaller_cuts
        self.keep_going = keep_going
        self.failed: list[Failed] = []
        self._provenance = provenance()
        self._running: dict[str, list[Job]] = {}  # by task, the jobs of it that are not finished
        self._waiting: dict[str, Job] = {}
        self._lost: set[str] = set()
        self._reports: deque[Report] = deque()
        self._retry_at = 0.0

    def build(self, jobs: Sequence[Job]) -> bool:
        """Builds the given jobs, inputs first in the sequence; whether that came to its end.

        It did not where Ctrl-C or SIGTERM came. Tasks that go on without us are left alone then. Of others, stages that
        listen write a checkpoint, the rest ends at once, and so they do where one of them fails and no others are to be
        built still. What still runs after `GRACE_SECONDS`, or at a second Ctrl-C, is killed; all can be continued.

        Raises:
            UserError: a stage found something wrong; the others were stopped and can be continued. Not with
                `keep_going`, where `failed` tells.
            StageCrashed: a stage has a bug; the same holds.
        """
        self._waiting, self._stopped, self._jobs = {job.key: job for job in jobs}, False, jobs
        self._order = most_urgent_first(jobs, {job.key: self.cost(job) for job in jobs})
        with noticed() as stop:
            self._stop = stop
            try:
                self._take_up()
                while (self._waiting or self._running) and not (stop.asked or self._stopped):
                    self._start_ready()
                    self._listen()
                if self._running and self.launcher.detached and not self._stopped:
                    self.show.left_running([job for jobs in self._running.values() for job in jobs])
                else:
                    self._ask_to_stop()
            except (UserError, StageCrashed):
                # What others have computed, or paid for, is theirs to save first; the first failure is the one told.
                with contextlib.suppress(UserError, StageCrashed):
                    self._ask_to_stop()
                raise
            finally:
                self.launcher.close()
                self._back_to_waiting()
        return not self._waiting

    def _take_up(self) -> None:
        """Tasks that an earlier scheduler launched, and that go on, are ours from here on."""
        for name, keys in self.launcher.taken_up(self._waiting).items():
            self._running[name] = [self._waiting.pop(key) for key in keys]

    def _ask_to_stop(self) -> None:
        if not self._running:
            return
        self._stopped = True
        if others := [jobs[0] for jobs in self._running.values() if jobs]:
            self.show.stopping(others, GRACE_SECONDS)
        for name in self._running:
            self.launcher.cancel(name)
        end = time.monotonic() + GRACE_SECONDS
        failure: UserError | StageCrashed | None = None
        while self._running and time.monotonic() < end:
            try:
                self._listen()
            except (UserError, StageCrashed) as error:
                failure = failure or error
        if failure is not None:
            raise failure

    def _start_ready(self) -> None:
        if time.monotonic() < self._retry_at:
            return
        more = True
        while more and not self._stop.asked:
            more = False
            for job in self._order:
                if job.key not in self._waiting or not self._ready(job):
                    continue
                if not self.launcher.room(job):
                    return  # what is more urgent goes first, also when it must wait for the machine to itself
                self._start(self._together(job))
                more = self.launcher.detached  # behind what was taken others may queue

    def _ready(self, job: Job) -> bool:
        """Whether what a job is made of is there; where tasks queue behind others, whether it will be."""
        before = self._before(job)
        return not before & self._waiting.keys() and (self.launcher.detached or not before & self._being_built())

    def _before(self, job: Job) -> set[str]:
        """What is built before a job: what it is made of, and the next smaller cut of its trajectory."""
        return {made.key for made in (*job.inputs.values(), *self.smaller_cuts.get(job.key, ())[:1])}

    def _being_built(self) -> set[str]:
        return {job.key for jobs in self._running.values() for job in jobs}

    def _sharing_a_model(self, job: Job) -> list[Job]:
        """A job and the other ready ones that read the same model: they load it once."""
        role = self.stages[job.stage].model_input
        if role is None or role not in job.inputs:
            return [job]
        model = job.inputs[role].key
        return [
            other
            for other in self._order
            if other.key in self._waiting
            and self.stages[other.stage].model_input == role
            and role in other.inputs
            and other.inputs[role].key == model
            and self._ready(other)
        ]

    def _together(self, job: Job) -> list[Job]:
        """A job and what one task builds with it: what shares its model, and where a task must be worth a place in a
        queue others too, each behind what it is made of.
        """
        group = {one.key: one for one in self._sharing_a_model(job)}
        left = self.launcher.together_seconds - sum(self.cost(one) for one in group.values())
        for other in self._order if left > 0 else ():
            if other.key not in self._waiting or other.key in group or self.cost(other) > left:
                continue
            before = self._before(other)
            made_here = before & group.keys()
            if made_here >= before & self._waiting.keys() and self.launcher.goes_with(job, other, made_here):
                group[other.key] = other
                left -= self.cost(other)
        return list(group.values())

    def _start(self, jobs: list[Job]) -> None:
        task = Task(
            tuple(jobs),
            self.store.root,
            self.execution,
            self.stages_module,
            {job.key: self.smaller_cuts.get(job.key, ()) for job in jobs},
            self._provenance,
            time.time(),
        )
        before = {key for job in jobs for key in self._before(job)}
        after = [name for name, running in self._running.items() if any(other.key in before for other in running)]
        name = self.launcher.submit(task, after)
        for job in jobs:
            del self._waiting[job.key]
        self._running[name] = list(jobs)

    def _listen(self) -> None:
        self._reports.extend(self.launcher.poll(0.0 if self._reports else POLL_SECONDS))
        while self._reports:  # one that ends the build leaves those behind it for whoever listens while that stops
            report = self._reports.popleft()
            running = self._running.get(report.task)
            if running is not None and report.kind == "ended":
                self._ended(report, running)
            elif running is not None:
                job = next((job for job in running if job.key == report.key), None)
                self._heard(running, report, job)

    def _heard(self, running: list[Job], report: Report, job: Job | None) -> None:
        kind, said = report.kind, report.said
        if job is None:
            return
        if kind in ("failed", "crashed"):
            error = said if kind == "failed" else StageCrashed(f"{job.key} failed in its worker:\n{said}")
            self._fails(running, job, error, "refused" if kind == "failed" else "crashed", str(said))
        elif kind == "started":
            self.show.started(job, said)
        elif kind == "progress":
            self.show.progress(job, *said)
        elif kind == "said":
            self.show.said(job, said)
        elif kind == "finished":
            running.remove(job)
            self.show.finished(job, said)
        elif kind == "busy":
            running.remove(job)
            self._waiting[job.key] = job
            self._retry_at = time.monotonic() + POLL_SECONDS
            self.show.elsewhere(job)

    def _ended(self, report: Report, running: list[Job]) -> None:
        """A task is over. Jobs of it that nothing was said of failed with it, or wait again where it was stopped."""
        del self._running[report.task]
        if isinstance(report.said, UserError) and running and not self._stopped:
            self._fails(running, running[0], report.said, "ended", str(report.said))
            return
        self._waiting |= {job.key: job for job in running if job.key not in self._lost}
        if report.said == "stopped":
            self._stopped = True  # by somebody else, who may not have asked us yet

    def _fails(
        self,
        running: list[Job],
        job: Job,
        error: UserError | StageCrashed,
        kind: Kind,
        told: str,
    ) -> None:
        """Notes that a job could not be built, whose worker ends; raises why where that ends the build."""
        others = [other for other in running if other is not job]
        running.clear()
        self.failed.append(Failed(job, error))
        self.store.failed(job, kind, told)
        lost = {job.key}
        for other in self._jobs:
            if any(made.key in lost for made in other.inputs.values()):
                lost.add(other.key)
        self._lost |= lost
        if not self.keep_going:
            self.show.failed(job, "", 0)
            raise error
        self.show.failed(job, reason_of(kind, told), len(lost) - 1)
        waiting = self._waiting | {other.key: other for other in others}
        self._waiting = {key: other for key, other in waiting.items() if key not in lost}

    def _back_to_waiting(self) -> None:
        self._waiting |= {job.key: job for jobs in self._running.values() for job in jobs}
        self._running.clear()


def provenance() -> dict[str, Any]:
    """What the artifacts of this process were made with: versions, commit, machine."""
    versions = {name: metadata.version(name) for name in VERSIONS if _installed(name)}
    return {
        "versions": {"python": platform.python_version(), **versions},
        "commit": _commit(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
    }


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _commit() -> str | None:
    """The git commit that this code runs from, if it runs from a checkout."""
    here = Path(__file__).parent
    asked = subprocess.run(
        ["git", "-C", str(here), "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() or None
