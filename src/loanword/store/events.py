"""What happened to jobs besides their being built: lost, stopped, taken over. For people, in no artifact.

Out: `events/HOST-PROCESS-TIME.jsonl`, an Event a line. Each process writes a file of its own, since no two may append
to one on a shared file system; readers put them together by time.
"""

import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

from loanword.records import Record
from loanword.store.spoken import append_line, whole_lines

EVENTS = "events"
Kind = Literal[
    "lost", "submitted again", "stopped", "time is up", "started again", "taken over", "taken up", "given up"
]


class Event(Record):
    """One thing that happened to an artifact's job: when, where, and in which job of a scheduler of a cluster."""

    time: float
    kind: Kind
    key: str
    host: str
    job: str = ""
    told: str = ""


class Events:
    """Where one process notes what happens; its file is made with the first event."""

    def __init__(self, root: Path, host: str | None = None) -> None:
        self._host = host or socket.gethostname()
        self._path = root / EVENTS / f"{self._host}-{os.getpid()}-{time.time_ns()}.jsonl"

    def note(self, kind: Kind, key: str, *, job: str = "", told: str = "") -> None:
        """Notes an event; where the disk is full it is lost, as what happened is not."""
        event = Event(time=time.time(), kind=kind, key=key, host=self._host, job=job, told=told)
        with suppress(OSError):
            self._path.parent.mkdir(exist_ok=True)
            append_line(self._path, event.to_json())


def events(root: Path) -> list[Event]:
    """All events of a store, the oldest first."""
    lines = (line for path in (root / EVENTS).glob("*.jsonl") for line in whole_lines(path, 0)[0])
    return sorted((Event.from_json(line, where=root / EVENTS) for line in lines), key=lambda event: event.time)
