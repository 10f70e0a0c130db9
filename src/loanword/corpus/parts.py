"""Documents between reading and writing: files of some megabytes, each in the seeded order by itself.

Out: `part-00000` and so on, each one header of int64; columns of 8 bytes a document; signatures, where there are
any; one line of JSON a document, as it will stand in the corpus; and what else became of what was read (Told).

Because a part is sorted, what it holds of any stretch of the whole order lies side by side in it. A part appears whole
or not at all, and says where reading goes on behind it.
"""

import json
import os
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from loanword.corpus.examples import Examples
from loanword.corpus.order import Integers, Keys, in_order

COLUMNS = ("order", "text_high", "text_low", "id", "num_bytes", "end")
"""Place in the seeded order; digest of the text, in two halves, and of the id; size of the text, and where the line
ends, in bytes."""
_KEY_BYTES = 8
_NO_KEYS = np.zeros(0, np.uint64)
_HEADER = ("num_documents", "num_line_bytes", "signature_bytes", "next_file", "next_batch")


class Position(NamedTuple):
    """A batch of a source file, both counted from zero."""

    file: int
    batch: int


@dataclass
class Told:
    """What became of what was read, besides the documents that went on."""

    num_removed: Counter[str] = field(default_factory=Counter[str])
    num_changed: Counter[str] = field(default_factory=Counter[str])
    quarantined: list[str] = field(default_factory=list[str])
    examples: Examples = field(default_factory=Examples)

    def add(self, other: "Told") -> None:
        """What became of both."""
        self.num_removed.update(other.num_removed)
        self.num_changed.update(other.num_changed)
        self.quarantined += other.quarantined
        self.examples.merge(other.examples)


class Sifted(NamedTuple):
    """Documents that went on: their lines one behind the other, their columns (with the size of the line where a part
    has its end), and their signatures, where there are any.
    """

    lines: bytes
    columns: dict[str, Keys]
    signatures: npt.NDArray[Any] | None


class Part:
    """One part on disk; only its header is held."""

    def __init__(self, path: Path) -> None:
        self.path = path
        header = dict(zip(_HEADER, np.fromfile(path, np.int64, len(_HEADER)).tolist(), strict=True))
        self.num_documents: int = header["num_documents"]
        self.following = Position(header["next_file"], header["next_batch"])
        self._signature_bytes: int = header["signature_bytes"]
        self._signatures_start = _KEY_BYTES * (len(_HEADER) + len(COLUMNS) * self.num_documents)
        self._lines_start = self._signatures_start + self.num_documents * self._signature_bytes
        self._told_start = self._lines_start + header["num_line_bytes"]

    def column(self, name: str) -> Keys:
        """A column of all documents."""
        return np.fromfile(self.path, np.uint64, self.num_documents, offset=self._place(name, 0))

    def signatures(self) -> npt.NDArray[np.uint8]:
        """The signature of each document as bytes, [num_documents, bytes]."""
        count = self.num_documents * self._signature_bytes
        flat = np.fromfile(self.path, np.uint8, count, offset=self._signatures_start)
        return flat.reshape(self.num_documents, self._signature_bytes)

    def lines(self, rows: Integers, names: Sequence[str] = ()) -> tuple[list[memoryview], list[Keys]]:
        """The lines of some documents, `rows` ascending, and some of their columns.

        Neighbours are read together, and nothing between.
        """
        if not len(rows):
            return [], [_NO_KEYS for _ in names]
        first, last = int(rows[0]), int(rows[-1]) + 1
        found: list[memoryview] = []
        # A shard is put together of a little of every part, so that each is opened once for it.
        with self.path.open("rb", buffering=0) as file:
            columns = [self._rows(file.fileno(), name, first, last)[rows - first] for name in names]
            ends = self._rows(file.fileno(), "end", max(0, first - 1), last).astype(np.int64)
            ends = ends if first else np.concatenate([np.zeros(1, np.int64), ends])
            starts, ends = ends[rows - first], ends[rows - first + 1]
            for from_row, to_row in _stretches(starts, ends):
                begin, end = int(starts[from_row]), int(ends[to_row - 1])
                read = memoryview(_read(file.fileno(), end - begin, self._lines_start + begin))
                places = zip(starts[from_row:to_row].tolist(), ends[from_row:to_row].tolist(), strict=True)
                found += [read[start - begin : end - begin] for start, end in places]
        return found, columns

    def told(self) -> Told:
        """What else became of what was read for this part."""
        with self.path.open("rb") as file:
            file.seek(self._told_start)
            plain = json.loads(file.read())
        examples = Examples.from_plain(plain["examples"], self.path)
        return Told(Counter(plain["num_removed"]), Counter(plain["num_changed"]), plain["quarantined"], examples)

    def _rows(self, file: int, name: str, first: int, last: int) -> Keys:
        return np.frombuffer(_read(file, _KEY_BYTES * (last - first), self._place(name, first)), np.uint64)

    def _place(self, name: str, row: int) -> int:
        return _KEY_BYTES * (len(_HEADER) + COLUMNS.index(name) * self.num_documents + row)


