"""Whose turn it is: the order in which several sources are read by weight, as a pure function of the place in it.

Item j of a source of weight w is due at the time (2j + 1) L / w, where L is the least common multiple of the weights;
items come in the order of their times, those of one time in the order of the sources. Nothing is drawn and nothing is
stored, so an item is known without those before it, and what is read of a source never departs from its share by a
whole item for each source beside it.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from loanword.errors import UserError

Item = TypeVar("Item")

_PARTS = 1 << 32


class TurnOrder:
    """An order over the items of sources; those of a source come in their own order.

    A source with an end takes no further turns beyond it, and its share goes to the others. Before any source ends, the
    order does not depend on the ends.
    """

    def __init__(self, weights: Sequence[int], ends: Sequence[int] | None = None) -> None:
        if not weights or min(weights) < 1:
            raise ValueError(f"weights {tuple(weights)} of turns; each must be 1 or more")
        least_common = math.lcm(*weights)
        self._steps = tuple(least_common // weight for weight in weights)
        self._ends = None if ends is None else tuple(ends)

    def place(self, index: int) -> tuple[int, int]:
        """Which source, counted from 0, has its turn at `index`, and with which of its items."""
        time, counts = self._until(index + 1)
        due = [source for source, count in enumerate(counts) if count and self._time(source, count - 1) == time]
        source = due[index - sum(counts)]
        return source, counts[source] - 1

    def before(self, index: int) -> tuple[int, ...]:
        """How many of the first `index` items are of each source."""
        if not index:
            return (0,) * len(self._steps)
        time, counts = self._until(index)
        for source in reversed(range(len(counts))):
            if sum(counts) > index and counts[source] and self._time(source, counts[source] - 1) == time:
                counts[source] -= 1
        return tuple(counts)

    def index(self, source: int, item: int) -> int:
        """Where an item of a source stands in the order."""
        time = self._time(source, item)
        counts = self._counts(time)
        later = [other for other in range(source + 1, len(counts)) if counts[other]]
        return sum(counts) - 1 - sum(self._time(other, counts[other] - 1) == time for other in later)

    def _time(self, source: int, item: int) -> int:
        return (2 * item + 1) * self._steps[source]

    def _counts(self, time: int) -> list[int]:
        counts = [(time // step + 1) // 2 for step in self._steps]
        return counts if self._ends is None else [min(pair) for pair in zip(counts, self._ends, strict=True)]

    def _until(self, num_items: int) -> tuple[int, list[int]]:
        """The first time by which so many items are due, and how many of each source are."""
        if self._ends is not None and num_items > sum(self._ends):
            raise IndexError(f"{num_items} items of sources that have {sum(self._ends)}")
        low, high = 0, 2 * num_items * max(self._steps)
        while low < high:
            middle = (low + high) // 2
            if sum(self._counts(middle)) >= num_items:
                high = middle
            else:
                low = middle + 1
        return low, self._counts(low)


def drawn(
    sources: Mapping[str, Iterable[Item]], sizes: Mapping[str, int], shares: Mapping[str, float], number: int
) -> Iterator[Item]:
    """The first `number` items of several sources in turn; fewer are the start of more.

    Shares are in items; without them they are as the sizes, so that all sources end together.

    Raises:
        UserError: a source does not have its share of so many.
    """
    names = list(sources)
    order = TurnOrder(whole_weights([shares[name] if shares else sizes[name] for name in names]))
    if number > sum(sizes.values()):
        raise _too_few(f"{sum(sizes.values()):,} usable conversations", number, number)
    if shares:
        for name, wanted in zip(names, order.before(number), strict=True):
            if wanted > sizes[name]:
                raise _too_few(f"{sizes[name]:,} usable conversations in {name}", wanted, number)
    else:
        # Weights are whole numbers, so the last turns may be those of a source that has just ended.
        order = TurnOrder(whole_weights([sizes[name] for name in names]), [sizes[name] for name in names])
    items = [iter(sources[name]) for name in names]
    return (next(items[order.place(index)[0]]) for index in range(number))


def _too_few(there: str, wanted: int, number: int) -> UserError:
    return UserError(
        "tuning.num_conversations",
        f"{there}, and {number:,} conversations are asked for",
        expected=f"at least {wanted:,}",
        do="give more instructions, lower num_conversations, or change conversations.shares",
    )


def whole_weights(shares: Sequence[float]) -> tuple[int, ...]:
    """Shares as the whole weights of turns: parts of 2**32, each at least one; equal shares have weight 1."""
    if max(shares) == min(shares):
        return (1,) * len(shares)
    total = math.fsum(shares)
    parts = [max(1, round(share / total * _PARTS)) for share in shares]
    common = math.gcd(*parts)
    return tuple(part // common for part in parts)


def tempered(weights: Sequence[float], temperature: float) -> tuple[float, ...]:
    """Weights raised to 1 / temperature, as shares of one: above 1 they come closer to each other.

    Source: Devlin et al. (multilingual BERT, 2018) and Conneau et al. 2020, arXiv 1911.02116, whose exponent is
    1 / temperature.
    """
    raised = [weight ** (1 / temperature) for weight in weights]
    total = math.fsum(raised)
    return tuple(one / total for one in raised)


def parts(total: int, shares: Sequence[float]) -> tuple[int, ...]:
    """A whole number divided by shares: parts that add up to it, none of them a whole away from its share.

    Source: largest remainder (Hamilton's method); of equal remainders the first comes first.
    """
    whole = math.fsum(shares)
    exact = [total * share / whole for share in shares]
    made = [int(one) for one in exact]
    by_remainder = sorted(range(len(shares)), key=lambda place: (made[place] - exact[place], place))
    for place in by_remainder[: total - sum(made)]:
        made[place] += 1
    return tuple(made)
