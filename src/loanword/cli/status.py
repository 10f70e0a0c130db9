"""`loanword status`: what of a study is finished, being built, failed, or waiting, and how long the rest takes.

Everything is read from the store, so that it may be asked from another terminal or machine while the study runs.
"""

import argparse
import json
import shutil
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from loanword.cli import INTERRUPTED
from loanword.cli.amounts import table
from loanword.cli.building import Building, building, duration
from loanword.cli.failures import labels_of
from loanword.cli.opening import Opened, add_study_arguments, open_study
from loanword.store import Job
from loanword.store.events import Event, events
from loanword.store.failures import Failure
from loanword.store.submissions import Submission, submissions
from loanword.study.estimate import Estimator
from loanword.study.plan import missing, results, smaller_cuts
from loanword.study.remaining import Remaining, Times
from loanword.study.study import Run

STATES = ("finished", "building", "failed", "waiting")
UNNEEDED = "not needed"
"""Not there, and built no more: all that is made of it is finished."""
WATCH_SECONDS = 5.0
SHOWN_JOBS, SHOWN_EVENTS = 8, 12
"""At most, the last events; --json has all."""


@dataclass(frozen=True)
class Status:
    """A study at one moment: the state of every artifact, and what is left of all and of each run that is not whole."""

    opened: Opened
    states: Mapping[str, str]
    building: Sequence[Building]
    failed: Sequence[Failure]
    queued: Mapping[str, Submission]
    events: Sequence[Event]
    left: Remaining
    left_of_runs: Mapping[str, Remaining]

    @property
    def counts(self) -> Mapping[str, int]:
        """Artifacts by state."""
        return Counter(self.states.values())

    @property
    def whole(self) -> bool:
        """Whether nothing is left."""
        return self.counts["finished"] + self.counts[UNNEEDED] == len(self.states)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_study_arguments(parser)
    parser.add_argument("--smoke", action="store_true", help="of the smoke run's store")
    parser.add_argument(
        "--watch",
        type=float,
        nargs="?",
        const=WATCH_SECONDS,
        metavar="SECONDS",
        help=f"again and again (every {WATCH_SECONDS:.0f} seconds), until all is finished or Ctrl-C",
    )
    parser.add_argument("--json", action="store_true", help="for machines; one line, with --watch one each time")


def run(arguments: argparse.Namespace) -> int:
    opened = open_study(arguments, smoke=arguments.smoke)
    if arguments.watch is None:
        _show(status_of(opened), arguments.json, None)
        return 0
    try:
        return _watch(opened, arguments.json, max(0.1, arguments.watch))
    except KeyboardInterrupt:
        return INTERRUPTED


def _watch(opened: Opened, as_json: bool, seconds: float) -> int:
    on_terminal = sys.stdout.isatty() and not as_json
    while True:
        status = status_of(replace(opened, finished=opened.store.finished_keys()))
        if on_terminal:
            sys.stdout.write("\x1b[H\x1b[2J")
        _show(status, as_json, shutil.get_terminal_size().lines if on_terminal else None)
        sys.stdout.flush()
        if status.whole:
            return 0
        time.sleep(seconds)


def status_of(opened: Opened) -> Status:
    """A study as its store has it now."""
    jobs, store = opened.study.jobs, opened.store
    builders, failures = store.builders(), store.failures()
    needed = {job.key for job in missing(results(opened.study), opened.finished)}
    states = {key: _state(key, opened.finished, builders, failures, needed) for key in jobs}
    times = Times(
        jobs,
        store,
        Estimator(store, opened.sources, opened.finished),
        smaller_cuts(jobs.values(), opened.stages.STAGES) if needed else {},
    )
    unfinished = [job for key, job in jobs.items() if key in needed]

    def left_of(run: Run) -> Remaining:
        own = {job.key: job for job in run.jobs.values() if job.key in needed}
        return times.remaining(own.values(), builders)

    open_runs = [run for run in opened.study.runs if any(job.key in needed for job in run.jobs.values())]
    return Status(
        opened,
        states,
        building(store, builders, labels_of(opened.study)),
        [failure for key, failure in failures.items() if states.get(key) == "failed"],
        {
            key: said
            for _, said in submissions(store.root)
            for key in said.keys
            if states.get(key) in ("waiting", "failed")
        },
        [event for event in events(store.root) if event.key in jobs],
        times.remaining(unfinished, builders),
        {run.label: left_of(run) for run in open_runs},
    )


def _state(
    key: str, finished: set[str], builders: Mapping[str, object], failures: Mapping[str, object], needed: set[str]
) -> str:
    if key in finished:
        return "finished"
    if key in builders:
        return "building"
    if key not in needed:
        return UNNEEDED
    return "failed" if key in failures else "waiting"


