"""`loanword status`: what of a study is finished, being built, or waiting; from the store alone."""

import argparse
import json
from collections import Counter

from loanword.cli.opening import Opened, add_study_arguments, open_study
from loanword.cli.plan import table
from loanword.store import Job


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_study_arguments(parser)
    parser.add_argument("--smoke", action="store_true", help="of the smoke run's store")
    parser.add_argument("--json", action="store_true", help="for machines")


def run(arguments: argparse.Namespace) -> int:
    opened = open_study(arguments, smoke=arguments.smoke)
    states = {key: _state(opened, job) for key, job in opened.study.jobs.items()}
    if arguments.json:
        runs = {run.label: {role: states[job.key] for role, job in run.jobs.items()} for run in opened.study.runs}
        print(json.dumps({"study": opened.study.name, "runs": runs}, ensure_ascii=False))
        return 0
    table(
        [
            ("run", "finished", "building", "waiting"),
            *(_row(run.label, run.jobs.values(), states) for run in opened.study.runs),
        ]
    )
    for key, state in states.items():
        if state.startswith("building"):
            print(f"{key}: {state}")
    return 0


def _row(label: str, jobs: object, states: dict[str, str]) -> tuple[str, ...]:
    counted = Counter(states[job.key].split()[0] for job in jobs if isinstance(job, Job))  # type: ignore[attr-defined]
    return (label, *(str(counted[state]) for state in ("finished", "building", "waiting")))


def _state(opened: Opened, job: Job) -> str:
    if job.key in opened.finished:
        return "finished"
    holder = opened.store.holder(job)
    if holder is None or holder.stale:
        return "waiting"
    if holder.progress is None:
        return f"building on {holder.host}"
    done, total, unit = holder.progress
    return f"building on {holder.host}: {done:,} of {total:,} {unit}"
