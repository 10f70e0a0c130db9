"""`loanword plan`: every artifact of a study by stage, what it takes, and what changed since the last run."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from loanword.cli.judge_access import add_price_argument, judge_prices, judging_told
from loanword.cli.opening import Opened, add_study_arguments, open_study
from loanword.store import Job
from loanword.store.identity import unresolved_revisions
from loanword.study.estimate import ASSUMPTIONS, Estimate, Estimator, trunk_saving
from loanword.study.hardware import FILE, HardwareProfile, read_profile
from loanword.study.plan import Changes, changes, missing, results, smaller_cuts


@dataclass(frozen=True)
class StageLine:
    """One stage in a plan: its distinct artifacts, and what those still to build take.

    Hours are those of one measured device; None without a hardware profile.
    """

    stage: str
    artifacts: int
    finished: int
    to_build: int
    text_bytes: int
    num_tokens: int
    flops: float
    disk_bytes: int
    unknown: bool
    hours: float | None = None
    num_requests: int = 0
    num_more_requests: int = 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_study_arguments(parser)
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.add_argument(
        "--profile", type=Path, metavar="FILE", help=f"what `loanword profile` measured (default: {FILE} in the store)"
    )
    add_price_argument(parser)
    parser.add_argument(
        "--memory", action="store_true", help="instead: what fits on GPUs of 24 to 141 GB, and what new pieces add"
    )


def run(arguments: argparse.Namespace) -> int:
    prices = judge_prices(arguments)
    opened = open_study(arguments)
    if arguments.memory:
        from loanword.cli.plan_memory import print_memory

        print_memory(opened, as_json=arguments.json)
        return 0
    profile = _profile(arguments, opened)
    lines = stage_lines(opened, profile)
    opened.sources.save() if opened.store.root.is_dir() else None
    changed = changes(opened.study, opened.file, opened.store)
    if arguments.json:
        print(json.dumps(_plain(opened, lines, changed), ensure_ascii=False))
    else:
        _print(opened, lines, changed, profile, prices)
    return 0


def _profile(arguments: argparse.Namespace, opened: Opened) -> HardwareProfile | None:
    usual = opened.store.root / FILE
    if arguments.profile is None and not usual.is_file():
        return None
    return read_profile(arguments.profile or usual)


def stage_lines(opened: Opened, profile: HardwareProfile | None = None) -> list[StageLine]:
    """A study's stages in order, with what is there and what is to build."""
    jobs = opened.study.jobs
    to_build = {job.key for job in missing(results(opened.study), opened.finished)}
    estimator = Estimator(opened.store, opened.sources, opened.finished)
    smaller = smaller_cuts(jobs.values(), opened.stages.STAGES)
    lines: list[StageLine] = []
    for stage in dict.fromkeys(job.stage for job in jobs.values()):
        of_stage = [job for job in jobs.values() if job.stage == stage]
        building = [job for job in of_stage if job.key in to_build]
        taken = [trunk_saving(job, smaller.get(job.key, []), estimator.of(job)) for job in building]
        line = _line(stage, of_stage, building, taken, opened.finished)
        shapes = [estimator.shape(job) for job in building]
        if profile is not None:
            hours = (profile.hours(one.flops, s.num_parameters) for one, s in zip(taken, shapes, strict=True) if s)
            line = replace(line, hours=sum(hours))
        lines.append(line)
    return lines


def _line(
    stage: str, jobs: Sequence[Job], building: Sequence[Job], taken: Sequence[Estimate], finished: set[str]
) -> StageLine:
    return StageLine(
        stage=stage,
        artifacts=len(jobs),
        finished=sum(job.key in finished for job in jobs),
        to_build=len(building),
        text_bytes=sum(estimate.text_bytes for estimate in taken),
        num_tokens=sum(estimate.num_tokens for estimate in taken),
        flops=sum(estimate.flops for estimate in taken),
        disk_bytes=sum(estimate.disk_bytes for estimate in taken),
        unknown=any(estimate.unknown for estimate in taken),
        num_requests=sum(estimate.num_requests for estimate in taken),
        num_more_requests=sum(estimate.num_more_requests for estimate in taken),
    )


