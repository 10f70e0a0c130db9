"""How well a tokenizer suits a language's text, and what an extension changes in text of another.

Everything is computed from one count: how often each piece occurs.

Shapes: V pieces.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from loanword.errors import UserError
from loanword.records import Count, Record, TokenizerMeasure
from loanword.tokenizer.gate import plain_segments
from loanword.tokenizer.interface import Tokenizer
from loanword.writing import writing

MOST_NAMED_PIECES = 20

_BATCH_TEXTS = 256
# Where SentencePiece's words meet: a piece reaches across neither, runs of spaces apart.
_WORD = re.compile(r"\n+|▁*[^▁\n]+|▁+")

Counts = NDArray[np.int64]


class PieceUse(Record):
    """How many pieces occur in some text, and how many of those that could occur do not; see TokenizerMeasure."""

    num_used_pieces: Count
    num_unused_pieces: Count
    num_unused_new_pieces: Count | None = None


class TokenizerMeasures(Record):
    """How one tokenizer encodes texts of several languages; `together` is over all of them."""

    num_pieces: Count
    num_new_pieces: Count | None
    languages: tuple[TokenizerMeasure, ...]
    together: PieceUse


class FiringPiece(Record):
    """A new piece that occurs in source text, and in how many of its words."""

    text: str
    num_words: Count


class SourceChange(Record):
    """What an extension changes in source text, and how many words of it are quotations, which were left out.

    A word that pre-tokenisation parts further counts as changed once for every part that is encoded otherwise. Of the
    new pieces that occur, those in most words are named.
    """

    num_words: Count
    num_changed_words: Count
    num_quoting_words: Count
    firing_pieces: tuple[FiringPiece, ...] = ()

    @property
    def share(self) -> float:
        """Changed words among all that are no quotations: 0 where there are none."""
        return self.num_changed_words / self.num_words if self.num_words else 0.0

    def can_show(self, share: float) -> bool:
        """Whether there are words enough for one of them to be no more than such a share; any show a share of 0."""
        return share == 0 or self.num_words * share >= 1


def measure(
    tokenizer: Tokenizer, texts: Iterable[str], language: str, *, num_base_pieces: int | None = None
) -> TokenizerMeasure:
    """Tokens against bytes, characters and words of texts in one language; BOS and EOS are not counted.

    Words are what spaces part. Bytes are UTF-8. `num_base_pieces` says where new pieces begin, if there are any.

    Raises:
        UserError: there is no text.
    """
    (measured,) = measure_languages(tokenizer, {language: texts}, num_base_pieces=num_base_pieces).languages
    return measured


def measure_languages(
    tokenizer: Tokenizer,
    texts: Mapping[str, Iterable[str]],
    *,
    num_base_pieces: int | None = None,
    parallel: frozenset[str] = frozenset(),
    source: str = "",
) -> TokenizerMeasures:
    """The measures of every language's texts, each read once.

    The languages in `parallel` say the same; where `source` is one of them, theirs are measured against it.

    Raises:
        UserError: there is no text in a language.
    """
    counted = {language: _counted(tokenizer, documents, language) for language, documents in texts.items()}
    pieces = _Pieces(tokenizer, num_base_pieces)
    num_source_tokens = counted[source].num_tokens if source in parallel else None
    return TokenizerMeasures(
        num_pieces=tokenizer.num_pieces,
        num_new_pieces=None if num_base_pieces is None else tokenizer.num_pieces - num_base_pieces,
        languages=tuple(
            _measured(language, found, pieces, num_source_tokens if language in parallel else None)
            for language, found in counted.items()
        ),
        together=pieces.use(np.sum([found.occurrences_V for found in counted.values()], axis=0)),
    )


def measure_change(base: Tokenizer, extended: Tokenizer, texts: Iterable[str],
                   foreign: frozenset[str]) -> SourceChange:  # fmt: skip
    """How many words of held-out source text an extended tokenizer encodes otherwise than its base."""
    num_words = num_plain = 0
    words: Counter[str] = Counter()
    for text in texts:
        num_words += len(text.split())
        for segment in plain_segments(text, foreign):
            num_plain += len(segment.split())
            words.update(chain.from_iterable(map(_WORD.findall, base.spans(segment))))
    num_changed = 0
    firing: Counter[str] = Counter()
    encoded = zip(words.values(), base.encode_spans(words), extended.encode_spans(words), strict=True)
    for count, before, after in encoded:
        if before != after:
            num_changed += count
            firing.update({extended.pieces[id]: count for id in after if id >= base.num_pieces})
    return SourceChange(
        num_words=num_plain,
        num_changed_words=num_changed,
        num_quoting_words=num_words - num_plain,
        firing_pieces=tuple(
            FiringPiece(text=text, num_words=count) for text, count in firing.most_common(MOST_NAMED_PIECES)
        ),
    )


def unreachable_pieces(base: Tokenizer, extended: Tokenizer) -> list[str]:
    """New pieces that no text is ever encoded as.

    A piece that is not made of its own text is made in no larger text either: what is joined inside it is joined in
    the same order there.
    """
    new = extended.pieces[base.num_pieces :]
    ids = extended.encode_spans(new)
    return [text for number, text in enumerate(new) if ids[number] != [base.num_pieces + number]]


@dataclass(frozen=True)
class _Counted:
    occurrences_V: Counts
    num_bytes: int
    num_characters: int
    num_words: int

    @property
    def num_tokens(self) -> int:
        return int(self.occurrences_V.sum())


class _Pieces:
    """Which pieces are bytes, which can be called unused, and which are new."""

    def __init__(self, tokenizer: Tokenizer, num_base_pieces: int | None) -> None:
        ids = range(tokenizer.num_pieces)
        self.is_byte_V = np.array([tokenizer.is_byte(id) for id in ids])
        # A byte-level tokenizer also has pieces of several bytes that are no whole character: those were learned.
        if tokenizer.family == "byte-level":
            is_atom_V = np.array([len(piece) < 2 for piece in tokenizer.pieces])
        else:
            is_atom_V = self.is_byte_V.copy()
        is_atom_V[list(tokenizer.special_ids.values())] = True
        self._is_learned_V = ~is_atom_V
        self._num_base_pieces = num_base_pieces

    def use(self, occurrences_V: Counts) -> PieceUse:
        is_unused_V = self._is_learned_V & (occurrences_V == 0)
        first = self._num_base_pieces
        return PieceUse(
            num_used_pieces=int((self._is_learned_V & (occurrences_V > 0)).sum()),
            num_unused_pieces=int(is_unused_V.sum()),
            num_unused_new_pieces=None if first is None else int(is_unused_V[first:].sum()),
        )


def _counted(tokenizer: Tokenizer, texts: Iterable[str], language: str) -> _Counted:
    occurrences_V = np.zeros(tokenizer.num_pieces, dtype=np.int64)
    num_bytes = num_characters = num_words = 0
    for batch in _batches(texts):
        ids = np.fromiter(chain.from_iterable(tokenizer.encode_batch(batch)), dtype=np.int64)
        occurrences_V += np.bincount(ids, minlength=tokenizer.num_pieces)
        num_bytes += sum(len(text.encode()) for text in batch)
        num_characters += sum(map(len, batch))
        num_words += sum(len(text.split()) for text in batch)
    if not num_words or not occurrences_V.any():
        raise UserError(
            f"text of {language}",
            "nothing to measure",
            expected="at least one document with words",
            do=f"set corpus.{language}.held_out_documents in a study, or give a file with text",
        )
    return _Counted(occurrences_V, num_bytes, num_characters, num_words)


def _measured(language: str, counted: _Counted, pieces: _Pieces, num_source_tokens: int | None) -> TokenizerMeasure:
    num_tokens = counted.num_tokens
    return TokenizerMeasure(
        language=language,
        num_tokens=num_tokens,
        num_bytes=counted.num_bytes,
        tokens_per_character=num_tokens / counted.num_characters,
        bytes_per_token=counted.num_bytes / num_tokens,
        tokens_per_word=num_tokens / counted.num_words if writing(language).spaced else None,
        byte_fallback_share=int(counted.occurrences_V[pieces.is_byte_V].sum()) / num_tokens,
        premium=None if num_source_tokens is None else num_tokens / num_source_tokens,
        **pieces.use(counted.occurrences_V).model_dump(),
    )


def _batches(texts: Iterable[str]) -> Iterator[Sequence[str]]:
    remaining = iter(texts)
    while batch := list(islice(remaining, _BATCH_TEXTS)):
        yield batch
