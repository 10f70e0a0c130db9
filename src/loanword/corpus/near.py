"""Near-duplicate documents: which are removed since another one is left that says nearly the same.

Four steps: 1 a MinHash signature of each text, made wherever the text is at hand and all that is kept of it; 2 the
documents that share a band of their signatures (`bands`); 3 in the order of rank, for each of them those kept so far
that are estimated to be similar; 4 of these the exact similarity of the texts, read again.

A document goes only if a document that stays is as similar as the threshold, by exact count: none goes for an
estimate, none for being similar to something that itself went. What is missed is a matter of probability, with a
seed: the same documents with the same ranks always give the same result.

Shapes: N documents, K slots of a signature.
"""

import shutil
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from loanword.corpus.bands import Buckets, Rows, Signatures, banding
from loanword.corpus.shingles import Hashes, jaccard, ngrams, similarity

__all__ = ["NUM_SLOTS", "Likeness", "later_duplicates", "signature", "similarity"]

NUM_SLOTS = 128
"""Slots of a signature, 4 bytes each: estimates of a similarity s are off by sqrt(s (1 - s) / 128), 0.035 at 0.8."""

# Another seed, another hash or another version of the library's algorithm is another stage version.
_SEED = 20_240_607
MAX_MISSED = 0.005
"""How many of the pairs right at the threshold may share no band."""
# Candidates whose estimate is further below the threshold than so many of its standard deviations are not read.
_DEVIATIONS = 4.0
# In one bucket so many kept documents are remembered, the first by rank; and so many are read again for one document,
# the most similar by estimate. Pages of one template could otherwise cost their number squared.
_MAX_KEPT_OF_BUCKET = 1000
_MAX_READ = 64
_REMEMBERED_BYTES = 16_000_000


def signature(text: str) -> npt.NDArray[np.uint32]:
    """The MinHash signature of a text's n-grams, shape (K,): two texts agree in each slot with the probability of their
    similarity.

    Source: Dahlgaard, Knudsen, Thorup 2017, "Fast Similarity Sketching", as the library rensa does it.
    """
    # Imported late: it is a compiled library, and few commands need it.
    import rensa  # pyright: ignore[reportMissingTypeStubs]

    hashes = ngrams(text)
    # One text a call: many at once are given to threads, which a fork leaves behind.
    sketch = cast(Any, rensa).RMinHash.digest_matrix_from_flat_token_hashes
    return np.array(sketch(hashes, [0, len(hashes)], NUM_SLOTS, _SEED).to_rows()[0], np.uint32)


def later_duplicates(
    signatures_NK: Signatures,
    rank_N: npt.NDArray[np.int64],
    threshold: float,
    text_of: Callable[[int], str],
    scratch: Path,
) -> npt.NDArray[np.bool_]:
    """True where a kept document of lower rank is at least `threshold` similar, shape (N,).

    Ranks differ; documents with a negative one take no part. `text_of(index)` is asked for the texts that signatures
    leave in doubt. Nothing depends on the order of the documents, only on texts and ranks. In memory are 25 bytes a
    document and some 60 MB; `scratch` has files of some 250 bytes a document while it lasts.
    """
    order = np.argsort(rank_N, kind="stable")
    order = order[rank_N[order] >= 0]
    later_N = np.zeros(len(rank_N), np.bool_)
    place_N = np.full(len(rank_N), -1, np.int64)
    place_N[order] = np.arange(len(order))
    folder = scratch / "near"
    shutil.rmtree(folder, ignore_errors=True)
    with Rows(signatures_NK) as signatures:
        cut = banding(threshold, signatures.num_slots, MAX_MISSED)
        buckets = Buckets(signatures, place_N, cut, folder, _MAX_KEPT_OF_BUCKET)
        if buckets.num_numbers:
            kept = _Kept(buckets.num_numbers, folder / "kept")
            resemblance = _Resemblance(signatures, threshold, text_of)
            for place, bucket_numbers in buckets:
                index = int(order[place])
                later_N[index] = resemblance.any(index, order[kept.of(bucket_numbers)])
                if not later_N[index]:
                    kept.add(place, bucket_numbers)
    shutil.rmtree(folder, ignore_errors=True)
    return later_N


class _Kept:
    # The places of the documents kept so far, by bucket, in a file: first their number, then they.
    def __init__(self, num_numbers: int, path: Path) -> None:
        self._numbers = np.memmap(path, np.uint32, "w+", shape=(num_numbers,)).view(np.ndarray)

    def of(self, buckets: Sequence[int]) -> npt.NDArray[np.uint32]:
        found = [self._numbers[bucket + 1 : bucket + 1 + int(self._numbers[bucket])] for bucket in buckets]
        return np.unique(np.concatenate(found))

    def add(self, place: int, buckets: Sequence[int]) -> None:
        for bucket in buckets:
            count = int(self._numbers[bucket])
            if count < _MAX_KEPT_OF_BUCKET:
                # A bucket's last document is added too, and has room.
                self._numbers[bucket + 1 + count] = place
                self._numbers[bucket] = count + 1


