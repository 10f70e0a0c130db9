"""A worker: builds the jobs of one task in a process of its own, under leases, from where a killed one stopped."""

import contextlib
import importlib
import json
import os
import resource
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal

from safetensors import SafetensorError

from loanword.errors import UserError
from loanword.execution.launcher import Messages, Parent, Task, Told
from loanword.execution.ranks import ORPHANED, Meet, run_in_processes
from loanword.protocols import JUDGE_KEYS, SERVER_KEYS, Say, Stage, Work
from loanword.records import Execution, Record, read_json, write_json
from loanword.store import Job, Store
from loanword.store.artifacts import SCRATCH
from loanword.store.disk import is_full
from loanword.store.events import Events
from loanword.store.failures import logged
from loanword.store.leases import HEARTBEAT_SECONDS, Lease

PROGRESS_SECONDS, RETRY_SECONDS = 0.1, 1.0


@dataclass(frozen=True)
class _Site:
    """Where a task is worked on, and who hears of it; see `work_on`."""

    task: Task
    store: Store
    messages: Messages
    parent: Parent
    events: Events
    host: str | None
    meet: Meet | None


def work_on(
    task: Task,
    messages: Messages,
    parent: Parent,
    *,
    host: str | None = None,
    meet: Meet | None = None,
    events: Events | None = None,
) -> bool:
    """Builds a task's jobs and tells of each: started, progress, said, finished, busy or failed; whether all are there.

    `host`: what this machine is called, where it is not by its own name. `meet` calls other nodes where there are any.
    """
    messages.send(("started", task.jobs[0].key, time.time() - task.launched))
    site = _Site(task, Store(task.store), messages, parent, events or Events(task.store, host), host, meet)
    stages: Mapping[str, Stage] = importlib.import_module(task.stages).STAGES
    all_there = True
    for job in task.jobs:
        begun = time.monotonic()
        with logged(site.store.log(job)):
            ended = _ended(job, stages[job.stage], site)
            if ended[0] in ("failed", "crashed"):
                print(ended[1], file=sys.stderr)  # noqa: T201 - the log ends with it
        all_there &= ended[0] == "finished"
        if ended[0] in ("failed", "crashed"):
            site.store.failed(job, "refused" if ended[0] == "failed" else "crashed", str(ended[1]))
        seconds = time.monotonic() - begun
        messages.send((ended[0], job.key, seconds if ended[0] == "finished" else ended[1]))
        if ended[0] in ("failed", "crashed"):
            break
    return all_there


def local_work(task: Task, messages: Connection, parent: Connection) -> None:
    """The same as a process that a local launcher starts."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the scheduler's to answer
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    work_on(task, messages, parent)


def _ended(job: Job, stage: Stage, site: _Site) -> tuple[Told, UserError | str | None]:
    """Builds a job; what became of it, and why it could not be built: what a user can mend, or a bug's traceback."""
    try:
        return ("finished" if _build(job, stage, site) else "busy"), None
    except UserError as error:
        return "failed", error
    except BrokenPipeError:  # nobody listens any more
        os._exit(ORPHANED)
    except (OSError, SafetensorError) as error:
        return ("failed", _full(site.store, job)) if is_full(error) else ("crashed", traceback.format_exc())
    except Exception:  # noqa: BLE001 - a bug's traceback belongs to the process that people look at
        return "crashed", traceback.format_exc()


def _build(job: Job, stage: Stage, site: _Site) -> bool:
    """Whether the artifact is there; it is not where another process is at it, for longer than is waited for."""
    store, give_up = site.store, time.monotonic() + site.task.patience_seconds
    while (lease := store.lease(job, site.host)) is None and time.monotonic() < give_up:
        if store.finished(job):
            return True
        time.sleep(RETRY_SECONDS)
    if lease is None:
        return False
    try:
        if lease.taken_from:
            site.events.note("taken over", job.key, told=f"from {lease.taken_from}, whose heartbeat had stopped")
        if not store.finished(job):
            _fill(job, stage, lease, site)
    finally:
        lease.release()
    return True


