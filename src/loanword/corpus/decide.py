"""What becomes of every document of all parts together: decided once, and kept on disk for whoever writes the corpus.

In: parts. Out, in the same folder: `fates`, one byte a document; `reaches`, for each section how far it reaches into
every part, int32; and a Decision, written last.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic_core import from_json

from loanword.corpus.examples import NUM_EXAMPLES, removed_example
from loanword.corpus.order import Integers
from loanword.corpus.parts import Part, whole
from loanword.corpus.split import (
    DUPLICATE,
    KEPT,
    NEAR_DUPLICATE,
    Fates,
    Section,
    first_numbers,
    kept,
    mark_duplicates,
    mark_repeated_ids,
    sections,
)
from loanword.recipe import CorpusConfig
from loanword.records import Count, Record, Removed, read_json, write_json

_FATES, _REACHES, _DECISION = "fates", "reaches", "decision.json"


class Decision(Record):
    """The sections of the order, and how many documents are in none of them."""

    sections: tuple[Section, ...]
    num_duplicates: Count
    num_near_duplicates: Count
    examples: tuple[Removed, ...]


class Decided:
    """A decision, and the documents that it is about."""

    def __init__(self, parts: Sequence[Part], folder: Path) -> None:
        self.decision = read_json(Decision, folder / _DECISION)
        self._parts = parts
        self._folder = folder
        self._firsts = first_numbers(parts)
        self._fates = np.fromfile(folder / _FATES, np.uint8)

    def rows(self, section: int) -> list[tuple[Part, Integers, Fates]]:
        """The documents of a section: parts, and the rows in each that stay, with their fates."""
        start, stop = self._reach(section - 1), self._reach(section)
        found: list[tuple[Part, Integers, Fates]] = []
        for place in np.flatnonzero(start < stop).tolist():
            first, last = int(start[place]), int(stop[place])
            fates = self._fates[self._firsts[place] + first : self._firsts[place] + last]
            stay = np.flatnonzero(kept(fates))
            found.append((self._parts[place], stay + first, fates[stay]))
        return found

    def _reach(self, section: int) -> Integers:
        num_parts = len(self._parts)
        if section < 0:
            return np.zeros(num_parts, np.int64)
        path, offset = self._folder / _REACHES, 4 * section * num_parts
        return np.fromfile(path, np.int32, num_parts, offset=offset).astype(np.int64)


def decide(parts: Sequence[Part], config: CorpusConfig, shard_bytes: int, folder: Path) -> Decided:
    """The decision on all documents of `parts`, where it is not in `folder` already."""
    if not (folder / _DECISION).exists():
        firsts = first_numbers(parts)
        fates = np.full(firsts[-1], KEPT, np.uint8)
        pairs = mark_duplicates(parts, fates, NUM_EXAMPLES)
        examples = [_example(parts, firsts, "duplicate", pair.number, pair.kept) for pair in pairs]
        if config.near_duplicates is not None:
            examples += _mark_near_duplicates(parts, firsts, fates, config.near_duplicates, folder)
        mark_repeated_ids(parts, fates)
        made: list[Section] = []
        with whole(folder / _REACHES, folder) as file:
            for section, reach in sections(parts, fates, config.held_out_documents, config.limit_bytes, shard_bytes):
                made.append(section)
                file.write(reach.astype(np.int32).tobytes())
        with whole(folder / _FATES, folder) as file:
            file.write(fates.tobytes())
        decision = Decision(
            sections=tuple(made),
            num_duplicates=int(np.count_nonzero(fates == DUPLICATE)),
            num_near_duplicates=int(np.count_nonzero(fates == NEAR_DUPLICATE)),
            examples=tuple(examples),
        )
        write_json(decision, folder / _DECISION)
    return Decided(parts, folder)


def _mark_near_duplicates(
    parts: Sequence[Part], firsts: Sequence[int], fates: Fates, threshold: float, folder: Path
) -> list[Removed]:
    from loanword.corpus.near import later_duplicates, signature

    number = np.flatnonzero(kept(fates))
    if not len(number):
        return []
    path, kind, ranks = folder / "signatures", signature(""), list[Integers]()
    with whole(path, folder) as file:
        for part, first in zip(parts, firsts, strict=False):
            if part.num_documents:
                stay = kept(fates[first : first + part.num_documents])
                file.write(part.signatures()[stay].tobytes())
                # Of 64 bits an integer with a sign has 63.
                ranks.append((part.column("order")[stay] >> np.uint64(1)).astype(np.int64))
    rank = np.concatenate(ranks)
    signatures_NK = np.memmap(path, kind.dtype, "r", shape=(len(number), len(kind)))

    def text_of(place: int) -> str:
        return _document(parts, firsts, int(number[place]))["text"]

    later = np.flatnonzero(later_duplicates(signatures_NK, rank, threshold, text_of, folder))
    path.unlink()
    fates[number[later]] = NEAR_DUPLICATE
    few = later[np.argsort(rank[later], kind="stable")[:NUM_EXAMPLES]].tolist()
    return [_example(parts, firsts, "near_duplicate", int(number[place])) for place in few]


def _example(parts: Sequence[Part], firsts: Sequence[int], rule: str, number: int, kept: int | None = None) -> Removed:
    document = _document(parts, firsts, number)
    because = "" if kept is None else _document(parts, firsts, kept)["id"]
    return removed_example(rule, document["id"], document["text"], because)


def _document(parts: Sequence[Part], firsts: Sequence[int], number: int) -> dict[str, str]:
    place = int(np.searchsorted(np.asarray(firsts), number, side="right")) - 1
    (line,), _ = parts[place].lines(np.array([number - firsts[place]]))
    return from_json(bytes(line))