class _Resemblance:
    # Whether a document is similar to any of some others: estimated for all, counted for the likely ones.
    def __init__(self, signatures: Rows, threshold: float, text_of: Callable[[int], str]) -> None:
        self._signatures, num_slots = signatures, signatures.num_slots
        self._threshold = threshold
        self._min_equal = num_slots * threshold - _DEVIATIONS * (num_slots * threshold * (1 - threshold)) ** 0.5
        self._text_of = text_of
        self._remembered: OrderedDict[int, Hashes] = OrderedDict()
        self._remembered_bytes = 0

    def any(self, index: int, others: npt.NDArray[np.int64]) -> bool:
        if not len(others):
            return False
        rows = self._signatures.at([index, *others.tolist()])
        num_equal = np.count_nonzero(rows[1:] == rows[0], axis=1)
        likeliest = np.argsort(-num_equal, kind="stable")[:_MAX_READ]
        likeliest = likeliest[num_equal[likeliest] >= self._min_equal]
        if not len(likeliest):
            return False
        mine = np.unique(ngrams(self._text_of(index)))
        return any(jaccard(mine, self._ngrams_of(other)) >= self._threshold for other in others[likeliest].tolist())

    def _ngrams_of(self, index: int) -> Hashes:
        # Of a family of near duplicates the first is compared with all the others.
        known = self._remembered.get(index)
        if known is None:
            known = self._remembered[index] = np.unique(ngrams(self._text_of(index)))
            self._remembered_bytes += known.nbytes
            while self._remembered_bytes > _REMEMBERED_BYTES and len(self._remembered) > 1:
                self._remembered_bytes -= self._remembered.popitem(last=False)[1].nbytes
        self._remembered.move_to_end(index)
        return known


class Holders:
    """The distinct n-grams of some texts in ascending order, and which of the texts hold each.

    Shapes: T texts.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        sets = [np.unique(ngrams(text)) for text in texts]
        self.num_ngrams_T = np.array([len(one) for one in sets], np.int64)
        every = np.concatenate([np.zeros(0, np.uint64), *sets])
        by_hash = np.argsort(every, kind="stable")
        self.owners = np.repeat(np.arange(len(sets)), self.num_ngrams_T)[by_hash]
        self.hashes, self._firsts = np.unique(every[by_hash], return_index=True)
        self.counts = np.diff(self._firsts, append=len(every))

    def known(self, hashes: Hashes) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
        """Which of some n-grams are among these, and the numbers of those that are."""
        numbers = np.searchsorted(self.hashes, hashes)
        is_known = self.hashes[np.minimum(numbers, len(self.hashes) - 1)] == hashes
        return is_known, numbers[is_known]

    def of(self, numbers: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Pairs of a place in `numbers` and a text that holds the n-gram of that number."""
        firsts, counts = self._firsts[numbers], self.counts[numbers]
        within = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.repeat(np.arange(len(numbers)), counts), self.owners[np.repeat(firsts, counts) + within]


class Likeness:
    """Which of some hundred texts a text is near, over a whole corpus.

    A text has to share `threshold` times the n-grams of one of them with it, or its similarity cannot reach the
    threshold. How many it shares at most is read from a table; only where that is enough is the similarity counted.
    So nothing is missed.
    """

    def __init__(self, texts: Sequence[str], threshold: float) -> None:
        self._threshold = threshold
        self.holders = holders = Holders(texts)
        self._num_ngrams = holders.num_ngrams_T
        hashes, owners = np.repeat(holders.hashes, holders.counts), holders.owners
        # By the highest bits of a number, whose it may be: 0 nobody's, from 1 on one text's, the last several texts'.
        bits = (8 * len(hashes) | 1).bit_length()
        self._shift = np.uint64(64 - bits)
        self._whose = np.zeros(1 << bits, np.min_scalar_type(len(texts) + 1))
        places = (hashes >> self._shift).astype(np.int64)
        self._whose[places] = owners + 1
        several = places[self._whose[places] != owners + 1]
        self._whose[several] = len(texts) + 1

    def resembled(self, text: str) -> list[int]:
        """Numbers of the texts that are at least as similar as the threshold, in order."""
        hashes = ngrams(text)
        whose = self._whose.take((hashes >> self._shift).view(np.int64))
        found = whose != 0
        at_most = np.bincount(whose[found], minlength=len(self._num_ngrams) + 2)
        possible = self._num_ngrams[(at_most[1:-1] + at_most[-1]) / self._num_ngrams >= self._threshold]
        if not len(possible):
            return []
        # A long text shares much with short ones, and is like none of them: the start of it has too many n-grams.
        longest = int(possible.max())
        if longest / len(np.unique(hashes[: 4 * longest])) < self._threshold:
            return []
        num_shared = self._num_shared(np.unique(hashes[found]))
        num_either = len(np.unique(hashes)) + self._num_ngrams - num_shared
        return np.flatnonzero(num_shared / num_either >= self._threshold).tolist()

    def _num_shared(self, hashes: Hashes) -> npt.NDArray[np.int64]:
        """How many of some distinct numbers each of the texts has."""
        _, numbers = self.holders.known(hashes)
        return np.bincount(self.holders.of(numbers)[1], minlength=len(self._num_ngrams))
