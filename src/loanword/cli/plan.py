"""`loanword plan`: every artifact of a study by stage, what it takes, on which machine, and what changed."""

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from loanword.cli.amounts import duration, human, table
from loanword.cli.judge_access import add_price_argument, judge_prices, judging_told
from loanword.cli.machine import num_cores
from loanword.cli.opening import Opened, add_study_arguments, open_study
from loanword.errors import UserError
from loanword.store.identity import unresolved_revisions
from loanword.study.costs import Costs, Shared, StageLine, Time, in_total
from loanword.study.estimate import ASSUMPTIONS
from loanword.study.hardware import FILE, SECONDS_PER_HOUR, HardwareProfile, read_profile
from loanword.study.machines import NAMES, machine
from loanword.study.plan import Changes, changes

HEADER = ("stage", "distinct", "finished", "to build", "text", "tokens", "FLOPs", "disk")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_study_arguments(parser)
    parser.add_argument("--json", action="store_true", help="for machines")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--profile", type=Path, metavar="FILE", help=f"what `loanword profile` measured (default: {FILE} in the store)"
    )
    where.add_argument(
        "--on", metavar="MACHINE", help=f"not measured but assumed: {', '.join(NAMES)}, N being a number of cores"
    )
    parser.add_argument("--devices", type=int, metavar="N", help="workers on a CPU, GPUs otherwise (default: 1 GPU)")
    parser.add_argument(
        "--price-per-hour", type=float, metavar="X", help="of a GPU, or of a machine without: says cost"
    )
    add_price_argument(parser)
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--memory", action="store_true", help="instead: what fits on GPUs of 24 to 141 GB, and what new pieces add"
    )
    instead.add_argument(
        "--cluster", type=Path, metavar="FILE", help="instead: on 1 to many nodes of GPUs, and where more stop paying"
    )
    instead.add_argument("--against", action="store_true", help="instead: what is finished, as planned and as it took")
    instead.add_argument("--learn", action="store_true", help="as --against, and correct the profile by what it took")


def run(arguments: argparse.Namespace) -> int:
    prices = judge_prices(arguments)
    _check(arguments)
    opened = open_study(arguments, provisional=True)
    if arguments.memory:
        from loanword.cli.plan_memory import print_memory

        print_memory(opened, as_json=arguments.json)
        return 0
    if arguments.cluster is not None:
        from loanword.cli.plan_cluster import print_cluster, read_cluster

        print_cluster(opened, read_cluster(arguments.cluster), as_json=arguments.json)
        return 0
    profile = _profile(arguments, opened)
    if arguments.against or arguments.learn:
        from loanword.cli.plan_against import print_against

        file = (arguments.profile or opened.store.root / FILE) if arguments.learn else None
        print_against(opened, profile, learn_into=file, as_json=arguments.json)
        return 0
    plan = _planned(opened, profile, arguments.devices, arguments.price_per_hour)
    opened.sources.save() if opened.store.root.is_dir() else None
    if arguments.json:
        print(json.dumps(_plain(plan), ensure_ascii=False))
    else:
        _print(plan, prices)
    return 0


def _check(arguments: argparse.Namespace) -> None:
    devices, price = arguments.devices, arguments.price_per_hour
    if devices is not None and devices < 1:
        raise UserError(f"--devices {devices}", "not a positive number", do="give 1 or more")
    if price is not None and not 0 <= price < math.inf:
        raise UserError(f"--price-per-hour {price}", "no price", do="give that of an hour, from 0 up")
    if arguments.learn and arguments.on:
        raise UserError(
            "--learn --on", "what is assumed of a machine learns nothing", do="give --profile, or leave --on out"
        )


def _profile(arguments: argparse.Namespace, opened: Opened) -> HardwareProfile | None:
    usual = opened.store.root / FILE
    if arguments.on is not None:
        return machine(arguments.on)
    needed = arguments.against or arguments.learn or arguments.price_per_hour is not None
    if arguments.profile is None and not usual.is_file() and not needed:
        return None
    return read_profile(arguments.profile or usual)


@dataclass(frozen=True)
class Plan:
    """All that a plan says. `time` and what follows from it are None without a profile; `cost` without a price."""

    opened: Opened
    profile: HardwareProfile | None
    lines: tuple[StageLine, ...]
    total: StageLine
    time: Time | None
    cost: float | None
    trunk: Shared
    everything: Shared
    memory: tuple[str, ...]
    changed: Changes


