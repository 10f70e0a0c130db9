"""Rows of a Parquet file as plain fields, in batches whose boundaries follow from the file alone.

A batch ends with the row at which its texts have a million characters together, or else with as many rows as make a
megabyte on the average of the file, as it says of itself; its row groups do not matter. Pages are read one after the
other, in this thread, so that memory does not grow with a row group and a process that is forked later finds no work of
another thread half done.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

from loanword.corpus.sources import SourceFile
from loanword.corpus.unpack import check_expansion, damaged, opened
from loanword.errors import UserError
from loanword.protocols import Progress

Row = dict[str, object] | str
"""The fields of a row, or why it cannot be read."""

_READ_ROWS = 16
_READ_BYTES = 1 << 20
_HUB_BYTES = 1 << 23


class RowBatch(NamedTuple):
    """Rows of a file from row `number` on, which counts from 1."""

    number: int
    rows: list[Row]


def row_batches(
    file: SourceFile,
    *,
    fields: Sequence[str],
    batch_bytes: int,
    max_row_bytes: int,
    max_expansion: int,
    progress: Progress,
) -> Iterator[RowBatch]:
    """The rows of a file in order; only `fields` of them, where any are named and the file has the first.

    A field may lie inside others: names with dots between them.

    A row of more than `max_row_bytes`, with text that is not UTF-8 or with a value that Python has no object for is
    there as what is wrong with it.

    Raises:
        UserError: a file that cannot be read to its end, or that unpacks to more than `max_expansion` times its size.
    """
    # Loading pyarrow takes as long as reading a small corpus, and most corpora are JSON Lines. It has no types.
    import pyarrow  # pyright: ignore[reportMissingTypeStubs]
    import pyarrow.parquet as parquet  # pyright: ignore[reportMissingTypeStubs]

    arrow, opener = cast(Any, pyarrow), cast(Any, parquet)
    number, held, num_characters = 1, list[Row](), 0
    try:
        with opened(file) as raw:
            table = opener.ParquetFile(
                arrow.PythonFile(raw, mode="r"),
                buffer_size=_HUB_BYTES if file.hub else _READ_BYTES,
                pre_buffer=False,
                page_checksum_verification=True,
            )
            num_rows, claimed_bytes = table.metadata.num_rows, _claimed_bytes(table.metadata)
            check_expansion(file, file.num_bytes, claimed_bytes, max_expansion)
            columns = _columns(table.schema_arrow.names, fields)
            most_rows = max(1, batch_bytes * num_rows // max(1, claimed_bytes))
            for row in _rows(file, table, columns, max_row_bytes, max_expansion):
                held.append(row)
                num_characters += _num_characters(row)
                if len(held) == most_rows or num_characters >= batch_bytes:
                    yield RowBatch(number, held)
                    number, held, num_characters = number + len(held), [], 0
                    progress(file.num_bytes * (number - 1) // num_rows, file.num_bytes, "bytes")
    except (arrow.ArrowException, OSError, UnicodeDecodeError, UserError) as error:
        if held:
            yield RowBatch(number, held)
        if isinstance(error, UserError):
            raise
        raise damaged(f"{file.name}:{number + len(held)}", str(error)) from None
    if held:
        yield RowBatch(number, held)


def _rows(
    file: SourceFile, table: Any, columns: list[str] | None, max_row_bytes: int, max_expansion: int
) -> Iterator[Row]:
    num_bytes = 0
    for batch in table.iter_batches(batch_size=_READ_ROWS, columns=columns, use_threads=False):
        num_bytes += batch.nbytes
        check_expansion(file, file.num_bytes, num_bytes, max_expansion)
        if batch.nbytes <= max_row_bytes:
            try:
                yield from batch.to_pylist()
                continue
            except (ValueError, OverflowError):
                pass  # one of the rows: each is read by itself
        yield from (_row(batch.slice(index, 1), max_row_bytes) for index in range(batch.num_rows))


def _row(row: Any, max_row_bytes: int) -> Row:
    if row.nbytes > max_row_bytes:
        return f"a row of {row.nbytes:,} bytes, which is more than max_line_bytes = {max_row_bytes:,}"
    try:
        return row.to_pylist()[0]
    except UnicodeDecodeError as error:
        return f"not UTF-8: byte 0x{error.object[error.start]:02x} at byte {error.start:,} of a text"
    except (ValueError, OverflowError) as error:
        return f"a value that cannot be read: {error}"  # a date far beyond the year 9999, for one


def _num_characters(row: Row) -> int:
    return sum(len(value) for value in row.values() if type(value) is str) if type(row) is dict else 0


def _columns(names: Sequence[str], fields: Sequence[str]) -> list[str] | None:
    wanted = {name for field in fields for name in (field, field.partition(".")[0])}
    needed = {field for field in fields[:1] for field in (field, field.partition(".")[0])}
    return [name for name in names if name in wanted] if needed & set(names) else None


def _claimed_bytes(metadata: Any) -> int:
    # What a file says of its columns is not asked for: where that is damaged, pyarrow ends the process.
    return sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
