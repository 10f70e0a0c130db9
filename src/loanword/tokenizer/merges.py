"""Greedy choice of new BPE pieces on a fixed text: the engine under continued BPE.

The text lies in flat arrays, one position a symbol, words parted by BORDER; `after` and `before` link the
positions that are still symbols. Two facts make it fast. A pair has all its places when the later of its symbols comes
to be, and only loses some from then on: so a heap of old counts is right as long as its top is counted again. And
a pair that is rare when it comes to be stays rare: so only the frequent ones are kept track of, and when these are used
up the whole text is counted anew.

Shapes: N positions, W words, P places of pairs.
"""

import heapq
import sys
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loanword.tokenizer.words import EncodedWords

BORDER = -1
MIN_COUNT = 2

# Pairs to keep track of at once: more cost memory, fewer cost another look at the whole text.
TRACKED_PAIRS = 1 << 16

# A position that a merge has emptied: no symbol and no border.
_EMPTY = BORDER - 1
_SHIFT = 32
_LOW = (1 << _SHIFT) - 1
# A promotion's key is its symbol above this: below every pair's, and in the order of symbols.
_PROMOTION = -1 << _SHIFT
# A power of two, by whose remainders of symbols the text is parted when it is counted whole.
_NUM_BLOCKS = 16

Places = NDArray[np.integer]
Int = NDArray[np.int64]


class Choice(NamedTuple):
    """A piece that would save `num_tokens`: two symbols to merge, or (`right` is None) a character to promote."""

    num_tokens: int
    left: int
    right: int | None


class _Pairs(NamedTuple):
    """Pairs, how often each occurs, and where: the places of one begin at its start and ascend."""

    keys: Int
    totals: Int
    starts: Int
    places_P: Places