def _planned(opened: Opened, profile: HardwareProfile | None, devices: int | None, price: float | None) -> Plan:
    from loanword.cli.plan_memory import largest_needs

    costs = Costs(opened.study, opened.store, opened.sources, opened.finished, opened.stages.STAGES, profile)
    lines = tuple(costs.lines())
    time = None if profile is None else costs.time(devices or profile.workers)
    return Plan(
        opened=opened,
        profile=profile,
        lines=lines,
        total=in_total(lines),
        time=time,
        cost=None if profile is None or time is None or price is None else _cost(profile, time, price),
        trunk=costs.trunk_sharing(),
        everything=costs.sharing(),
        memory=tuple(largest_needs(opened, profile, devices or 1)),
        changed=changes(opened.study, opened.file, opened.store),
    )


def _cost(profile: HardwareProfile, time: Time, price: float) -> float:
    """All devices are paid for from beginning to end; a machine without a GPU is one, however many workers it has."""
    num_paid = 1 if profile.device == "cpu" else time.devices
    return num_paid * time.schedule.seconds / SECONDS_PER_HOUR * price


def _plain(plan: Plan) -> dict[str, Any]:
    profile, study = plan.profile, plan.opened.study
    return {
        "study": study.name,
        "runs": {run.label: {role: job.key for role, job in run.jobs.items()} for run in study.runs},
        "stages": [{**asdict(line), "hours": line.hours} for line in plan.lines],
        "total": {**asdict(plan.total), "hours": plan.total.hours},
        "machine": None if profile is None else {
            "name": profile.machine, "device": profile.device, "threads": profile.threads,
            "assumed": profile.assumed or None, "learned": sorted(profile.learned),
        },
        "time": None if plan.time is None else {
            "devices": plan.time.devices,
            "together": plan.time.together,
            "hours": plan.time.schedule.seconds / SECONDS_PER_HOUR,
            "longest_path_hours": plan.time.schedule.longest_path_seconds / SECONDS_PER_HOUR,
            "device_hours": plan.time.device_seconds / SECONDS_PER_HOUR,
        },
        "cost": plan.cost,
        "trunk_sharing": asdict(plan.trunk),
        "sharing": asdict(plan.everything),
        "memory": plan.memory,
        "changed": [asdict(change) for change in plan.changed.settings],
        "follows": dict(plan.changed.follows),
        "assumptions": ASSUMPTIONS,
        "absent": sorted(plan.opened.sources.absent),
    }  # fmt: skip


def _print(plan: Plan, prices: tuple[float, float]) -> None:
    study, lines, total = plan.opened.study, plan.lines, plan.total
    asked = sum(len(run.jobs) for run in study.runs)
    print(f"{study.name}: {len(study.runs)} runs ask for {asked} artifacts, {total.artifacts} of them distinct")
    table([(*HEADER, "time") if plan.profile else HEADER, *map(_row, lines), _row(total)])
    for said in _told(plan, prices):
        print(said)
    for name in sorted(plan.opened.sources.absent):
        print(f"{name}: not below the data root yet; what reads it is named anew once it is there")
    for name in unresolved_revisions(study.jobs.values()):
        print(f"{name}: its commit is resolved, and written to a lock file, when the study first runs")
    _print_changes(plan.changed)


def _told(plan: Plan, prices: tuple[float, float]) -> Iterator[str]:
    """What is said below the table, a line each."""
    total = plan.total
    if total.unknown:
        yield f"?: left out, because it is not known: {'; '.join(_few(total.unknown))}"
    if total.to_build and plan.profile is not None and plan.time is not None:
        yield from _time_told(plan.profile, plan.time, plan.cost, "at least " if total.unknown else "")
        if plan.opened.study.published is not None:
            yield _published_hours()
    yield from (f"Memory: {line}." for line in plan.memory)
    yield from _sharing_told(plan)
    if total.to_build:
        yield f"Assumed: {ASSUMPTIONS}."
        yield from _machine_told(plan.profile)
    if told := judging_told(total.num_requests, total.num_more_requests, prices):
        yield f"{told[0].upper()}{told[1:]}."
    if total.finished and plan.profile is not None and not plan.profile.assumed:
        yield f"{total.finished} artifacts are finished: --against says how this plan did, --learn corrects it."


