"""`loanword plan --cluster`: a study on 1 to many nodes: speed, memory, time, where more stop paying, failures."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from loanword.cli.amounts import duration, human, table
from loanword.cli.opening import Opened
from loanword.cli.plan_memory import study_models
from loanword.errors import UserError
from loanword.model.memory import USABLE
from loanword.model.shape import KNOWN
from loanword.records import read_toml
from loanword.store import Job
from loanword.study.cluster_costs import (
    PAYS,
    OnNodes,
    Speeds,
    StudyTime,
    Training,
    on_nodes,
    stops_paying,
    study_time,
)
from loanword.study.communication import Cluster
from loanword.study.costs import Costs
from loanword.study.hardware import SECONDS_PER_HOUR, HardwareProfile
from loanword.study.interruptions import SECONDS_PER_DAY, Played, best_interval, played
from loanword.study.machines import machine

MANY_TOKENS = 100e9
MINUTES = (5, 10, 20, 30, 60, 120, 240)
MINUTE = 60.0
HEADER = ("nodes", "GPUs", "sharding", "tokens/s", "of ideal", "a GPU", "100B tokens", "study", "a group", "GPU-hours")


@dataclass(frozen=True)
class ClusterPlan:
    """What is said of a study on a cluster: of the training that takes most FLOPs, of the whole study, and of many
    tokens on the nodes that are fastest, played through with failures.
    """

    cluster: Cluster
    profile: HardwareProfile
    main: Training
    trainings: Sequence[OnNodes]
    times: Sequence[StudyTime]
    pays_until: int
    unknown: Sequence[str]
    fastest: OnNodes | None
    interruptions: Sequence[tuple[float, Played]]


def read_cluster(path: Path) -> Cluster:
    """The cluster of a TOML file.

    Raises:
        UserError: it is not there, not TOML, or not a cluster; all problems at once.
    """
    return read_toml(Cluster, path, what="cluster file", where_told="docs/planning.md")


def print_cluster(opened: Opened, cluster: Cluster, *, as_json: bool) -> None:
    """Prints what the study takes on the cluster.

    Raises:
        UserError: the study trains nothing whose shape is known; the machine is not one with GPUs.
    """
    plan = _planned(opened, cluster)
    if as_json:
        print(json.dumps(_plain(opened, plan), ensure_ascii=False))
        return
    _print(opened, plan)


def _planned(opened: Opened, cluster: Cluster) -> ClusterPlan:
    profile = machine(cluster.machine)
    if profile.device == "cpu":
        raise UserError(f"machine {cluster.machine}", "has no GPUs", expected="a GPU by its name", do="see plan --on")
    models, unknown = study_models(opened)
    own = [Training(one.name, one.shape, one.steps) for one in models if one.name not in KNOWN]
    if not own:
        raise UserError(opened.file, "trains no model whose shape is known", do="see `loanword plan STUDY --memory`")
    costs = Costs(opened.study, opened.store, opened.sources, opened.finished, opened.stages.STAGES, profile)
    speeds, of_job = Speeds(cluster, profile), _training_of(opened, costs, own)
    flops = dict.fromkeys((one.name for one in own), 0.0)
    for job in costs.to_build:
        if (training := of_job(job)) is not None:
            flops[training.name] += costs.estimate(job).flops
    main = max(own, key=lambda one: (flops[one.name], one.shape.num_parameters))
    numbers = _doublings(cluster.nodes)
    times = [study_time(costs, cluster, nodes, of_job, speeds) for nodes in numbers]
    trainings = [on_nodes(cluster, profile, main, nodes) for nodes in numbers]
    fits = [one for one in trainings if one.step is not None]
    fastest = max(fits, key=lambda one: one.step.tokens_per_second if one.step else 0.0, default=None)
    return ClusterPlan(
        cluster,
        profile,
        main,
        trainings,
        times,
        stops_paying(times),
        (*unknown, *{one.unknown for job in costs.to_build if (one := costs.estimate(job)).unknown}),
        fastest,
        [] if fastest is None else list(_interruptions(cluster, fastest)),
    )


def _training_of(opened: Opened, costs: Costs, own: Sequence[Training]) -> Callable[[Job], Training | None]:
    """Which of the study's trainings a job is: the one whose model and rows are most like its own."""

    def training_of(job: Job) -> Training | None:
        stage = opened.stages.STAGES[job.stage]
        if stage.trains is None or not stage.trains(job.config):
            return None
        made = costs.estimate(job)
        return min(
            own,
            key=lambda one: (
                abs(one.shape.num_parameters - made.num_parameters), abs(one.steps.row_tokens - made.row_tokens)
            ),
        )  # fmt: skip

    return training_of


