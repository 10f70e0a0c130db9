"""How fast this machine trains: steps of the real loop on made-up text, and the ceiling of its matrix products."""

import contextlib
import tempfile
import time
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from loanword.model.load import new_model, train_flops_per_token
from loanword.protocols import Work
from loanword.recipe import ArchitectureConfig, StepsConfig
from loanword.records import Execution
from loanword.tokens.rows import NOT_COUNTED, Row
from loanword.training.loop import train
from loanword.training.schedule import constant_rate
from loanword.training.state import Position
from loanword.training.watch import attended_tokens, peak_memory_bytes

LEAST_STEPS, MOST_STEPS = 2, 100
PRODUCT_WIDTHS = {"cpu": (512, 1024, 2048), "cuda": (4096, 8192, 16_384)}
NEVER = 1e9


class Speed(NamedTuple):
    """Training steps that were timed, and the most memory that they took above what was there before the model.

    FLOPs of a token: 6 for every parameter that it is multiplied with, and with attention to the tokens that it sees
    (causal) or to the whole row.
    """

    tokens_per_second: float
    peak_bytes: int
    flops_per_token: float
    causal_flops_per_token: float
    whole_flops_per_token: float


class MadeUpRows:
    """Rows of documents of about 600 tokens, a pure function of the index."""

    def __init__(self, row_tokens: int, num_pieces: int) -> None:
        self.row_tokens, self.num_pieces = row_tokens, num_pieces

    def row(self, index: int, /) -> Row:
        random = np.random.default_rng(index)
        stream = random.zipf(1.3, self.row_tokens + 1) % self.num_pieces
        ends = np.cumsum(random.lognormal(6.2, 0.6, 1 + self.row_tokens // 16).astype(np.int64) + 2)
        starts = (0, *(int(end) for end in ends if end < self.row_tokens))
        labels = stream[1:].copy()
        labels[[start - 1 for start in starts[1:]]] = NOT_COUNTED
        return Row(stream[:-1], labels, starts)


def training_speed(
    architecture: ArchitectureConfig, num_pieces: int, steps: StepsConfig, execution: Execution, seconds: float
) -> Speed:
    """Speed of an untrained model's steps, timed for about so many seconds once the first few are over.

    In a process that has done nothing else peak memory is exact; otherwise it may be what came before.
    """
    device = torch.device(execution.device)
    before = _memory_bytes(device)
    model = cast("PreTrainedModel", nn.Module.to(new_model(architecture, num_pieces, 0, bos_id=1, eos_id=2), device))
    rows = MadeUpRows(steps.row_tokens, num_pieces)
    each = _seconds_per_step(model, rows, steps, execution, seconds)
    seen = attended_tokens([rows.row(index) for index in range(steps.batch_rows)])
    return Speed(
        steps.batch_tokens / each,
        max(0, peak_memory_bytes(device) - before),
        train_flops_per_token(model),
        train_flops_per_token(model, seen),
        train_flops_per_token(model, steps.row_tokens),
    )


def product_ceiling(device: str, precision: str, seconds: float) -> float:
    """FLOP/s of the fastest of a few square matrix products, each repeated for a share of the time."""
    kind = torch.float32 if precision == "float32" else torch.bfloat16
    widths = PRODUCT_WIDTHS["cuda" if device.startswith("cuda") else "cpu"]
    best = 0.0
    for width in widths:
        left, right = (torch.randn(width, width, device=device).to(kind) for _ in range(2))
        out = left @ right
        end = time.perf_counter() + seconds / len(widths)
        while (started := time.perf_counter()) < end:
            torch.mm(left, right, out=out)
            _wait(left.device)
            best = max(best, 2.0 * width**3 / (time.perf_counter() - started))
    return best


def _seconds_per_step(
    model: PreTrainedModel, rows: MadeUpRows, steps: StepsConfig, execution: Execution, seconds: float
) -> float:
    """Median over the steps that end within so many seconds, two at the least; the first is left out, which pays for
    what is made once."""
    ends: list[float] = []

    def progress(done: int, total: int, unit: str) -> None:
        ends.append(time.perf_counter())
        if len(ends) > LEAST_STEPS and ends[-1] - ends[0] >= seconds:
            raise _EnoughError

    execution = execution.model_copy(update={"checkpoint_seconds": NEVER})
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(_EnoughError):
        train(
            model,
            rows,
            Position(0),
            MOST_STEPS * steps.batch_rows,
            steps=steps,
            learning_rate=constant_rate(steps),
            work=Work(inputs={}, out=Path(folder), seed=0, execution=execution, progress=progress),
        )
    return float(np.median(np.diff(ends)))


class _EnoughError(Exception):
    """Ends training from its progress: how many steps fit a time is not known before."""


def _memory_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    import psutil

    return psutil.Process().memory_info().rss


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
