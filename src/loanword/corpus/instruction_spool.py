"""Conversations on their way into the order: on disk, with what their places follow from in memory.

Shapes: N conversations.
"""

from collections.abc import Sequence
from typing import IO, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic_core import from_json, to_json

from loanword.corpus.instruction_sift import Kept, compared_text
from loanword.corpus.order import Integers, Keys, changes, in_order, text_digest

DUPLICATE, NEAR_DUPLICATE = 1, 2


class Spool:
    """Conversations in the order of reading, one line of JSON each."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._rows: list[npt.NDArray[np.uint64]] = []
        self._signatures: list[npt.NDArray[np.uint32]] = []

    def add(self, kept: Sequence[Kept], signatures: npt.NDArray[np.uint32] | None) -> None:
        """Takes the next ones."""
        rows = [
            (
                each.order,
                *_halves(each.digest),
                _halves(each.exact)[0],
                _halves(text_digest(each.id))[0],
                len(each.line),
            )
            for each in kept
        ]
        self._rows.append(np.array(rows, np.uint64).reshape(-1, 6))
        self._file.writelines(each.line for each in kept)
        if signatures is not None:
            self._signatures.append(signatures)

    def closed(self) -> "Spooled":
        """All that were added."""
        self._file.flush()
        order_N, high_N, low_N, exact_N, id_N, length_N = np.concatenate([np.zeros((0, 6), np.uint64), *self._rows]).T
        ends_N = np.cumsum(length_N).astype(np.int64)
        starts_N = np.concatenate([np.zeros(1, np.int64), ends_N])
        signatures_NK = np.concatenate(self._signatures) if self._signatures else None
        return Spooled(self._file, order_N, high_N, low_N, exact_N, id_N, starts_N, signatures_NK)


class Spooled(NamedTuple):
    """Conversations that wait on disk, each with keys of 64 bits for what its place follows from.

    `starts_N` are the places in the file at which they begin, and where the last one ends.
    """

    file: IO[bytes]
    order_N: Keys
    high_N: Keys
    low_N: Keys
    exact_N: Keys
    id_N: Keys
    starts_N: Integers
    signatures_NK: npt.NDArray[np.uint32] | None

    def line(self, place: int) -> bytes:
        """The line of one."""
        start, end = int(self.starts_N[place]), int(self.starts_N[place + 1])
        self.file.seek(start)
        return self.file.read(end - start)


class Fates(NamedTuple):
    """What becomes of each: why it goes (0: it stays), and those that stay, in order, each with whether one before it
    has its id. `first_N` is the first in the order of those whose texts differ in white space alone.
    """

    reason_N: npt.NDArray[np.uint8]
    kept: Integers
    id_is_taken: npt.NDArray[np.bool_]
    first_N: Integers


def fates(spooled: Spooled, is_later_N: npt.NDArray[np.bool_] | None, ranks: "Ranks") -> Fates:
    """Which conversations stay, and in which order; `is_later_N` says which are near duplicates."""
    reason_N = np.where(ranks.rank_N < 0, DUPLICATE, 0).astype(np.uint8)
    if is_later_N is not None:
        reason_N[is_later_N] = NEAR_DUPLICATE
    kept = ranks.by_order[reason_N[ranks.by_order] == 0]
    taken = np.ones(len(kept), np.bool_)
    taken[np.unique(spooled.id_N[kept], return_index=True)[1]] = False
    return Fates(reason_N, kept, taken, ranks.first_N)


class Ranks(NamedTuple):
    """Places in the order: -1 where another with the same text comes before."""

    by_order: Integers
    rank_N: Integers
    first_N: Integers


def ranks(spooled: Spooled) -> Ranks:
    """The order of all, equal texts side by side, the first of them by exact text and id."""
    by_rest = np.lexsort((spooled.id_N, spooled.exact_N))
    by_order = by_rest[in_order(spooled.order_N[by_rest], spooled.high_N[by_rest], spooled.low_N[by_rest])]
    high, low = spooled.high_N[by_order], spooled.low_N[by_order]
    is_first = changes(high, low)
    first_N, rank_N = np.empty(len(by_order), np.int64), np.full(len(by_order), -1, np.int64)
    first_N[by_order] = by_order[np.maximum.accumulate(np.where(is_first, np.arange(len(by_order)), 0))]
    rank_N[by_order[is_first]] = np.arange(int(is_first.sum()))
    return Ranks(by_order, rank_N, first_N)


def line_with_own_id(line: bytes, digest_high: int) -> bytes:
    """A conversation under an id that no other text has."""
    fields = from_json(line)
    return to_json({"id": f"{fields['id']}~{digest_high >> 32:08x}", "messages": fields["messages"]}) + b"\n"


def text_of(spooled: Spooled, place: int) -> str:
    """What of one is compared with others."""
    return compared_text(spooled.line(place))


def _halves(digest: bytes) -> tuple[int, int]:
    return int.from_bytes(digest[:8]), int.from_bytes(digest[8:])
