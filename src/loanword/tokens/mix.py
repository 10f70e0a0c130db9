"""The order in which rows of several sources are read: pure functions of a seed and an index.

Nothing is stored and nothing is drawn: row g of the mixture is known without the rows before it, so a run resumes
from one integer, and any number of workers reads the same order.
"""

import hashlib
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from loanword.tokens.rows import Row, Rows, TokenRows
from loanword.tokens.turns import TurnOrder


class Origin(NamedTuple):
    """Where a row of the mixture comes from."""

    source: Literal["target", "source"]
    row: int


class Mixture:
    """The first `num_target_rows` target rows in order, with replayed source rows as a `replay` share of all.

    Shares are exact: among the first g rows the number of source rows is g x replay, rounded. What row g is depends on
    neither how many rows are read nor on how many there are of the target, so every budget is the start of a larger
    one. Source rows begin at a row that the seed picks and go round.
    """

    def __init__(self, target: Rows, num_target_rows: int, source: Rows | None, replay: float, seed: int) -> None:
        if num_target_rows > target.num_rows:
            raise ValueError(f"{num_target_rows} rows of a target that has {target.num_rows}; limit_tokens sets epochs")
        if replay and (source is None or not source.num_rows):
            raise ValueError(f"replay {replay} of a source without rows")
        self.target = target
        self.source = source
        self.num_target_rows = num_target_rows
        # The decimal that was written, not the binary fraction nearest to it: 0.2 of 10 rows are 2.
        self._share = Fraction(repr(replay))
        self._first_source_row = _draw(seed, "source") % source.num_rows if source and source.num_rows else 0

    @property
    def num_rows(self) -> int:
        """All rows, replay included: about num_target_rows / (1 - replay)."""
        return self.rows_for_target(self.num_target_rows)

    def source_rows_before(self, index: int) -> int:
        """Source rows among the first `index` rows."""
        share = self._share
        return (2 * index * share.numerator + share.denominator) // (2 * share.denominator)

    def target_rows_before(self, index: int) -> int:
        """Target rows among the first `index` rows."""
        return index - self.source_rows_before(index)

    def rows_for_target(self, num_target_rows: int) -> int:
        """The fewest rows that hold the first `num_target_rows` target rows; they end with a target row."""
        if not num_target_rows:
            return 0
        # The smallest g with g - floor(g p/q + 1/2) >= n: g must exceed (n - 1/2) q / (q - p).
        p, q = self._share.numerator, self._share.denominator
        return (2 * num_target_rows - 1) * q // (2 * (q - p)) + 1

    def origin(self, index: int) -> Origin:
        """Which source's which row stands at `index`."""
        before = self.source_rows_before(index)
        if self.source is None or self.source_rows_before(index + 1) == before:
            return Origin("target", index - before)
        return Origin("source", (self._first_source_row + before) % self.source.num_rows)

    def row(self, index: int, /) -> Row:
        """The row at `index`."""
        origin = self.origin(index)
        rows = self.source if origin.source == "source" and self.source is not None else self.target
        return rows.row(origin.row)


class Turns:
    """Rows of several sources in turn, by weight; each source begins again at its end.

    Of any rows in succession every source has its share, give or take one. `num_rows` is a number of rows that holds
    every source a whole number of times, so that going round them has no seam; it may be larger than any machine's
    integers.
    """

    def __init__(self, sources: Sequence[Rows], weights: Sequence[int] | None = None) -> None:
        self.sources = tuple(sources)
        weights = weights or (1,) * len(self.sources)
        self.num_rows: int = sum(weights) * math.lcm(*(rows.num_rows for rows in self.sources))
        self._order = TurnOrder(weights)

    def place(self, index: int) -> tuple[int, int]:
        """Which source, counted from 0, has its turn at `index`, and with which of its rows."""
        source, row = self._order.place(index)
        return source, row % self.sources[source].num_rows

    def row(self, index: int, /) -> Row:
        """The row at `index`."""
        source, row = self.place(index)
        return self.sources[source].row(row)


class Joined:
    """Rows of several token streams in turn, by weight, each of them once; one that has ended leaves its turns to the
    others.
    """

    def __init__(self, streams: Sequence[TokenRows], weights: Sequence[int]) -> None:
        self.streams = tuple(streams)
        self.row_tokens = self.streams[0].row_tokens
        self.num_rows: int = sum(stream.num_rows for stream in self.streams)
        self._weights = tuple(weights)
        self._order = TurnOrder(weights, [stream.num_rows for stream in self.streams])

    def row(self, index: int, /) -> Row:
        """The row at `index`."""
        stream, row = self._order.place(index)
        return self.streams[stream].row(row)

    def first_end(self) -> int:
        """Rows before the last row of the first stream that ends: so far, longer streams give the same rows."""
        endless = TurnOrder(self._weights)
        return min(endless.index(place, max(0, stream.num_rows - 1)) for place, stream in enumerate(self.streams))

    def tokens_in_rows(self, first: int, last: int) -> int:
        """Tokens of the streams in rows [first, last), padding left out."""
        spans = zip(self.streams, self._order.before(first), self._order.before(last), strict=True)
        return sum(stream.tokens_in_rows(begin, end) for stream, begin, end in spans)

    def bytes_in_rows(self, first: int, last: int) -> int:
        """UTF-8 bytes of the text that rows [first, last) stand for."""
        spans = zip(self.streams, self._order.before(first), self._order.before(last), strict=True)
        return sum(stream.bytes_in_rows(begin, end) for stream, begin, end in spans)


class Epochs:
    """The same rows over and over, in another order each time."""

    def __init__(self, rows: Rows, seed: int) -> None:
        self.rows = rows
        self._seed = seed
        self._order = (-1, np.empty(0, dtype=np.int64))

    def row(self, index: int, /) -> Row:
        """Row `index` counted over all epochs."""
        epoch, place = divmod(index, self.rows.num_rows)
        if self._order[0] != epoch:
            self._order = (epoch, epoch_order(self.rows.num_rows, self._seed, epoch))
        return self.rows.row(int(self._order[1][place]))


def epoch_order(num_rows: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """A shuffle of the row indices for one epoch: the same on every machine and under every numpy.

    Source: splitmix64 (Steele, Lea and Flood 2014), as the key by which rows are sorted.
    """
    with np.errstate(over="ignore"):
        steps = np.arange(1, num_rows + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        key = steps + np.uint64(_draw(seed, f"epoch {epoch}"))
        key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.argsort(key ^ (key >> np.uint64(31)), kind="stable").astype(np.int64)


def _draw(seed: int, name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8, key=str(seed).encode()).digest())
