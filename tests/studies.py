"""Whole studies, run as a user runs them: in processes of their own, by the command."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
TINY = ROOT / "studies" / "real-tiny.toml"


def command(verb: str, data: Path, store: Path, *more: str, study: Path = TINY) -> list[str]:
    """A command line over a study."""
    place = ["--data", str(data), "--store", str(store)]
    return [sys.executable, "-m", "loanword.cli", verb, str(study), *place, *more]


def environment() -> dict[str, str]:
    """This process's, with the checkout importable."""
    return {**os.environ, "PYTHONPATH": str(ROOT / "src")}


def run(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """The finished command."""
    return subprocess.run(words, env=environment(), capture_output=True, text=True, check=False)


def killed_after(words: Sequence[str], seconds: float) -> bool:
    """Runs a command and kills its whole process group after a time; False if it had ended before."""
    process = subprocess.Popen(
        words, env=environment(), start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def interrupted_when(
    words: Sequence[str], condition: object, seconds: float = 120, *, sent: signal.Signals = signal.SIGINT
) -> tuple[int, str]:
    """Sends Ctrl-C, or another signal, to a command once a condition holds; its exit code and what it said.

    As from a terminal, Ctrl-C goes to its whole process group; SIGTERM goes to the command alone.
    """
    assert callable(condition)
    process = subprocess.Popen(
        words, env=environment(), start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    end = time.monotonic() + seconds
    while not condition() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    (os.killpg if sent == signal.SIGINT else os.kill)(process.pid, sent)
    _, error = process.communicate(timeout=60)
    return process.returncode, error


def contents(store: Path) -> dict[str, str]:
    """Content digest of every artifact of a store by stage and name."""
    manifests = (json.loads(path.read_text(encoding="utf-8")) for path in store.glob("artifacts/*/*/manifest.json"))
    return {f"{manifest['stage']}/{manifest['name']}": manifest["content"] for manifest in manifests}


def outcomes(report: Path) -> dict[str, dict[str, float]]:
    """By run what a report found: the first score of each benchmark, and bits per byte by language."""
    tables = json.loads((report / "report.json").read_text(encoding="utf-8"))["tables"]
    found: dict[str, dict[str, float]] = {}
    for key, table in tables.items():
        part, _, name = key.partition(".")
        for row in table["rows"]:
            values = [cell["value"] for cell in row.values() if isinstance(cell, dict) and "value" in cell]
            if part in ("knowledge", "likelihoods") and values:
                found.setdefault(row["run"], {})[name] = values[0]
    return found
