"""Runs under several seeds, made of those of one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from loanword.records import Grade
from loanword.report.gather import RunRecords

SEEDS = (1, 2, 3)
SHIFTS: Mapping[int, float] = {1: 0.97, 2: 1.0, 3: 1.03}
"""What a seed multiplies every document's bits by."""


def seeded(run: RunRecords, seed: int, shift: float) -> RunRecords:
    """A run as another seed might have been: all documents so much harder, some answers turned."""
    rng = np.random.default_rng(seed)
    likelihoods = {name: replace(read, nats=shift * read.nats) for name, read in run.likelihoods.items()}
    grades = {name: tuple(turned(grade, rng) for grade in of) for name, of in run.grades.items()}
    settings = {**run.settings, "seed": seed}
    label = f"seed={seed}, {run.label}"
    return replace(
        run, label=label, arm=run.label, seed=seed, settings=settings, likelihoods=likelihoods, grades=grades
    )


def turned(grade: Grade, rng: np.random.Generator) -> Grade:
    if rng.random() > 0.1:
        return grade
    is_right = grade.outcome != "correct"
    return grade.model_copy(update={"outcome": "correct" if is_right else "incorrect", "score": float(is_right)})


def with_seeds(runs: Sequence[RunRecords], shifts: Mapping[int, float] = SHIFTS) -> list[RunRecords]:
    """Every run under every seed."""
    return [seeded(run, seed, shift) for seed, shift in shifts.items() for run in runs]
