"""Which documents share a band of their MinHash signatures, in bounded memory.

Two documents are worth comparing where all slots of one band are equal. That happens with probability
1 - (1 - s**rows)**bands to two that are similar to the degree s.

In: signatures [document, slot], and the documents' places in an order.
Out: for each document that shares a band, in that order, the buckets that it is in. A bucket is a band's documents
with equal slots, two or more; it is named by a number.

Pairs of a band's hash and a place wait on disk, cut by hash into parts that fit in memory, and what of them shares a
hash is cut again by place. What is in memory does not grow with the number of documents, unless one bucket does.
"""

import mmap
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from loanword.corpus.shingles import Hashes, scattered

Places = npt.NDArray[np.int64]
Signatures = npt.NDArray[np.uint32]

PART_BYTES = 4_000_000
_MAX_PARTS = 1024
_BLOCK_DOCUMENTS = 4096
_PAIR = np.dtype([("key", "<u8"), ("place", "<u4")])
_MEMBER = np.dtype([("place", "<u4"), ("bucket", "<u8")])


class Banding(NamedTuple):
    """How a signature is cut: the first `num_bands` * `num_rows` slots."""

    num_bands: int
    num_rows: int

    def recall(self, similarity: float) -> float:
        """The probability that two documents that are so similar share a band."""
        return 1 - (1 - similarity**self.num_rows) ** self.num_bands


