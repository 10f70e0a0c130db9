"""`loanword plan --against` and `--learn`: what is finished, as planned and as it took."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from loanword.cli.amounts import duration, human, table
from loanword.cli.opening import Opened
from loanword.errors import UserError
from loanword.records import write_json
from loanword.store import Job
from loanword.study.estimate import Estimator
from loanword.study.hardware import HardwareProfile
from loanword.study.plan import smaller_cuts
from loanword.study.reality import Compared, Finished, Reality, finished_artifacts, in_total, reality, took
from loanword.study.speeds import learned_from

HEADER = ("stage", "artifacts", "planned", "took", "ratio", "on the clock", "disk planned", "on disk", "ratio")


def print_against(opened: Opened, profile: HardwareProfile | None, *, learn_into: Path | None, as_json: bool) -> None:
    """Prints the plan beside reality; with `learn_into`, also writes there the profile with what was learned.

    Raises:
        UserError: nothing is finished, or nothing that the profile is of.
    """
    assert profile is not None
    built = _built(opened)
    if not built.jobs:
        raise UserError(
            opened.store.root,
            f"nothing of {opened.study.name} is finished",
            do="run it, or name its store with --store",
        )
    before = Estimator(opened.store, opened.sources, set())
    found = reality(profile, built.finished, built.jobs, before.of, built.cuts, opened.stages.STAGES)
    if not found.lines:
        raise UserError(
            opened.store.root,
            f"all of it was built on another device, or with other threads, than {profile.device}, {profile.threads}",
            do="give the profile of where it was built with --profile",
        )
    if learn_into is not None:
        write_json(_learned(profile, opened, built), learn_into)
    if as_json:
        print(json.dumps(_plain(found, built.finished), ensure_ascii=False))
    else:
        _print(opened, profile, found, learn_into)


def learned(profile: HardwareProfile, opened: Opened) -> HardwareProfile:
    """The profile with what the finished artifacts of a study took."""
    return _learned(profile, opened, _built(opened))


class _Built(NamedTuple):
    """The finished jobs of a study, what their manifests say by key, and the smaller cuts of each."""

    jobs: list[Job]
    finished: dict[str, Finished]
    cuts: dict[str, list[Job]]


def _built(opened: Opened) -> _Built:
    jobs = [job for job in opened.study.jobs.values() if job.key in opened.finished]
    finished = {one.key: one for one in finished_artifacts(opened.store, jobs)}
    return _Built(jobs, finished, smaller_cuts(opened.study.jobs.values(), opened.stages.STAGES))


def _learned(profile: HardwareProfile, opened: Opened, built: _Built) -> HardwareProfile:
    known = Estimator(opened.store, opened.sources, opened.finished)
    return learned_from(profile, took(profile, built.finished, built.jobs, known.of, built.cuts))


def _plain(found: Reality, finished: dict[str, Finished]) -> dict[str, Any]:
    total = in_total(found.lines)
    return {
        "stages": [asdict(line) for line in found.lines],
        "total": asdict(total),
        "planned_wall_seconds": found.planned_wall_seconds,
        "wall_seconds": found.wall_seconds,
        "time_ratio": found.planned_wall_seconds / max(found.wall_seconds, 1e-9),
        "disk_ratio": total.planned_bytes / max(total.disk_bytes, 1),
        "workers": found.workers,
        "num_elsewhere": found.num_elsewhere,
        "unknown": found.unknown,
        "cpu_seconds": sum(one.cpu_seconds for one in finished.values()),
    }


def _print(opened: Opened, profile: HardwareProfile, found: Reality, learned_into: Path | None) -> None:
    print(f"{opened.study.name}: planned from nothing for {profile.machine}, and as it was built")
    table([HEADER, *map(_row, (*found.lines, in_total(found.lines)))])
    ratio = found.planned_wall_seconds / max(found.wall_seconds, 1e-9)
    print(
        f"From beginning to end on {found.workers} workers: planned {duration(found.planned_wall_seconds)}, "
        f"took {duration(found.wall_seconds)}, ratio {ratio:.2f}; hours in which nothing was built are left out."
    )
    print("A stage took what a processor worked on it; the clock also counts when others had the processor.")
    if found.num_elsewhere:
        print(f"{found.num_elsewhere} artifacts are left out: built on another device, or with other threads.")
    if found.unknown:
        print(f"Left out, because the plan could not say how long they take: {'; '.join(found.unknown)}.")
    if learned_into is not None:
        print(f"What they took is in {learned_into}: plans with it count on that.")


def _row(line: Compared) -> tuple[str, ...]:
    return (
        line.stage,
        str(line.num_artifacts),
        duration(line.planned_seconds),
        duration(line.working_seconds),
        f"{line.planned_seconds / max(line.working_seconds, 1e-9):.2f}",
        duration(line.seconds),
        human(line.planned_bytes, "B"),
        human(line.disk_bytes, "B"),
        f"{line.planned_bytes / max(line.disk_bytes, 1):.2f}",
    )
