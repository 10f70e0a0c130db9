"""Which documents a corpus keeps, in which order, and which of them are held out.

Decided from columns of 8 bytes a document (parts.COLUMNS), whatever the texts. Documents are numbered
through all parts, and looked at in groups that hold all that could matter to each other: all of one text, all of one
id, all of one stretch of the order. In memory are one group, and one byte a document.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from loanword.corpus.order import Integers, Keys, changes, in_order
from loanword.records import Count, Record

GROUP_DOCUMENTS = 65_536
_MOST_GROUPS = 64

Fates = npt.NDArray[np.uint8]
SectionKind = Literal["held_out", "shard", "over_limit"]
KEPT, KEPT_UNDER_OWN_ID, DUPLICATE, NEAR_DUPLICATE = range(4)
"""What becomes of a document. One that is kept gets an id of its own where one before it has the same."""


class Columns(Protocol):
    """Documents that were read together, sorted by the seeded order."""

    num_documents: int

    def column(self, name: str) -> Keys: ...


class Pair(NamedTuple):
    """A document that is left out and the one that is kept instead, both by number, and the first one's order key."""

    order: int
    number: int
    kept: int


class Section(Record):
    """Documents that follow on each other in the order: the held-out ones, those of a shard, or of none.

    Many held-out documents may be several sections; documents over the limit are too.
    """

    kind: SectionKind
    num_documents: Count
    num_bytes: Count


class _Group(NamedTuple):
    part: Integers
    number: Integers
    columns: dict[str, Keys]


def first_numbers(parts: Sequence[Columns]) -> list[int]:
    """The number of each part's first document, and how many documents there are."""
    return list(accumulate((part.num_documents for part in parts), initial=0))


def kept(fates: Fates) -> npt.NDArray[np.bool_]:
    """True where a document stays."""
    return fates <= KEPT_UNDER_OWN_ID


def mark_duplicates(
    parts: Sequence[Columns], fates: Fates, num_examples: int, group_documents: int = GROUP_DOCUMENTS
) -> list[Pair]:
    """Leaves out all but one of the documents of one text; returns a few of different texts.

    Documents of one text have one place in the order, and that with the smallest digest of its id stays.
    """
    examples: list[Pair] = []
    for group in _groups(parts, "text_high", ("text_low", "order", "id"), group_documents):
        high, low, order, id = (group.columns[name] for name in ("text_high", "text_low", "order", "id"))
        by_text = np.lexsort((id, order, low, high))
        first = changes(high[by_text], low[by_text])
        first_of = by_text[np.maximum.accumulate(np.where(first, np.arange(len(first)), 0))]
        left_out, stays = by_text[~first], first_of[~first]
        fates[group.number[left_out]] = DUPLICATE
        few = np.unique(order[left_out], return_index=True)[1][:num_examples]
        columns = (order[left_out[few]], group.number[left_out[few]], group.number[stays[few]])
        examples += (Pair(*row) for row in zip(*(column.tolist() for column in columns), strict=True))
        examples = sorted(examples)[:num_examples]
    return examples


def mark_repeated_ids(parts: Sequence[Columns], fates: Fates, group_documents: int = GROUP_DOCUMENTS) -> None:
    """Among documents that stay, all but the first of one id get one of their own."""
    for group in _groups(parts, "id", ("order", "text_high"), group_documents):
        stay = np.flatnonzero(kept(fates[group.number]))
        id, order, high = (group.columns[name][stay] for name in ("id", "order", "text_high"))
        by_id = np.lexsort((high, order, id))
        repeated = by_id[~changes(id[by_id])]
        fates[group.number[stay[repeated]]] = KEPT_UNDER_OWN_ID


def sections(
    parts: Sequence[Columns],
    fates: Fates,
    held_out_documents: int,
    limit_bytes: int | None,
    shard_bytes: int,
    group_documents: int = GROUP_DOCUMENTS,
) -> Iterator[tuple[Section, Integers]]:
    """The whole order cut up; with each section, how far it reaches into every part, in documents.

    First come the held-out documents. Shards end before they exceed `shard_bytes`, unless one document alone does.
    From the first document on that would exceed `limit_bytes` all are over the limit, so that a smaller corpus is the
    start of a larger one; held-out documents do not count towards it.
    """
    reached = np.zeros(len(parts), np.int64)
    left = np.inf if limit_bytes is None else limit_bytes
    for group in _groups(parts, "order", ("text_high", "text_low", "num_bytes"), group_documents):
        places = in_order(*(group.columns[name] for name in ("order", "text_high", "text_low")))
        stay = np.flatnonzero(kept(fates[group.number[places]]))
        sizes = group.columns["num_bytes"][places[stay]].astype(np.int64)
        until = np.cumsum(sizes)
        num_held_out = min(held_out_documents, len(stay))
        held_out_documents -= num_held_out
        held_out_bytes = int(until[num_held_out - 1]) if num_held_out else 0
        num_within = max(num_held_out, int(np.searchsorted(until, held_out_bytes + left, side="right")))
        within_bytes = int(until[num_within - 1]) if num_within else 0
        left = left - (within_bytes - held_out_bytes) if num_within == len(stay) else -1
        begin, done = 0, 0
        for kind, end in _ends(until, num_held_out, num_within, shard_bytes):
            # What is left out beside the last document of a section may belong to either side.
            place = int(stay[end]) if end < len(stay) else len(places)
            reached = reached + np.bincount(group.part[places[done:place]], minlength=len(parts))
            num_bytes = int(until[end - 1]) - (int(until[begin - 1]) if begin else 0)
            yield Section(kind=kind, num_documents=end - begin, num_bytes=num_bytes), reached
            begin, done = end, place
        if not len(stay):
            reached = reached + np.bincount(group.part, minlength=len(parts))


def _ends(until: Integers, num_held_out: int, num_within: int, shard_bytes: int) -> Iterator[tuple[SectionKind, int]]:
    if num_held_out:
        yield "held_out", num_held_out
    rest: tuple[tuple[SectionKind, int, int], ...] = (
        ("shard", num_held_out, num_within),
        ("over_limit", num_within, len(until)),
    )
    for kind, start, stop in rest:
        while start < stop:
            before = int(until[start - 1]) if start else 0
            fitting = int(np.searchsorted(until, before + shard_bytes, side="right"))
            start = min(stop, max(start + 1, fitting))
            yield kind, start


def _groups(parts: Sequence[Columns], by: str, names: Iterable[str], group_documents: int) -> Iterator[_Group]:
    """All documents, those of one key in one group, and groups in the order of the keys."""
    firsts = first_numbers(parts)
    # Keys are digests, so their first bits divide documents evenly.
    num_groups = min(_MOST_GROUPS, -(-firsts[-1] // group_documents))
    bits = max(0, num_groups - 1).bit_length()
    for group in range(1 << bits):
        chosen = [_rows(part.column(by), bits, group) for part in parts]
        columns = {
            name: np.concatenate(
                [np.zeros(0, np.uint64), *(part.column(name)[rows] for part, rows in zip(parts, chosen, strict=True))]
            )
            for name in (by, *names)
        }
        part = np.repeat(np.arange(len(parts)), [len(rows) for rows in chosen])
        number = [rows + first for rows, first in zip(chosen, firsts, strict=False)]
        yield _Group(part, np.concatenate([np.zeros(0, np.int64), *number]), columns)


def _rows(keys: Keys, bits: int, group: int) -> Integers:
    if not bits:
        return np.arange(len(keys))
    return np.flatnonzero(keys >> np.uint64(64 - bits) == np.uint64(group))
