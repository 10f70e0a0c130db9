"""Pretraining: tokens per processor second of our loop over those of transformers' Trainer, on the same rows.

LLaMAs of about 7 and 20 million parameters with LLaMA's 32,000 pieces, rows of 512 tokens whose documents have the
lengths of web text. The losses of the steps must agree before anything is compared.
"""

from typing import Any

import numpy as np

from bench import _trainers as trainers
from bench._trainers import Problem
from loanword.recipe import ArchitectureConfig, StepsConfig
from loanword.tokens.rows import NOT_COUNTED, Row

GOAL = 1.5
ROW_TOKENS, NUM_PIECES = 512, 32_000
SHAPES = {
    "7M": ArchitectureConfig(
        width=160,
        num_layers=6,
        num_heads=5,
        num_key_value_heads=5,
        feed_forward_width=432,
        context_tokens=ROW_TOKENS,
    ),
    "20M": ArchitectureConfig(
        width=320,
        num_layers=8,
        num_heads=5,
        num_key_value_heads=5,
        feed_forward_width=864,
        context_tokens=ROW_TOKENS,
    ),
}
ARMS = {
    "loanword": (trainers.loanword, 4),
    "Trainer, a row at a time": (trainers.transformers_trainer, 1),
    "Trainer, 4 rows at a time": (trainers.transformers_trainer, 4),
}


def run(quick: bool) -> dict[str, Any]:
    """The smaller of both shapes' ratios."""
    batch_rows, num_steps = (4, 1) if quick else (8, 2)
    problems = {name: _problem(shape, batch_rows, num_steps) for name, shape in SHAPES.items()}
    return trainers.compare("training", GOAL, ARMS, problems, quick=quick)


def _problem(shape: ArchitectureConfig, batch_rows: int, num_steps: int) -> Problem:
    steps = StepsConfig(
        peak_learning_rate=1e-3,
        row_tokens=ROW_TOKENS,
        batch_tokens=batch_rows * ROW_TOKENS,
        warmup_steps=0,
        weight_decay=0.0,
        precision=trainers.precision(),
    )
    return Problem(shape, NUM_PIECES, [_row(index) for index in range(batch_rows * num_steps)], steps)


def _row(index: int) -> Row:
    """A row of a stream of documents as long as English Wikipedia's: 370 tokens in the median, 680 in the mean."""
    random = np.random.default_rng(index)
    stream = random.zipf(1.3, ROW_TOKENS + 1) % NUM_PIECES
    ends = np.cumsum(random.lognormal(5.9, 1.1, 60).astype(np.int64) + 2) - random.integers(500)
    starts = (0, *(int(end) for end in ends if 0 < end < ROW_TOKENS))
    labels = stream[1:].copy()
    labels[[start - 1 for start in starts[1:]]] = NOT_COUNTED
    return Row(stream[:-1], labels, starts)