def _interruptions(cluster: Cluster, fastest: OnNodes) -> Iterator[tuple[float, Played]]:
    """Training on many tokens, at several intervals between checkpoints."""
    assert fastest.step is not None
    work_seconds = MANY_TOKENS / fastest.step.tokens_per_second
    apart = cluster.days_between_failures * SECONDS_PER_DAY / fastest.nodes
    best = best_interval(cluster.checkpoint_seconds, apart)
    for seconds in sorted({*(MINUTE * minutes for minutes in MINUTES), MINUTE * cluster.checkpoint_minutes, best}):
        yield (
            seconds,
            played(
                work_seconds,
                interval_seconds=seconds,
                checkpoint_seconds=cluster.checkpoint_seconds,
                restart_seconds=MINUTE * cluster.restart_minutes,
                seconds_between_failures=apart,
            ),
        )


def _print(opened: Opened, plan: ClusterPlan) -> None:
    cluster, main = plan.cluster, plan.main
    parameters = human(main.shape.num_parameters)
    print(f"{opened.study.name} on up to {cluster.nodes} nodes of {cluster.gpus_per_node} {plan.profile.machine}")
    print(
        f"{main.name} ({parameters} parameters, steps of {main.steps.batch_tokens:,} tokens) trains so fast on all "
        "nodes, and the whole study takes so long in groups of nodes that train side by side:"
    )
    table([HEADER, *(_row(plan, one, time) for one, time in zip(plan.trainings, plan.times, strict=True))])
    if plan.unknown:
        print(f"Left out, because it is not known: {'; '.join(plan.unknown)}.")
    chosen = next(time for time in plan.times if time.nodes == plan.pays_until)
    print(
        f"More than {plan.pays_until} node{'s' * (plan.pays_until > 1)} do not pay: twice as many save less than "
        f"{PAYS:.0%}. There the study takes {duration(chosen.seconds)}, its longest chain "
        f"{duration(chosen.longest_path_seconds)} on {chosen.nodes_together} of them."
    )
    if plan.fastest is not None:
        print(
            f"A node fails every {cluster.days_between_failures:,.0f} days. 100B tokens on {plan.fastest.nodes} nodes "
            "then take, by how often training is saved:"
        )
        rows = [
            (duration(every), duration(one.seconds), duration(one.lost_seconds), f"{one.failures:.3g}")
            for every, one in plan.interruptions
        ]
        table([("saved every", "takes", "done again", "failures"), *rows])
    print(f"Assumed: {_assumed(plan)}.")


def _row(plan: ClusterPlan, one: OnNodes, time: StudyTime) -> tuple[str, ...]:
    gpus = one.nodes * plan.cluster.gpus_per_node
    if one.step is None:
        taken = human(one.memory_bytes, "B")
        return (str(one.nodes), str(gpus), "does not fit", "-", "-", taken, "-", *_study_cells(plan, time))
    return (
        str(one.nodes),
        str(gpus),
        one.sharding,
        f"{one.step.tokens_per_second:,.0f}",
        f"{one.share:.0%}",
        human(one.memory_bytes, "B"),
        duration(MANY_TOKENS / one.step.tokens_per_second),
        *_study_cells(plan, time),
    )


def _study_cells(plan: ClusterPlan, time: StudyTime) -> tuple[str, str, str]:
    if time.seconds == float("inf"):
        return "-", "-", "-"
    hours = time.seconds * time.nodes * plan.cluster.gpus_per_node / SECONDS_PER_HOUR
    return duration(time.seconds), f"{time.nodes_together}", f"{hours:,.0f}"


def _assumed(plan: ClusterPlan) -> str:
    cluster = plan.cluster
    inside, between = (
        human(speed, "B") for speed in (cluster.inside_bytes_per_second, cluster.between_bytes_per_second)
    )
    return (
        f"{plan.profile.assumed}; a GPU sends {inside}/s inside of a node and {between}/s between nodes, of which "
        f"collectives reach {cluster.reaches:.0%}; {cluster.hides:.0%} of communication goes on beside computing; "
        f"{USABLE:.0%} of a GPU's memory is used; stages that do not train take one GPU of their group"
    )


def _plain(opened: Opened, plan: ClusterPlan) -> dict[str, Any]:
    return {
        "study": opened.study.name,
        "cluster": plan.cluster.model_dump(mode="json"),
        "model": plan.main.name,
        "trainings": [
            {
                "nodes": one.nodes,
                "sharding": one.sharding,
                "share": one.share,
                "memory_bytes": one.memory_bytes,
                "step": None if one.step is None else asdict(one.step),
                "tokens_per_second": None if one.step is None else one.step.tokens_per_second,
            }
            for one in plan.trainings
        ],
        "times": [asdict(time) for time in plan.times if time.seconds != float("inf")],
        "pays_until_nodes": plan.pays_until,
        "unknown": list(plan.unknown),
        "interruptions_on_nodes": None if plan.fastest is None else plan.fastest.nodes,
        "interruptions": [{"interval_seconds": every, **asdict(one)} for every, one in plan.interruptions],
        "assumed": _assumed(plan),
    }


def _doublings(most: int) -> list[int]:
    numbers = [1]
    while 2 * numbers[-1] <= most:
        numbers.append(2 * numbers[-1])
    return numbers