@contextmanager
def whole(path: Path, scratch: Path) -> Generator[IO[bytes]]:
    """A file to fill that appears at `path` whole or not at all.

    What a killed process leaves half written stays in `scratch`, under a name that no other process uses: its
    workers may still be at it when the next one goes on.
    """
    temporary = scratch / f"unfinished-{os.getpid()}-{path.name}"
    try:
        with temporary.open("wb") as file:
            yield file
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _split(sifted: Sifted) -> Iterator[memoryview]:
    view, start = memoryview(sifted.lines), 0
    for size in sifted.columns["end"].tolist():
        yield view[start : start + size]
        start += size


def _read(file: int, num_bytes: int, offset: int) -> bytes:
    # One call gives 2 GiB at most.
    found = [os.pread(file, num_bytes, offset)]
    while (left := num_bytes - sum(map(len, found))) > 0 and found[-1]:
        found.append(os.pread(file, left, offset + num_bytes - left))
    return found[0] if len(found) == 1 else b"".join(found)


def _stretches(starts: Integers, ends: Integers) -> Iterator[tuple[int, int]]:
    breaks = (np.flatnonzero(starts[1:] != ends[:-1]) + 1).tolist()
    yield from zip([0, *breaks], [*breaks, len(starts)], strict=True)


def parts_in(folder: Path) -> list[Part]:
    """The parts of a folder, in the order in which they were read."""
    return [Part(path) for path in sorted(folder.glob("part-*"))]


def write_part(sifted: Sequence[Sifted], told: Told, following: Position, path: Path) -> Part:
    """Puts documents into the seeded order and on disk; `following` is where reading goes on behind them."""
    columns = {name: np.concatenate([_NO_KEYS, *(each.columns[name] for each in sifted)]) for name in COLUMNS}
    lines: list[memoryview] = [line for each in sifted for line in _split(each)]
    places = in_order(columns["order"], columns["text_high"], columns["text_low"])
    columns = {name: column[places] for name, column in columns.items()}
    columns["end"] = np.cumsum(columns["end"], dtype=np.uint64)
    signatures = [each.signatures for each in sifted if each.signatures is not None]
    sorted_signatures = np.concatenate(signatures)[places] if signatures else np.zeros((0, 0), np.uint8)
    signature_bytes = sorted_signatures[:1].nbytes
    num_line_bytes = int(columns["end"][-1]) if len(places) else 0
    with whole(path, path.parent) as file:
        file.write(np.array([len(places), num_line_bytes, signature_bytes, *following], np.int64).tobytes())
        for name in COLUMNS:
            file.write(columns[name].tobytes())
        file.write(sorted_signatures.tobytes())
        numbers: list[int] = places.tolist()
        file.writelines(lines[place] for place in numbers)
        plain = {**vars(told), "examples": told.examples.to_plain()}
        file.write(json.dumps(plain, ensure_ascii=False).encode("utf-8"))
    return Part(path)
