"""Tasks in processes of this machine: as many at once as it has slots.

Workers are forked from a server that has imported everything heavy and touched no device, so that a stage starts in a
fraction of a second.
"""

import multiprocessing
import multiprocessing.context
import signal
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait

from loanword.errors import UserError
from loanword.execution.launcher import FINAL, Report, Task
from loanword.execution.worker import local_work
from loanword.interruption import REQUEUE
from loanword.protocols import Stage
from loanword.records import Execution
from loanword.store import Job


@dataclass
class _Process:
    process: multiprocessing.context.ForkServerProcess
    messages: Connection
    life: Connection  # its other end tells the worker that we are still there
    slots: int
    keys: list[str]  # of jobs that nothing final was said of
    listens: bool = False  # its answers to signals are set up


class LocalLauncher:
    """Runs tasks in `execution.workers` processes at once; one whose stage wants the whole machine runs alone."""

    detached, together_seconds = False, 0.0

    def __init__(self, execution: Execution, stages: Mapping[str, Stage], stages_module: str) -> None:
        self._execution, self._stages = execution, stages
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["loanword.execution.preload", stages_module])
        self._running: dict[str, _Process] = {}
        self._told: list[Report] = []
        self._num_started = 0

    def taken_up(self, keys: Collection[str]) -> Mapping[str, Sequence[str]]:
        """None: workers end with whoever started them."""
        return {}

    def goes_with(self, job: Job, other: Job, made_here: Collection[str]) -> bool:
        """No: a process starts in a fraction of a second."""
        return False

    def room(self, job: Job) -> bool:
        """Whether enough slots are free."""
        taken = sum(running.slots for running in self._running.values())
        return self._slots(job) <= self._execution.workers - taken

    def submit(self, task: Task, after: Sequence[str]) -> str:
        """Starts a process."""
        self._num_started += 1
        name, slots = str(self._num_started), self._slots(task.jobs[0])
        execution = task.execution.model_copy(update={"threads": task.execution.threads * slots})
        messages, theirs = self._context.Pipe(duplex=False)
        parent, life = self._context.Pipe(duplex=False)
        work = replace(task, execution=execution)
        process = self._context.Process(target=local_work, args=(work, theirs, parent))
        try:
            process.start()
        except EOFError:
            # Ctrl-C reached the server that forks workers while it still loaded.
            self._told.append(Report(name, "ended", said="stopped"))
            return name
        theirs.close()
        parent.close()
        self._running[name] = _Process(process, messages, life, slots, [job.key for job in task.jobs])
        return name

    def poll(self, seconds: float) -> list[Report]:
        """What workers have said."""
        told, self._told = self._told, []
        ready = wait([running.messages for running in self._running.values()], timeout=0.0 if told else seconds)
        for name, running in list(self._running.items()):
            if running.messages in ready:
                told.append(self._heard(name, running))
        return told

    def cancel(self, task: str) -> None:
        """Asks a process to stop; one whose answers to signals are not set up yet has nothing to save."""
        running = self._running.get(task)
        if running is not None and running.listens:
            running.process.terminate()
        elif running is not None:
            running.process.kill()

    def close(self) -> None:
        """Ends all workers at once: what they had on disk is where the next run continues."""
        for running in self._running.values():
            running.process.kill()
        for name in list(self._running):
            self._over(name)

    def _slots(self, job: Job) -> int:
        return self._execution.workers if self._stages[job.stage].whole_machine else 1

    def _heard(self, name: str, running: _Process) -> Report:
        try:
            kind, key, said = running.messages.recv()
        except EOFError:
            return self._ended(name)
        running.listens |= kind == "started"
        if kind in FINAL and key in running.keys:
            running.keys.remove(key)
        if kind in ("failed", "crashed"):
            running.keys.clear()  # it ends with that
        return Report(name, kind, key, said)

    def _ended(self, name: str) -> Report:
        running = self._over(name)
        code = running.process.exitcode
        if not running.keys:
            return Report(name, "ended")
        if code in (REQUEUE, -signal.SIGTERM):
            return Report(name, "ended", said="stopped")
        error = UserError(
            running.keys[0],
            f"its worker ended with exit code {code} and no message",
            expected="a worker that finishes its stage; -9 often means that memory ran out",
            do="run again to continue from its last checkpoint; fewer --workers or a smaller micro-batch need less",
        )
        return Report(name, "ended", said=error)

    def _over(self, name: str) -> _Process:
        running = self._running.pop(name)
        running.process.join()
        running.messages.close()
        running.life.close()
        return running
