"""Whole studies, run as a user runs them: in processes of their own, by the command; and a small data root for them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from loanword.model.load import new_model, save_model
from loanword.recipe import ArchitectureConfig
from loanword.tokenizer.learn import learn

ROOT = Path(__file__).parent.parent
TINY = ROOT / "studies" / "real-tiny.toml"
PHRASES = {
    "en": ("the lamp by the window", "a boat under the bridge", "seven letters from the north", "the old stone mill"),
    "zh": ("窗边的灯很亮", "桥下有一只小船", "七封信来自北方", "旧磨坊在河边"),
    "sw": ("taa iliyo dirishani", "mashua chini ya daraja", "barua saba kutoka kaskazini", "kinu cha zamani"),
}


def write_small_root(root: Path, *, num_pieces: int = 330, num_layers: int = 2, context_tokens: int = 256) -> None:
    """A data root with a small checkpoint, its head untied, a corpus of each of three languages, and instructions."""
    texts: dict[str, list[str]] = {}
    for language, phrases in PHRASES.items():
        texts[language] = [f"{phrases[n % 4]} {n} {phrases[n * 7 % 3]} {phrases[n * 5 % 4]}" for n in range(400)]
        write_objects([{"text": text} for text in texts[language]], root / f"{language}.jsonl")
        told = [{"instruction": f"{phrases[n % 3]} {n}", "input": "", "output": phrases[n % 4]} for n in range(30)]
        write_objects(told, root / f"instructions-{language}.jsonl")
    shape = ArchitectureConfig(
        width=32,
        num_layers=num_layers,
        num_heads=2,
        num_key_value_heads=1,
        feed_forward_width=32,
        context_tokens=context_tokens,
        tied_embeddings=False,
    )
    pieces = learn(texts["en"], num_pieces)
    save_model(new_model(shape, pieces.num_pieces, 0, bos_id=1, eos_id=2), root / "base")
    pieces.save(root / "base")


def write_objects(values: Sequence[Mapping[str, object]], path: Path) -> None:
    """JSON Lines, one object each."""
    path.write_text("".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values), encoding="utf-8")


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
