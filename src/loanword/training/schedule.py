"""Learning rates as functions of the global row, so that a branch agrees with the trunk it leaves.

Rate at row g = peak x warm-up x decay. The trunk is the same function without a decay. Everything is decided by the
row at which a step starts; nothing is counted along the way.
"""

import math
from collections.abc import Callable

from loanword.recipe import StepsConfig


def decay_start(num_rows: int, steps: StepsConfig) -> int:
    """Row at which the decay towards `num_rows` leaves the trunk: a whole number of optimizer steps.

    Never later than `num_rows`. Under warmup-stable-decay the decay covers at least `decay_share` of the rows; under
    a cosine it has no trunk but row 0, as every step looks to the end; under a constant rate every whole step is trunk.
    """
    share = {"warmup-stable-decay": steps.decay_share, "cosine": 1.0, "constant": 0.0}[steps.schedule]
    constant_rows = int(num_rows * (1.0 - share))
    return constant_rows - constant_rows % steps.batch_rows


def constant_rate(steps: StepsConfig) -> Callable[[int], float]:
    """Learning rate by the first row of a step: linear warm-up, then the peak for ever. The trunk."""

    def rate(row: int) -> float:
        return steps.peak_learning_rate * _warmup(row, steps)

    return rate


def decaying_rate(steps: StepsConfig, num_rows: int) -> Callable[[int], float]:
    """Learning rate by the first row of a step: as `constant_rate`, then by the schedule towards `num_rows`.

    Linear to zero from `decay_start` on; or half a cosine to zero from the end of the warm-up on; or no decay.
    """
    first_decayed = {
        "warmup-stable-decay": decay_start(num_rows, steps),
        "cosine": steps.warmup_steps * steps.batch_rows,
        "constant": num_rows,
    }[steps.schedule]

    def rate(row: int) -> float:
        left = 1.0 if row <= first_decayed else (num_rows - row) / (num_rows - first_decayed)
        decay = (1.0 - math.cos(math.pi * left)) / 2.0 if steps.schedule == "cosine" else left
        return steps.peak_learning_rate * _warmup(row, steps) * decay

    return rate


def _warmup(row: int, steps: StepsConfig) -> float:
    step = row // steps.batch_rows
    return min(1.0, (step + 1) / steps.warmup_steps) if steps.warmup_steps else 1.0
