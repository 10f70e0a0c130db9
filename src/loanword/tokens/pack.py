"""Conversations as rows on disk, each whole in one of them.

In: conversations as `chat` encodes them.
Out, N rows of T tokens: `ids.npy` [N, T], `counted.npy` [N, T], True on response tokens; `starts.npy`, where
    conversations and padding begin in their row, flat; `starts_offsets.npy` [N + 1]; `counts.json`.

No conversation is cut, and padding is what none fits into (`fit`). Ids wait on disk meanwhile, one conversation after
another; in memory are the lengths.
"""

import shutil
from array import array
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from loanword.errors import UserError
from loanword.protocols import Progress, silent
from loanword.records import ConversationCounts, write_json
from loanword.tokens.fit import Rows, fitted_rows
from loanword.tokens.shards import Ids, Integers, id_type

_SPOOLED_AT_ONCE = 1024
_TOKENS_AT_ONCE = 1 << 18


class EncodedConversation(NamedTuple):
    """Ids of a conversation from BOS to the last EOS, and which of them are the response's."""

    ids: list[int]
    counted: list[bool]


class Packed(NamedTuple):
    """What rows hold."""

    num_rows: int
    num_tokens: int
    num_response_tokens: int


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
    scratch, kind = out / ".scratch" / "packing", id_type(num_pieces)
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    lengths, num_too_long = _spool(conversations, scratch, row_tokens, kind, progress)
    if not len(lengths):
        raise UserError(
            "conversations",
            f"none of them fits a row of row_tokens = {row_tokens:,}; {num_too_long:,} are longer",
            expected="at least one that fits",
            do="raise conversations.row_tokens",
        )
    ids: Ids = np.memmap(scratch / "ids", dtype=kind, mode="r")
    counted: npt.NDArray[np.bool_] = np.memmap(scratch / "counted", dtype=np.bool_, mode="r")
    packed = write_rows(ids, counted, lengths, out, row_tokens=row_tokens, pad_id=pad_id)
    shutil.rmtree(scratch)
    made = ConversationCounts(
        num_read=num_read,
        num_conversations=len(lengths),
        num_removed={**num_removed, "longer_than_row": num_too_long},
        num_rows=packed.num_rows,
        num_response_tokens=packed.num_response_tokens,
        row_tokens=row_tokens,
    )
    write_json(made, out / "counts.json")
    return made


def write_rows(
    ids: Ids, counted: npt.NDArray[np.bool_], lengths: Integers, out: Path, *, row_tokens: int, pad_id: int
) -> Packed:
    """Packs conversations that lie one after another, none of them longer than a row, and writes the rows to `out`."""
    rows = fitted_rows(lengths, row_tokens)
    last_N = np.cumsum(lengths)
    first_N = (last_N - lengths)[rows.item_N]
    length_N = lengths[rows.item_N]
    items_before_R = np.concatenate([[0], np.cumsum(rows.num_items_R)])
    used_R = np.add.reduceat(length_N, items_before_R[:-1])
    shape = (len(used_R), row_tokens)
    ids_RT = np.lib.format.open_memmap(out / "ids.npy", mode="w+", dtype=ids.dtype, shape=shape)
    counted_RT = np.lib.format.open_memmap(out / "counted.npy", mode="w+", dtype=np.bool_, shape=shape)
    rows_at_once = max(1, _TOKENS_AT_ONCE // row_tokens)
    for first in range(0, len(used_R), rows_at_once):
        some = slice(first, first + rows_at_once)
        items = slice(items_before_R[first], items_before_R[min(first + rows_at_once, len(used_R))])
        place = _places(first_N[items], length_N[items])
        used = used_R[some]
        _fill(ids_RT[some], ids.take(place, mode="clip"), used, pad_id)
        _fill(counted_RT[some], counted.take(place, mode="clip"), used, False)
    _write_starts(rows, length_N, used_R, row_tokens, out)
    return Packed(len(used_R), int(used_R.sum()), int(np.count_nonzero(counted)))


def _places(first_N: Integers, length_N: Integers) -> npt.NDArray[np.signedinteger[Any]]:
    """Where the tokens of items lie: each item's from its first on."""
    shift_N = first_N - (np.cumsum(length_N) - length_N)
    # Half as wide an index is faster, where it is wide enough.
    kind: Any = np.int32 if int(first_N.max()) + int(length_N.max()) < 1 << 31 else np.int64
    place = np.repeat(shift_N.astype(kind), length_N)
    place += np.arange(len(place), dtype=kind)
    return place


def _fill(rows_RT: npt.NDArray[Any], values: npt.NDArray[Any], used_R: Integers, padding: int) -> None:
    """Writes values one after another into rows, of which each has room for so many; padding behind them."""
    row_tokens = rows_RT.shape[1]
    end_R = np.cumsum(used_R)
    # Most rows are full. Those that follow each other are one piece.
    row = 0
    for padded in [*np.flatnonzero(used_R < row_tokens).tolist(), len(used_R)]:
        begin = int(end_R[row - 1]) if row else 0
        end = begin + (padded - row) * row_tokens
        rows_RT[row:padded] = values[begin:end].reshape(padded - row, row_tokens)
        if padded < len(used_R):
            num_used = int(used_R[padded])
            rows_RT[padded, :num_used] = values[end : end + num_used]
            rows_RT[padded, num_used:] = padding
        row = padded + 1


def _write_starts(rows: Rows, length_N: Integers, used_R: Integers, row_tokens: int, out: Path) -> None:
    """Where items begin in their row, and behind them the padding of rows that have some."""
    is_padded = used_R < row_tokens
    before_N = np.cumsum(length_N) - length_N
    before_R = np.cumsum(used_R) - used_R
    offsets = np.concatenate([[0], np.cumsum(rows.num_items_R + is_padded)])
    starts = np.empty(int(offsets[-1]), "<i4")
    is_padding = np.zeros(len(starts), np.bool_)
    is_padding[offsets[1:][is_padded] - 1] = True
    starts[is_padding] = used_R[is_padded]
    starts[~is_padding] = before_N - np.repeat(before_R, rows.num_items_R)
    np.save(out / "starts.npy", starts)
    np.save(out / "starts_offsets.npy", offsets.astype("<i8"))


def _spool(
    conversations: Iterable[EncodedConversation],
    scratch: Path,
    row_tokens: int,
    kind: np.dtype[Any],
    progress: Progress,
) -> tuple[Integers, int]:
    lengths, num_read = array("q"), 0
    with (scratch / "ids").open("wb") as ids, (scratch / "counted").open("wb") as counted:
        for some in _batches(conversations):
            fitting = [each for each in some if len(each.ids) <= row_tokens]
            lengths.extend(len(each.ids) for each in fitting)
            num_tokens = sum(len(each.ids) for each in fitting)
            ids.write(np.fromiter(chain.from_iterable(each.ids for each in fitting), kind, num_tokens).tobytes())
            counted.write(bytes(chain.from_iterable(each.counted for each in fitting)))
            num_read += len(some)
            progress(num_read, 0, "conversations")
    return np.array(lengths, dtype=np.int64), num_read - len(lengths)


def _batches(conversations: Iterable[EncodedConversation]) -> Iterator[list[EncodedConversation]]:
    rest = iter(conversations)
    while batch := list(islice(rest, _SPOOLED_AT_ONCE)):
        yield batch
