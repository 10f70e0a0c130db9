"""Leases: who is building what, without locks, so that they hold on any shared file system.

A lease is a file `KEY.lease-N`, created exclusively, whose time its holder keeps fresh. Whoever finds the newest
one stale takes over by creating N+1; only one can. The former holder sees a successor and stops. Nothing is ever
removed by anyone but the last holder, so there is no moment in which two believe that they hold it.
"""

import os
import re
import socket
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ConfigDict, ValidationError

from loanword.records import Record

HEARTBEAT_SECONDS = 2.0
STALE_SECONDS = 60.0


@dataclass
class Lease:
    """The right to build one artifact, held by this process while its heartbeat goes on.

    `taken_from`: the machine of whoever held it before and did not give it back.
    """

    path: Path
    host: str
    taken_from: str = ""
    started: float = field(default_factory=time.time)

    def beat(self, progress: tuple[int, int, str] | None = None, left_seconds: float | None = None) -> bool:
        """Freshens the lease and says how far the work is; False if another process has taken over."""
        _write(self.path, _words(self.host, self.started, progress, left_seconds))
        return newest_lease(self.path.parent, self.path.name.rpartition(".lease-")[0]) == self.path

    def release(self) -> None:
        """Gives the right back."""
        folder, stem = self.path.parent, self.path.name.rpartition(".lease-")[0]
        for path in _leases(folder, stem):
            path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Holder:
    """Who holds a lease, and how far the work was at the last heartbeat.

    `elapsed_seconds` are those between getting the lease and that heartbeat, and `left_seconds` what the holder then
    expected of the work that `progress` counts; both by the holder's own clock, None where it did not say. One that is
    `dead` was a process of this machine.
    """

    host: str
    pid: int
    progress: tuple[int, int, str] | None
    stale: bool
    dead: bool = False
    elapsed_seconds: float | None = None
    left_seconds: float | None = None


class _Said(Record):
    """What stands in a lease file; versions before this one said less, and what later ones add is passed over."""

    model_config = ConfigDict(extra="ignore")

    host: str = ""
    pid: int = 0
    progress: tuple[int, int, str] | None = None
    elapsed_seconds: float | None = None
    left_seconds: float | None = None


def acquire(folder: Path, key: str, host: str | None = None) -> Lease | None:
    """The lease on a key, or None while somebody else's is fresh; `host`: what this machine is called."""
    newest = newest_lease(folder, key)
    found = None if newest is None else holder(newest)
    if found is not None and newest is not None and (not found.stale or _beats(newest, found)):
        return None
    number = 0 if newest is None else _number(newest) + 1
    taken_from = "" if found is None else found.host or "a machine that did not say"
    return _create(folder / f"{key}.lease-{number}", host or socket.gethostname(), taken_from)


def holder(path: Path) -> Holder | None:
    """Who wrote a lease; None if it is gone. A holder on this machine that has died is stale at once."""
    try:
        age_seconds = time.time() - path.stat().st_mtime
        line = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    said = _understood(line)
    dead = said.host == socket.gethostname() and said.pid > 0 and not _alive(said.pid)
    stale = dead or age_seconds > STALE_SECONDS
    return Holder(said.host, said.pid, said.progress, stale, dead, said.elapsed_seconds, said.left_seconds)


def _beats(path: Path, found: Holder) -> bool:
    """Whether a lease that looks stale by this machine's clock is fresh by that of the file system.

    Clocks of machines differ by more than they should; times of files are all given by one.
    """
    if found.dead:
        return False
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".clock-") as probe:
        now = os.fstat(probe.fileno()).st_mtime
    try:
        return now - path.stat().st_mtime <= STALE_SECONDS
    except FileNotFoundError:  # it was given back meanwhile
        return True


def _understood(line: str) -> _Said:
    try:
        return _Said.model_validate_json(line)
    except ValidationError:
        # Empty between its creation and its first words, or of a version that says it otherwise: its time counts.
        return _Said()


def newest_lease(folder: Path, key: str) -> Path | None:
    """The lease file with the highest number, if there is one."""
    return max(_leases(folder, key), key=_number, default=None)


def newest_leases(folder: Path) -> dict[str, Path]:
    """The same for every key, by one listing."""
    found: dict[str, Path] = {}
    for entry in os.scandir(folder) if folder.is_dir() else ():
        key, mark, number = entry.name.rpartition(".lease-")
        if mark and number.isdigit() and (key not in found or _number(found[key]) < int(number)):
            found[key] = Path(entry.path)
    return found


def _leases(folder: Path, key: str) -> list[Path]:
    return [path for path in folder.glob(f"{key}.lease-*") if re.fullmatch(r"lease-\d+", path.name.rpartition(".")[2])]


def _number(path: Path) -> int:
    return int(path.name.rpartition("-")[2])


def _create(path: Path, host: str, taken_from: str) -> Lease | None:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return None
    lease = Lease(path, host, taken_from)
    _write(path, _words(host, lease.started))
    return lease


def _words(
    host: str, started: float, progress: tuple[int, int, str] | None = None, left_seconds: float | None = None
) -> _Said:
    return _Said(
        host=host,
        pid=os.getpid(),
        progress=progress,
        elapsed_seconds=time.time() - started,
        left_seconds=left_seconds,
    )


def _write(path: Path, said: _Said) -> None:
    # Replaced whole: a reader finds the words before or these, never half of them.
    part = path.with_name(f"{path.name}.part")
    part.write_text(said.to_json(), encoding="utf-8")
    part.replace(path)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
