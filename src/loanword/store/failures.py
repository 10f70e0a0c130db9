"""What could not be built, and what it wrote: for people, beside the artifacts and never a part of one.

Out: `failures/STAGE-NAME.json` (Failure), gone once the artifact is there; `logs/STAGE-NAME.log`, what the processes of
an artifact wrote to their standard output and error, one process after the other.
"""

import os
import socket
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from loanword.records import Record, read_json, write_json

LOGS = "logs"
FAILURES = "failures"
BEGIN = "--- "
"""What the line of a log begins with behind which a process writes."""
Kind = Literal["refused", "crashed", "ended"]
"""By its stage, for something outside the code; by a bug; or its process was gone without a word."""
SHOWN_LINES = 20
SHOWN_BYTES = 65_536
SHOWN_CHARACTERS = 500
"""Of one line; a bar that was drawn a thousand times is one."""


class Failure(Record):
    """Why an artifact was not built when that was last tried; where it crashed, `error` is the traceback.

    `log` is relative to the store.
    """

    key: str
    kind: Kind
    error: str
    time: float
    host: str
    log: str

    @property
    def reason(self) -> str:
        """The error in one line."""
        return reason_of(self.kind, self.error)


def reason_of(kind: Kind, error: str) -> str:
    """An error in one line: the last one of a traceback, the first one of everything else."""
    lines = error.strip().splitlines() or ["nothing was said"]
    return lines[-1 if kind == "crashed" else 0]


def keep(root: Path, stem: str, key: str, kind: Kind, error: str) -> None:
    """Keeps why an artifact could not be built, in place of an earlier reason."""
    log = log_path(root, stem).relative_to(root).as_posix()
    failure = Failure(key=key, kind=kind, error=error, time=time.time(), host=socket.gethostname(), log=log)
    with suppress(OSError):  # a full disk is told by the failure itself, or by the next one
        (root / FAILURES).mkdir(exist_ok=True)
        write_json(failure, root / FAILURES / f"{stem}.json")


def kept(root: Path) -> dict[str, Failure]:
    """Every failure of a store by the key of its artifact."""
    failures = (read_json(Failure, path) for path in (root / FAILURES).glob("*.json"))
    return {failure.key: failure for failure in failures}


def forget(root: Path, stem: str) -> None:
    """Removes what was kept of a failure, if anything was."""
    (root / FAILURES / f"{stem}.json").unlink(missing_ok=True)


def log_path(root: Path, stem: str) -> Path:
    """Where the processes of one artifact write."""
    return root / LOGS / f"{stem}.log"


@contextmanager
def logged(path: Path) -> Generator[None]:
    """Sends what this process and those that it starts write to a log; one in which nothing was written is removed.

    Behind what earlier processes wrote, and a line with time and process. Where no log can be opened all goes where it
    went before.
    """
    try:
        path.parent.mkdir(exist_ok=True)
        log = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    except OSError:
        yield
        return
    begin = f"{BEGIN}{time.strftime('%Y-%m-%d %H:%M:%S %z')} {socket.gethostname()} process {os.getpid()}\n".encode()
    before = os.dup(1), os.dup(2)
    _flush()
    try:
        with suppress(OSError):
            os.write(log, begin)
        os.dup2(log, 1)
        os.dup2(log, 2)
        yield
    finally:
        _flush()
        for saved, number in zip(before, (1, 2), strict=True):
            os.dup2(saved, number)
            os.close(saved)
        os.close(log)
        with suppress(OSError):
            if path.stat().st_size < SHOWN_BYTES and not end_of_log(path, all_processes=True):
                path.unlink()


def end_of_log(path: Path, *, without: str = "", all_processes: bool = False) -> list[str]:
    """The last lines that the last process wrote to a log, or all of them, at most `SHOWN_LINES`.

    `without`, where the log ends with it, is left out.
    """
    if not path.is_file():
        return []
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - SHOWN_BYTES))
        text = file.read().decode("utf-8", errors="replace")
    text = text.rstrip().removesuffix(without.strip())
    lines = [line.rstrip() for line in text.splitlines()]
    begun = [number for number, line in enumerate(lines) if line.startswith(BEGIN)]
    last = 0 if all_processes or not begun else begun[-1]
    shown = [line for line in lines[last:] if line and not line.startswith(BEGIN)][-SHOWN_LINES:]
    return [line if len(line) <= SHOWN_CHARACTERS else f"{line[:SHOWN_CHARACTERS]}..." for line in shown]


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
