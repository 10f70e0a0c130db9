"""Tasks as jobs of SLURM, through submitit: they queue behind what they are made of, and go on without whoever asked.

In the store: `jobs/ID/submission.json` (Submission), the messages of the job beside it, and what submitit and SLURM
write. The folder goes once all of the task is built. Any scheduler that sees the store takes up what is there: one
that was killed and started again, or another user's.

What became of a job is told by the store, and whether it is still to be waited for by squeue, so that no accounting is
needed. A job that is gone while artifacts of it are neither finished nor failed was lost with its node, killed, or not
let in: it is submitted again, up to a number of times.
"""

import math
import os
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from loanword.errors import UserError
from loanword.execution.job import MESSAGES, read_messages, run_task
from loanword.execution.launcher import FINAL, Report, Task
from loanword.execution.settings import Asked, Slurm, kind_of
from loanword.protocols import Stage
from loanword.records import Execution, write_json
from loanword.store import Job, Store
from loanword.store.events import Events
from loanword.store.leases import STALE_SECONDS
from loanword.store.submissions import JOBS, SUBMISSION, Submission, submissions

COMMANDS = ("sbatch", "srun", "squeue", "scancel", "scontrol")
COMMAND_SECONDS = 60
CONTROLLER_SECONDS = 600.0
"""How long a controller that does not answer is waited for."""
SHOWN_LINES = 15
PATIENCE_SECONDS = STALE_SECONDS + 30
"""How long a job waits for an artifact that another process is at: a job that died with its node holds it so long."""
ENVIRONMENT = ("export OPENBLAS_NUM_THREADS=1", "export TOKENIZERS_PARALLELISM=false")
"""As workers of one machine have them."""
NEVER = ("DependencyNeverSatisfied", "launch failed requeued held", "JobHoldMaxRequeue")
"""Reasons that squeue gives for jobs which will not start any more."""


@dataclass
class _Submitted:
    folder: Path
    submission: Submission
    keys: list[str]  # of jobs that nothing final was said of
    read: int = 0
    failed: bool = False
    cancelled: bool = False
    seen_gone: int = 0


