"""Where and how stages run."""

from typing import Literal

from loanword.records.record import PositiveCount, PositiveFloat, Record


class Execution(Record):
    """Where and how stages run: never part of identity, always part of provenance.

    Training stages run in `processes` processes, one a device, over which parameters are sharded: over all of them
    (full), or inside each machine with copies between machines (hybrid). `activations` says what of a forward pass
    is kept for the backward one, and `compile` whether layers are compiled. None leaves these and the micro-batch to
    an estimate. `peak_flops` is what all devices together do in a second, where a profile says. `server` is the address
    of one that speaks OpenAI's protocol, for bases that are served; `engine` is what answers benchmarks with a
    checkpoint's weights. `commits` says which commit of a Hub repository (`id@revision`) the study was first resolved
    to.
    """

    device: str = "cpu"
    workers: PositiveCount = 1
    threads: PositiveCount = 1
    processes: PositiveCount = 1
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
