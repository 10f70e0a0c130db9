"""Which documents of a whole corpus are near one of some hundred texts: many documents at a time.

The n-grams of one short document take longer to ask for than to make. So documents are strung together, with an n-gram
between them that tells where the next one begins, and only those that share enough n-grams with one of the texts to be
near it are looked at by themselves. What is found is what `near.Likeness` finds, document by document.

Shapes: B documents strung together, G n-grams of them, T texts.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from loanword.corpus.near import Likeness
from loanword.corpus.order import Integers, Keys, changes
from loanword.corpus.shingles import NGRAM_TOKENS, ngrams

BATCH_CHARACTERS = 60_000
_PARTING = "qzxqzx " * NGRAM_TOKENS


class Screen:
    """Tells which of many documents are near which of `texts`."""

    def __init__(self, texts: Sequence[str], threshold: float) -> None:
        self._likeness = Likeness(texts, threshold)
        self._threshold = threshold
        self._holders = self._likeness.holders
        self._num_ngrams_T = self._holders.num_ngrams_T
        # A table of the n-grams' first bits lets one in sixteen of what is none of them pass at most.
        bits = max(1, (16 * len(self._holders.owners)).bit_length())
        self._shift = np.uint64(64 - bits)
        self._may_be_known = np.zeros(1 << bits, np.bool_)
        self._may_be_known[self._holders.hashes >> self._shift] = True
        (self._parting,) = ngrams(_PARTING)

    def near(self, documents: Sequence[str]) -> Iterator[tuple[int, list[int]]]:
        """The documents that are near any text, by their place in `documents`, and the texts."""
        for first, last in _batches(documents):
            for place in self._possible(documents[first:last]):
                texts = self._likeness.resembled(documents[first + place])
                if texts:
                    yield first + place, texts

    def _possible(self, documents: Sequence[str]) -> list[int]:
        """Those that share `threshold` times the n-grams of a text, or are too short to tell, B at most."""
        keys_G = ngrams("".join(f"{document}\n{_PARTING}" for document in documents))
        ends_B = np.flatnonzero(keys_G == self._parting)
        if len(ends_B) != len(documents):
            return list(range(len(documents)))  # what stands between documents also stands in one
        num_tokens_B = np.diff(ends_B, prepend=-NGRAM_TOKENS) - NGRAM_TOKENS
        possible_B = num_tokens_B < NGRAM_TOKENS
        document, text, num_shared = self._shared(keys_G, ends_B)
        possible_B[document[num_shared >= self._threshold * self._num_ngrams_T[text]]] = True
        return np.flatnonzero(possible_B).tolist()

    def _shared(self, keys_G: Keys, ends_B: Integers) -> tuple[Integers, Integers, Integers]:
        """Documents, texts, and how many distinct n-grams of the text the document has, where it has any.

        Few pairs of B x T have.
        """
        num_documents, num_texts = len(ends_B), len(self._num_ngrams_T)
        places = np.flatnonzero(self._may_be_known.take((keys_G >> self._shift).astype(np.intp)))
        is_known, ngram = self._holders.known(keys_G[places])
        document = np.searchsorted(ends_B, places[is_known])
        # Most documents share too little with all texts together, and their repeats need not be told.
        many = (np.bincount(document, minlength=num_documents) >= self._threshold * self._num_ngrams_T.min())[document]
        num_ngrams = len(self._holders.hashes)
        pairs = np.sort(document[many] * num_ngrams + ngram[many])
        document, ngram = np.divmod(pairs[changes(pairs)], num_ngrams)
        # Each n-gram counts for every text that has it.
        place, text = self._holders.of(ngram)
        pairs, num_shared = np.unique(document[place] * num_texts + text, return_counts=True)
        return *np.divmod(pairs, num_texts), num_shared


def _batches(documents: Sequence[str]) -> Iterator[tuple[int, int]]:
    first, num_characters = 0, 0
    for place, document in enumerate(documents):
        if num_characters and num_characters + len(document) > BATCH_CHARACTERS:
            yield first, place
            first, num_characters = place, 0
        num_characters += len(document) + len(_PARTING)
    if first < len(documents):
        yield first, len(documents)
