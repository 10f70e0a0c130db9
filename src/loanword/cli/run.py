"""`loanword run`: builds what is missing of a study, then writes its report."""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from loanword.cli.checkpoints import check_device
from loanword.cli.failures import labels_of, tell_failures
from loanword.cli.judge_access import add_judge_arguments, judge_access, tell_judging
from loanword.cli.machine import num_cores
from loanword.cli.opening import Opened, add_study_arguments, lock_path, open_study, read_lock
from loanword.cli.report import write_study_report
from loanword.errors import UserError
from loanword.execution.settings import Flags, Settings, read_settings
from loanword.interruption import REQUEUE
from loanword.records import Execution, write_json
from loanword.store import Job
from loanword.store.artifacts import run_folder
from loanword.store.identity import unresolved_revisions
from loanword.study.estimate import Estimator
from loanword.study.hardware import FILE, read_profile
from loanword.study.plan import missing, remember, results, smaller_cuts
from loanword.study.selection import selected
from loanword.training.trackers import check_trackers

if TYPE_CHECKING:
    from loanword.execution.scheduler import Failed

SECONDS_PER_FLOP = 1e-11
LEAST_SECONDS = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_study_arguments(parser)
    parser.add_argument("--workers", type=int, default=None, help="stages at once (default: one a core, or one a GPU)")
    parser.add_argument("--threads", type=int, default=None, help="threads of each worker (default: cores / workers)")
    parser.add_argument(
        "--execution", type=Path, metavar="FILE", help="where and how it runs, such as on SLURM (docs/cluster.md)"
    )
    parser.add_argument("--device", help="cpu, cuda or mps (default: cpu)")
    parser.add_argument("--processes", type=int, help="processes of one training stage, one a device (default: 1)")
    parser.add_argument("--micro-batch-tokens", type=int, default=None, help="tokens at once (default: what fits)")
    parser.add_argument(
        "--activations",
        choices=("keep", "selective", "recompute"),
        default=None,
        help="what of a forward pass is kept for the backward one (default: what fits)",
    )
    parser.add_argument(
        "--compile",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="compile layers (default: on a GPU)",
    )
    parser.add_argument(
        "--tracker",
        action="append",
        choices=("tensorboard", "wandb", "trackio"),
        default=[],
        help="also draw training there; may be given again",
    )
    parser.add_argument("--checkpoint-seconds", type=float, help="time between checkpoints of a stage (default: 60)")
    parser.add_argument(
        "--smoke", action="store_true", help="the study at 1/1000 of its budgets, in a store of its own"
    )
    parser.add_argument("--no-report", action="store_true", help="build only")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="build this stage, role or run, and what it is made of; may be given again: a run and a stage together"
        " mean the stage of that run",
    )
    parser.add_argument("--until", metavar="STAGE", help="build no stage that reads what this one makes")
    parser.add_argument(
        "--keep-going",
        action="store_true",
        help="where an artifact fails, go on with those that are not made of it; what failed is told at the end",
    )
    add_judge_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """75 where it was stopped with work left, so that a scheduler puts it back into its queue."""
    ended, page = run_study(arguments)
    if page is not None:
        print(page)
    return ended


def run_study(arguments: argparse.Namespace) -> tuple[int, Path | None]:
    """How building a study ended, and the page that was written; none where it was stopped, or none was asked for."""
    try:
        opened, ended = _built(arguments)
        if opened is None:
            return ended, None
        return ended, None if arguments.no_report else write_study_report(opened, None)
    except KeyboardInterrupt:
        print("\nstopped at once; what was finished is kept: the same command continues", file=sys.stderr)
        return REQUEUE, None


def _built(arguments: argparse.Namespace) -> tuple[Opened | None, int]:
    """The study with what was asked for built, and how that ended; no study where there is nothing to report on."""
    settings = Settings() if arguments.execution is None else read_settings(arguments.execution)
    execution = _execution(arguments, settings)
    opened = open_study(arguments, smoke=arguments.smoke)
    opened.store.create()
    if _resolve(opened):
        opened = open_study(arguments, smoke=arguments.smoke)
        execution = _execution(arguments, settings)  # the lock file now names commits
    opened.sources.save()
    asked = selected(opened.study, only=arguments.only, until=arguments.until)
    todo = _todo(opened, asked)
    how, failed = _build(opened, todo, execution, settings, arguments) if todo else ("to its end", [])
    num_built = sum(opened.store.finished(job) for job in todo)
    ended = tell_failures(opened, failed)
    if how == "stopped":
        print(
            f"stopped with {num_built} of {len(todo)} artifacts built; nothing is lost: the same command continues",
            file=sys.stderr,
        )
        return None, REQUEUE
    if how == "failed":
        return None, ended
    _keep_links(opened)
    if not failed and not missing(results(opened.study), opened.store.finished_keys()):
        remember(opened.study, opened.file, opened.store)
    left_out = f", {len(todo) - num_built} not" if num_built < len(todo) else ""
    print(f"{opened.study.name}: {len(opened.study.runs)} runs, {num_built} artifacts built{left_out}", file=sys.stderr)
    return opened, ended


