"""What a scheduler asks of whatever runs its jobs: to take them, to tell of them, to stop them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from loanword.records import Execution
from loanword.store import Job

Told = Literal["started", "progress", "said", "finished", "busy", "failed", "crashed", "ended"]
FINAL: tuple[Told, ...] = ("finished", "busy", "failed", "crashed")
"""What is said of a job last."""


class Messages(Protocol):
    """Where a worker's words go: (kind, key, said) of a Report."""

    def send(self, told: tuple[Told, str, Any], /) -> None: ...


class Parent(Protocol):
    """Whoever a worker works for; `poll` is true where that is gone."""

    def poll(self, timeout: float, /) -> bool: ...


@dataclass(frozen=True)
class Task:
    """Jobs that one process builds in order, and what it needs for that.

    `smaller` holds, per job key, the smaller cuts of its trajectory, nearest first: it continues from the first that is
    there. Where another process builds a job, it is waited for so long.
    """

    jobs: tuple[Job, ...]
    store: Path
    execution: Execution
    stages: str
    smaller: Mapping[str, Sequence[Job]]
    provenance: Mapping[str, Any]
    launched: float
    patience_seconds: float = 0.0


@dataclass(frozen=True)
class Report:
    """What became of one job of a task, or with "ended" of the task as a whole.

    `said` by kind: the seconds that starting took; (done, total, unit); a sentence; the seconds that building took; a
    UserError where a job failed, a traceback where it crashed; how a task ended: a UserError where it died, "stopped"
    where somebody stopped it.
    """

    task: str
    kind: Told
    key: str = ""
    said: Any = None


class Launcher(Protocol):
    """Runs tasks. `detached`: they go on where whoever launched them is gone, and queue behind each other.

    `together_seconds`: small jobs are put together into tasks of so much work; 0 where a task costs nothing.
    """

    @property
    def detached(self) -> bool: ...

    @property
    def together_seconds(self) -> float: ...

    def goes_with(self, job: Job, other: Job, made_here: Collection[str]) -> bool:
        """Whether a task that begins with a job may build another; `made_here`: what that is made of in the task."""
        ...

    def taken_up(self, keys: Collection[str]) -> Mapping[str, Sequence[str]]:
        """Tasks that others launched and that go on, whose jobs are all among `keys`: keys by the name of each."""
        ...

    def room(self, job: Job) -> bool:
        """Whether a task that begins with a job could be taken now."""
        ...

    def submit(self, task: Task, after: Sequence[str]) -> str:
        """Takes a task, which is to start once the tasks `after` have ended well; its name."""
        ...

    def poll(self, seconds: float) -> list[Report]:
        """What became of tasks since the last call; waits so long where nothing did. "ended" is a task's last."""
        ...

    def cancel(self, task: str) -> None:
        """Asks a task to stop: stages that listen write a checkpoint first."""
        ...

    def close(self) -> None:
        """Ends at once what cannot go on without whoever launched it, and what was cancelled."""
        ...