class SlurmLauncher:
    """Runs tasks as jobs of SLURM. `study` is what they are called in the queue."""

    detached = True

    def __init__(
        self, store: Store, settings: Slurm, stages: Mapping[str, Stage], study: str, say: Callable[[str], None]
    ) -> None:
        """Raises:
        UserError: submitit or the commands of SLURM are not here.
        """
        require_slurm()
        self._store, self._settings, self._stages = store, settings, stages
        self._name = f"loanword-{study}"
        self._say = say
        self._events = Events(store.root)
        self._tasks: dict[str, _Submitted] = {}
        self._ending: dict[str, _Submitted] = {}
        self._num_lost: dict[str, int] = {}
        self._asked_queue, self._looked = -math.inf, -math.inf
        self._silent_since: float | None = None

    def taken_up(self, keys: Collection[str]) -> Mapping[str, Sequence[str]]:
        """Tasks in the queue that others submitted, by what stands in the store."""
        if time.monotonic() - self._looked < self._settings.poll_seconds:
            return {}
        self._looked = time.monotonic()
        others = {
            folder.name: _Submitted(folder, said, [key for key in said.keys if not self._store.has(key)])
            for folder, said in submissions(self._store.root)
            if said.job and folder.name not in self._tasks.keys() | self._ending.keys()
        }
        queue = queued([one.submission.job for one in others.values()]) if others else None
        return {} if queue is None else self._taken(others, queue, set(keys))

    def _taken(
        self, others: Mapping[str, _Submitted], queue: Mapping[str, tuple[str, str]], left: set[str]
    ) -> Mapping[str, Sequence[str]]:
        """Takes up those of others' tasks that are in the queue; no artifact is waited for twice."""
        taken: dict[str, Sequence[str]] = {}
        for name, one in others.items():
            said = one.submission
            if said.job not in queue and not one.keys:
                shutil.rmtree(one.folder, ignore_errors=True)
            elif said.job in queue and one.keys and left.issuperset(one.keys):
                left.difference_update(one.keys)
                self._tasks[name], taken[name] = one, tuple(one.keys)
                by = f"submitted by {said.user} on {said.host}"
                self._events.note("taken up", one.keys[0], job=said.job, told=by)
        return taken

    @property
    def together_seconds(self) -> float:
        """Work of a job, about, where there are small artifacts."""
        return self._settings.together_seconds

    def goes_with(self, job: Job, other: Job, made_here: Collection[str]) -> bool:
        """Whether both ask for the same, or the other is small work on what the job makes."""
        kind, others = (kind_of(one, self._stages[one.stage]) for one in (job, other))
        return kind == others or (others == "text" and bool(made_here))

    def room(self, job: Job) -> bool:
        """Whether fewer jobs are in the queue than may be at once."""
        return len(self._tasks) < self._settings.at_once

    def submit(self, task: Task, after: Sequence[str]) -> str:
        """Asks SLURM for a job.

        Raises:
            UserError: it refuses.
        """
        import submitit

        name = uuid.uuid4().hex[:12]
        folder = self._store.root / JOBS / name
        folder.mkdir(parents=True)
        keys = tuple(job.key for job in task.jobs)
        submission = Submission(
            keys=keys, job="", name=self._name, user=_user(), host=socket.gethostname(), time=time.time()
        )
        write_json(submission, folder / SUBMISSION)
        kind = kind_of(task.jobs[0], self._stages[task.jobs[0].stage])
        asked = self._settings.asked(kind)
        numbers = [self._tasks[other].submission.job for other in after if other in self._tasks]
        executor = submitit.SlurmExecutor(folder=folder, python=self._settings.python)
        executor.update_parameters(**self._parameters(asked, kind, numbers))
        execution = _on_node(task.execution, asked, kind)
        work = replace(task, execution=execution, patience_seconds=PATIENCE_SECONDS)
        number = self._submitted(lambda: executor.submit(run_task, work, folder, self._settings.address).job_id, folder)
        write_json(submission.model_copy(update={"job": number}), folder / SUBMISSION)
        self._tasks[name] = _Submitted(folder, submission.model_copy(update={"job": number}), list(keys))
        return name

    def poll(self, seconds: float) -> list[Report]:
        """What jobs have said, and which are gone."""
        told: list[Report] = []
        for name, one in list(self._tasks.items()):
            told += self._heard(name, one)
            if not one.keys:
                # Its folder stays until it is gone: what ends well still writes there.
                self._ending[name] = self._tasks.pop(name)
                told.append(Report(name, "ended"))
        queue = self._look([*self._tasks.values(), *self._ending.values()])
        if queue is not None:
            for name, one in list(self._tasks.items()):
                told += self._gone(name, one, queue)
            for name in [name for name, one in self._ending.items() if one.submission.job not in queue]:
                shutil.rmtree(self._ending.pop(name).folder, ignore_errors=True)
        if not told:
            time.sleep(seconds)
        return told

    def cancel(self, task: str) -> None:
        """Has a job stop behind a checkpoint; one that has not started yet is taken out of the queue."""
        one = self._tasks.get(task)
        if one is not None:
            one.cancelled = True
            _command("scancel", "--state=PENDING", one.submission.job)
            _command("scancel", "--signal=TERM", one.submission.job)

    def close(self) -> None:
        """Takes what was cancelled and still runs out of the queue; everything else goes on."""
        for one in self._tasks.values():
            if one.cancelled:
                _command("scancel", one.submission.job)

    def _parameters(self, asked: Asked, kind: str, after: Sequence[str]) -> dict[str, Any]:
        settings = self._settings
        more: dict[str, Any] = {"requeue": True, **asked.sbatch}
        if after:
            more |= {"dependency": f"afterok:{':'.join(after)}", "kill-on-invalid-dep": "yes"}
        srun = ["--kill-on-bad-exit=1", *([f"--cpus-per-task={asked.cpus}"] if asked.cpus else [])]
        if settings.container is not None:
            srun.append(f"--container-image={settings.container}")
        if settings.mounts:
            srun.append(f"--container-mounts={','.join(settings.mounts)}")
        said = {
            "partition": asked.partition,
            "account": asked.account,
            "qos": asked.qos,
            "constraint": asked.constraint,
            "cpus_per_task": asked.cpus,
            "gpus_per_node": asked.gpus_per_node,
            "mem": None if asked.memory_gb is None else f"{round(1024 * asked.memory_gb)}M",
            "time": asked.minutes,
        }
        return {
            **{name: value for name, value in said.items() if value is not None},
            "job_name": self._name,
            "nodes": (asked.nodes or 1) if kind == "training" else 1,
            "ntasks_per_node": 1,
            "signal_delay_s": settings.warning_seconds,
            "setup": [*ENVIRONMENT, *settings.setup],
            "srun_args": srun,
            "stderr_to_stdout": True,
            "additional_parameters": more,
        }

    def _submitted(self, submit: Callable[[], str], folder: Path) -> str:
        """The number of a new job; a controller that does not answer is waited for."""
        from submitit.core.utils import FailedJobError

        end, rest = time.monotonic() + CONTROLLER_SECONDS, 1.0
        while True:
            try:
                return submit()
            except (FailedJobError, subprocess.CalledProcessError, OSError) as error:
                said = " ".join(str(error).split())
                if not _is_silence(said) or time.monotonic() > end:
                    shutil.rmtree(folder, ignore_errors=True)
                    raise UserError(
                        "sbatch",
                        said[-600:],
                        expected="a job that SLURM takes",
                        do="correct [slurm] of the execution file; `sinfo` lists partitions",
                    ) from None
                self._say(f"SLURM's controller does not answer; trying again in {rest:.0f} s")
                time.sleep(rest)
                rest = min(60.0, 2 * rest)

    def _look(self, tasks: Collection[_Submitted]) -> Mapping[str, tuple[str, str]] | None:
        """The queue, asked every so often; None where it is not known now."""
        if not tasks or time.monotonic() - self._asked_queue < self._settings.poll_seconds:
            return None
        self._asked_queue = time.monotonic()
        found = queued([one.submission.job for one in tasks])
        if found is None and self._silent_since is None:
            self._silent_since = time.monotonic()
            self._say("SLURM's controller does not answer; jobs go on, and what they finish is seen")
        if found is not None and self._silent_since is not None:
            self._say(f"SLURM's controller answers again, after {time.monotonic() - self._silent_since:.0f} s")
            self._silent_since = None
        return found

    def _heard(self, name: str, one: _Submitted) -> Iterator[Report]:
        messages, one.read = read_messages(one.folder / MESSAGES, one.read)
        for kind, key, said in messages:
            if kind in FINAL and key in one.keys:
                one.keys.remove(key)
            one.failed |= kind in ("failed", "crashed")
            yield Report(name, kind, key, said)

    def _gone(self, name: str, one: _Submitted, queue: Mapping[str, tuple[str, str]]) -> Iterator[Report]:
        """What is told of a job that is not in the queue any more, or will never start."""
        state, reason = queue.get(one.submission.job, ("", ""))
        never = any(begin in reason for begin in NEVER)
        if state and not never:
            one.seen_gone = 0
            return
        if never:
            _command("scancel", one.submission.job)
        one.seen_gone += 1
        # Its last words may be seen a little later than its end.
        if one.keys and not one.failed and one.seen_gone < 2 and not never:
            return
        yield from self._heard(name, one)
        for key in [key for key in one.keys if self._store.has(key)]:
            one.keys.remove(key)
            yield Report(name, "finished", key, 0.0)
        started = (one.folder / MESSAGES).is_file() or bool(_output(one.folder))
        yield self._over(name, one, started)

    def _over(self, name: str, one: _Submitted, started: bool) -> Report:
        del self._tasks[name]
        lost = one.keys[0] if one.keys and not one.failed and not one.cancelled else None
        told = _output(one.folder)
        if lost is None or not started:
            shutil.rmtree(one.folder, ignore_errors=True)
            return Report(name, "ended")
        number = self._num_lost[lost] = self._num_lost.get(lost, 0) + 1
        self._events.note("lost", lost, job=one.submission.job, told="gone from the queue, and neither done nor failed")
        if number > self._settings.again:
            self._events.note("given up", lost, job=one.submission.job, told=f"lost {number} times")
            error = UserError(
                lost,
                f"job {one.submission.job} is gone, as {number - 1} before it, with nothing said" + told,
                expected="a job that ends by itself",
                do="see what SLURM says of it (sacct -j, scontrol show job), mend that, and run again: it continues",
            )
            return Report(name, "ended", said=error)
        self._events.note("submitted again", lost, told=f"{number} of {self._settings.again}")
        shutil.rmtree(one.folder, ignore_errors=True)
        return Report(name, "ended")