def _todo(opened: Opened, asked: Sequence[Job]) -> list[Job]:
    """What is missing of what is asked for; a base whose checkpoint was moved is linked anew where it is read."""
    unlinked = opened.store.unlinked()
    todo = missing(asked, opened.finished - unlinked)
    for job in todo:
        if job.key in unlinked:
            opened.store.set_aside(job.key, "removed")
    return todo


def _keep_links(opened: Opened) -> None:
    for study_run in opened.study.runs:
        for role, job in study_run.jobs.items():
            if opened.store.finished(job):
                opened.store.link(run_folder(opened.store.root, opened.study.name, study_run.label), role, job)


def _build(
    opened: Opened, todo: Sequence[Job], execution: Execution, settings: Settings, arguments: argparse.Namespace
) -> "tuple[Literal['to its end', 'stopped', 'failed'], list[Failed]]":
    """How that went, and what could not be built."""
    # Imported here: with nothing to build, a second run need not know how to.
    from loanword.cli.drawing import Drawing
    from loanword.execution.local import LocalLauncher
    from loanword.execution.scheduler import Scheduler, StageCrashed

    stages = opened.stages.STAGES
    estimator = Estimator(opened.store, opened.sources, opened.finished)
    tell_judging(estimator, todo, execution.judge)
    with Drawing(labels_of(opened.study), len(todo)) as drawing:
        if settings.launcher == "slurm":
            from loanword.execution.slurm import SlurmLauncher

            launcher = SlurmLauncher(opened.store, settings.slurm, stages, opened.study.name, drawing.say)
        else:
            launcher = LocalLauncher(execution, stages, arguments.stages)
        scheduler = Scheduler(
            opened.store,
            execution,
            stages,
            arguments.stages,
            launcher,
            drawing,
            cost=lambda job: LEAST_SECONDS + SECONDS_PER_FLOP * estimator.of(job).flops,
            smaller_cuts=smaller_cuts(opened.study.jobs.values(), stages),
            keep_going=arguments.keep_going,
        )
        try:
            return "to its end" if scheduler.build(todo) else "stopped", scheduler.failed
        except (UserError, StageCrashed):
            if not scheduler.failed:
                raise
            return "failed", scheduler.failed


def _execution(arguments: argparse.Namespace, settings: Settings) -> Execution:
    """Where and how, from the command line, the execution file and the machine.

    Raises:
        UserError: a number that makes no sense, a device that is not here.
    """
    said = settings.execution.model_dump(exclude_none=True)
    said |= {name: value for name in Flags.model_fields if (value := getattr(arguments, name, None)) is not None}
    for name in ("workers", "threads", "processes", "micro_batch_tokens"):
        if said.get(name, 1) < 1:
            raise UserError(f"--{name.replace('_', '-')} {said[name]}", "not a positive number", do="give 1 or more")
    seconds = said.setdefault("checkpoint_seconds", 60.0)
    if not 0 < seconds < math.inf:
        raise UserError(f"--checkpoint-seconds {seconds}", "not a positive number", do="give seconds above 0")
    on_cpu = said.setdefault("device", "cpu") == "cpu"
    here = settings.launcher == "local"
    if here and not on_cpu:
        check_device(said["device"], said.get("processes", 1))
    check_trackers(arguments.tracker)
    # Of a job elsewhere the execution file says what it is given.
    cores = num_cores() if here else 1
    workers = said.setdefault("workers", cores if on_cpu else 1)
    said.setdefault("threads", max(1, cores // workers))
    return Execution(
        **said,
        data=str(Path(arguments.data).resolve()),
        peak_flops=_peak_flops(Path(arguments.store), said.get("processes", 1)),
        trackers=tuple(arguments.tracker),
        commits=tuple(sorted(read_lock(arguments.study).items())),
        judge=judge_access(arguments),
    )


def _peak_flops(store: Path, processes: int) -> float | None:
    """FLOP/s of the fastest products of all devices, where this machine was measured."""
    path = store / FILE
    return processes * max(read_profile(path).products.values()) if path.is_file() else None


def _resolve(opened: Opened) -> bool:
    """Writes the commits of Hub repositories that the study names to its lock file; whether there were any."""
    unresolved = unresolved_revisions(opened.study.jobs.values())
    if unresolved:
        from loanword.model.hub import resolve_commit

        commits = {name: resolve_commit(*name.rsplit("@", 1)) for name in unresolved}
        write_json({**read_lock(opened.file), **commits}, lock_path(opened.file))
    return bool(unresolved)
