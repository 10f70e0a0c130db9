"""Rows of fixed length, read from what `stream` and `pack` wrote.

In: a tokens artifact (what `shards` writes, and `counts.json`), or a conversations artifact (`ids.npy`, `counted.npy`,
`starts.npy`, `starts_offsets.npy`).
Out: Row, by index. T is the tokens of a row. Files are mapped, not loaded: a row costs its own tokens.

Row i of a stream holds its tokens [iT, iT + T) and predicts the tokens one further on, so that over all rows every
token but BOS is predicted exactly once. A stream whose limit lies beyond its end begins again: epochs are seamless.
"""

from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from loanword.errors import UserError
from loanword.recipe import Budget
from loanword.records import TokenCounts, read_json
from loanword.tokens.shards import TokenStream

NOT_COUNTED = -100
Integers = npt.NDArray[np.int64]


class Row(NamedTuple):
    """One row of a batch.

    `labels[t]` is the id that follows `ids[t]`, -100 where its prediction is not counted; `starts` are the positions
    at which documents, and padding, begin. The first is always 0.
    """

    ids: Integers
    labels: Integers
    starts: tuple[int, ...]


class Rows(Protocol):
    """Rows by index."""

    @property
    def num_rows(self) -> int: ...

    def row(self, index: int, /) -> Row: ...


