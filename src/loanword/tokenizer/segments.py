"""Ids of much text by SentencePiece BPE, cut where no merge can cross, each different segment encoded once.

Every merge makes a piece, so two characters that stand side by side in no piece are never joined, whatever is around
them: text cut there has the same ids in segments as in one. Segments repeat (words, and most Chinese characters by
themselves); those that are known are found by numpy, many at once.

Shapes: U units of UTF-16, S segments, I ids.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice, pairwise, repeat
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from loanword.tokenizer.segment_table import LONGEST_UNITS, SegmentTable, sliding_words
from loanword.tokenizer.words import batches

SPACE = "▁"
BATCH_CHARACTERS = 400_000
MAX_REMEMBERED = 250_000
"""Segments that are remembered, at about 200 bytes each."""
LONGEST_REMEMBERED = 24
"""Characters beyond which a segment is not likely to come again."""

_BOOLS_A_PAIR = 64
_MULTIPLIERS = np.array([0x9E3779B1, 0x85EBCA77], np.uint32)

Integers = NDArray[np.int64]
Units = NDArray[np.uint16]


class FlatIds(NamedTuple):
    """Ids of texts one after another, and how many each text has."""

    ids: NDArray[np.uint32]
    num_ids: Integers


EncodeAll = Callable[[Sequence[str]], FlatIds]


class Joints:
    """Which adjacent characters some piece joins. It may say so of a few that none does, never the other way round."""

    def __init__(self, pieces: Iterable[str]) -> None:
        pairs = sorted({pair for piece in pieces for pair in pairwise(units(piece).tolist())})
        self._shift = np.uint32(32 - max(10, (_BOOLS_A_PAIR * len(pairs)).bit_length()))
        self._joined = np.zeros(1 << (32 - int(self._shift)), np.bool_)
        left, right = np.array(pairs, np.uint32).reshape(-1, 2).T
        self._joined[self._places(left, right)] = True

    def borders(self, unit_U: Units, ends: Integers) -> Integers:
        """Where a text can be cut, its own two ends among them, and where it has to be: at `ends`."""
        border = np.ones(len(unit_U) + 1, np.bool_)
        code_U = unit_U.astype(np.uint32)
        np.logical_not(self._joined[self._places(code_U[:-1], code_U[1:])], out=border[1:-1])
        border[:-1] &= _begins(unit_U)
        border[ends] = True
        return np.flatnonzero(border)

    def _places(self, left: NDArray[np.uint32], right: NDArray[np.uint32]) -> NDArray[np.uint32]:
        # One place for several pairs costs a cut, and no id.
        return (left * _MULTIPLIERS[0] + right * _MULTIPLIERS[1]) >> self._shift


class Segments:
    """Ids of texts under a SentencePiece BPE model with byte fallback.

    `pieces` are those that text can be merged to, `normalized` gives a text as the model divides it, and
    `encode_parts` the ids of parts of such a text, each by itself.
    """

    def __init__(
        self, pieces: Iterable[str], normalized: Callable[[str], str], encode_parts: EncodeAll,
        max_remembered: int = MAX_REMEMBERED,
    ) -> None:  # fmt: skip
        self._normalized = normalized
        self._joints = Joints(pieces)
        self._memory = _Memory(encode_parts, max_remembered)
        self._table = SegmentTable()
        self._number_of_unit = np.full(1 << 16, -1, np.int32)

    def encode(self, texts: Iterable[str]) -> FlatIds:
        """Ids of each text, without BOS and EOS."""
        return joined([self._encode(batch) for batch in batches(texts, BATCH_CHARACTERS)])

    def _encode(self, batch: Sequence[str]) -> FlatIds:
        texts = list(map(self._normalized, batch))
        text = "".join(texts)
        unit_U, ends = units(text), np.cumsum([0, *map(len, texts)])
        if len(unit_U) > len(text):
            ends = np.flatnonzero(np.append(_begins(unit_U), True))[ends]
        border = self._joints.borders(unit_U, ends)
        ids, num_ids = self._memory.ids(self._numbers(text, unit_U, border))
        until = np.concatenate([[0], np.cumsum(num_ids)])
        return FlatIds(ids, np.diff(until[np.searchsorted(border, ends)]))

    def _numbers(self, text: str, unit_U: Units, border: Integers) -> Integers:
        """Numbers of the segments between borders: those of one unit and of a few by tables, others by their text."""
        if self._memory.forget():
            self._table.clear()
            self._number_of_unit.fill(-1)
        begin_S, size_S = border[:-1], np.diff(border)
        number_S = np.full(len(size_S), -1, np.int64)
        alone = size_S == 1
        number_S[alone] = self._unit_numbers(unit_U[begin_S[alone]])
        short = np.flatnonzero(~alone & (size_S <= LONGEST_UNITS))
        keys = self._table.keys(sliding_words(unit_U), begin_S[short], size_S[short])
        number_S[short] = self._table.numbers(keys)
        is_new = number_S[short] < 0
        unknown = np.flatnonzero(number_S < 0)
        if len(unit_U) > len(text):
            border = (np.cumsum(np.append(_begins(unit_U), True)) - 1)[border]
        places = zip(border[unknown].tolist(), border[unknown + 1].tolist(), strict=True)
        number_S[unknown] = self._memory.numbers([text[begin:end] for begin, end in places])
        self._table.add(keys[:, is_new], number_S[short[is_new]])
        return number_S

    def _unit_numbers(self, unit_S: Units) -> NDArray[np.int32]:
        new = np.unique(unit_S[self._number_of_unit[unit_S] < 0])
        if len(new):
            self._number_of_unit[new] = self._memory.numbers(list(map(chr, new.tolist())))
        return self._number_of_unit[unit_S]


class _Memory:
    """Numbers of texts, and the ids that a text with a number has.

    Long texts have theirs until the next call of `numbers` that meets one which is not known.
    """

    def __init__(self, encode: EncodeAll, max_remembered: int) -> None:
        self._encode = encode
        self._max_remembered = max_remembered
        self._number_of: dict[str, int] = {}
        self._ids = np.zeros(1 << 16, np.uint32)
        # Where the ids of each text begin, and behind them where the next one's will.
        self._begin = np.zeros(1 << 14, np.int64)

    def numbers(self, texts: Sequence[str]) -> Integers:
        number_S = np.fromiter(map(self._number_of.get, texts, repeat(-1)), np.int64, len(texts))
        missing = np.flatnonzero(number_S < 0)
        if len(missing):
            number_S[missing] = self._learn([texts[place] for place in missing.tolist()])
        return number_S

    def ids(self, number_S: Integers) -> FlatIds:
        begin_S = self._begin[number_S]
        num_ids = self._begin[number_S + 1] - begin_S
        place_I = np.repeat(begin_S - (np.cumsum(num_ids) - num_ids), num_ids)
        place_I += np.arange(len(place_I))
        return FlatIds(self._ids[place_I], num_ids)

    def forget(self) -> bool:
        """Where there are too many, those that came last: what occurs often tends to come early."""
        if len(self._number_of) <= self._max_remembered:
            return False
        self._number_of = dict(islice(self._number_of.items(), self._max_remembered // 2))
        return True

    def _learn(self, texts: Sequence[str]) -> list[int]:
        distinct = sorted(dict.fromkeys(texts), key=_is_long)
        encoded = self._encode(distinct)
        num_known = len(self._number_of)
        num_ids = int(self._begin[num_known])
        self._ids = _with(self._ids, num_ids, encoded.ids)
        self._begin = _with(self._begin, num_known + 1, num_ids + np.cumsum(encoded.num_ids))
        number_of = dict(zip(distinct, range(num_known, num_known + len(distinct)), strict=True))
        self._number_of.update(islice(number_of.items(), len(distinct) - sum(map(_is_long, distinct))))
        return [number_of[text] for text in texts]


def joined(parts: Sequence[FlatIds]) -> FlatIds:
    """The texts of all parts, in order."""
    if not parts:
        return FlatIds(np.zeros(0, np.uint32), np.zeros(0, np.int64))
    return FlatIds(np.concatenate([part.ids for part in parts]), np.concatenate([part.num_ids for part in parts]))


def units(text: str) -> Units:
    """The units of UTF-16: a character's number, or two where it is beyond 65,535."""
    return np.frombuffer(text.encode("utf-16-le"), "<u2")


def _begins(unit_U: Units) -> NDArray[np.bool_]:
    """Which units begin a character, and are not the second one of it."""
    return (unit_U & 0xFC00) != 0xDC00


def _with(array: Any, place: int, values: Any) -> Any:
    """An array that holds values from a place on; what was behind it is gone."""
    size = place + len(values)
    if size > len(array):
        array = np.concatenate([array[:place], np.empty(max(size, 2 * len(array)) - place, array.dtype)])
    array[place:size] = values
    return array


def _is_long(text: str) -> bool:
    return len(text) > LONGEST_REMEMBERED
