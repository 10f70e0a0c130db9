"""How well a tokenizer suits a language's text."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

import numpy as np

from loanword.errors import UserError
from loanword.records import Count, Record, TokenizerMeasure
from loanword.tokenizer.gate import plain_segments
from loanword.tokenizer.interface import Tokenizer
from loanword.writing import writing

_BATCH_TEXTS = 256


class SourceChange(Record):
    """What an extension changes in source text, and how many words of it are quotations, which were left out.

    A word counts as changed once for every new piece in it.
    """

    num_words: Count
    num_changed_words: Count
    num_quoting_words: Count


def measure(tokenizer: Tokenizer, texts: Iterable[str], language: str) -> TokenizerMeasure:
    """Tokens against bytes, characters and words of texts in one language; BOS and EOS are not counted.

    Words are what spaces part. Bytes are UTF-8.

    Raises:
        UserError: there is no text.
    """
    is_byte_V = np.array([tokenizer.is_byte(id) for id in range(tokenizer.num_pieces)])
    num_tokens = num_byte_tokens = num_bytes = num_characters = num_words = 0
    for batch in _batches(texts):
        ids = np.fromiter(chain.from_iterable(tokenizer.encode_batch(batch)), dtype=np.int64)
        num_tokens += len(ids)
        num_byte_tokens += int(is_byte_V[ids].sum())
        num_bytes += sum(len(text.encode()) for text in batch)
        num_characters += sum(map(len, batch))
        num_words += sum(len(text.split()) for text in batch)
    if not num_tokens or not num_words:
        raise UserError(
            f"held-out text of {language}",
            "nothing to measure",
            expected="at least one document with words",
            do=f"set corpus.{language}.held_out_documents in a study, or give a file with text",
        )
    return TokenizerMeasure(
        language=language,
        num_tokens=num_tokens,
        num_bytes=num_bytes,
        tokens_per_character=num_tokens / num_characters,
        bytes_per_token=num_bytes / num_tokens,
        tokens_per_word=num_tokens / num_words if writing(language).spaced else None,
        byte_fallback_share=num_byte_tokens / num_tokens,
    )


def measure_change(base: Tokenizer, extended: Tokenizer, texts: Iterable[str],
                   foreign: frozenset[str]) -> SourceChange:  # fmt: skip
    """How many words of held-out source text an extended tokenizer encodes otherwise than its base."""
    num_words = num_plain = num_changed = 0
    for batch in _batches(texts):
        segments = [segment for text in batch for segment in plain_segments(text, foreign)]
        num_words += sum(len(text.split()) for text in batch)
        num_plain += sum(len(segment.split()) for segment in segments)
        # New pieces merge last: where none occurs, every id is the base's.
        num_changed += sum(id >= base.num_pieces for ids in extended.encode_batch(segments) for id in ids)
    return SourceChange(num_words=num_plain, num_changed_words=num_changed, num_quoting_words=num_words - num_plain)


def _batches(texts: Iterable[str]) -> Iterator[Sequence[str]]:
    remaining = iter(texts)
    while batch := list(islice(remaining, _BATCH_TEXTS)):
        yield batch
