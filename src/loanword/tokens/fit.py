"""Items of some lengths into rows of one length, as full as can be, many items at once.

Two ways are tried, and the one with fewer rows is taken. Best fit puts one item after the other, the longest first,
into the fullest row with room; its rows end with the shortest items, and gaps that no item fits are left in most of
them. Row by row, each takes the longest item that fits and leaves either nothing or room for another: what is short
fills gaps from the first row to the last. Items of one length are interchangeable, so both count lengths.

Source: best-fit decreasing (Johnson, 1973); for rows of text, Ding et al. 2024, arXiv 2404.10830.

Shapes: N items, R rows.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


class Rows(NamedTuple):
    """Items by row, longest first in each, and how many each row has."""

    item_N: Integers
    num_items_R: Integers


def fitted_rows(lengths: Integers, row_tokens: int) -> Rows:
    """Every item in one row. No item is longer than a row, nor empty."""
    ways = (_best_fit(lengths, row_tokens), _row_by_row(lengths, row_tokens))
    return min(ways, key=lambda rows: len(rows.num_items_R))


def best_fit(lengths: Integers, row_tokens: int) -> list[list[int]]:
    """Rows of items, by index: longest first, each into the row with the least room that still holds it."""
    rows = _best_fit(lengths, row_tokens)
    return [part.tolist() for part in np.split(rows.item_N, np.cumsum(rows.num_items_R)[:-1])] if len(lengths) else []


def _row_by_row(lengths: Integers, row_tokens: int) -> Rows:
    num_left = np.bincount(lengths, minlength=row_tokens + 1).tolist()
    # Bit n is set where an item of length n is left.
    left = sum(1 << length for length, number in enumerate(num_left) if number)
    taken: list[int] = []
    ends = [0]
    while left:
        shortest = (left & -left).bit_length() - 1
        room = row_tokens
        while fitting := left & ((2 << room) - 1):
            length = fitting.bit_length() - 1
            if 0 < room - length < shortest and (leaving := left & ((2 << max(0, room - shortest)) - 1)):
                length = leaving.bit_length() - 1
            taken.append(length)
            room -= length
            num_left[length] -= 1
            if not num_left[length]:
                left ^= 1 << length
        ends.append(len(taken))
    item_N = np.empty(len(lengths), np.int64)
    item_N[np.argsort(np.array(taken, np.int64), kind="stable")] = np.argsort(lengths, kind="stable")
    return Rows(item_N, np.diff(ends))


def _best_fit(lengths: Integers, row_tokens: int) -> Rows:
    item_N = np.argsort(-lengths, kind="stable")
    distinct, first, count = np.unique(-lengths[item_N], return_index=True, return_counts=True)
    row_N = np.empty(len(lengths), np.int64)
    waiting = _Waiting(row_tokens)
    for length, begin, end in zip((-distinct).tolist(), first.tolist(), (first + count).tolist(), strict=True):
        waiting.place(length, row_N[begin:end])
    order_N = np.argsort(row_N, kind="stable")
    return Rows(item_N[order_N], np.bincount(row_N, minlength=waiting.num_rows))


class _Waiting:
    # Rows by the room that they have left; bit r of `_rooms` is set where some row has room for exactly r tokens.

    def __init__(self, row_tokens: int) -> None:
        self.num_rows = 0
        self._row_tokens = row_tokens
        self._rows: list[list[Integers]] = [[] for _ in range(row_tokens + 1)]
        self._rooms = 0

    def place(self, length: int, row_N: Integers) -> None:
        """Says which row each of some items of one length goes into."""
        placed = 0
        while placed < len(row_N):
            fitting = self._rooms >> length
            room = length + (fitting & -fitting).bit_length() - 1 if fitting else self._row_tokens
            # A row that has taken an item is the one with the least room still, as long as it can take another.
            items_a_row = room // length
            rows = self._with_room(room) if fitting else self._new(len(row_N) - placed, items_a_row)
            num_placed = min(len(rows) * items_a_row, len(row_N) - placed)
            row_N[placed : placed + num_placed] = np.repeat(rows, items_a_row)[:num_placed]
            num_full, rest = divmod(num_placed, items_a_row)
            self._add(rows[:num_full], room - items_a_row * length)
            self._add(rows[num_full : num_full + 1], room - rest * length)
            self._add(rows[num_full + 1 :], room)
            placed += num_placed

    def _new(self, num_items: int, items_a_row: int) -> Integers:
        first, self.num_rows = self.num_rows, self.num_rows - (-num_items // items_a_row)
        return np.arange(first, self.num_rows)

    def _with_room(self, room: int) -> Integers:
        rows = np.concatenate(self._rows[room])
        self._rows[room] = []
        self._rooms &= ~(1 << room)
        return rows

    def _add(self, rows: Integers, room: int) -> None:
        if len(rows):
            self._rows[room].append(rows)
            self._rooms |= 1 << room
