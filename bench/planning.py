"""Seconds until the command answers: `plan` of a study of 1,000 runs, `plan` and `status` over 20,000 artifacts, `--help`.

The ratio is the smallest of goal / seconds; each is the best of some runs of a fresh process.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PLAN_GOAL_SECONDS = 2.0
HELP_GOAL_SECONDS = 0.3
NUM_RUNS = 1_000
LETTERS = "abcdefghijklmnopqrstuvwxyz "


def run(quick: bool) -> dict[str, Any]:
    """Best times of both commands against their goals."""
    repeats = 2 if quick else 7
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        study = write_study(folder)
        plan = ["plan", str(study), "--data", str(folder), "--store", str(folder / "store")]
        commands = {
            f"plan, {NUM_RUNS:,} runs": (plan, PLAN_GOAL_SECONDS),
            "--help": (["--help"], HELP_GOAL_SECONDS),
        }
        rows = [_row(title, arguments, goal, repeats) for title, (arguments, goal) in commands.items()]
        distinct = _num_distinct([*plan, "--json"])
    rows[0]["distinct artifacts"] = distinct
    return {"name": "planning", "ratio": min(row["goal / seconds"] for row in rows), "goal": 1.0, "rows": rows}


def write_study(folder: Path) -> Path:
    """A study of 10 vocabularies x 10 budgets x 5 replays x 2 seeds, over small source files."""
    for language in ("en", "zh"):
        lines = (json.dumps({"text": f"{LETTERS}{number} {language}"}) for number in range(2_000))
        (folder / f"{language}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (folder / f"{language}.txt").write_text("one line\n", encoding="utf-8")
    study = folder / "study.toml"
    study.write_text(STUDY, encoding="utf-8")
    return study


def _row(title: str, arguments: Sequence[str], goal_seconds: float, repeats: int) -> dict[str, Any]:
    seconds = min(_seconds(arguments) for _ in range(repeats))
    return {
        "command": title,
        "seconds": seconds,
        "goal in seconds": goal_seconds,
        "goal / seconds": goal_seconds / seconds,
    }


def _seconds(arguments: Sequence[str]) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "loanword.cli", *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def _num_distinct(arguments: Sequence[str]) -> int:
    answer = subprocess.run([sys.executable, "-m", "loanword.cli", *arguments], check=True, capture_output=True)
    plan = json.loads(answer.stdout)
    if len(plan["runs"]) != NUM_RUNS:
        raise ValueError(f"the study has {len(plan['runs'])} runs, not {NUM_RUNS}")
    return sum(stage["artifacts"] for stage in plan["stages"])


STUDY = """
name = "a thousand runs"
[recipe]
source = "en"
target = "zh"
[recipe.base.train]
num_tokens = 100_000
tokenizer = { num_pieces = 512 }
steps = { peak_learning_rate = 1e-3, row_tokens = 256, batch_tokens = 1024 }
[recipe.base.train.architecture]
width = 64
num_layers = 2
num_heads = 4
num_key_value_heads = 4
feed_forward_width = 128
context_tokens = 256
[recipe.corpus.en]
files = ["en.jsonl"]
[recipe.corpus.zh]
files = ["zh.jsonl"]
[recipe.pretraining]
steps = { peak_learning_rate = 1e-3, row_tokens = 256, batch_tokens = 1024 }
[recipe.likelihoods.texts]
en = "en.txt"
zh = "zh.txt"
[axes]
"tokenizer.num_new_pieces" = [0, 100, 200, 300, 400, 500, 600, 700, 800, 900]
"pretraining.replay" = [0.0, 0.1, 0.2, 0.3, 0.4]
seed = [1, 2]
[axes.budget]
""" + "\n".join(
    f'"{budget}" = {{ "pretraining.budget" = {{ bytes = {budget} }} }}' for budget in range(5_000, 55_000, 5_000)
)  # fmt: skip
