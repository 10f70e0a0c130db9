"""Seconds until the command answers: `plan` of 1,000 runs, `plan` and `status` over 20,000 artifacts, `--help`.

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

from loanword.cli.opening import DEFAULT_STAGES, stage_module
from loanword.records import write_json
from loanword.store import Sources, Store
from loanword.study.plan import results
from loanword.study.study import load_study

GOAL_SECONDS = 2.0
HELP_GOAL_SECONDS = 0.3
NUM_RUNS = 1_000
NUM_BENCHMARKS = 9
"""As many give a study of 1,000 runs more than 20,000 artifacts."""
OPEN_SHARE = 0.1
"""Of the artifacts, those that nothing reads: these are not built, so that there is a rest to tell of."""
NONE = ("num_held_out_documents", "num_held_out_bytes", "num_quarantined_lines")
SUBJECT = "abstract_algebra"
LETTERS = "abcdefghijklmnopqrstuvwxyz "


def run(quick: bool) -> dict[str, Any]:
    """Best times of the commands against their goals."""
    repeats = 2 if quick else 7
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        study, large = write_study(folder), write_study(folder, num_benchmarks=NUM_BENCHMARKS)
        store = folder / "store"
        num_finished = fill_store(large, store)
        plan, plan_large, status_large = (
            [verb, str(file), "--data", str(folder), "--store", str(place)]
            for verb, file, place in (
                ("plan", study, folder / "empty"), ("plan", large, store), ("status", large, store),
            )
        )  # fmt: skip
        commands = {
            f"plan, {NUM_RUNS:,} runs": (plan, GOAL_SECONDS),
            f"plan, {num_finished:,} artifacts finished": (plan_large, GOAL_SECONDS),
            f"status, {num_finished:,} artifacts finished": (status_large, GOAL_SECONDS),
            "--help": (["--help"], HELP_GOAL_SECONDS),
        }
        rows = [_row(title, arguments, goal, repeats) for title, (arguments, goal) in commands.items()]
        for row, arguments in ((rows[0], plan), (rows[1], plan_large)):
            row["distinct artifacts"] = _num_distinct([*arguments, "--json"])
    return {"name": "planning", "ratio": min(row["goal / seconds"] for row in rows), "goal": 1.0, "rows": rows}


def write_study(folder: Path, *, num_benchmarks: int = 0) -> Path:
    """A study of 10 vocabularies x 10 budgets x 5 replays x 2 seeds, over small source files."""
    for language in ("en", "zh"):
        lines = (json.dumps({"text": f"{LETTERS}{number} {language}"}) for number in range(2_000))
        (folder / f"{language}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (folder / f"{language}.txt").write_text("one line\n", encoding="utf-8")
    for split in ("dev", "val"):
        (folder / "questions" / split).mkdir(parents=True, exist_ok=True)
        asked = folder / "questions" / split / f"{SUBJECT}_{split}.csv"
        asked.write_text("Which is it?,one,two,three,four,A\n" * 100, encoding="utf-8")
    benchmarks = "".join(
        f'[recipe.benchmarks.set{number}]\nname = "mmlu"\nfolder = "questions"\nsubjects = ["{SUBJECT}"]\n'
        f"limit_examples = {number + 1}\n"
        for number in range(num_benchmarks)
    )
    asked = f"[recipe.responses]\nbenchmarks = {[f'set{number}' for number in range(num_benchmarks)]}\n"
    study = folder / f"study-{num_benchmarks}.toml"
    study.write_text(STUDY.replace("[axes]\n", f"{benchmarks}{asked}[axes]\n"), encoding="utf-8")
    return study


def fill_store(file: Path, root: Path) -> int:
    """A store in which most of a study is finished, as far as verbs that build nothing can tell; how many are."""
    store, sources = Store(root), Sources(file.parent.resolve(), cache_file=root / "sources.json")
    store.create()
    study = load_study(file, stage_module(DEFAULT_STAGES), sources)
    sources.save()
    last = {job.key for job in results(study)}
    jobs = [job for job in study.jobs.values() if job.key not in last or int(job.name, 16) % 100 >= 100 * OPEN_SHARE]
    counts = {"num_documents": 2_000, "num_bytes": 70_000}
    kinds = {
        "corpus": {**counts, **dict.fromkeys(NONE, 0), "num_removed": {}},
        "tokens": {**counts, "num_tokens": 20_000},
    }
    for job in jobs:
        folder = store.building_folder(job)
        (folder / "payload").write_text(job.name, encoding="utf-8")
        if job.stage in kinds:
            write_json({"language": "en", **kinds[job.stage]}, folder / "counts.json")
        store.finish(job, {"seconds": 1.0, "cpu_seconds": 1.0})
    return len(jobs)


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
