"""A study on more and more nodes: how fast its largest model trains, how long all of it takes, where more stop paying.

Nodes are shared out in groups of equal size: each training stage runs on one group, groups work side by side, and the
size that ends first is taken. Other stages take one GPU of a group. (Who has a cluster may do better for one study;
this is what can be said before.)
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from loanword.model.memory import USABLE, Place, estimate, largest_micro_batch
from loanword.model.shape import DecoderShape
from loanword.recipe import StepsConfig
from loanword.store import Job
from loanword.study.communication import Cluster, Sharding, StepTime, step_time
from loanword.study.costs import Costs
from loanword.study.hardware import HardwareProfile
from loanword.study.schedule import schedule

PAYS = 0.10
"""A doubling of nodes that saves less than this share of the time pays no more."""


@dataclass(frozen=True)
class Training:
    """A model that a study trains, and how."""

    name: str
    shape: DecoderShape
    steps: StepsConfig


@dataclass(frozen=True)
class OnNodes:
    """A training on some nodes: the sharding that is faster among those that fit, a step, and memory of one GPU.

    `share`: of what as many GPUs by themselves would do. `step` is None where nothing fits.
    """

    nodes: int
    sharding: Sharding
    step: StepTime | None
    share: float
    memory_bytes: int


@dataclass(frozen=True)
class StudyTime:
    """A whole study on some nodes, `nodes_together` of them on each training stage."""

    nodes: int
    nodes_together: int
    seconds: float
    longest_path_seconds: float


def on_nodes(cluster: Cluster, profile: HardwareProfile, training: Training, nodes: int) -> OnNodes:
    """The faster of both shardings, of those that fit a GPU."""
    rate = profile.flops_per_second(training.shape.num_parameters, training.steps.row_tokens)
    alone = rate / (6.0 * training.shape.multiplied_parameters)
    gpus = nodes * cluster.gpus_per_node
    found: list[OnNodes] = []
    for sharding in ("full", "hybrid") if nodes > 1 else ("full",):
        over = gpus if sharding == "full" else cluster.gpus_per_node
        micro = _micro_batch(profile, training, over)
        tokens = min(micro or training.steps.row_tokens, _tokens_of_a_gpu(training.steps, gpus))
        takes = estimate(training.shape, training.steps, tokens, "keep", Place(num_processes=over)).total_bytes
        step = None
        if micro is not None:
            step = step_time(
                cluster,
                training.shape,
                training.steps,
                nodes,
                sharding,
                flops_per_second=rate,
                micro_batch_tokens=micro,
            )
        share = 0.0 if step is None else step.tokens_per_second / (gpus * alone)
        found.append(OnNodes(nodes, sharding, step, share, takes))
    return max(found, key=lambda one: one.share)


def study_time(
    costs: Costs, cluster: Cluster, nodes: int, training_of: Callable[[Job], Training | None], speeds: "Speeds"
) -> StudyTime:
    """The study on some nodes, in groups of the size that ends first."""
    return min((_in_groups(costs, cluster, nodes, size, training_of, speeds) for size in _sizes(nodes)), key=_seconds)


def stops_paying(times: Sequence[StudyTime]) -> int:
    """The most nodes of which the last doubling still pays; `times` are of 1, 2, 4, ... nodes."""
    most = times[0].nodes
    for before, after in pairwise(times):
        if after.seconds > (1 - PAYS) * before.seconds:
            break
        most = after.nodes
    return most


class Speeds:
    """How many times as fast as on one GPU a training is on some nodes; 0 where it does not fit."""

    def __init__(self, cluster: Cluster, profile: HardwareProfile) -> None:
        self._cluster, self._profile = cluster, profile
        self._known: dict[tuple[str, int], float] = {}

    def of(self, training: Training, nodes: int) -> float:
        """The factor."""
        asked = training.name, nodes
        if asked not in self._known:
            found = on_nodes(self._cluster, self._profile, training, nodes)
            self._known[asked] = found.share * nodes * self._cluster.gpus_per_node
        return self._known[asked]


def _in_groups(
    costs: Costs,
    cluster: Cluster,
    nodes: int,
    size: int,
    training_of: Callable[[Job], Training | None],
    speeds: Speeds,
) -> StudyTime:
    seconds: dict[str, float] = {}
    for job in costs.to_build:
        training = training_of(job)
        spread = 1.0 if training is None else speeds.of(training, size)
        if not spread:
            return StudyTime(nodes, size, float("inf"), float("inf"))
        seconds[job.key] = costs.seconds(job, costs.estimate(job), parallel=spread) or 0.0
    workers = nodes // size
    played = schedule(costs.to_build, seconds, costs.one_worker_stages(), costs.smaller, workers)
    return StudyTime(nodes, size, played.seconds, played.longest_path_seconds)


def _micro_batch(profile: HardwareProfile, training: Training, over: int) -> int | None:
    place, capacity = Place(num_processes=over), USABLE * profile.memory_bytes
    return largest_micro_batch(training.shape, training.steps, capacity, "keep", place) or largest_micro_batch(
        training.shape, training.steps, capacity, "recompute", place
    )


def _tokens_of_a_gpu(steps: StepsConfig, gpus: int) -> int:
    return -(-steps.batch_rows // gpus) * steps.row_tokens


def _sizes(nodes: int) -> Iterator[int]:
    size = 1
    while size <= nodes:
        yield size
        size *= 2


def _seconds(time: StudyTime) -> float:
    return time.seconds