def _published_hours() -> str:
    from loanword.report.published.figures import GPU_HOURS

    return f"The paper's studies took over {GPU_HOURS:,} GPU-hours, all together, on devices that it does not name."


def _time_told(profile: HardwareProfile, time: Time, cost: float | None, least: str) -> Iterator[str]:
    whole, path = f"{least}{duration(time.schedule.seconds)}", duration(time.schedule.longest_path_seconds)
    if profile.device == "cpu":
        busy = f"{duration(time.device_seconds)} of work in all"
        workers = "1 worker" if time.devices == 1 else f"{time.devices} workers"
        yield f"Time: {whole} on {workers}, {busy}; the longest chain of artifacts takes {path}."
        if time.devices > num_cores() and not profile.assumed:
            yield f"This machine has {num_cores()} cores, fewer than that."
    else:
        ways = {True: ", each training stage on all of them", False: ", side by side on different artifacts"}
        used = f"{time.devices} GPUs{ways[time.together]}" if time.devices > 1 else "1 GPU"
        hours = f"{time.device_seconds / SECONDS_PER_HOUR:,.1f} GPU-hours"
        yield f"Time: {whole} on {used} ({hours}); the longest chain of artifacts takes {path}."
    if cost is not None:
        held = "the machine" if profile.device == "cpu" else f"{time.devices} GPU{'s' * (time.devices > 1)}"
        yield f"Cost: {least}{cost:,.2f} at the given price, {held} paid for from beginning to end."


def _sharing_told(plan: Plan) -> Iterator[str]:
    trunk, everything = plan.trunk, plan.everything
    if trunk.shared_flops and trunk.separate_flops > trunk.shared_flops:
        yield (
            f"Trunks: separate runs would train {human(trunk.separate_tokens)} tokens"
            f"{_in_time(trunk.separate_seconds)}, shared trunks {human(trunk.shared_tokens)}"
            f"{_in_time(trunk.shared_seconds)}: {trunk.separate_flops / trunk.shared_flops:.2g} times less."
        )
    if everything.shared_seconds and everything.separate_seconds:
        yield (
            f"Sharing: all runs by themselves would take {duration(everything.separate_seconds)} of one worker, equal "
            f"work built once {duration(everything.shared_seconds)}."
        )


def _in_time(seconds: float | None) -> str:
    return "" if seconds is None else f" in {duration(seconds)}"


def _machine_told(profile: HardwareProfile | None) -> Iterator[str]:
    if profile is None:
        yield "Hours: `loanword profile` measures this machine; after it, plans say how long they take."
        yield f"Or name a machine, of which that is assumed: --on {', '.join(NAMES)}."
        return
    if profile.assumed:
        yield f"Assumed of {profile.machine}, not measured: {profile.assumed}."
        return
    sizes = ", ".join(shape.name for shape in profile.shapes)
    threads = f" with {profile.threads} thread(s)" if profile.device == "cpu" else ""
    num_learned = len(profile.learned)
    yield (
        f"Time is of one worker on {profile.device}{threads} ({profile.machine}), whose training was measured at "
        f"{sizes}; " + (
            f"{num_learned} kinds of work as finished artifacts took, others as on two cores of a server."
            if num_learned else "other stages as on two cores of a server."
        )
    )  # fmt: skip


def _print_changes(changed: Changes) -> None:
    for change in changed.settings:
        print(f"changed: {change.path}: {_short(change.before)} -> {_short(change.after)}")
    if changed.settings:
        follows = ", ".join(f"{number} {stage}" for stage, number in changed.follows.items())
        print(f"from which follows, under new names: {follows or 'nothing'}")


def _short(value: Any) -> str:
    text = "(not set)" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 100 else f"{text[:97]}..."


def _few(names: Sequence[str]) -> list[str]:
    return [*names[:6], f"and {len(names) - 6} more"] if len(names) > 6 else [*names]


def _row(line: StageLine) -> tuple[str, ...]:
    mark = "?" if line.unknown else ""
    amounts = (human(line.text_bytes, "B"), human(line.num_tokens), human(line.flops), human(line.disk_bytes, "B"))
    time = () if line.seconds is None else (duration(line.seconds) if line.seconds else "-",)
    shown = (*amounts, *time)
    return (
        line.stage,
        str(line.artifacts),
        str(line.finished),
        str(line.to_build),
        *(f"{mark if amount == '-' else amount + mark}" if mark else amount for amount in shown),
    )
