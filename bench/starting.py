"""Seconds until work begins: a stage in a worker forked from the warm server, and a second `run` with nothing to do.

The ratio is the smaller of goal / seconds of the two. A stage's start is counted from before its process is made to
its first line, so the first one pays for the server; the others are what every later stage of a study pays.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.planning import write_study
from loanword import stages
from loanword.execution.local import LocalLauncher
from loanword.execution.scheduler import Scheduler
from loanword.recipe import CorpusConfig
from loanword.records import Execution
from loanword.store import Job, Naming, Sources, Store

START_GOAL_SECONDS = 0.5
SECOND_RUN_GOAL_SECONDS = 3.0
SECOND_STUDY = """
name = "one run"
[recipe]
target = "zh"
base = { model = "checkpoint" }
"""


class Starts:
    """Keeps the seconds that stages took to start."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def started(self, job: Job, seconds: float) -> None:
        self.seconds.append(seconds)

    def progress(self, job: Job, done: int, total: int, unit: str) -> None: ...

    def finished(self, job: Job, seconds: float) -> None: ...

    def failed(self, job: Job, reason: str, num_left_out: int) -> None: ...

    def elsewhere(self, job: Job) -> None: ...

    def said(self, job: Job, sentence: str) -> None: ...

    def stopping(self, jobs: Sequence[Job], seconds: float) -> None: ...

    def left_running(self, jobs: Sequence[Job]) -> None: ...


def run(quick: bool) -> dict[str, Any]:
    """Medians of both against their goals."""
    with tempfile.TemporaryDirectory() as name:
        first, later = _stage_starts(Path(name), 5 if quick else 25)
        again = _second_run_seconds(Path(name), 2 if quick else 7)
    rows = [
        {"what": "the first stage starts", "seconds": first, "goal in seconds": None},
        {"what": "a later stage starts", "seconds": later, "goal in seconds": START_GOAL_SECONDS},
        {"what": "a second run with nothing to build", "seconds": again, "goal in seconds": SECOND_RUN_GOAL_SECONDS},
    ]
    ratio = min(START_GOAL_SECONDS / later, SECOND_RUN_GOAL_SECONDS / again)
    return {"name": "starting", "ratio": ratio, "goal": 1.0, "rows": rows}


def _stage_starts(folder: Path, num_stages: int) -> tuple[float, float]:
    write_study(folder)
    store, starts = Store(folder / "store"), Starts()
    store.create()
    naming = Naming(Sources(folder), {name: stage.version for name, stage in stages.STAGES.items()})
    jobs = [naming.job("corpus", CorpusConfig(files=("en.jsonl",), split_seed=seed)) for seed in range(num_stages)]
    execution = Execution(data=str(folder))
    scheduler = Scheduler(
        store,
        execution,
        stages.STAGES,
        "loanword.stages",
        LocalLauncher(execution, stages.STAGES, "loanword.stages"),
        starts,
        cost=lambda job: 1.0,
        smaller_cuts={},
    )
    scheduler.build(jobs)
    if not all(store.finished(job) for job in jobs):
        raise ValueError("a stage was started and not finished")
    return starts.seconds[0], statistics.median(starts.seconds[1:])


def _second_run_seconds(folder: Path, repeats: int) -> float:
    """A study whose only artifact is a link to a checkpoint, run again."""
    from loanword.model.load import new_model, save_model
    from loanword.recipe import ArchitectureConfig
    from loanword.tokenizer.learn import learn

    shape = ArchitectureConfig(
        width=16, num_layers=1, num_heads=2, num_key_value_heads=2, feed_forward_width=16, context_tokens=32
    )
    pieces = learn((f"sentence {number} of a small text" for number in range(500)), 300)
    save_model(new_model(shape, pieces.num_pieces, 0, bos_id=1, eos_id=2), folder / "checkpoint")
    pieces.save(folder / "checkpoint")
    study = folder / "one.toml"
    study.write_text(SECOND_STUDY, encoding="utf-8")
    command = [sys.executable, "-m", "loanword.cli", "run", str(study)]
    command += ["--data", str(folder), "--store", str(folder / "second")]
    subprocess.run(command, check=True, capture_output=True)
    return statistics.median(_seconds(command) for _ in range(repeats))


def _seconds(command: list[str]) -> float:
    started = time.perf_counter()
    again = subprocess.run(command, check=True, capture_output=True, text=True)
    if "0 artifacts built" not in again.stderr:
        raise ValueError("the second run built something")
    return time.perf_counter() - started
