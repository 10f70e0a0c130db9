"""Ids written to disk: documents as one stream, conversations as rows.

In: Document records, or conversations as `chat` encodes them.
Out, of documents: `tokens.bin`, a flat little-endian stream in which every document is BOS, its ids, EOS;
    `offsets.npy` [documents + 1], the token at which each begins; `text_bytes.npy` [documents + 1], UTF-8 bytes of
    the text before each; `counts.json`.
Out, of conversations (N rows of T tokens): `ids.npy` [N, T], `counted.npy` [N, T], True on response tokens;
    `starts.npy`, where conversations and padding begin in their row, flat; `starts_offsets.npy` [N + 1]; `counts.json`.

A stream is cut into rows when it is read (`rows`), so that no row length names an artifact. Conversations are packed
whole into the fullest row that has room, longest first: none is cut, and padding is what no conversation fits into.
"""

import shutil
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from loanword.errors import UserError
from loanword.protocols import Progress, silent
from loanword.records import ConversationCounts, Document, TokenCounts, write_json

Ids = npt.NDArray[np.unsignedinteger[Any]]
_BATCH_CHARACTERS = 1_000_000


class Encoder(Protocol):
    """What packing asks of a tokenizer. `encode_batch` adds neither BOS nor EOS."""

    @property
    def bos_id(self) -> int: ...

    @property
    def eos_id(self) -> int: ...

    @property
    def num_pieces(self) -> int: ...

    def encode_batch(self, texts: Sequence[str], /) -> list[list[int]]: ...


class EncodedConversation(NamedTuple):
    """Ids of a conversation from BOS to the last EOS, and which of them are the response's."""

    ids: list[int]
    counted: list[bool]


def id_type(num_pieces: int) -> np.dtype[Any]:
    """Two bytes an id where they are enough, else four."""
    return np.dtype("<u2") if num_pieces <= 1 << 16 else np.dtype("<u4")


def tokenize_corpus(
    documents: Iterable[Document],
    tokenizer: Encoder,
    out: Path,
    language: str,
    progress: Progress = silent,
    *,
    total_bytes: int = 0,
) -> TokenCounts:
    """Writes the token stream of `documents` to `out`, in their order. Special tokens carry no bytes.

    Progress is in bytes of text; `total_bytes` is only for it.
    """
    kind = id_type(tokenizer.num_pieces)
    offsets, text_bytes = array("q", [0]), array("q", [0])
    with (out / "tokens.bin").open("wb") as file:
        for batch in _batches(documents):
            flat: list[int] = []
            for document, ids in zip(batch, tokenizer.encode_batch([each.text for each in batch]), strict=True):
                flat += (tokenizer.bos_id, *ids, tokenizer.eos_id)
                offsets.append(offsets[-1] + len(ids) + 2)
                text_bytes.append(text_bytes[-1] + len(document.text.encode("utf-8")))
            file.write(np.array(flat, dtype=kind).tobytes())
            progress(text_bytes[-1], total_bytes, "bytes")
    np.save(out / "offsets.npy", np.array(offsets, dtype="<i8"))
    np.save(out / "text_bytes.npy", np.array(text_bytes, dtype="<i8"))
    made = TokenCounts(
        language=language, num_documents=len(offsets) - 1, num_bytes=text_bytes[-1], num_tokens=offsets[-1]
    )
    write_json(made, out / "counts.json")
    return made


def _batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    batch: list[Document] = []
    num_characters = 0
    for document in documents:
        batch.append(document)
        num_characters += len(document.text)
        if num_characters >= _BATCH_CHARACTERS:
            yield batch
            batch, num_characters = [], 0
    if batch:
        yield batch


