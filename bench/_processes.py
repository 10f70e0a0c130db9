"""What a process and its children take: time, and the largest sum of the memory that they hold at once."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

INTERVAL_SECONDS = 0.03


class Taken(NamedTuple):
    """Time of a process from its start to its end; `peak_megabytes` is proportional set size, so that what several
    processes share counts once.
    """

    seconds: float
    cpu_seconds: float
    peak_megabytes: float


def memory_is_told() -> bool:
    """Whether this system says how much memory processes hold; only Linux does."""
    return Path("/proc/self/smaps_rollup").is_file()


def taken(module: str, arguments: Sequence[str]) -> Taken:
    """What `python -m module arguments` takes; memory is looked at thirty times a second."""
    command = [sys.executable, "-m", module, *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    before, started, peak = _children_cpu_seconds(), time.perf_counter(), 0.0
    with subprocess.Popen(command, env=environment) as process:
        while process.poll() is None:
            peak = max(peak, sum(map(_megabytes, _tree(process.pid))))
            time.sleep(INTERVAL_SECONDS)
    seconds = time.perf_counter() - started
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Taken(seconds, _children_cpu_seconds() - before, peak)


def _children_cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for task in _read(f"/proc/{pid}/task/{pid}/children").split():
        yield from _tree(int(task))


def _megabytes(pid: int) -> float:
    lines = _read(f"/proc/{pid}/smaps_rollup").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024 / 1e6


def _read(path: str) -> str:
    """A file about a process, or nothing once that is gone."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return ""