class TokenRows:
    """A token stream up to `limit_tokens` as rows; the last one is padded with the stream's last id (EOS).

    Rows of a limited stream are those of a corpus that ends there. Without a limit it ends after one epoch.
    """

    def __init__(self, folder: Path, row_tokens: int, limit_tokens: int | None = None) -> None:
        self.row_tokens = row_tokens
        self._counts = read_json(TokenCounts, folder / "counts.json")
        self._stream = TokenStream(folder)
        self._offsets, self._text_bytes = self._stream.offsets, self._stream.text_bytes
        self.limit_tokens = self._counts.num_tokens if limit_tokens is None else limit_tokens

    @property
    def num_documents(self) -> int:
        """Documents of one epoch."""
        return self._counts.num_documents

    @property
    def num_tokens(self) -> int:
        """Tokens of one epoch, BOS and EOS included."""
        return self._counts.num_tokens

    @property
    def num_bytes(self) -> int:
        """UTF-8 bytes of the text of one epoch."""
        return self._counts.num_bytes

    @property
    def num_rows(self) -> int:
        """Rows up to the limit; a lone last token, which predicts nothing, makes no row."""
        return max(0, -(-(self.limit_tokens - 1) // self.row_tokens))

    def row(self, index: int, /) -> Row:
        """The row at an index below `num_rows`."""
        if not 0 <= index < self.num_rows:
            raise IndexError(f"row {index} of {self.num_rows}")
        first, last = index * self.row_tokens, (index + 1) * self.row_tokens
        # One token more than the row, for the last label; documents that begin after the limit are padding.
        end = min(last + 1, self.limit_tokens)
        begins = [*self._document_begins(first, end), *([end] if end <= last else [])]
        ids = np.empty(self.row_tokens + 1, dtype=np.int64)
        ids[: end - first] = self._stream.ids(first, end)
        if end <= last:
            # Documents end with EOS, and so does the stream.
            ids[end - first :] = self._stream.ids(self.num_tokens - 1, self.num_tokens)
        labels = ids[1:].copy()
        labels[[begin - first - 1 for begin in begins if begin > first]] = NOT_COUNTED
        labels[max(0, end - first - 1) :] = NOT_COUNTED
        starts = {0, *(begin - first for begin in begins if begin < last)}
        return Row(ids[:-1], labels, tuple(sorted(starts)))

    def documents_for_budget(
        self, budget: Budget, base_tokens: "TokenRows | None" = None, *, allow_epochs: bool = False
    ) -> int:
        """The number k of first documents that reach the budget; beyond one epoch they count on.

        A budget of tokens is counted in `base_tokens`, the same corpus under the base's tokenizer; without it, in
        these.

        Raises:
            UserError: the budget is larger than the corpus and epochs were not allowed.
        """
        measure = base_tokens if base_tokens is not None else self
        if not np.array_equal(measure._text_bytes, self._text_bytes):
            raise ValueError("base_tokens are not of the same documents")
        until = {
            "documents": np.arange(self.num_documents + 1),
            "bytes": self._text_bytes,
            "tokens": measure._offsets,
        }[budget.unit]
        total = int(until[-1])
        if budget.amount > total and not allow_epochs:
            raise self._too_large(budget, total)
        if not budget.amount:
            return 0
        # A budget that ends with an epoch ends inside it: documents without text behind it are not needed.
        num_epochs, rest = divmod(budget.amount - 1, total)
        return num_epochs * self.num_documents + int(np.searchsorted(until, rest + 1, side="left"))

    def tokens_of_documents(self, num_documents: int) -> int:
        """Tokens of the first documents; beyond one epoch they count on."""
        num_epochs, rest = divmod(num_documents, self.num_documents)
        return num_epochs * self.num_tokens + int(self._offsets[rest])

    def bytes_of_tokens(self, num_tokens: int) -> int:
        """UTF-8 bytes of the text that the first tokens stand for; part of a document counts by its share of tokens."""
        num_epochs, rest = divmod(num_tokens, self.num_tokens)
        document = int(np.searchsorted(self._offsets, rest, side="right")) - 1
        begin, end = (int(offset) for offset in self._offsets[document : document + 2])
        before, after = (int(offset) for offset in self._text_bytes[document : document + 2])
        return num_epochs * self.num_bytes + before + (after - before) * (rest - begin) // (end - begin)

    def bytes_in_rows(self, first: int, last: int) -> int:
        """UTF-8 bytes of the text that rows [first, last) stand for; adjoining ranges add up."""
        return self.bytes_of_tokens(self._token(last)) - self.bytes_of_tokens(self._token(first))

    def tokens_in_rows(self, first: int, last: int) -> int:
        """Tokens of the stream in rows [first, last), padding left out; adjoining ranges add up."""
        return self._token(last) - self._token(first)

    def _token(self, row: int) -> int:
        # The last row also covers a last token that is only ever predicted.
        return self.limit_tokens if row >= self.num_rows else row * self.row_tokens

    def _document_begins(self, first: int, last: int) -> list[int]:
        begins: list[int] = []
        for epoch in range(first // self.num_tokens, (last - 1) // self.num_tokens + 1):
            before = epoch * self.num_tokens
            low, high = np.searchsorted(self._offsets[:-1], [first - before, last - before], side="left")
            begins += (self._offsets[low:high] + before).tolist()
        return begins

    def _too_large(self, budget: Budget, total: int) -> UserError:
        return UserError(
            f"budget of {budget.amount:,} {budget.unit}",
            f"it would take {budget.amount / total:.2f} epochs of the {self._counts.language} corpus, "
            f"which holds {total:,} {budget.unit}",
            expected="a budget that the corpus covers once",
            do="lower the budget, give more text, or set allow_epochs = true",
        )


class ConversationRows:
    """Packed conversations as rows; only response tokens are counted."""

    def __init__(self, folder: Path) -> None:
        self._ids_NT: npt.NDArray[np.unsignedinteger[Any]] = np.load(folder / "ids.npy", mmap_mode="r")
        self._counted_NT: npt.NDArray[np.bool_] = np.load(folder / "counted.npy", mmap_mode="r")
        self._starts: npt.NDArray[np.int32] = np.load(folder / "starts.npy", mmap_mode="r")
        self._starts_offsets: Integers = np.load(folder / "starts_offsets.npy", mmap_mode="r")
        self.num_rows: int = self._ids_NT.shape[0]
        self.row_tokens: int = self._ids_NT.shape[1]

    def row(self, index: int, /) -> Row:
        """The row at an index below `num_rows`."""
        ids = self._ids_NT[index].astype(np.int64)
        labels = np.full(self.row_tokens, NOT_COUNTED, dtype=np.int64)
        # A conversation begins with BOS, which is never counted, so no label reaches into the next conversation.
        np.copyto(labels[:-1], ids[1:], where=self._counted_NT[index, 1:])
        starts = self._starts[self._starts_offsets[index] : self._starts_offsets[index + 1]]
        return Row(ids, labels, tuple(starts.tolist()))
