"""Axes: round ticks, and where a value lies between the two ends."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

# Budgets that span more than this are read on a logarithmic axis.
WIDEST_LINEAR_RATIO = 20.0
# Share of a logarithmic budget axis that lies between no text and the smallest budget.
ZERO_GAP = 0.2
MOST_TICKS = 6


@dataclass(frozen=True)
class Axis:
    """Ticks with their labels, and the place of a value from 0 (start) to 1 (end).

    `broken_at` is the place where a logarithmic axis breaks to show zero, None on other axes.
    """

    ticks: tuple[tuple[float, str], ...]
    place: Callable[[float], float]
    broken_at: float | None = None


def nice_ticks(low: float, high: float, most: int = MOST_TICKS) -> list[float]:
    """At most `most` round values, evenly spaced by 1, 2 or 5 times a power of ten, that enclose both ends."""
    if high <= low:
        low, high = low - 0.5 * (abs(low) or 1.0), high + 0.5 * (abs(high) or 1.0)
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    for step in (power * factor for factor in (1, 2, 5, 10, 20, 50, 100)):
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        if last - first + 1 <= most:
            return [round(index * step, 12) for index in range(first, last + 1)]
    raise AssertionError("a step of a hundred times the smallest always fits")


def linear_axis(low: float, high: float, shown: Callable[[float, float], str], most: int = MOST_TICKS) -> Axis:
    """An axis between round ends; `shown(value, step)` writes a tick."""
    values = nice_ticks(low, high, most)
    start, end, step = values[0], values[-1], values[1] - values[0]
    return Axis(tuple((value, shown(value, step)) for value in values), lambda value: (value - start) / (end - start))


def budget_axis(budgets: Sequence[float], shown: Callable[[float, float], str]) -> Axis:
    """An axis of amounts of text that shows zero: linear, or logarithmic with a break where amounts span far.

    `shown(value, beside)` writes a tick in the unit of the amount beside it.
    """
    positive = sorted({budget for budget in budgets if budget > 0})
    if not positive or positive[-1] <= WIDEST_LINEAR_RATIO * positive[0]:
        return amount_axis(max(positive, default=1.0), shown)
    start, end = math.log(positive[0]), math.log(positive[-1])

    def place(value: float) -> float:
        return 0.0 if value <= 0 else ZERO_GAP + (1 - ZERO_GAP) * (math.log(value) - start) / (end - start)

    ticks = [0.0, *_log_ticks(positive[0], positive[-1])]
    return Axis(tuple((value, shown(value, value)) for value in ticks), place, broken_at=ZERO_GAP / 2)


def growth_axis(amounts: Sequence[float], shown: Callable[[float, float], str]) -> Axis:
    """A logarithmic axis from the smallest to the largest of some amounts, none of them zero."""
    low, high = min(amounts), max(amounts)
    start, end = math.log(low), math.log(high)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    ticks = [value for value in ticks if 0.95 * low <= value <= 1.001 * high]
    ticks = _log_ticks(low, high) if len(ticks) > MOST_TICKS or len(ticks) < 2 else ticks
    return Axis(
        tuple((value, shown(value, value)) for value in ticks), lambda value: (math.log(value) - start) / (end - start)
    )


def amount_axis(largest: float, shown: Callable[[float, float], str]) -> Axis:
    """A linear axis from zero to an amount, which need not be round: a budget is met by whole documents."""
    ticks = [value for value in nice_ticks(0.0, largest) if value <= largest]
    return Axis(tuple((value, shown(value, largest)) for value in ticks), lambda value: value / largest)


def _log_ticks(low: float, high: float) -> list[float]:
    # Budgets are met by whole documents: 10,321 bytes were meant as 10,000.
    first, last = 0.95 * low, 1.001 * high
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    decades = [10.0**power for power in powers if first <= 10.0**power <= last]
    if len(decades) >= 3:
        return decades[:: math.ceil(len(decades) / 5)]
    found = [factor * 10.0**power for power in powers for factor in (1, 3)]
    return [value for value in found if first <= value <= last] or [low, high]


def tick_text(value: float, step: float) -> str:
    """A tick with as many decimals as its step needs."""
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{value:,.{digits}f}".replace("-", "\u2212")


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places near the wanted ones, in the same order, `gap` apart and inside [low, high].

    Where they do not all fit, they are evenly spaced from `low` on.
    """
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    if not order:
        return []
    if (len(order) - 1) * gap > high - low:
        gap = (high - low) / (len(order) - 1)
    # Least squares with order: shift each by its rank, so that overlap becomes disorder, and pool neighbours.
    pools: list[list[float]] = []
    for rank, index in enumerate(order):
        pools.append([wanted[index] - rank * gap])
        while len(pools) > 1 and _mean(pools[-2]) > _mean(pools[-1]):
            last = pools.pop()
            pools[-1] += last
    flat = [_mean(pool) for pool in pools for _ in pool]
    bounded = [min(max(value, low), high - (len(order) - 1) * gap) for value in flat]
    places = [0.0] * len(order)
    for rank, index in enumerate(order):
        places[index] = bounded[rank] + rank * gap
    return places


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
