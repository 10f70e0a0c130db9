"""From parts to the files of a corpus: one section of the order after the other, in several processes.

In: parts, and what was decided on them. Out: `documents-00000.jsonl` and so on, each whole or not there; those that
are there are not written again. On the way every document that is trained on, or is over the limit, is compared with
the held-out ones: what it resembles is noted beside the parts.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from pydantic_core import from_json, to_json

from loanword.corpus.decide import Decided
from loanword.corpus.memory import give_back_memory
from loanword.corpus.order import Keys, in_order
from loanword.corpus.parts import whole
from loanword.corpus.split import KEPT_UNDER_OWN_ID
from loanword.protocols import Progress
from loanword.tokenizer.workers import ordered_map

Line = bytes | memoryview
_AT_ONCE = 256


class Resemblance(Protocol):
    """Some texts that documents are compared with (screen.Screen)."""

    def near(self, documents: Sequence[str]) -> Iterator[tuple[int, list[int]]]:
        """Places of documents that are near any of the texts, and which."""
        ...


def write_shards(
    decided: Decided, out: Path, folder: Path, resemblance: Resemblance | None, progress: Progress, num_workers: int
) -> dict[int, str]:
    """Writes what is not there yet; for each text of `resemblance` that is resembled, the id of the first document
    that does.
    """
    kinds = ("shard",) if resemblance is None else ("shard", "over_limit")
    chosen = [place for place, section in enumerate(decided.decision.sections) if section.kind in kinds]
    total_bytes = sum(decided.decision.sections[place].num_bytes for place in chosen)
    done_bytes = 0
    found: dict[int, str] = {}
    for place in ordered_map(_Writer(decided, out, folder, resemblance), chosen, num_workers):
        if resemblance is not None:
            resembled: dict[str, str] = from_json(_note(folder, place).read_bytes())
            for text, id in resembled.items():
                found.setdefault(int(text), id)
        done_bytes += decided.decision.sections[place].num_bytes
        progress(done_bytes, total_bytes, "bytes")
    return found


def section_lines(decided: Decided, section: int) -> list[Line]:
    """The documents of a section in order, one line of JSON each; of one id all but the first under their own."""
    lines, own, columns = list[Line](), list[bool](), list[Sequence[Keys]]()
    for part, rows, fates in decided.rows(section):
        found, keys = part.lines(rows, ("order", "text_high", "text_low"))
        lines += found
        own += (fates == KEPT_UNDER_OWN_ID).tolist()
        columns.append(keys)
    if not lines:
        return []
    order, high, low = (np.concatenate(column) for column in zip(*columns, strict=True))
    places: list[int] = in_order(order, high, low).tolist()
    return [_with_own_id(lines[place], int(high[place])) if own[place] else lines[place] for place in places]


def _with_own_id(line: Line, text_high: int) -> bytes:
    document = from_json(bytes(line))
    return to_json({"id": f"{document['id']}~{text_high >> 32:08x}", "text": document["text"]}) + b"\n"


class _Writer:
    def __init__(self, decided: Decided, out: Path, folder: Path, resemblance: Resemblance | None) -> None:
        self._decided = decided
        self._out = out
        self._folder = folder
        self._resemblance = resemblance
        self._num_before = sum(section.kind == "held_out" for section in decided.decision.sections)

    def __call__(self, section: int) -> int:
        """Does what is not done of a section, and returns which it was."""
        note, shard = _note(self._folder, section), self._out / f"documents-{section - self._num_before:05}.jsonl"
        is_shard = self._decided.decision.sections[section].kind == "shard"
        to_note = self._resemblance is not None and not note.exists()
        to_write = is_shard and not shard.exists()
        if to_note or to_write:
            lines = section_lines(self._decided, section)
            if to_note:
                with whole(note, self._folder) as file:
                    file.write(to_json(self._resembled(lines)))
            if to_write:
                with whole(shard, self._folder) as file:
                    file.writelines(lines)
            del lines
            give_back_memory()
        return section

    def _resembled(self, lines: Sequence[Line]) -> dict[str, str]:
        assert self._resemblance is not None
        found: dict[str, str] = {}
        for first in range(0, len(lines), _AT_ONCE):
            read: list[dict[str, str]] = [from_json(bytes(line)) for line in lines[first : first + _AT_ONCE]]
            for place, texts in self._resemblance.near([document["text"] for document in read]):
                for text in texts:
                    found.setdefault(str(text), read[place]["id"])
        return found


def _note(folder: Path, section: int) -> Path:
    return folder / f"resembled-{section:06}.json"
