"""Local workers: missing artifacts built in parallel processes on one machine, inputs first, longest path first.

Workers are forked from a server that has imported everything heavy and touched no device, so that a stage starts
in a fraction of a second. Any number of schedulers may work on one store: leases keep them off each other's jobs.
"""

import contextlib
import multiprocessing
import multiprocessing.context
import os
import platform
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Protocol

from loanword.errors import UserError
from loanword.execution.worker import Task, work_on
from loanword.interruption import REQUEUE, noticed
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


class StageCrashed(RuntimeError):
    """A bug in a stage; carries the worker's traceback."""


@dataclass(frozen=True)
class Failed:
    """A job that could not be built, and why."""

    job: Job
    error: UserError | StageCrashed


@dataclass
class _Running:
    process: multiprocessing.context.ForkServerProcess
    messages: Connection
    life: Connection  # its other end tells the worker that we are still there
    jobs: list[Job]
    slots: int
    begun: float
    listens: bool = False  # its answers to signals are set up


class Scheduler:
    """Builds jobs on this machine until none is missing.

    With `keep_going` one that fails stops nothing but those that are made of it. `failed` tells of all that did.
    """

    def __init__(
        self,
        store: Store,
        execution: Execution,
        stages: Mapping[str, Stage],
        stages_module: str,
        show: Show,
        *,
        cost: Callable[[Job], float],
        smaller_cuts: Mapping[str, Sequence[Job]],
        keep_going: bool = False,
    ) -> None:
        self.store, self.execution, self.stages, self.stages_module = store, execution, stages, stages_module
        self.show, self.cost, self.smaller_cuts = show, cost, smaller_cuts
        self.keep_going = keep_going
        self.failed: list[Failed] = []
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["loanword.execution.preload", stages_module])
        self._provenance = provenance()
        self._running: list[_Running] = []
        self._waiting: dict[str, Job] = {}
        self._retry_at = 0.0

    def build(self, jobs: Sequence[Job]) -> bool:
        """Builds the given jobs, inputs first in the sequence; whether that came to its end.

        It did not where Ctrl-C or SIGTERM came: stages that listen then write a checkpoint, the others end at once,
        and so they do where one of them fails and no others are to be built still. What still runs after
        `GRACE_SECONDS`, or at a second Ctrl-C, is killed; all can be continued.

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
                while (self._waiting or self._running) and not (stop.asked or self._stopped):
                    self._start_ready()
                    self._listen()
                self._ask_to_stop()
            except (UserError, StageCrashed):
                # What others have computed, or paid for, is theirs to save first; the first failure is the one told.
                with contextlib.suppress(UserError, StageCrashed):
                    self._ask_to_stop()
                raise
            finally:
                self._kill()
        return not self._waiting

    def _ask_to_stop(self) -> None:
        if not self._running:
            return
        self._stopped = True
        if others := [running.jobs[0] for running in self._running if running.jobs]:
            self.show.stopping(others, GRACE_SECONDS)
        for running in self._running:
            if running.listens:
                running.process.terminate()
            else:
                running.process.kill()
        end = time.monotonic() + GRACE_SECONDS
        failure: UserError | StageCrashed | None = None
        while self._running and time.monotonic() < end:
            try:
                self._listen()
            except (UserError, StageCrashed) as error:
                failure = failure or error
        self._waiting |= {job.key: job for running in self._running for job in running.jobs}
        if failure is not None:
            raise failure

    def _start_ready(self) -> None:
        if time.monotonic() < self._retry_at:
            return
        for job in self._order:
            if job.key not in self._waiting or not self._ready(job):
                continue
            whole = self.stages[job.stage].whole_machine
            slots = self.execution.workers if whole else 1
            if slots > self.execution.workers - sum(running.slots for running in self._running):
                return  # what is more urgent goes first, also when it must wait for the machine to itself
            self._start(self._sharing_a_model(job), slots)

    def _ready(self, job: Job) -> bool:
        if any(made.key in self._pending() for made in job.inputs.values()):
            return False
        smaller = self.smaller_cuts.get(job.key, ())
        return not smaller or smaller[0].key not in self._pending()

    def _pending(self) -> set[str]:
        return {*self._waiting, *(job.key for running in self._running for job in running.jobs)}

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

    def _start(self, jobs: list[Job], slots: int) -> None:
        execution = self.execution.model_copy(update={"threads": self.execution.threads * slots})
        nearest = {job.key: folder for job in jobs if (folder := self._nearest(job)) is not None}
        messages, theirs = self._context.Pipe(duplex=False)
        parent, life = self._context.Pipe(duplex=False)
        task = Task(tuple(jobs), self.store.root, execution, self.stages_module, nearest, self._provenance, time.time())
        process = self._context.Process(target=work_on, args=(task, theirs, parent))
        try:
            process.start()
        except EOFError:
            if not self._stop.asked:
                raise
            # Ctrl-C reached the server that forks workers while it still loaded.
            self._stopped = True
            return
        theirs.close()
        parent.close()
        for job in jobs:
            del self._waiting[job.key]
        self._running.append(_Running(process, messages, life, list(jobs), slots, time.monotonic()))

    def _nearest(self, job: Job) -> Path | None:
        finished = [cut for cut in self.smaller_cuts.get(job.key, ()) if self.store.finished(cut)]
        return self.store.folder(finished[0]) if finished else None

    def _listen(self) -> None:
        ready = wait([running.messages for running in self._running], timeout=POLL_SECONDS)
        for running in [running for running in self._running if running.messages in ready]:
            try:
                kind, key, said = running.messages.recv()
            except EOFError:
                self._ended(running)
                continue
            job = next((job for job in running.jobs if job.key == key), None)
            self._heard(running, kind, job, said)

    def _heard(self, running: _Running, kind: str, job: Job | None, said: Any) -> None:
        if job is None:
            return
        if kind in ("failed", "crashed"):
            error = said if kind == "failed" else StageCrashed(f"{job.key} failed in its worker:\n{said}")
            self._fails(running, job, error, "refused" if kind == "failed" else "crashed", str(said))
        elif kind == "started":
            running.listens = True
            self.show.started(job, said)
        elif kind == "progress":
            self.show.progress(job, *said)
        elif kind == "said":
            self.show.said(job, said)
        elif kind == "finished":
            running.jobs.remove(job)
            self.show.finished(job, time.monotonic() - running.begun)
            running.begun = time.monotonic()
        elif kind == "busy":
            running.jobs.remove(job)
            self._waiting[job.key] = job
            self._retry_at = time.monotonic() + POLL_SECONDS
            self.show.elsewhere(job)

    def _ended(self, running: _Running) -> None:
        running.process.join()
        self._running.remove(running)
        running.messages.close()
        running.life.close()
        if running.process.exitcode in (REQUEUE, -signal.SIGTERM):
            self._stopped = True  # by somebody else, who may not have asked us yet
        if running.jobs and self._stopped:
            self._waiting |= {job.key: job for job in running.jobs}
        elif running.jobs:
            error = UserError(
                running.jobs[0].key,
                f"its worker ended with exit code {running.process.exitcode} and no message",
                expected="a worker that finishes its stage; -9 often means that memory ran out",
                do="run again to continue from its last checkpoint; fewer --workers or a smaller micro-batch need less",
            )
            self._fails(running, running.jobs[0], error, "ended", str(error))

    def _fails(
        self,
        running: _Running,
        job: Job,
        error: UserError | StageCrashed,
        kind: Kind,
        told: str,
    ) -> None:
        """Notes that a job could not be built, whose worker ends; raises why where that ends the build."""
        others = [other for other in running.jobs if other is not job]
        running.jobs.clear()
        self.failed.append(Failed(job, error))
        self.store.failed(job, kind, told)
        lost = {job.key}
        for other in self._jobs:
            if any(made.key in lost for made in other.inputs.values()):
                lost.add(other.key)
        if not self.keep_going:
            self.show.failed(job, "", 0)
            raise error
        self.show.failed(job, reason_of(kind, told), len(lost) - 1)
        waiting = self._waiting | {other.key: other for other in others}
        self._waiting = {key: other for key, other in waiting.items() if key not in lost}

    def _kill(self) -> None:
        """Ends all workers at once: what they had on disk is where the next run continues."""
        for running in self._running:
            running.process.kill()
        for running in self._running:
            running.process.join()
            running.messages.close()
            running.life.close()
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