def _show(status: Status, as_json: bool, num_lines: int | None) -> None:
    if as_json:
        print(json.dumps(_plain(status), ensure_ascii=False))
        return
    below = [*_building_lines(status), *_queued_lines(status), *_failed_lines(status), *_event_lines(status)]
    runs = status.opened.study.runs
    if num_lines is not None:
        # As many as there is room for, those that are not whole first: the rest is counted.
        runs = sorted(runs, key=lambda run: run.label not in status.left_of_runs)
        runs = runs[: max(3, num_lines - len(below) - 5)]
    print(_headline(status))
    table([("run", *STATES, "work left"), *(_row(run, status) for run in runs)])
    if len(runs) < len(status.opened.study.runs):
        print(f"... and {len(status.opened.study.runs) - len(runs):,} more runs")
    print(*below, sep="\n", end="\n" if below else "")


def _headline(status: Status) -> str:
    counts = status.counts
    told = [f"{counts['finished']:,} of {len(status.states):,} artifacts finished"]
    told.extend(f"{counts[state]:,} {state}" for state in (*STATES[1:], UNNEEDED) if counts[state])
    left = status.left
    if left.num_at_once and left.seconds:
        told.append(f"about {duration(left.seconds)} left with {left.num_at_once} at once")
    elif left.work_seconds:
        told.append(f"nobody is building; about {duration(left.work_seconds)} of work for one worker")
    elif not status.whole and not left.num_at_once:
        told.append("nobody is building")
    line = f"{status.opened.study.name}: {', '.join(told)}"
    if left.unknown:
        stages = ", ".join(f"{number:,} {stage}" for stage, number in left.unknown.items())
        line += f"\nnot in that time, as nothing like it was built here yet: {stages}"
    return line


def _row(run: Run, status: Status) -> tuple[str, ...]:
    counted = Counter(status.states[job.key] for job in {job.key: job for job in run.jobs.values()}.values())
    return (run.label, *(str(counted[state]) for state in STATES), _work(status.left_of_runs.get(run.label)))


def _work(left: Remaining | None) -> str:
    if left is None:
        return "-"
    return f"{duration(left.work_seconds)}{' + ?' if left.unknown else ''}" if left.work_seconds else "?"


def _building_lines(status: Status) -> list[str]:
    return [f"building: {one.line()}" for one in status.building]


def _queued_lines(status: Status) -> list[str]:
    by_job: dict[tuple[str, str], list[str]] = {}
    labels = labels_of(status.opened.study)
    for key, said in status.queued.items():
        by_job.setdefault((said.job or "without a number yet", said.user), []).append(labels[key])
    lines = [
        f"in the queue: {keys[0]}{f' and {len(keys) - 1} more' if len(keys) > 1 else ''}, job {job} of {user}"
        for (job, user), keys in by_job.items()
    ]
    more = len(lines) - SHOWN_JOBS
    return [*lines[:SHOWN_JOBS], *([f"... and {more:,} more jobs in the queue"] if more > 0 else [])]


def _event_lines(status: Status) -> list[str]:
    labels = labels_of(status.opened.study)
    when = [time.strftime("%m-%d %H:%M:%S", time.localtime(event.time)) for event in status.events[-SHOWN_EVENTS:]]
    return [
        f"{at} {event.kind}: {labels[event.key]} on {event.host}"
        f"{f', job {event.job}' if event.job else ''}{f': {event.told}' if event.told else ''}"
        for at, event in zip(when, status.events[-SHOWN_EVENTS:], strict=True)
    ]


def _failed_lines(status: Status) -> list[str]:
    labels = labels_of(status.opened.study)
    lines: list[str] = []
    for failure in status.failed:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(failure.time))
        lines.append(f"failed: {labels[failure.key]}, {when} on {failure.host}: {failure.reason}")
        log = status.opened.store.root / failure.log
        if log.is_file():
            lines.append(f"  its log: {log}")
    return lines


def _plain(status: Status) -> dict[str, Any]:
    runs = {run.label: _roles(run.jobs, status.states) for run in status.opened.study.runs}
    return {
        "study": status.opened.study.name,
        "artifacts": {state: status.counts[state] for state in (*STATES, UNNEEDED)},
        "runs": runs,
        "building": [one.plain() for one in status.building],
        "failed": [failure.model_dump(mode="json") for failure in status.failed],
        "queued": [{"artifact": key, **said.model_dump(mode="json")} for key, said in status.queued.items()],
        "events": [event.model_dump(mode="json") for event in status.events],
        "left": {**asdict(status.left), "seconds": status.left.seconds},
    }


def _roles(jobs: Mapping[str, Job], states: Mapping[str, str]) -> dict[str, str]:
    return {role: states[job.key] for role, job in jobs.items()}