def pack_conversations(
    conversations: Iterable[EncodedConversation],
    out: Path,
    *,
    row_tokens: int,
    num_pieces: int,
    pad_id: int,
    num_read: int,
    num_removed: Mapping[str, int],
    progress: Progress = silent,
) -> ConversationCounts:
    """Writes rows of whole conversations to `out`.

    `num_read` and `num_removed` are what reading the instructions counted; those that no row holds are added to them
    as `longer_than_row`. Padding is filled with `pad_id`, begins like a document of its own and is never counted.

    Raises:
        UserError: no conversation fits a row.
    """
    scratch = out / ".scratch" / "packing"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    lengths, num_too_long = _spool(conversations, scratch, row_tokens, id_type(num_pieces), progress)
    if not len(lengths):
        raise UserError(
            "conversations",
            f"none of them fits a row of row_tokens = {row_tokens:,}; {num_too_long:,} are longer",
            expected="at least one that fits",
            do="raise conversations.row_tokens",
        )
    rows = best_fit(lengths, row_tokens)
    num_response_tokens = _write_rows(rows, lengths, scratch, out, row_tokens, id_type(num_pieces), pad_id)
    shutil.rmtree(scratch)
    made = ConversationCounts(
        num_read=num_read,
        num_conversations=len(lengths),
        num_removed={**num_removed, "longer_than_row": num_too_long},
        num_rows=len(rows),
        num_response_tokens=num_response_tokens,
        row_tokens=row_tokens,
    )
    write_json(made, out / "counts.json")
    return made


def best_fit(lengths: npt.NDArray[np.int64], row_tokens: int) -> list[list[int]]:
    """Rows of items, by index: longest first, each into the row with the least room that still holds it.

    Source: best-fit decreasing (Johnson, 1973); for rows of text, Ding et al. 2024, arXiv 2404.10830.
    """
    rows: list[list[int]] = []
    rows_with_room: list[list[int]] = [[] for _ in range(row_tokens + 1)]
    # Bit r is set where some row has room for exactly r tokens: the least room that fits is one shift away.
    rooms = 0
    for item in np.argsort(-lengths, kind="stable").tolist():
        length = int(lengths[item])
        fitting = rooms >> length
        if fitting:
            room = length + (fitting & -fitting).bit_length() - 1
            row = rows_with_room[room].pop()
            if not rows_with_room[room]:
                rooms ^= 1 << room
            rows[row].append(item)
        else:
            room, row = row_tokens, len(rows)
            rows.append([item])
        rows_with_room[room - length].append(row)
        rooms |= 1 << (room - length)
    return rows


def _spool(
    conversations: Iterable[EncodedConversation],
    scratch: Path,
    row_tokens: int,
    kind: np.dtype[Any],
    progress: Progress,
) -> tuple[npt.NDArray[np.int64], int]:
    lengths, num_too_long = array("q"), 0
    with (scratch / "ids").open("wb") as ids, (scratch / "counted").open("wb") as counted:
        for conversation in conversations:
            if len(conversation.ids) > row_tokens:
                num_too_long += 1
                continue
            lengths.append(len(conversation.ids))
            ids.write(np.array(conversation.ids, dtype=kind).tobytes())
            counted.write(np.array(conversation.counted, dtype=np.bool_).tobytes())
            if len(lengths) % 1024 == 0:
                progress(len(lengths) + num_too_long, 0, "conversations")
    return np.array(lengths, dtype=np.int64), num_too_long


def _write_rows(
    rows: Sequence[Sequence[int]],
    lengths: npt.NDArray[np.int64],
    scratch: Path,
    out: Path,
    row_tokens: int,
    kind: np.dtype[Any],
    pad_id: int,
) -> int:
    flat_ids: Ids = np.memmap(scratch / "ids", dtype=kind, mode="r")
    flat_counted: npt.NDArray[np.bool_] = np.memmap(scratch / "counted", dtype=np.bool_, mode="r")
    begins = np.cumsum(lengths) - lengths
    shape = (len(rows), row_tokens)
    ids_NT = np.lib.format.open_memmap(out / "ids.npy", mode="w+", dtype=kind, shape=shape)
    counted_NT = np.lib.format.open_memmap(out / "counted.npy", mode="w+", dtype=np.bool_, shape=shape)
    starts, starts_offsets = array("i"), array("q", [0])
    for row, items in enumerate(rows):
        end = 0
        for item in items:
            start, end = end, end + int(lengths[item])
            source = slice(begins[item], begins[item] + lengths[item])
            ids_NT[row, start:end] = flat_ids[source]
            counted_NT[row, start:end] = flat_counted[source]
            starts.append(start)
        if end < row_tokens:
            ids_NT[row, end:] = pad_id
            starts.append(end)
        starts_offsets.append(len(starts))
    ids_NT.flush()
    counted_NT.flush()
    np.save(out / "starts.npy", np.array(starts, dtype="<i4"))
    np.save(out / "starts_offsets.npy", np.array(starts_offsets, dtype="<i8"))
    return int(np.count_nonzero(flat_counted))
