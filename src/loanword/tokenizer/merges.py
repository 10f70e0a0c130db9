"""Greedy choice of new BPE pieces on a fixed text: the engine under continued BPE.

The text lies in flat arrays, one position a symbol, words parted by BORDER; `after` and `before` link the
positions that are still symbols. A pair of symbols is counted, with its places, when the later of the two comes to be,
and only loses places from then on; so a heap of old counts is right as long as its top is checked again.

Shapes: N positions, P places of one pair.
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BORDER = -1
MIN_COUNT = 2

_SHIFT = 32
_LOW = (1 << _SHIFT) - 1
# A promotion's key is its symbol above this: below every pair's, and in the order of symbols.
_PROMOTION = -1 << _SHIFT

Int = NDArray[np.int64]


class Choice(NamedTuple):
    """A piece that would save `num_tokens`: two symbols to merge, or (`right` is None) a character to promote."""

    num_tokens: int
    left: int
    right: int | None


class Merger:
    """Words as sequences of symbols, and which choice saves most tokens.

    `byte_lengths` gives the characters that the vocabulary lacks: each costs as many tokens as it has bytes, and takes
    part in no merge, until it is promoted.
    """

    def __init__(self, words: Sequence[Sequence[int]], counts: Sequence[int],
                 byte_lengths: Mapping[int, int]) -> None:  # fmt: skip
        self._symbol_N, self._count_N = _flat(words, counts)
        self._after_N = np.arange(1, len(self._symbol_N) + 1)
        self._before_N = np.arange(-1, len(self._symbol_N) - 1)
        self._unknown = dict(byte_lengths)
        self._waiting: dict[int, list[int]] = {}
        self._pair_counts: dict[int, int] = {}
        self._places: dict[int, Int] = {}
        self._heap: list[tuple[int, int]] = []
        self._offer_promotions()
        self._count(np.flatnonzero((self._symbol_N[:-1] != BORDER) & (self._symbol_N[1:] != BORDER)))

    def choices(self) -> Iterator[Choice]:
        """What saves most tokens first; ties go to characters before pairs, then to smaller symbols.

        After a choice, `accept` it or do nothing: what is not accepted is not offered again.
        """
        while self._heap:
            negative, key = heapq.heappop(self._heap)
            if key < 0:
                yield Choice(-negative, key - _PROMOTION, None)
                continue
            count = self._pair_counts.get(key, 0)
            if count == -negative:
                yield Choice(count, key >> _SHIFT, key & _LOW)
                self._forget(key)
            elif count >= MIN_COUNT:
                heapq.heappush(self._heap, (-count, key))

    def accept(self, choice: Choice, new: int) -> None:
        """Writes symbol `new` wherever the choice occurs; a promoted character keeps its symbol."""
        if choice.right is None:
            del self._unknown[choice.left]
            for key in self._waiting.pop(choice.left, []):
                self._offer(key)
        else:
            self._merge(choice.left, choice.right, new)

    def _offer_promotions(self) -> None:
        size = int(self._symbol_N.max(initial=0)) + 1
        inside_N = self._symbol_N != BORDER
        totals = np.bincount(self._symbol_N[inside_N], weights=self._count_N[inside_N], minlength=size)
        for symbol, num_bytes in self._unknown.items():
            saved = int(totals[symbol]) * (num_bytes - 1) if symbol < size else 0
            if saved >= MIN_COUNT:
                heapq.heappush(self._heap, (-saved, _PROMOTION + symbol))

    def _merge(self, left: int, right: int, new: int) -> None:
        symbol_N, after_N, before_N = self._symbol_N, self._after_N, self._before_N
        places_P = self._occurrences(left, right)
        self._discount(_distinct(before_N[places_P], after_N[places_P]))
        rights_P = after_N[places_P]
        symbol_N[places_P] = new
        # No symbol and no border: an old place of another pair must not take it for either.
        symbol_N[rights_P] = BORDER - 1
        after_N[places_P] = after_N[rights_P]
        before_N[after_N[places_P]] = places_P
        self._count(self._joined(_distinct(before_N[places_P], places_P)))

    def _occurrences(self, left: int, right: int) -> Int:
        places_P = self._places[left << _SHIFT | right]
        still_P = (self._symbol_N[places_P] == left) & (self._symbol_N[self._after_N[places_P]] == right)
        places_P = places_P[still_P]
        return self._leftmost(places_P) if left == right else places_P

    def _leftmost(self, places_P: Int) -> Int:
        """Of places that overlap (the pair "aa" in "aaa") the first, the third and so on of each run."""
        follows_P = np.zeros(len(places_P), dtype=bool)
        follows_P[1:] = self._after_N[places_P[:-1]] == places_P[1:]
        position_P = np.arange(len(places_P))
        first_P = np.maximum.accumulate(np.where(follows_P, 0, position_P))
        return places_P[(position_P - first_P) % 2 == 0]

    def _joined(self, places_P: Int) -> Int:
        inside_P = (self._symbol_N[places_P] != BORDER) & (self._symbol_N[self._after_N[places_P]] != BORDER)
        return places_P[inside_P]

    def _keys(self, places_P: Int) -> Int:
        return self._symbol_N[places_P] << _SHIFT | self._symbol_N[self._after_N[places_P]]

    def _discount(self, places_P: Int) -> None:
        places_P = self._joined(places_P)
        keys, which_P = np.unique(self._keys(places_P), return_inverse=True)
        lost = np.bincount(which_P, weights=self._count_N[places_P], minlength=len(keys))
        for key, num_lost in zip(keys.tolist(), lost.tolist(), strict=True):
            count = self._pair_counts.get(key)
            if count is None:
                continue
            if count - num_lost < MIN_COUNT:
                self._forget(key)
            else:
                self._pair_counts[key] = count - int(num_lost)

    def _count(self, places_P: Int) -> None:
        if not len(places_P):
            return
        keys_P = self._keys(places_P)
        order_P = np.argsort(keys_P, kind="stable")
        keys_P, places_P = keys_P[order_P], places_P[order_P]
        starts = np.flatnonzero(np.concatenate(([True], keys_P[1:] != keys_P[:-1])))
        totals = np.add.reduceat(self._count_N[places_P], starts)
        ends = np.append(starts[1:], len(places_P))
        # A pair that is rare when it comes to be stays rare: left out, it costs no memory.
        often = np.flatnonzero(totals >= MIN_COUNT)
        for key, count, start, end in zip(keys_P[starts[often]].tolist(), totals[often].tolist(),
                                          starts[often].tolist(), ends[often].tolist(), strict=True):  # fmt: skip
            self._pair_counts[key] = count
            self._places[key] = places_P[start:end]
            self._offer(key)

    def _offer(self, key: int) -> None:
        for symbol in (key >> _SHIFT, key & _LOW):
            if symbol in self._unknown:
                self._waiting.setdefault(symbol, []).append(key)
                return
        if key in self._pair_counts:
            heapq.heappush(self._heap, (-self._pair_counts[key], key))

    def _forget(self, key: int) -> None:
        self._pair_counts.pop(key, None)
        self._places.pop(key, None)


def _flat(words: Sequence[Sequence[int]], counts: Sequence[int]) -> tuple[Int, Int]:
    lengths_W = np.fromiter(map(len, words), dtype=np.int64, count=len(words))
    borders = np.concatenate(([0], np.cumsum(lengths_W + 1)))
    symbol_N = np.full(borders[-1] + 1, BORDER)
    inside_N = np.ones(len(symbol_N), dtype=bool)
    inside_N[borders] = False
    symbol_N[inside_N] = np.fromiter(chain.from_iterable(words), dtype=np.int64, count=int(lengths_W.sum()))
    return symbol_N, np.concatenate(([0], np.repeat(np.array(counts, dtype=np.int64), lengths_W + 1)))


def _distinct(*places: Int) -> Int:
    return np.unique(np.concatenate(places))