def banding(threshold: float, num_slots: int, max_missed: float) -> Banding:
    """The longest bands with which at most `max_missed` of the pairs right at the threshold share none.

    Longer bands leave fewer pairs to compare.

    Source: Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", section 3.4.
    """
    cuts = [Banding(num_slots // rows, rows) for rows in range(num_slots, 0, -1)]
    return next((cut for cut in cuts if 1 - cut.recall(threshold) <= max_missed), cuts[-1])


class Rows:
    """Rows of signatures, read anew each time from their file where they lie in one; closed at the end of a `with`.

    What a mapped file shows stays in memory as long as there is room, a hundred kilobytes or more around each row.
    """

    def __init__(self, signatures_NK: Signatures) -> None:
        self._all_NK = signatures_NK
        self.num_slots = int(signatures_NK.shape[1])
        path = _file_of(signatures_NK)
        self._number = None if path is None else os.open(path, os.O_RDONLY)

    def __enter__(self) -> "Rows":
        return self

    def __exit__(self, *_: object) -> None:
        if self._number is not None:
            os.close(self._number)

    def between(self, start: int, end: int) -> Signatures:
        """Rows from `start` on, and before `end`."""
        return self._all_NK[start:end] if self._number is None else self._read([start], min(end, len(self._all_NK)))

    def at(self, numbers: Sequence[int]) -> Signatures:
        """Single rows in the order of their numbers."""
        return self._all_NK[numbers] if self._number is None else self._read(numbers)

    def _read(self, starts: Sequence[int], end: int = 0) -> Signatures:
        assert self._number is not None
        row_bytes, offset = self._all_NK.strides[0], int(cast(Any, self._all_NK).offset)
        size = row_bytes * (end - starts[0] if end else 1)
        read = b"".join(os.pread(self._number, size, offset + start * row_bytes) for start in starts)
        return np.frombuffer(read, self._all_NK.dtype).reshape(-1, self.num_slots)


def _file_of(array: npt.NDArray[Any]) -> str | None:
    # A part of a mapped array does not know where in the file it is; what is private to the process ("c") is not there.
    if not (isinstance(array, np.memmap) and isinstance(array.base, mmap.mmap) and array.flags.c_contiguous):
        return None
    mapped = cast(Any, array)
    return None if mapped.mode == "c" or mapped.filename is None else str(mapped.filename)


class Buckets:
    """The buckets that documents share, found once and kept in a folder until they are gone through, once.

    `place_N` is each document's place in the order, from 0 without gaps, or -1 where it takes no part. A bucket has
    some numbers to itself, from the one that names it: one more than it has documents, or than `room`. `num_numbers`
    is how many all of them have.
    """

    def __init__(self, signatures: Rows, place_N: Places, cut: Banding, scratch: Path, room: int) -> None:
        self._folder, self._num_places = scratch, len(place_N)
        pairs_bytes = len(place_N) * cut.num_bands * _PAIR.itemsize
        self._num_parts = min(_MAX_PARTS, 1 << max(0, (pairs_bytes - 1) // PART_BYTES).bit_length())
        scratch.mkdir(parents=True, exist_ok=True)
        self._cut_by_hash(signatures, place_N, cut)
        self.num_numbers = self._cut_by_place(room)

    def __iter__(self) -> Iterator[tuple[int, list[int]]]:
        """Each place whose document is in a bucket, in order, and its buckets."""
        for part in range(self._num_parts):
            members = _read(self._folder / f"members-{part}", _MEMBER)
            members = members[np.lexsort((members["bucket"], members["place"]))]
            places, firsts = np.unique(members["place"], return_index=True)
            ends = np.append(firsts, len(members))[1:]
            buckets = members["bucket"]
            for place, first, end in zip(places.tolist(), firsts.tolist(), ends.tolist(), strict=True):
                yield place, buckets[first:end].tolist()

    def _cut_by_hash(self, signatures: Rows, place_N: Places, cut: Banding) -> None:
        shift = np.uint64(64 - self._num_parts.bit_length() + 1)
        for start in range(0, len(place_N), _BLOCK_DOCUMENTS):
            place_B = place_N[start : start + _BLOCK_DOCUMENTS]
            chosen_B = place_B >= 0
            keys = _band_hashes(signatures.between(start, start + _BLOCK_DOCUMENTS)[chosen_B], cut)
            pairs = np.empty(keys.size, _PAIR)
            pairs["key"] = keys.ravel()
            pairs["place"] = np.repeat(place_B[chosen_B], cut.num_bands)
            part = (pairs["key"] >> shift if self._num_parts > 1 else np.zeros(len(pairs))).astype(np.int64)
            _append(self._folder, "pairs", pairs, part, self._num_parts)

    def _cut_by_place(self, room: int) -> int:
        used = 0
        for part in range(self._num_parts):
            pairs = _read(self._folder / f"pairs-{part}", _PAIR)
            pairs = pairs[np.argsort(pairs["key"])]
            firsts = np.unique(pairs["key"], return_index=True)[1]
            sizes = np.diff(firsts, append=len(pairs))
            numbers = np.where(sizes > 1, np.minimum(sizes, room) + 1, 0)
            names = used + np.cumsum(numbers) - numbers
            shared = np.repeat(sizes > 1, sizes)
            members = np.empty(int(shared.sum()), _MEMBER)
            members["place"] = pairs["place"][shared]
            members["bucket"] = np.repeat(names, sizes)[shared]
            used += int(numbers.sum())
            by_place = members["place"].astype(np.int64) * self._num_parts // max(1, self._num_places)
            _append(self._folder, "members", members, by_place, self._num_parts)
        return used


def _band_hashes(signatures_BK: Signatures, cut: Banding) -> Hashes:
    """A number for the slots of each band, and for the band: [document, band]."""
    factors = scattered(np.arange(1, cut.num_rows + 1, dtype=np.uint64)) | np.uint64(1)
    keys = np.zeros((len(signatures_BK), cut.num_bands), np.uint64)
    keys += scattered(np.arange(cut.num_bands, dtype=np.uint64) + np.uint64(1_000_003))
    for row in range(cut.num_rows):
        keys += signatures_BK[:, row : cut.num_bands * cut.num_rows : cut.num_rows].astype(np.uint64) * factors[row]
    return scattered(keys)


def _append(folder: Path, name: str, values: npt.NDArray[Any], part: Places, num_parts: int) -> None:
    ends = np.cumsum(np.bincount(part, minlength=num_parts)).tolist()
    values = values[np.argsort(part, kind="stable")] if num_parts > 1 else values
    for number, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
        if end > start:
            with (folder / f"{name}-{number}").open("ab") as file:
                file.write(values[start:end].tobytes())


def _read(path: Path, kind: np.dtype[Any]) -> npt.NDArray[Any]:
    if not path.exists():
        return np.zeros(0, kind)
    values = np.fromfile(path, kind)
    path.unlink()
    return values
