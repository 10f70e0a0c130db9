"""AdamW whose weights or moments take fewer bytes: weights in bf16, moments in 8 bits.

A step is computed in float32, a few million numbers at a time. Weights in bf16 are rounded stochastically: rounding
to nearest would lose every update below 1/512 of its weight. Moments in 8 bits are codes of a dynamic map, scaled by
the largest number of their block; a block never leaves its row, so that codes and scales are cut into slices of rows
and sharded over processes as the parameter is.

Shapes: R rows, D width of a row, K blocks of a row.
"""

import hashlib
import math
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, cast

import torch
from torch import Tensor
from torch.optim import AdamW, Optimizer

from loanword.recipe import StepsConfig

BLOCK = 256
SMALLEST_BLOCK = 32
CHUNK = 2**22
EPSILON = 1e-8
MOMENTS = ("exp_avg", "exp_avg_sq")


def adamw(groups: list[dict[str, Any]], steps: StepsConfig, seed: int, *, compiled: bool = False) -> Optimizer:
    """AdamW over groups of slices, with weights and state in the bytes that the recipe says.

    State of a slice is `step`, and `moments` under their keys. `compiled`: the update of 8-bit or bf16 numbers is one
    kernel; worth its compile time on a GPU.
    """
    if steps.precision != "pure-bf16" and steps.optimizer_state == "float32":
        return AdamW(groups, lr=steps.peak_learning_rate, betas=(steps.beta1, steps.beta2), fused=True)
    return SmallAdamW(groups, steps, seed, compiled=compiled)