def require_slurm() -> None:
    """Nothing, where jobs can be submitted.

    Raises:
        UserError: they cannot.
    """
    try:
        import submitit  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError:
        raise UserError(
            "slurm", "submitit is not installed", expected="the library that submits jobs", do="pip install submitit"
        ) from None
    lacking = [command for command in COMMANDS if shutil.which(command) is None]
    if lacking:
        raise UserError(
            "slurm",
            f"{', '.join(lacking)}: no such command here",
            expected="a machine from which jobs can be submitted",
            do="run on a login node of the cluster, or without --execution",
        )


def queued(jobs: Sequence[str]) -> dict[str, tuple[str, str]] | None:
    """State and reason of those of some jobs that have not ended, by number; None where the controller is silent."""
    asked = _command("squeue", "--noheader", "--format=%i|%T|%r", f"--jobs={','.join(jobs)}")
    if asked.returncode and "Invalid job id" not in asked.stderr:
        return None
    found: dict[str, tuple[str, str]] = {}
    for line in asked.stdout.splitlines():
        number, state, reason = line.strip().split("|", 2)
        found[number.partition("_")[0]] = state, reason
    return found


def _on_node(execution: Execution, asked: Asked, kind: str) -> Execution:
    """The execution as a job of its own has it: all that the job was given is one worker's."""
    training = kind == "training"
    return execution.model_copy(
        update={
            "workers": 1,
            "threads": asked.cpus or execution.threads,
            "nodes": (asked.nodes or 1) if training else 1,
            "processes": execution.processes if training else 1,
        }
    )


def _output(folder: Path) -> str:
    """The end of what a job wrote, as lines to be shown; nothing where it never started."""
    logs = sorted(folder.glob("*.out"))
    lines = [line for log in logs for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line]
    return "".join(f"\n  | {line[:300]}" for line in lines[-SHOWN_LINES:])


def _command(*words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=COMMAND_SECONDS)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(words, 1, "", "timed out")


def _is_silence(said: str) -> bool:
    words = (
        "Unable to contact slurm controller",
        "Socket timed out",
        "timed out",
        "Connection refused",
        "try again later",
    )
    return any(word in said for word in words)


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
