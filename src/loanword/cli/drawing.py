"""Progress of a build as people see it: bars with time left on a terminal, a line a stage elsewhere."""

import sys
from collections.abc import Mapping, Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from loanword.store import Job


class Drawing:
    """Draws what a scheduler tells; `labels` gives each job's name for people."""

    def __init__(self, labels: Mapping[str, str], num_jobs: int) -> None:
        self._labels = labels
        self._console = Console(stderr=True)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._whole = self._bars.add_task("study", total=num_jobs, unit="artifacts")
        self._waited_for: set[str] = set()

    def __enter__(self) -> "Drawing":
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def started(self, job: Job, seconds: float) -> None:
        """A stage has begun; `seconds` is what starting it took."""
        self._bar(job)

    def progress(self, job: Job, done: int, total: int, unit: str) -> None:
        """A stage has come further."""
        self._bars.update(self._bar(job), completed=done, total=total, unit=unit)

    def finished(self, job: Job, seconds: float) -> None:
        """An artifact is there."""
        self._bars.remove_task(self._bar(job))
        del self._tasks[job.key]
        self._bars.advance(self._whole)
        self.say(f"{self._name(job)}: {seconds:.1f} s")

    def failed(self, job: Job, reason: str, num_left_out: int) -> None:
        """An artifact cannot be built, and with it those that are made of it; no reason where it is told at once."""
        if job.key in self._tasks:
            self._bars.remove_task(self._tasks.pop(job.key))
        left_out = f"; {num_left_out} that are made of it are left out" if num_left_out else ""
        self.say(f"{self._name(job)}: cannot be built{f': {reason}' if reason else ''}{left_out}")

    def elsewhere(self, job: Job) -> None:
        """Another process builds an artifact; this one waits for it."""
        if job.key in self._tasks:
            self._bars.remove_task(self._tasks.pop(job.key))
        if job.key not in self._waited_for:
            self._waited_for.add(job.key)
            self.say(f"{self._name(job)}: another process is at it")

    def said(self, job: Job, sentence: str) -> None:
        """A stage has something to say."""
        self.say(f"{self._name(job)}: {sentence}")

    def stopping(self, jobs: Sequence[Job], seconds: float) -> None:
        """These stages were asked to stop, and have so long for it."""
        names = ", ".join(self._name(job) for job in jobs)
        self.say(f"stopping {names}: up to {seconds:.0f} s for a checkpoint; Ctrl-C again stops at once")

    def left_running(self, jobs: Sequence[Job]) -> None:
        """These go on where they are."""
        self.say(f"{len(jobs)} go on without this process; the same command takes them up again")

    def _name(self, job: Job) -> str:
        return self._labels.get(job.key, job.key)

    def _bar(self, job: Job) -> TaskID:
        if job.key not in self._tasks:
            self._tasks[job.key] = self._bars.add_task(self._name(job), total=None, unit="")
        return self._tasks[job.key]

    def say(self, line: str) -> None:
        """A line beside the bars."""
        if self._console.is_terminal:
            self._console.print(line, highlight=False, markup=False)
        else:
            print(line, file=sys.stderr, flush=True)
