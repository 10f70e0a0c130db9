"""Machines that a plan can be made for without being on them: published facts, and what is assumed of them.

FLOP/s are those of dense products in bf16 by the makers' data sheets; a GB is 10^9 bytes. What training reaches of them
is assumed, attention left out, and held against published speeds of training (docs/planning.md).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from loanword.errors import UserError
from loanword.model.shape import KNOWN, DecoderShape
from loanword.study.hardware import READ_SHARE, WRITTEN_AT_ONCE, HardwareProfile, ShapeSpeed

ROW_TOKENS = 2048
SMALL = {
    "0.5M": DecoderShape(96, 4, 3, 3, 32, 256, 1024, tied=True),
    "20M": DecoderShape(384, 8, 6, 2, 64, 1024, 8192),
    "160M": DecoderShape(768, 12, 12, 12, 64, 2048, 32_000),
}
UTILISATION = {
    "0.5M": 0.0003, "20M": 0.03, "160M": 0.13, "LLaMA 1B": 0.38, "LLaMA 7B": 0.42, "LLaMA 8B": 0.40, "LLaMA 13B": 0.42,
}  # fmt: skip
"""Shares of a GPU's FLOP/s that training reaches by size; small models wait for kernels to be launched.

On one H200 our loop reached 0.13 at 160M, 0.42 at 1B, 0.46 at 3B and 0.45 at 8B (docs/performance.md)."""
CORE_FLOPS = 6e10
"""Of one core of a server with AVX-512, in float32 training of a few million parameters (docs/planning.md)."""
CORE_GIGABYTES = 4


@dataclass(frozen=True)
class Accelerator:
    """Published facts of one GPU; `reaches`: its share of what an H100 reaches of its FLOP/s."""

    title: str
    flops_per_second: float
    memory_bytes: int
    memory_bytes_per_second: float
    source: str
    reaches: float = 1.0


ACCELERATORS = {
    "h200": Accelerator("NVIDIA H200 SXM", 989e12, 141 * 10**9, 4.8e12, "H200 data sheet"),
    "h100": Accelerator("NVIDIA H100 SXM, 80 GB", 989e12, 80 * 10**9, 3.35e12, "H100 data sheet"),
    "a100-80gb": Accelerator("NVIDIA A100 SXM, 80 GB", 312e12, 80 * 10**9, 2.039e12, "A100 data sheet", 1.1),
    "a100-40gb": Accelerator("NVIDIA A100 SXM, 40 GB", 312e12, 40 * 10**9, 1.555e12, "A100 data sheet", 1.1),
    "l40s": Accelerator("NVIDIA L40S, 48 GB", 362e12, 48 * 10**9, 0.864e12, "L40S data sheet", 0.75),
    "rtx-4090": Accelerator(
        "NVIDIA GeForce RTX 4090", 165.2e12, 24 * 10**9, 1.008e12, "Ada architecture white paper, FP32 accumulate", 0.95
    ),
}
NAMES = (*ACCELERATORS, "cpu-N")


def machine(name: str) -> HardwareProfile:
    """The assumed profile of a machine by its name; cpu-N has N cores, one worker each.

    Raises:
        UserError: there is none of that name.
    """
    if found := re.fullmatch(r"cpu-([1-9]\d{0,3})", name):
        return _processor(int(found[1]))
    if name not in ACCELERATORS:
        raise UserError(
            f"--on {name}",
            "no such machine",
            expected=", ".join(NAMES),
            do="name one, or measure yours: loanword profile",
        )
    one = ACCELERATORS[name]
    return HardwareProfile(
        machine=one.title,
        device="cuda",
        threads=1,
        versions={},
        products={"float32": one.flops_per_second / 2, "bf16": one.flops_per_second},
        shapes=_shapes(lambda size: one.flops_per_second * one.reaches * UTILISATION[size]),
        assumed=_assumptions(one),
        memory_bytes=one.memory_bytes,
        memory_bytes_per_second=one.memory_bytes_per_second,
    )


def _processor(num_cores: int) -> HardwareProfile:
    return HardwareProfile(
        machine=f"{num_cores} cores",
        device="cpu",
        threads=1,
        workers=num_cores,
        versions={},
        products={"float32": 2 * CORE_FLOPS, "bf16": 2 * CORE_FLOPS},
        shapes=_shapes(lambda _: CORE_FLOPS),
        assumed=(
            f"a core trains at {CORE_FLOPS / 1e9:.0f} GFLOP/s in float32, has {CORE_GIGABYTES} GB of memory, and works "
            "on other stages as fast as one of the server that they were measured on; cores do not slow each other"
        ),
        memory_bytes=CORE_GIGABYTES * 10**9 * num_cores,
    )


def _shapes(flops_per_second: Callable[[str], float]) -> tuple[ShapeSpeed, ...]:
    return tuple(_speed(name, shape, flops_per_second(name)) for name, shape in (SMALL | KNOWN).items())


def _speed(name: str, shape: DecoderShape, flops_per_second: float) -> ShapeSpeed:
    flops = 6.0 * shape.multiplied_parameters
    return ShapeSpeed(
        name=name,
        num_parameters=shape.num_parameters,
        precision="bf16",
        recipe="bf16",
        activations="keep",
        row_tokens=ROW_TOKENS,
        micro_batch_tokens=ROW_TOKENS,
        tokens_per_second=flops_per_second / flops,
        flops_per_token=flops,
        causal_flops_per_token=flops,
        whole_flops_per_token=flops,
        peak_bytes=0,
        estimated_bytes=0,
    )


def _assumptions(one: Accelerator) -> str:
    shares = ", ".join(f"{one.reaches * share:.0%} at {size}" for size, share in UTILISATION.items() if share >= 0.1)
    return (
        f"{one.flops_per_second / 1e12:.0f} TFLOP/s dense in bf16, {one.memory_bytes / 1e9:.0f} GB at "
        f"{one.memory_bytes_per_second / 1e12:.2f} TB/s ({one.source}); training reaches {shares}, small models far "
        f"less; {WRITTEN_AT_ONCE} responses are written side by side at {READ_SHARE:.0%} of the memory's speed; other "
        "stages take what a core takes"
    )
