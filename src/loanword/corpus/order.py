"""Seeded orders that depend on what is ordered and on nothing else."""

import hashlib


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
