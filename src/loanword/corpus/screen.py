"""Which documents of a whole corpus are near one of some hundred texts: many documents at a time.

The n-grams of one short document take longer to ask for than to make. So documents are strung together, with an n-gram
between them that tells where the next one begins, and only those that share enough n-grams with one of the texts to be
near it are looked at by themselves. What is found is what `near.Likeness` finds, document by document.

Shapes: B documents strung together, G n-grams of them, T texts.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from loanword.corpus.near import Likeness
from loanword.corpus.order import Integers, Keys
from loanword.corpus.shingles import NGRAM_TOKENS, ngrams

BATCH_CHARACTERS = 60_000
_PARTING = "qzxqzx " * NGRAM_TOKENS
_NO_KEYS = np.zeros(0, np.uint64)


class Screen:
    """Tells which of many documents are near which of `texts`."""

    def __init__(self, texts: Sequence[str], threshold: float) -> None:
        self._likeness = Likeness(texts, threshold)
        self._threshold = threshold
        sets = [np.unique(ngrams(text)) for text in texts]
        self._num_ngrams_T = np.array([len(one) for one in sets], np.int64)
        keys = np.concatenate([_NO_KEYS, *sets])
        by_key = np.argsort(keys, kind="stable")
        self._text_of = np.repeat(np.arange(len(sets)), self._num_ngrams_T)[by_key]
        self._keys, self._first_of = np.unique(keys[by_key], return_index=True)
        self._num_of = np.diff(np.append(self._first_of, len(keys)))
        # A table of the keys' first bits lets one in sixteen of what is no key pass at most.
        bits = max(1, (16 * len(keys)).bit_length())
        self._shift = np.uint64(64 - bits)
        self._known = np.zeros(1 << bits, np.bool_)
        self._known[self._keys >> self._shift] = True
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
        places = np.flatnonzero(self._known.take((keys_G >> self._shift).astype(np.intp)))
        known = np.searchsorted(self._keys, keys_G[places])
        found = self._keys[np.minimum(known, len(self._keys) - 1)] == keys_G[places]
        document, known = np.searchsorted(ends_B, places[found]), known[found]
        # Most documents share too little with all texts together, and their repeats need not be told.
        many = (np.bincount(document, minlength=num_documents) >= self._threshold * self._num_ngrams_T.min())[document]
        pairs = np.sort(document[many] * len(self._keys) + known[many])
        document, known = np.divmod(pairs[np.diff(pairs, prepend=-1) > 0], len(self._keys))
        # Each n-gram counts for every text that has it.
        first_of, num_of = self._first_of[known], self._num_of[known]
        within = np.arange(int(num_of.sum())) - np.repeat(np.cumsum(num_of) - num_of, num_of)
        cells = np.repeat(document, num_of) * num_texts + self._text_of[np.repeat(first_of, num_of) + within]
        pairs, num_shared = np.unique(cells, return_counts=True)
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