def _fill(job: Job, stage: Stage, lease: Lease, site: _Site) -> None:
    store, task = site.store, site.task
    out = store.building_folder(job)
    inputs = {role: store.folder(made) for role, made in job.inputs.items()}
    nearest = next((store.folder(cut) for cut in task.smaller.get(job.key, ()) if store.finished(cut)), None)
    if nearest is not None:
        inputs["nearest"] = nearest
    pulse = _Pulse(lease, site.messages, site.parent, job.key)
    scratch = out / SCRATCH
    scratch.mkdir(exist_ok=True)
    said = _Said(scratch / "said.json", site.messages, job.key)
    trains = stage.trains is not None and stage.trains(job.config)
    begun = scratch / "execution.json"
    work = Work(
        inputs,
        out,
        job.seed or 0,
        _same_execution(begun, task.execution, trains, said.say),
        pulse.progress,
        said.say,
        resize=lambda micro_batch_tokens: _change(begun, micro_batch_tokens=micro_batch_tokens),
        logs=store.root / "logs" / out.name if trains else None,
        cache=store.root / "cache",
        server_key=_key(SERVER_KEYS),
        judge_key=_key(JUDGE_KEYS),
    )
    _use_threads(work.execution.threads)
    spent = Spent(scratch / "spent.json")
    started = time.time()
    with pulse, spent:
        if trains and work.execution.processes * work.execution.nodes > 1:
            run_in_processes(job.stage, job.config, work, task.stages, site.meet)
        else:
            stage.run(job.config, work)
    provenance = dict(
        task.provenance,
        started=started,
        finished=time.time(),
        execution=_as_begun(begun, work.execution).model_dump(mode="json"),
        continued_from=None if nearest is None else nearest.name,
        said=said.sentences,
        **spent.total(),
    )
    store.finish(job, provenance)


def _key(names: Sequence[str]) -> str | None:
    return next((os.environ[name] for name in names if os.environ.get(name)), None)


class Begun(Record):
    """What of an Execution decides bits: an artifact keeps it from its first process to its last.

    The number of processes alone may change on the way, since a machine may not have as many devices as another.
    """

    device: str
    threads: int
    micro_batch_tokens: int | None
    processes: int = 1
    nodes: int = 1
    sharding: Literal["full", "hybrid"] = "full"
    compile: bool | None = None


def _same_execution(path: Path, execution: Execution, trains: bool, say: Say) -> Execution:
    """The execution, with what decides bits as it was when the artifact was begun."""
    if not path.is_file():
        write_json({name: getattr(execution, name) for name in Begun.model_fields}, path)
    begun = read_json(Begun, path)
    before, now = begun.nodes * begun.processes, execution.nodes * execution.processes
    if (begun.nodes, begun.processes) != (execution.nodes, execution.processes):
        _change(path, processes=execution.processes, nodes=execution.nodes)
        if trains and before != now:
            say(
                f"begun in {before} processes, goes on in {now}: the same rows in the same order, but "
                "sums are rounded otherwise, and the last bits of the weights differ"
            )
    return _as_begun(path, execution)


def _as_begun(path: Path, execution: Execution) -> Execution:
    return execution.model_copy(update=dict(read_json(Begun, path)))


def _change(path: Path, **changes: int) -> None:
    write_json(read_json(Begun, path).model_copy(update=changes), path)


def _use_threads(threads: int) -> None:
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(threads)