def _plain(opened: Opened, lines: Sequence[StageLine], changed: Changes) -> dict[str, Any]:
    return {
        "study": opened.study.name,
        "runs": {run.label: {role: job.key for role, job in run.jobs.items()} for run in opened.study.runs},
        "stages": [asdict(line) for line in lines],
        "changed": [asdict(change) for change in changed.settings],
        "follows": dict(changed.follows),
        "assumptions": ASSUMPTIONS,
    }


def _print(
    opened: Opened,
    lines: Sequence[StageLine],
    changed: Changes,
    profile: HardwareProfile | None,
    prices: tuple[float, float],
) -> None:
    distinct, to_build = sum(line.artifacts for line in lines), sum(line.to_build for line in lines)
    asked = sum(len(run.jobs) for run in opened.study.runs)
    print(f"{opened.study.name}: {len(opened.study.runs)} runs ask for {asked} artifacts, {distinct} of them distinct")
    header = ("stage", "distinct", "finished", "to build", "text", "tokens", "FLOPs", "disk")
    rows = [_row(line) for line in lines]
    total = StageLine(
        "in total", distinct, sum(line.finished for line in lines), to_build, 0,
        sum(line.num_tokens for line in lines), sum(line.flops for line in lines),
        sum(line.disk_bytes for line in lines), any(line.unknown for line in lines),
        sum(line.hours or 0.0 for line in lines) if profile else None,
    )  # fmt: skip
    table([(*header, "hours") if profile else header, *rows, _row(total)])
    if any(line.unknown for line in lines):
        print("?: the base's shape is not known before it is fetched")
    if to_build:
        print(f"Assumed: {ASSUMPTIONS}.")
        print(_hours_are(profile))
    num_requests, num_more = sum(line.num_requests for line in lines), sum(line.num_more_requests for line in lines)
    if told := judging_told(num_requests, num_more, prices):
        print(f"{told[0].upper()}{told[1:]}.")
    for name in unresolved_revisions(opened.study.jobs.values()):
        print(f"{name}: its commit is resolved, and written to a lock file, when the study first runs")
    _print_changes(changed)


def _hours_are(profile: HardwareProfile | None) -> str:
    if profile is None:
        return "Hours: `loanword profile` measures this machine; after it, plans say how long they take."
    sizes = ", ".join(shape.name for shape in profile.shapes)
    threads = f" with {profile.threads} thread(s)" if profile.device == "cpu" else ""
    return (
        f"Hours: of one worker, one stage after the other, at the speed that the nearest of {sizes} trained at on "
        f"{profile.device}{threads} ({profile.machine}); what takes no FLOPs is left out."
    )


def _print_changes(changed: Changes) -> None:
    for change in changed.settings:
        print(f"changed: {change.path}: {_short(change.before)} -> {_short(change.after)}")
    if changed.settings:
        follows = ", ".join(f"{number} {stage}" for stage, number in changed.follows.items())
        print(f"from which follows, under new names: {follows or 'nothing'}")


def _short(value: Any) -> str:
    text = "(not set)" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 100 else f"{text[:97]}..."


def _row(line: StageLine) -> tuple[str, ...]:
    amounts = (human(line.text_bytes, "B"), human(line.num_tokens), human(line.flops), human(line.disk_bytes, "B"))
    mark = "?" if line.unknown else ""
    hours = () if line.hours is None else (f"{line.hours:,.2f}" if line.hours else "-",)
    return (
        line.stage,
        str(line.artifacts),
        str(line.finished),
        str(line.to_build),
        *(f"{amount}{mark}" if index == 2 else amount for index, amount in enumerate(amounts)),
        *hours,
    )


def human(number: float, unit: str = "") -> str:
    """A number with three digits and a prefix: 12.3 M."""
    if not number:
        return "-"
    prefixes = ["", "k", "M", "G", "T", "P", "E", "Z", "Y"]
    while abs(number) >= 999.5 and len(prefixes) > 1:
        number, prefixes = number / 1000, prefixes[1:]
    return f"{number:.3g} {prefixes[0]}{unit}".rstrip()


def table(rows: Sequence[Sequence[str]]) -> None:
    """Prints rows as columns, the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        sys.stdout.write("  ".join(cells).rstrip() + "\n")
