"""Where and how stages run."""

from typing import Annotated, Literal

from pydantic import Field

from loanword.records.record import PositiveCount, PositiveFloat, Record


class JudgeAccess(Record):
    """How judges behind a server are asked: where, how many requests at once and a minute, and what they may cost.

    Prices are those of a million tokens, read and written, in any one currency; `limit_cost` counts in it, and
    `limit_tokens` without prices. None for no limit. One answer may take `answer_seconds`.
    """

    server: str | None = None
    at_once: PositiveCount = 8
    requests_per_minute: PositiveFloat | None = None
    read_price: Annotated[float, Field(ge=0)] = 0.0
    write_price: Annotated[float, Field(ge=0)] = 0.0
    limit_cost: PositiveFloat | None = None
    limit_tokens: PositiveCount | None = None
    answer_seconds: PositiveFloat = 300.0
    patience_seconds: PositiveFloat = 300.0

    @property
    def prices(self) -> tuple[float, float]:
        """Of a million tokens, read and written; 0 where none are given."""
        return self.read_price, self.write_price


class Execution(Record):
    """Where and how stages run: never part of identity, always part of provenance.

    Training stages run in `processes` processes on each of `nodes` machines, one a device, over which parameters are
    sharded: over all of them (full), or inside each machine with copies between machines (hybrid). `activations` says
    what of a forward pass is kept for the backward one, and `compile` whether layers are compiled. None leaves these
    and the micro-batch to an estimate. `peak_flops` is what all devices together do in a second, where a profile says.
    `server` is the address of one that speaks OpenAI's protocol, for bases that are served; `engine` is what answers
    benchmarks with a checkpoint's weights, `judge` how served judges are asked. `commits` says which commit of a Hub
    repository (`id@revision`) the study was first resolved to.
    """

    device: str = "cpu"
    workers: PositiveCount = 1
    threads: PositiveCount = 1
    processes: PositiveCount = 1
    nodes: PositiveCount = 1
    sharding: Literal["full", "hybrid"] = "full"
    data: str = "."
    micro_batch_tokens: PositiveCount | None = None
    activations: Literal["keep", "selective", "recompute"] | None = None
    compile: bool | None = None
    peak_flops: PositiveFloat | None = None
    checkpoint_seconds: PositiveFloat = 60.0
    trackers: tuple[Literal["tensorboard", "wandb", "trackio"], ...] = ()
    commits: tuple[tuple[str, str], ...] = ()
    server: str | None = None
    engine: Literal["transformers", "vllm"] = "transformers"
    judge: JudgeAccess = JudgeAccess()