class Spent:
    """Wall and CPU seconds of a stage, summed over all processes that worked on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._before = read_seconds(path)
        self._start = (time.monotonic(), _cpu_seconds())

    def __enter__(self) -> "Spent":
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()
        self._write()

    def total(self) -> dict[str, float]:
        """Seconds until now, earlier processes included."""
        wall, cpu = self._start
        return {
            "seconds": round(self._before["seconds"] + time.monotonic() - wall, 3),
            "cpu_seconds": round(self._before["cpu_seconds"] + _cpu_seconds() - cpu, 3),
        }

    def _keep(self) -> None:
        while not self._stop.wait(HEARTBEAT_SECONDS):
            self._write()

    def _write(self) -> None:
        with contextlib.suppress(OSError):  # a full disk is the stage's to report
            write_json(self.total(), self.path)


def _cpu_seconds() -> float:
    """Of this process, and of those it started that have ended: the processes of a training stage are among them."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


def read_seconds(path: Path) -> dict[str, float]:
    """What earlier processes spent."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"seconds": 0.0, "cpu_seconds": 0.0}


class _Said:
    """What a stage said, in all processes that worked on its artifact; it is passed on at once."""

    def __init__(self, path: Path, messages: Messages, key: str) -> None:
        self._path, self._messages, self._key = path, messages, key
        self.sentences: list[str] = json.loads(path.read_bytes())["said"] if path.is_file() else []

    def say(self, sentence: str) -> None:
        self.sentences.append(sentence)
        self._messages.send(("said", self._key, sentence))
        with contextlib.suppress(OSError):  # that the disk is full is one of the things to say
            write_json({"said": self.sentences}, self._path)


class _Pace:
    """How long the work that is counted still takes, at the speed that this process has had with it."""

    def __init__(self) -> None:
        self._begun: tuple[float, int] = (0.0, 0)
        self._reached: tuple[float, int] = (0.0, 0)
        self._goal: tuple[int, str] | None = None

    def progress(self, done: int, total: int, unit: str) -> None:
        now = time.monotonic(), done
        if (total, unit) != self._goal or done < self._reached[1]:  # something else is counted from here on
            self._goal, self._begun = (total, unit), now
        self._reached = now

    def left_seconds(self) -> float | None:
        """None where too little was seen."""
        num_done = self._reached[1] - self._begun[1]
        if self._goal is None or num_done <= 0:
            return None
        per_unit = (self._reached[0] - self._begun[0]) / num_done
        return max(0.0, per_unit * (self._goal[0] - self._reached[1]))


class _Pulse:
    """Keeps the lease fresh and passes progress on; ends the process when nobody wants its work any more."""

    def __init__(self, lease: Lease, messages: Messages, parent: Parent, key: str) -> None:
        self._lease, self._messages, self._parent, self._key = lease, messages, parent, key
        self._latest: tuple[int, int, str] | None = None
        self._pace = _Pace()
        self._sent = 0.0
        self._stop = threading.Event()

    def progress(self, done: int, total: int, unit: str) -> None:
        self._latest = (done, total, unit)
        self._pace.progress(done, total, unit)
        if time.monotonic() - self._sent >= PROGRESS_SECONDS:
            self._sent = time.monotonic()
            self._messages.send(("progress", self._key, self._latest))

    def __enter__(self) -> "_Pulse":
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _beat(self) -> None:
        beaten = time.monotonic()
        while not self._stop.wait(0.2):
            if self._parent.poll(0):  # only ever readable at its end: the scheduler is gone
                os._exit(ORPHANED)
            if time.monotonic() - beaten >= HEARTBEAT_SECONDS:
                beaten = time.monotonic()
                with contextlib.suppress(OSError):
                    if not self._lease.beat(self._latest, self._pace.left_seconds()):
                        os._exit(ORPHANED)


def _full(store: Store, job: Job) -> UserError:
    free = shutil.disk_usage(store.root).free
    return UserError(
        store.root,
        f"no space left on the device while building {job.key} ({free / 1e6:,.0f} MB free)",
        expected="room for the artifact; `loanword plan` estimates it",
        do="free some space, or move the store with --store, and run again: finished stages are kept",
    )
