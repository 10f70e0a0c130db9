"""What runs inside of one job of SLURM: a worker that nobody holds by the hand.

In: a Task, and the job's folder. Out: `messages.jsonl` in that folder, a Report a line, which any scheduler that sees
the store reads; `meeting-R-N.json` for the other nodes of the job, R how often it was started again: processes of
all nodes meet there, for the Nth time.

A job that is told that its time is up writes a checkpoint, and queues again by itself: nobody need be there to see it.
"""

import importlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from loanword.errors import UserError
from loanword.execution.launcher import Task, Told
from loanword.execution.ranks import Meeting, join
from loanword.execution.worker import work_on
from loanword.interruption import REQUEUE
from loanword.records import write_json
from loanword.store.events import Events
from loanword.store.spoken import append_line, whole_lines

MESSAGES, OVER = "messages.jsonl", "over"
PROGRESS_SECONDS = 5.0
MEETING_SECONDS = 0.5


def run_task(task: Task, folder: Path, address: str | None) -> None:
    """One process of a job, one a node: the first builds the task, others train with it when it says so."""
    importlib.import_module("torch")  # before a stage is given its threads
    host = os.environ.get("SLURMD_NODENAME") or socket.gethostname()
    again = int(os.environ.get("SLURM_RESTART_COUNT", "0"))
    if int(os.environ.get("SLURM_PROCID", "0")):
        _follow(folder, again)
        return
    number, events = _job_number(), Events(task.store, host)
    if again:
        events.note("started again", task.jobs[0].key, job=number, told=f"for the {again}. time")
    stop, messages = _Stop(), FileMessages(folder / MESSAGES)
    meetings = _Meetings(folder, again, address or host)
    try:
        whole = work_on(task, messages, Unattended(), host=host, meet=meetings.call, events=events)
    except SystemExit as stopped:
        if stopped.code == REQUEUE:
            told = "its time is up" if stop.time_is_up else "asked to, by the scheduler of the cluster or by somebody"
            events.note("time is up" if stop.time_is_up else "stopped", messages.key, job=number, told=told)
            if stop.time_is_up:
                subprocess.run(["scontrol", "requeue", os.environ["SLURM_JOB_ID"]], check=True, timeout=60)
        raise
    finally:
        meetings.over()
    if not whole:
        raise SystemExit(1)  # what waits for this task is not to start


class _Stop:
    """Ends the process, behind a checkpoint where the stage listens, when SLURM says that it is to stop."""

    def __init__(self) -> None:
        self.time_is_up = False
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGUSR2, self._warned)
        signal.signal(signal.SIGCONT, signal.SIG_DFL)

    def _end(self, number: int, frame: FrameType | None) -> None:
        raise SystemExit(REQUEUE)

    def _warned(self, number: int, frame: FrameType | None) -> None:
        self.time_is_up = True
        os.kill(os.getpid(), signal.SIGTERM)  # which the stage may have its own answer to


class Unattended:
    """The parent of a worker that has none: it is never gone."""

    def poll(self, timeout: float, /) -> bool:
        """False."""
        return False


class FileMessages:
    """A worker's words as lines of a file that others read, while it is written and afterwards."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sent = 0.0
        self.key = ""

    def send(self, told: tuple[Told, str, Any], /) -> None:
        """Writes a message; of progress one every few seconds."""
        kind, self.key, said = told
        if kind == "progress":
            if time.monotonic() - self._sent < PROGRESS_SECONDS:
                return
            self._sent = time.monotonic()
        if isinstance(said, UserError):
            said = [said.where, said.what, said.expected, said.do]
        append_line(self._path, json.dumps([kind, self.key, said]))


def read_messages(path: Path, begin: int) -> tuple[list[tuple[Told, str, Any]], int]:
    """Whole messages of a file from a byte on, and the byte behind them; none where it is not there."""
    lines, end = whole_lines(path, begin)
    return [_message(*json.loads(line)) for line in lines], end


def _message(kind: Told, key: str, said: Any) -> tuple[Told, str, Any]:
    if kind == "failed":
        said = UserError(said[0], said[1], expected=said[2], do=said[3])
    return kind, key, said


class _Meetings:
    """Calls the other nodes of a job together, as often as a stage trains."""

    def __init__(self, folder: Path, again: int, address: str) -> None:
        self._folder, self._again, self._address = folder, again, address
        self._number = 0

    def call(self, task: Path) -> Meeting:
        """Where processes that run a task file meet; the other nodes are told."""
        with socket.socket() as free:
            free.bind(("", 0))
            port = free.getsockname()[1]
        self._number += 1
        id = f"{_job_number()}-{self._again}-{self._number}"
        meeting = Meeting(address=self._address, port=port, id=id, task=str(task))
        write_json(meeting, _meeting(self._folder, self._again, self._number))
        return meeting

    def over(self) -> None:
        """Nobody is called any more."""
        (self._folder / f"{OVER}-{self._again}").touch()


def _meeting(folder: Path, again: int, number: int) -> Path:
    return folder / f"meeting-{again}-{number}.json"


def _follow(folder: Path, again: int) -> None:
    """Joins every meeting that the first node calls, until there are no more."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the first node ends what it has called; torchrun hears it by itself
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    for task in _called(folder, again):
        join(task)


def _called(folder: Path, again: int) -> Iterator[Path]:
    number = 1
    while True:
        path = _meeting(folder, again, number)
        if path.is_file():
            number += 1
            yield path
        elif (folder / f"{OVER}-{again}").exists():
            return
        else:
            time.sleep(MEETING_SECONDS)


def _job_number() -> str:
    array, part = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{part}" if array and part else os.environ.get("SLURM_JOB_ID", "")
