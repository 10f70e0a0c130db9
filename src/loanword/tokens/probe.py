"""Held-out text as rows whose loss is measured along the way, comparable with the likelihood of documents.

The text is the first so many bytes of it, whatever the vocabulary: documents in their order, the last one cut at a
character where the bytes are full. Each document is BOS and its ids; every id of the text is predicted exactly once,
BOS and EOS never. A document of up to T ids lies whole in one row, so that its nats are those of the document by
itself. A longer one is cut every T ids, and each further part begins anew behind the last id of the one before it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from loanword.errors import UserError
from loanword.tokenizer.fast import Encoder
from loanword.tokens.fit import best_fit
from loanword.tokens.rows import NOT_COUNTED, Row


@dataclass(frozen=True)
class ProbeRows:
    """Held-out text of one language: its rows, and the UTF-8 bytes that their counted labels stand for."""

    language: str
    num_bytes: int
    rows: tuple[Row, ...]


def probe_rows(
    texts: Iterable[str], tokenizer: Encoder, language: str, *, row_tokens: int, probe_bytes: int
) -> ProbeRows:
    """The first `probe_bytes` of some texts as rows of `row_tokens`, at most three bytes fewer; padding is not counted.

    Raises:
        UserError: there is no text.
    """
    read = list(_first_bytes(texts, probe_bytes))
    if not read:
        raise UserError(
            f"held-out text of {language}",
            "there is none, so bits per byte cannot be watched",
            expected=f"at least one document in the corpus's held-out split, and up to {probe_bytes:,} bytes",
            do=f"set corpus.{language}.held_out_documents, or remove pretraining.watch",
        )
    parts = [part for ids in tokenizer.encode_batch(read) for part in _parts([tokenizer.bos_id, *ids], row_tokens)]
    lengths = np.array([len(part) - 1 for part in parts], dtype=np.int64)
    rows = tuple(
        _row([parts[item] for item in items], row_tokens, tokenizer.eos_id) for items in best_fit(lengths, row_tokens)
    )
    return ProbeRows(language, sum(len(text.encode("utf-8")) for text in read), rows)


def _first_bytes(texts: Iterable[str], num_bytes: int) -> Iterator[str]:
    for text in texts:
        read = text.encode("utf-8")[:num_bytes]
        # Of a character that the cut goes through nothing is left.
        if part := read.decode("utf-8", errors="ignore"):
            yield part
        num_bytes -= len(read)
        if not num_bytes:
            return


def _parts(stream: Sequence[int], row_tokens: int) -> Iterator[Sequence[int]]:
    """Runs of a document, each with one id more than it reads: the last is only predicted, and read by the next."""
    for first in range(0, len(stream) - 1, row_tokens):
        yield stream[first : first + row_tokens + 1]


def _row(parts: Sequence[Sequence[int]], row_tokens: int, pad_id: int) -> Row:
    ids = np.full(row_tokens, pad_id, dtype=np.int64)
    labels = np.full(row_tokens, NOT_COUNTED, dtype=np.int64)
    starts: list[int] = []
    end = 0
    for part in parts:
        starts.append(end)
        start, end = end, end + len(part) - 1
        ids[start:end], labels[start:end] = part[:-1], part[1:]
    if end < row_tokens:
        starts.append(end)
    return Row(ids, labels, tuple(starts))
