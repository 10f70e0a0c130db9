"""Numbers of short segments of text, looked up for many at once.

A segment of up to 11 units of UTF-16 is three words of 64 bits, its length in the last of them, so that equal words
are equal segments and nothing is left to chance. Where two segments want one place, the first one has it.

Shapes: S segments, K places.
"""

import numpy as np
from numpy.typing import NDArray

LONGEST_UNITS = 11
_PLACE_BITS = 18
_MULTIPLIERS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)
_WORD_UNITS = 4

Words = NDArray[np.uint64]
Integers = NDArray[np.int64]


def _masks() -> Words:
    """Which bits of the three words are text, by the number of units."""
    masks = np.zeros((3, LONGEST_UNITS + 1), np.uint64)
    for size in range(LONGEST_UNITS + 1):
        for word in range(3):
            num_units = min(max(size - _WORD_UNITS * word, 0), _WORD_UNITS)
            masks[word, size] = (1 << 16 * num_units) - 1
    return masks


_MASKS = _masks()


def sliding_words(unit_U: NDArray[np.uint16]) -> Words:
    """The 64 bits from each unit of a text on, zeros behind its end."""
    padded = unit_U.tobytes() + bytes(2 * _WORD_UNITS * 3)
    return np.ndarray((len(unit_U) + 2 * _WORD_UNITS,), "<u8", buffer=padded, strides=(2,)).copy()


class SegmentTable:
    """Numbers of segments by what they say."""

    def __init__(self) -> None:
        self._keys_K = np.zeros((3, 1 << _PLACE_BITS), np.uint64)
        self._number_K = np.full(1 << _PLACE_BITS, -1, np.int32)

    def keys(self, word_U: Words, begin_S: Integers, size_S: Integers) -> Words:
        """What segments are known by, [3, S]; they begin at units and have 2 to LONGEST_UNITS of them."""
        keys = np.empty((3, len(begin_S)), np.uint64)
        for word in range(3):
            np.bitwise_and(word_U[begin_S + _WORD_UNITS * word], _MASKS[word][size_S], out=keys[word])
        keys[2] |= size_S.astype(np.uint64) << np.uint64(48)
        return keys

    def numbers(self, keys: Words) -> NDArray[np.int32]:
        """Numbers of segments by their keys, -1 where they are not here."""
        place_S = self._places(keys)
        found = self._keys_K[0][place_S] == keys[0]
        for word in (1, 2):
            found &= self._keys_K[word][place_S] == keys[word]
        return np.where(found, self._number_K[place_S], np.int32(-1))

    def add(self, keys: Words, number_S: Integers) -> None:
        """Takes in segments for which there is a place."""
        place, first = np.unique(self._places(keys), return_index=True)
        is_free = self._number_K[place] < 0
        place, first = place[is_free], first[is_free]
        self._keys_K[:, place] = keys[:, first]
        self._number_K[place] = number_S[first]

    def clear(self) -> None:
        """Forgets all."""
        self._keys_K.fill(0)
        self._number_K.fill(-1)

    def _places(self, keys: Words) -> Integers:
        mixed = keys[0] * _MULTIPLIERS[0] ^ keys[1] * _MULTIPLIERS[1] ^ keys[2] * _MULTIPLIERS[2]
        mixed ^= mixed >> np.uint64(32)
        return (mixed * _MULTIPLIERS[0] >> np.uint64(64 - _PLACE_BITS)).astype(np.int64)
