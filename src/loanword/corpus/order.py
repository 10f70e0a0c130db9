"""Seeded orders that depend on what is ordered and on nothing else."""

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]
Integers = npt.NDArray[np.int64]


def order_key(seed: int, content: bytes) -> int:
    """A place for `content` among all others, below 2**64: the same in every file, at every size of the whole.

    Sorting by it shuffles. Dropping things moves nothing else, so every start of an order is the start of longer ones.
    """
    return int.from_bytes(hashlib.blake2b(content, digest_size=8, key=str(seed).encode()).digest())


def text_digest(*parts: str) -> bytes:
    """16 bytes that stand for some texts in their order; where one ends and the next begins counts."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        encoded = part.encode("utf-8")
        digest.update(len(encoded).to_bytes(8))
        digest.update(encoded)
    return digest.digest()


def changes(column: npt.NDArray[Any], *more: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Where a value, or one of several side by side, is not the one before it; at the first place too."""
    changed = np.ones(len(column), np.bool_)
    np.not_equal(column[1:], column[:-1], out=changed[1:])
    for other in more:
        changed[1:] |= other[1:] != other[:-1]
    return changed


def in_order(order: Keys, text_high: Keys, text_low: Keys) -> Integers:
    """Places in the seeded order; of different texts with one key, should there be any, the smaller digest first."""
    return np.lexsort((text_low, text_high, order))
