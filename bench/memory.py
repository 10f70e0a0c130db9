"""The memory estimate against the peak of real training on a CPU, for three sizes and each way to keep activations.

A process is measured by what is resident, above what was resident before there was a model. glibc keeps freed memory
for later, up to 32 MB a piece, which is no tensor's: here every piece from 64 kB on goes back to the system. Without
that the same training takes a quarter to a half more (docs/performance.md).
"""

import json
import os
import subprocess
import sys
from typing import Any, NamedTuple

from loanword.model.memory import Activations, Place, estimate
from loanword.model.shape import architecture_shape
from loanword.recipe import ArchitectureConfig, StepsConfig

GOAL = 0.9
ROW_TOKENS = 512
MEGABYTE = 1e6
RETURNING = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
TRAINING = """
import json, sys, torch
from loanword.recipe import ArchitectureConfig, StepsConfig
from loanword.records import Execution
from loanword.training.speed import training_speed

def peak(shape, num_pieces, steps, execution):
    return training_speed(
        ArchitectureConfig(**shape), num_pieces, StepsConfig(**steps), Execution(**execution), seconds=0.0
    ).peak_bytes

torch.set_num_threads(1)
shape, num_pieces, steps, execution = json.loads(sys.argv[1])
tiny = dict(shape, width=32, num_layers=1, num_heads=2, num_key_value_heads=1, feed_forward_width=64)
peak(tiny, 64, steps, dict(execution, micro_batch_tokens=1))  # what libraries take once is no part of a model's peak
print(peak(shape, num_pieces, steps, execution))
"""


class Case(NamedTuple):
    """A shape, and how it is trained; `num_rows` go through the model at once."""

    name: str
    shape: ArchitectureConfig
    num_pieces: int
    num_rows: int
    activations: Activations = "keep"


def run(quick: bool) -> dict[str, Any]:
    """1 minus the largest relative error of the estimate."""
    lines = [_line(case) for case in (_cases()[:1] if quick else _cases())]
    return {
        "name": "memory",
        "ratio": 1.0 - max(abs(line["estimate / peak"] - 1.0) for line in lines),
        "goal": GOAL,
        "rows": lines,
    }


def _cases() -> list[Case]:
    small = _shape(256, 6, 4, 4, 768, tied=True)
    return [
        Case("6M", small, 4_096, 4),
        Case("6M", small, 4_096, 4, "selective"),
        Case("6M", small, 4_096, 4, "recompute"),
        Case("25M", _shape(384, 8, 6, 2, 1024, tied=False), 16_384, 2),
        Case("80M", _shape(640, 10, 10, 5, 1728, tied=False), 24_576, 2),
    ]


def _shape(
    width: int, num_layers: int, num_heads: int, num_key_value_heads: int, feed_forward_width: int, *, tied: bool
) -> ArchitectureConfig:
    return ArchitectureConfig(
        width=width,
        num_layers=num_layers,
        num_heads=num_heads,
        num_key_value_heads=num_key_value_heads,
        feed_forward_width=feed_forward_width,
        context_tokens=ROW_TOKENS,
        tied_embeddings=tied,
    )


def _line(case: Case) -> dict[str, Any]:
    tokens = case.num_rows * ROW_TOKENS
    steps = StepsConfig(
        peak_learning_rate=1e-3, row_tokens=ROW_TOKENS, batch_tokens=2 * tokens, warmup_steps=0, precision="float32"
    )
    shape = architecture_shape(case.shape, case.num_pieces)
    estimated = estimate(shape, steps, tokens, case.activations, Place("cpu")).total_bytes
    measured = _peak_bytes(case, steps, tokens)
    return {
        "model": case.name,
        "parameters": shape.num_parameters,
        "tokens at once": tokens,
        "activations": case.activations,
        "estimate MB": estimated / MEGABYTE,
        "peak MB": measured / MEGABYTE,
        "estimate / peak": estimated / measured,
    }


def _peak_bytes(case: Case, steps: StepsConfig, tokens: int) -> int:
    settings = [
        case.shape.model_dump(),
        case.num_pieces,
        steps.model_dump(include={"peak_learning_rate", "row_tokens", "batch_tokens", "warmup_steps", "precision"}),
        {"micro_batch_tokens": tokens, "activations": case.activations},
    ]
    words = [sys.executable, "-c", TRAINING, json.dumps(settings)]
    environment = {**os.environ, **RETURNING, "PYTHONPATH": os.pathsep.join(sys.path)}
    return int(subprocess.run(words, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout)
