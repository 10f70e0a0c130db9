"""Numbers over several seeds of one arm: what other seeds, on other examples, would show.

All seeds of an arm are asked the same examples, so that seeds and examples cross. Two parts make the error of a mean
over both. What differs between seeds is known from the seeds alone, and few of them know it badly: it carries
Student's quantile with one degree of freedom less than there are seeds. What examples add is known from many.

Shapes: S seeds, R resamples of the examples, the same ones under every seed.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self, TypeVar

import numpy as np
from scipy.special import stdtrit  # pyright: ignore[reportMissingTypeStubs]

from loanword.report.statistics import CONFIDENCE, RESAMPLING_SEED, Estimate, Floats, PairedDifference

SMALLEST_P = 1e-12
"""Where the search for a p-value ends."""


class Seeded(Protocol):
    """A number of one run, or of an arm with several seeds by seed; empty where it is of one run."""

    @property
    def seeds(self) -> Mapping[int, Self]: ...


T = TypeVar("T", bound=Seeded)


def seed_pairs(arm: T, control: T) -> list[tuple[T, T]]:
    """Arm and control under one seed each: under those that both have; one run is beside every seed of the other."""
    if arm.seeds and control.seeds:
        return [(one, control.seeds[seed]) for seed, one in arm.seeds.items() if seed in control.seeds]
    if arm.seeds:
        return [(one, control) for one in arm.seeds.values()]
    return [(arm, one) for one in control.seeds.values()] or [(arm, control)]


@dataclass(frozen=True)
class Spread:
    """The error of a mean over seeds and examples, in its two parts, both squared."""

    of_seeds: float
    of_examples: float
    num_seeds: int

    @property
    def error(self) -> float:
        return math.sqrt(self.of_seeds + self.of_examples)

    def critical(self) -> float:
        """How many such errors half an interval has: the quantiles of both parts, weighted by them.

        Source: Cochran 1964, approximate significance levels of the Behrens-Fisher test.
        """
        whole = self.of_seeds + self.of_examples
        share = self.of_seeds / whole if whole else 0.0
        few, many = self._quantiles(CONFIDENCE)
        return share * few + (1 - share) * many

    def p_value(self, difference: float) -> float:
        """Two-sided: the level at which half intervals of both parts, in squares, reach from the difference to zero.

        Weighted quantiles would be short where p is small and few seeds agree by chance, as in large families. At 0.05
        this is never below what the interval says.

        Source: Zou and Donner 2008, the interval of a sum from those of its parts.
        """
        if difference == 0 or self.error == 0:
            return 1.0 if difference == 0 else 0.0
        low, high = math.log(SMALLEST_P), 0.0
        for _ in range(60):
            middle = (low + high) / 2
            few, many = self._quantiles(1 - math.exp(middle))
            reached = few**2 * self.of_seeds + many**2 * self.of_examples < difference**2
            low, high = (low, middle) if reached else (middle, high)
        return math.exp(high)

    def _quantiles(self, confidence: float) -> tuple[float, float]:
        tail = (1 + confidence) / 2
        return float(stdtrit(self.num_seeds - 1, tail)), float(stdtrit(math.inf, tail))


def spread(values_S: Floats, resampled_SR: Floats) -> Spread:
    """The spread of a mean over seeds, from its value under each and the same resamples of examples under all.

    The mean square of seeds holds what seed and example do together; what examples add is without it.

    Source: Dorfman, Berbaum and Metz 1992, readers and cases, the seeds being the readers and the examples the cases.
    """
    num_seeds = len(values_S)
    of_mean = float(np.var(resampled_SR.mean(axis=0), ddof=1))
    together = (float(np.var(resampled_SR, axis=1, ddof=1).mean()) - of_mean) / (num_seeds - 1)
    return Spread(float(np.var(values_S, ddof=1)) / num_seeds, max(0.0, of_mean - together), num_seeds)


def mean_over_seeds(values: Sequence[float], resampled_SR: Floats) -> Estimate:
    """The mean over two or more seeds, with an interval over seeds and examples."""
    found = spread(np.array(values), resampled_SR)
    value, half = float(np.mean(values)), found.critical() * found.error
    return Estimate(value, value - half, value + half)


def difference_over_seeds(differences: Sequence[float], resampled_SR: Floats, num_examples: int) -> PairedDifference:
    """The mean over two or more seeds of arm minus control, paired by seed and by example."""
    found = spread(np.array(differences), resampled_SR)
    value, critical = float(np.mean(differences)), found.critical()
    half = critical * found.error
    return PairedDifference(
        Estimate(value, value - half, value + half),
        found.p_value(value),
        num_examples,
        found.error,
        critical,
        len(differences),
        float(np.std(resampled_SR.mean(axis=0), ddof=1)),
    )


def resampled_over_seeds(by_seed: Mapping[int, tuple[float, Floats]]) -> Floats:
    """Resamples of a mean over two or more seeds, [R]: of examples, and around it of seeds.

    Equal seeds are drawn alike in every arm, so that differences stay paired by seed. A draw of seeds is Student's, as
    few seeds hardly know their own spread.
    """
    values_S = np.array([value for value, _ in by_seed.values()])
    mean_R = np.mean([resampled_R for _, resampled_R in by_seed.values()], axis=0)
    num_seeds, num_resamples = len(values_S), len(mean_R)
    drawn_SR = np.stack([np.random.default_rng([RESAMPLING_SEED, seed]).normal(size=num_resamples) for seed in by_seed])
    squares_R = np.random.default_rng([RESAMPLING_SEED, num_seeds]).chisquare(num_seeds - 1, num_resamples)
    return mean_R + (values_S - values_S.mean()) @ drawn_SR / np.sqrt(num_seeds * squares_R)