def moments(parameter: Tensor, steps: StepsConfig) -> dict[str, Tensor]:
    """Both moments of a parameter that has taken no step: `exp_avg` and `exp_avg_sq`, in its shape.

    They are float32. In 8 bits they are codes (uint8), with `exp_avg_scale` and `exp_avg_sq_scale` [R, K] beside them.
    32-bit moments are left to norms and biases, and to matrices whose rows no block of at least 32 divides: what is
    kept in how many bits depends on a row's width alone, never on how many rows there are here.
    """
    size = _block(parameter) if steps.optimizer_state == "8-bit" else None
    if size is None:
        return {key: torch.zeros_like(parameter, dtype=torch.float32, requires_grad=False) for key in MOMENTS}
    scales = (*parameter.shape[:-1], parameter.shape[-1] // size)
    codes = {key: torch.zeros_like(parameter, dtype=torch.uint8, requires_grad=False) for key in MOMENTS}
    return codes | {f"{key}_scale": torch.zeros(scales, device=parameter.device) for key in MOMENTS}


class SmallAdamW(Optimizer):
    """AdamW as torch's, for slices whose weights are bf16 or whose moments are 8-bit codes.

    What is drawn for rounding is a function of the seed, the slice and the number of its steps: a resumed run draws
    the same, and the global generator is left alone.
    """

    def __init__(self, groups: list[dict[str, Any]], steps: StepsConfig, seed: int, *, compiled: bool = False) -> None:
        defaults = {
            "lr": steps.peak_learning_rate,
            "betas": (steps.beta1, steps.beta2),
            "eps": EPSILON,
            "weight_decay": steps.weight_decay,
        }
        super().__init__(groups, defaults)
        self._steps = steps
        self._seed = seed
        self._update: Callable[..., None] = torch.compile(_update, dynamic=True) if compiled else _update

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Moves every slice that has a gradient."""
        assert closure is None
        slices = [(group, weight) for group in self.param_groups for weight in group["params"]]
        moving = [place for place, (_, weight) in enumerate(slices) if weight.grad is not None and weight.numel()]
        for place in moving:
            self._begin(slices[place][1])
        for place, count in zip(moving, self._counts([slices[place][1] for place in moving]), strict=True):
            self._move(*slices[place], place, count)

    def _begin(self, weight: Tensor) -> None:
        state = self.state[weight]
        if not state:
            state.update(moments(weight, self._steps), step=torch.zeros((), device=weight.device))
        state["step"] += 1

    def _counts(self, weights: list[Tensor]) -> list[int]:
        # Read together: on a GPU each reading waits for all that was launched.
        return [int(count) for count in torch.stack([self.state[weight]["step"] for weight in weights]).tolist()]

    def _move(self, group: dict[str, Any], weight: Tensor, place: int, count: int) -> None:
        state, rate, (beta1, beta2) = self.state[weight], group["lr"], group["betas"]
        numbers = (
            1.0 - rate * group["weight_decay"],
            rate / (1.0 - beta1**count),
            1.0 / math.sqrt(1.0 - beta2**count),
        )
        scalars = [torch.tensor(number, dtype=torch.float32) for number in numbers]
        levels = (_levels(True, weight.device), _levels(False, weight.device))
        names = [*MOMENTS, *(f"{key}_scale" for key in MOMENTS)]
        random = _generator(weight.device, f"{self._seed}/{place}/{count}") if weight.dtype == torch.bfloat16 else None
        for rows in _chunks(weight):
            part, gradient = weight.detach()[rows], cast("Tensor", weight.grad)[rows]
            noise = None
            if random is not None:
                noise = torch.randint(2**16, part.shape, generator=random, device=part.device, dtype=torch.int32)
            parts = [state[name][rows] if name in state else None for name in names]
            self._update(part, gradient, *parts, *levels, *scalars, noise, beta1, beta2, group["eps"])


def _update(
    weight: Tensor,
    gradient: Tensor,
    first: Tensor,
    second: Tensor,
    first_scale: Tensor | None,
    second_scale: Tensor | None,
    signed_levels: Tensor,
    unsigned_levels: Tensor,
    kept: Tensor,
    rate: Tensor,
    spread: Tensor,
    noise: Tensor | None,
    beta1: float,
    beta2: float,
    epsilon: float,
) -> None:
    gradient = gradient.float()
    mean = (first if first_scale is None else _read(first, first_scale, signed_levels)).lerp_(gradient, 1.0 - beta1)
    square = second if second_scale is None else _read(second, second_scale, unsigned_levels)
    square = square.mul_(beta2).addcmul_(gradient, gradient, value=1.0 - beta2)
    moved = weight.float() * kept - rate * mean / (square.sqrt() * spread + epsilon)
    weight.copy_(moved if noise is None else round_stochastically(moved, noise))
    if first_scale is not None and second_scale is not None:
        _write(mean, first, first_scale, signed_levels, lowest=0)
        # A square that is rounded to nothing would leave its mean divided by epsilon alone.
        _write(square, second, second_scale, unsigned_levels, lowest=1)


def round_stochastically(numbers: Tensor, noise: Tensor) -> Tensor:
    """Float32 numbers in bf16, up or down with chances by which the mean is the number itself.

    `noise` (int32) is uniform in [0, 2**16). Numbers that bf16 holds, infinities and NaN stay what they are.
    """
    # bf16 is the upper half of a float32: the sum carries into it as often as the lower half is large.
    rounded = ((numbers.view(torch.int32) + noise) & ~0xFFFF).view(torch.float32)
    return torch.where(numbers.isfinite(), rounded, numbers).bfloat16()


def _read(codes: Tensor, scale: Tensor, levels: Tensor) -> Tensor:
    numbers = levels[codes.int()].unflatten(-1, (scale.shape[-1], -1))
    return (numbers * scale.unsqueeze(-1)).flatten(-2)


def _write(numbers: Tensor, codes: Tensor, scale: Tensor, levels: Tensor, lowest: int) -> None:
    blocks = numbers.unflatten(-1, (scale.shape[-1], -1))
    scale.copy_(blocks.abs().amax(-1))
    shares = (blocks / scale.where(scale > 0, 1.0).unsqueeze(-1)).flatten(-2)
    middles = (levels[:-1] + levels[1:]) / 2
    codes.copy_(torch.bucketize(shares, middles, out_int32=True).clamp_(min=lowest))


@cache
def _levels(signed: bool, device: torch.device) -> Tensor:
    """The 256 numbers in [-1, 1] or [0, 1] that codes stand for, rising: seven decades, finer towards one.

    Source: Dettmers et al. 2022 (arXiv 2110.02861), section 1.3, dynamic (tree) quantization.
    """
    levels = [0.0, 1.0]
    for decade in range(7):
        edges = torch.linspace(0.1, 1.0, 2 ** (decade if signed else decade + 1) + 1, dtype=torch.float64)
        middles = (10.0 ** (decade - 6) * (edges[:-1] + edges[1:]) / 2).tolist()
        levels += middles + [-middle for middle in middles if signed]
    return torch.tensor(sorted(levels), dtype=torch.float32, device=device)


def _block(parameter: Tensor) -> int | None:
    size = math.gcd(parameter.shape[-1], BLOCK) if parameter.ndim >= 2 else 0
    return size if size >= SMALLEST_BLOCK else None


def _chunks(weight: Tensor) -> Iterator[slice]:
    if weight.ndim == 0:
        raise ValueError("a parameter without rows")
    size = max(1, CHUNK // max(1, weight[0].numel()))
    for first in range(0, weight.shape[0], size):
        yield slice(first, first + size)


def _generator(device: torch.device, name: str) -> torch.Generator:
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest) >> 1)
