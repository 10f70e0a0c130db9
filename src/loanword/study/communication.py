"""How fast many GPUs train one model together: steps under FSDP, their communication against what links carry.

A layer's parameters are gathered for its forward pass and again for its backward pass, and its gradients are summed and
scattered in float32, in every micro-batch. Under hybrid sharding that happens inside a node, and the shards of
gradients are then summed between nodes. It hides behind computing, but for the first gather and the last sum.

In: a Cluster. Source of what collectives cost: rings, as NCCL counts their bus bandwidth (nccl-tests, PERFORMANCE.md):
n ranks each send (n - 1) / n of what is gathered or scattered, and twice that of what is summed.
"""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from loanword.model.shape import DecoderShape
from loanword.recipe import StepsConfig
from loanword.records import PositiveCount, PositiveFloat, Record

Sharding = Literal["full", "hybrid"]
Part = Annotated[float, Field(gt=0, le=1)]
HALF, FLOAT = 2, 4
FORWARD = 1 / 3
"""Share of a step's computing that is its forward pass."""


class Cluster(Record):
    """Nodes of one kind of GPU, and what connects them; bytes a second are of one GPU in one direction.

    `reaches` is the share of a link's speed that collectives reach, `hides` that of communication which goes on beside
    computing without slowing it. A node fails about every `days_between_failures`; then `restart_minutes` pass until
    training goes on from its last checkpoint, which takes `checkpoint_seconds` of its time.
    """

    machine: str = "h100"
    gpus_per_node: PositiveCount = 8
    nodes: PositiveCount = 64
    inside_bytes_per_second: PositiveFloat = 450e9
    between_bytes_per_second: PositiveFloat = 50e9
    inside_seconds: PositiveFloat = 1e-5
    between_seconds: PositiveFloat = 3e-5
    reaches: Part = 0.8
    hides: Part = 0.97
    days_between_failures: PositiveFloat = 1000.0
    restart_minutes: PositiveFloat = 10.0
    checkpoint_seconds: PositiveFloat = 10.0
    checkpoint_minutes: PositiveFloat = 30.0

    def gather_seconds(self, num_bytes: float, nodes: int, collectives: int = 1) -> float:
        """What gathering takes so many bytes, or scattering their sum, over all GPUs of some nodes."""
        gpus = self.gpus_per_node
        inside = num_bytes * (gpus - 1) / gpus / self.inside_bytes_per_second
        # All GPUs of a node share what it has to fetch from others.
        between = num_bytes * (nodes - 1) / nodes / (gpus * self.between_bytes_per_second)
        waiting = collectives * ((gpus - 1) * self.inside_seconds + (nodes - 1) * self.between_seconds)
        return max(inside, between) / self.reaches + waiting

    def sum_seconds(self, num_bytes: float, nodes: int, collectives: int = 1) -> float:
        """What summing takes so many bytes of each GPU with those of its likes on other nodes."""
        between = 2 * num_bytes * (nodes - 1) / nodes / self.between_bytes_per_second
        return between / self.reaches + 2 * collectives * (nodes - 1) * self.between_seconds


@dataclass(frozen=True)
class StepTime:
    """Seconds of one training step: computing, communication, and what of it is not hidden; tokens of the step."""

    tokens: int
    computing: float
    communication: float
    exposed: float

    @property
    def seconds(self) -> float:
        """From one step to the next."""
        return self.computing + self.exposed

    @property
    def tokens_per_second(self) -> float:
        """Of all GPUs together."""
        return self.tokens / self.seconds


def step_time(
    cluster: Cluster,
    shape: DecoderShape,
    steps: StepsConfig,
    nodes: int,
    sharding: Sharding,
    *,
    flops_per_second: float,
    micro_batch_tokens: int,
) -> StepTime:
    """A step on all GPUs of some nodes. A GPU has as many rows as the one that has most: with fewer rows than GPUs some
    have none.

    `flops_per_second` are those of one GPU by itself, `micro_batch_tokens` the most that it takes at once.
    """
    gpus = nodes * cluster.gpus_per_node
    rows = math.ceil(steps.batch_rows / gpus)
    tokens = rows * steps.row_tokens
    passes = math.ceil(tokens / micro_batch_tokens)
    computing = 6.0 * shape.multiplied_parameters * tokens / flops_per_second
    sharded_over = nodes if sharding == "full" else 1
    half = HALF if steps.precision != "float32" else FLOAT
    gathered, summed = half * shape.num_parameters, FLOAT * shape.num_parameters
    units = shape.num_layers + 1
    if gpus == 1:
        return StepTime(min(steps.batch_tokens, tokens), computing, 0.0, 0.0)
    gather = cluster.gather_seconds(gathered, sharded_over, units)
    scatter = cluster.gather_seconds(summed, sharded_over, units)
    forward, backward = passes * gather, passes * (gather + scatter)
    if sharding == "hybrid" and nodes > 1:
        backward += passes * cluster.sum_seconds(summed / cluster.gpus_per_node, nodes, units)
    exposed = _exposed(forward, FORWARD * computing, cluster.hides)
    exposed += _exposed(backward, (1 - FORWARD) * computing, cluster.hides)
    exposed += (gather + scatter) / units  # the first layer waits for its parameters, the last one for its sum
    return StepTime(steps.batch_tokens, computing, forward + backward, exposed)


def _exposed(communication: float, computing: float, hides: float) -> float:
    """What of communication is not hidden behind computing."""
    beside = min(communication, computing)
    return communication - beside + (1 - hides) * beside
