"""How much of an example a stretch of text holds, whatever the order: shares of weighted units.

Single characters are in every text, so that of scripts without spaces two are taken together. A unit weighs the more,
the fewer of the examples hold it. Numerals weigh like words, but do not make an example long enough to be told.

Shapes: U units of an example, K kinds of units.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from loanword.corpus.ngrams import Bools, Numbers, Places, Units, ngrams
from loanword.corpus.order import changes


class Weights(NamedTuple):
    """Kinds of units in ascending order, and what each weighs: whole numbers, so that sums have no order."""

    numbers_K: Numbers
    weights_K: Places


class Bag(NamedTuple):
    """What of an example is looked for: kinds in ascending order, how often each, and what each weighs."""

    numbers_K: Numbers
    times: list[int]
    weights: list[int]
    total: int


def weights(cut: Units, examples: Places, together: int) -> Weights:
    """What units weigh, `together` of them taken as one, in a set of examples.

    Source: the logarithm of inverse document frequency, Spärck Jones 1972, over examples.
    """
    numbers, owners = owned_ngrams(cut, together)
    chosen = np.zeros(len(cut.starts) - 1, dtype=np.bool_)
    chosen[examples] = True
    numbers, _ = distinct_pairs(numbers[chosen[owners]], owners[chosen[owners]])
    known_K, num_holders_K = np.unique(numbers, return_counts=True)
    return Weights(known_K, np.rint(1000 * np.log1p(len(examples) / num_holders_K)).astype(np.int64))


def owned_ngrams(cut: Units, length: int) -> tuple[Numbers, Places]:
    """The n-grams of each text in order, and which text each is of."""
    numbers = ngrams(cut.numbers_U, length)
    first, last = cut.owners_U[: len(numbers)], cut.owners_U[length - 1 :][: len(numbers)]
    return numbers[first == last], first[first == last]


def worded_ngrams(cut: Units, length: int) -> tuple[Numbers, Places]:
    """The n-grams of each text that are not for the most part numerals, for rows of those are in many texts."""
    numbers, so_far = ngrams(cut.numbers_U, length), np.concatenate([[0], np.cumsum(cut.are_numerals_U)])
    num_numerals = so_far[length:][: len(numbers)] - so_far[: len(numbers)]
    first, last = cut.owners_U[: len(numbers)], cut.owners_U[length - 1 :][: len(numbers)]
    kept = (first == last) & (2 * num_numerals <= length)
    return numbers[kept], first[kept]


def distinct_pairs(numbers: Numbers, owners: Places) -> tuple[Numbers, Places]:
    """Pairs of a number and its owner, each once, by number and then by owner; owners are given in ascending order."""
    order = np.argsort(numbers, kind="stable")
    numbers, owners = numbers[order], owners[order]
    first = changes(numbers, owners)
    return numbers[first], owners[first]


def make_bag(numbers_U: Numbers, telling_U: Bools, known: Weights) -> Bag | None:
    """What is looked for of an example: those of its units that tell it from others; None where there are none."""
    numbers_K, times_K = np.unique(numbers_U[telling_U], return_counts=True)
    if not len(numbers_K):
        return None
    weights_K = known.weights_K[np.searchsorted(known.numbers_K, numbers_K)]
    return Bag(numbers_K, times_K.tolist(), weights_K.tolist(), int(times_K @ weights_K))


def held_share(bag: Bag, numbers: Numbers, width: int) -> float:
    """The largest share of a bag, by weight, that stands at `width` consecutive places of a text; four decimals."""
    ranks = np.minimum(np.searchsorted(bag.numbers_K, numbers), len(bag.numbers_K) - 1)
    places = np.flatnonzero(bag.numbers_K[ranks] == numbers)
    return round(_largest_held(places.tolist(), ranks[places].tolist(), bag, width) / bag.total, 4)


def _largest_held(places: Sequence[int], kinds: Sequence[int], bag: Bag, width: int) -> int:
    have, held, largest, first = [0] * len(bag.times), 0, 0, 0
    for place, kind in zip(places, kinds, strict=True):
        held += bag.weights[kind] if have[kind] < bag.times[kind] else 0
        have[kind] += 1
        while places[first] <= place - width:
            left = kinds[first]
            have[left] -= 1
            held -= bag.weights[left] if have[left] < bag.times[left] else 0
            first += 1
        largest = max(largest, held)
    return largest