class Merger:
    """Words as sequences of symbols, and which choice saves most tokens.

    `byte_lengths` gives the characters that the vocabulary lacks: each costs as many tokens as it has bytes, and takes
    part in no merge, until it is promoted.
    """

    def __init__(self, words: EncodedWords, byte_lengths: Mapping[int, int],
                 tracked_pairs: int = TRACKED_PAIRS) -> None:  # fmt: skip
        self._symbol_N, self._count_N = _flat(words)
        size = len(self._symbol_N)
        self._after_N = np.arange(1, size + 1, dtype=_narrow(size + 1))
        # The last border is also what stands before the first word, at position -1, and what follows itself.
        self._before_N = self._after_N - 2
        self._after_N[-1:] = size - 1
        self._tracked_pairs = tracked_pairs
        self._lacking = set(byte_lengths)
        self._floor = sys.maxsize
        self._places: dict[int, Places] = {}
        self._offered: set[int] = set()
        self._heap: list[tuple[int, int]] = []
        self._offer_promotions(byte_lengths)

    def choices(self) -> Iterator[Choice]:
        """What saves most tokens first; ties go to characters before pairs, then to smaller symbols.

        After a choice, `accept` it or do nothing: what is not accepted is not offered again.
        """
        while True:
            if not self._heap or -self._heap[0][0] < self._floor:
                if self._floor == MIN_COUNT:
                    return
                self._lower_floor()
                continue
            negative, key = heapq.heappop(self._heap)
            if key < 0:
                yield Choice(-negative, key - _PROMOTION, None)
                continue
            places_P = self._still(key)
            count = self._num_tokens(places_P)
            if count >= self._floor:
                self._places[key] = places_P
            if count == -negative:
                self._offered.add(key)
                yield Choice(count, key >> _SHIFT, key & _LOW)
                del self._places[key]
            elif count >= self._floor:
                heapq.heappush(self._heap, (-count, key))

    def accept(self, choice: Choice, new: int) -> None:
        """Writes symbol `new` wherever the choice occurs; a promoted character keeps its symbol."""
        if choice.right is None:
            self._lacking.remove(choice.left)
        else:
            self._merge(choice.left, choice.right, new)

    def _offer_promotions(self, byte_lengths: Mapping[int, int]) -> None:
        lacks_V = np.zeros(max(byte_lengths, default=0) + 1, dtype=bool)
        lacks_V[list(byte_lengths)] = True
        places_P = np.flatnonzero(self._symbol_N >= min(byte_lengths, default=0))
        places_P = places_P[self._symbol_N[places_P] < len(lacks_V)]
        totals = np.bincount(self._symbol_N[places_P], weights=self._count_N[places_P], minlength=len(lacks_V))
        for symbol, num_bytes in byte_lengths.items():
            saved = int(totals[symbol]) * (num_bytes - 1)
            if saved >= MIN_COUNT:
                heapq.heappush(self._heap, (-saved, _PROMOTION + symbol))

    def _still(self, key: int) -> Places:
        """Where a pair that was tracked occurs now, or nowhere if one of its characters was not accepted.

        A character saves at least as much as any pair that it is in: one that lacks now was offered before.
        """
        left, right = key >> _SHIFT, key & _LOW
        places_P = self._places.pop(key)
        if left in self._lacking or right in self._lacking:
            return places_P[:0]
        return places_P[(self._symbol_N[places_P] == left) & (self._symbol_N[self._after_N[places_P]] == right)]

    def _num_tokens(self, places_P: Places) -> int:
        return int(self._count_N[places_P].sum(dtype=np.int64))

    def _merge(self, left: int, right: int, new: int) -> None:
        symbol_N, after_N, before_N = self._symbol_N, self._after_N, self._before_N
        places_P = self._places[left << _SHIFT | right]
        if left == right:
            places_P = self._leftmost(places_P)
        rights_P = after_N[places_P]
        nexts_P = after_N[rights_P]
        symbol_N[places_P] = new
        symbol_N[rights_P] = _EMPTY
        after_N[places_P] = nexts_P
        before_N[nexts_P] = places_P
        lefts_P = before_N[places_P]
        # Two new symbols side by side are a pair at the place of the first one already.
        lefts_P = lefts_P[symbol_N[lefts_P] != new]
        self._track(self._pairs(np.concatenate((lefts_P, places_P))))

    def _leftmost(self, places_P: Places) -> Places:
        """Of places that overlap (the pair "aa" in "aaa") the first, the third and so on of each run."""
        follows_P = np.zeros(len(places_P), dtype=bool)
        follows_P[1:] = self._after_N[places_P[:-1]] == places_P[1:]
        position_P = np.arange(len(places_P))
        first_P = np.maximum.accumulate(np.where(follows_P, 0, position_P))
        return places_P[(position_P - first_P) % 2 == 0]

    def _pairs(self, places_P: Places) -> _Pairs:
        """The pairs that begin at places, which ascend for each pair."""
        left_P, right_P = self._symbol_N[places_P], self._symbol_N[self._after_N[places_P]]
        inside_P = (left_P >= 0) & (right_P >= 0)
        keys_P = left_P[inside_P].astype(np.int64) << _SHIFT | right_P[inside_P]
        order_P = np.argsort(keys_P, kind="stable")
        keys_P, places_P = keys_P[order_P], places_P[inside_P][order_P]
        starts = np.flatnonzero(np.concatenate((keys_P[:1] >= 0, keys_P[1:] != keys_P[:-1])))
        totals = np.add.reduceat(self._count_N[places_P], starts, dtype=np.int64) if len(starts) else starts
        return _Pairs(keys_P[starts], totals, starts, places_P)

    def _track(self, pairs: _Pairs) -> None:
        ends = np.append(pairs.starts[1:], len(pairs.places_P))
        often = np.flatnonzero(pairs.totals >= self._floor)
        for key, total, start, end in zip(pairs.keys[often].tolist(), pairs.totals[often].tolist(),
                                          pairs.starts[often].tolist(), ends[often].tolist(), strict=True):  # fmt: skip
            if key not in self._offered:
                # A view would keep the places of the rare pairs too.
                self._places[key] = pairs.places_P[start:end].copy()
                heapq.heappush(self._heap, (-total, key))

    def _lower_floor(self) -> None:
        """Counts the whole text anew, and keeps track of the pairs that are frequent now."""
        blocks = list(self._blocks())
        totals = np.concatenate([pairs.totals for pairs in blocks])
        floor = MIN_COUNT
        if len(totals) > self._tracked_pairs:
            floor = int(np.partition(totals, -self._tracked_pairs)[-self._tracked_pairs])
        # Pairs that were offered and not accepted are counted too: halving gets past any number of them.
        self._floor = max(MIN_COUNT, min(floor, self._floor // 2))
        while blocks:
            self._track(blocks.pop())

    def _blocks(self) -> Iterator[_Pairs]:
        """All pairs, those that share their left symbol together; in parts, since sorting needs memory."""
        for block in range(_NUM_BLOCKS):
            places_P = np.flatnonzero(self._symbol_N & (_NUM_BLOCKS - 1) == block)
            yield self._pairs(places_P.astype(self._after_N.dtype))


def _flat(words: EncodedWords) -> tuple[NDArray[np.int32], Places]:
    """Symbols of words with a border behind each, and how often each position's word occurs."""
    size_W = words.length_W + 1
    border_N = np.zeros(int(size_W.sum(dtype=np.int64)), dtype=bool)
    border_N[np.cumsum(size_W, dtype=np.int64) - 1] = True
    symbol_N = np.full(len(border_N), BORDER, dtype=np.int32)
    symbol_N[~border_N] = words.symbol_S
    return symbol_N, np.repeat(words.count_W.astype(_narrow(int(words.count_W.max(initial=0)))), size_W)


def _narrow(largest: int) -> type[np.int32] | type[np.int64]:
    return np.int32 if largest <= np.iinfo(np.int32).max else np.int64
