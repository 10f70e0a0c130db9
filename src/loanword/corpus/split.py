"""Which documents a corpus keeps, in which order, and which of them are held out.

An Index holds 40 bytes a document, whatever its text; a Split is decided from it alone, so that a corpus larger
than memory is read twice and never held.
"""

from array import array
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from loanword.corpus.order import order_key, text_digest
from loanword.records import Document

Integers = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]


def _keys() -> "array[int]":
    return array("Q")


@dataclass
class Index:
    """What deciding needs to know of each document, in reading order."""

    split_seed: int
    order: "array[int]" = field(default_factory=_keys)
    text_high: "array[int]" = field(default_factory=_keys)
    text_low: "array[int]" = field(default_factory=_keys)
    id: "array[int]" = field(default_factory=_keys)
    num_bytes: "array[int]" = field(default_factory=_keys)

    def add(self, document: Document) -> None:
        """Takes note of the next document."""
        text = text_digest(document.text)
        self.order.append(order_key(self.split_seed, document.id.encode("utf-8") + text))
        self.text_high.append(int.from_bytes(text[:8]))
        self.text_low.append(int.from_bytes(text[8:]))
        self.id.append(int.from_bytes(text_digest(document.id)[:8]))
        self.num_bytes.append(len(document.text.encode("utf-8")))

    def __len__(self) -> int:
        return len(self.order)


@dataclass(frozen=True)
class Split:
    """A decision about every document that was read.

    `rank` is the document's place in the corpus, held-out documents first, -1 where it is left out; `id_taken` is
    True where a document before it has the same id. `part_ends` are the ranks at which the held-out documents and
    then each shard end.
    """

    rank: Integers
    id_taken: npt.NDArray[np.bool_]
    part_ends: tuple[int, ...]
    part_bytes: tuple[int, ...]
    num_duplicates: int
    num_over_limit: int


def split_documents(index: Index, held_out_documents: int, limit_bytes: int | None, shard_bytes: int) -> Split:
    """Order, distinct texts, held-out documents and shards, independent of the order of reading.

    Of documents with one text the first in the order stays. Shards end before they exceed `shard_bytes`, unless one
    document alone does. Documents after the first that would exceed `limit_bytes` are over the limit, so that a
    smaller corpus is the start of a larger one; held-out documents do not count towards it.
    """
    high, low = _array(index.text_high), _array(index.text_low)
    by_order = np.lexsort((low, high, _array(index.order)))
    distinct = by_order[_first_of_equals(high[by_order], low[by_order])]
    sizes = _array(index.num_bytes)[distinct].astype(np.int64)
    num_held_out = min(held_out_documents, len(distinct))
    num_kept = len(distinct)
    if limit_bytes is not None:
        num_kept = num_held_out + int(np.searchsorted(np.cumsum(sizes[num_held_out:]), limit_bytes, side="right"))
    kept = distinct[:num_kept]
    rank = np.full(len(index), -1, dtype=np.int64)
    rank[kept] = np.arange(num_kept)
    ids = _array(index.id)[kept]
    id_taken = np.zeros(len(index), dtype=np.bool_)
    id_taken[kept] = ~_first_of_equals(ids, ids)
    ends = [num_held_out, *_shard_ends(sizes[:num_kept], num_held_out, shard_bytes)]
    return Split(
        rank=rank,
        id_taken=id_taken,
        part_ends=tuple(ends),
        part_bytes=tuple(int(sizes[start:end].sum()) for start, end in zip([0, *ends], ends, strict=False)),
        num_duplicates=len(index) - len(distinct),
        num_over_limit=len(distinct) - num_kept,
    )


def _array(values: "array[int]") -> Keys:
    return np.frombuffer(values, dtype=np.uint64) if values else np.zeros(0, dtype=np.uint64)


def _first_of_equals(high: Keys, low: Keys) -> npt.NDArray[np.bool_]:
    """True at the first place of each pair of keys; lexsort is stable, so the first of a run stands first."""
    order = np.lexsort((low, high))
    first = np.ones(len(order), dtype=np.bool_)
    first[order[1:]] = (high[order[1:]] != high[order[:-1]]) | (low[order[1:]] != low[order[:-1]])
    return first


def _shard_ends(sizes: Integers, start: int, shard_bytes: int) -> list[int]:
    ends: list[int] = []
    until = np.cumsum(sizes)
    while start < len(sizes):
        before = int(until[start - 1]) if start else 0
        start = max(start + 1, int(np.searchsorted(until, before + shard_bytes, side="right")))
        ends.append(start)
    return ends
