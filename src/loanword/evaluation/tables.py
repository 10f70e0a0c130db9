"""Rows of tables, their values as text.

In: .csv and .tsv with a header; .jsonl; .json, which is a list of objects or JSON Lines; .parquet. UTF-8 all.
Out: Row, in order. Text stays as it is written, to the code point: the answers `None` and `NA` are words, and a number
in JSON keeps its zeros.
"""

import ast
import csv
import io
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from loanword.errors import UserError


@dataclass(frozen=True)
class Row:
    """One row: its values by column, and the file and line that errors name."""

    where: str
    fields: Mapping[str, object]

    def require(self, *columns: str) -> None:
        """Nothing, where the row has these columns.

        Raises:
            UserError: it lacks some; all of them at once, with the columns that there are.
        """
        missing = [column for column in columns if column not in self.fields]
        if missing:
            raise UserError(
                self.where,
                f"no column {', '.join(map(repr, missing))}",
                expected=f"columns among {', '.join(map(repr, self.fields)) or 'none'}",
                do="correct the column's name, or fetch the file again",
            )

    def text(self, column: str) -> str:
        """What a column holds, where it is text or a number.

        Raises:
            UserError: no such column, nothing in it, or a list or an object.
        """
        self.require(column)
        value = self.fields[column]
        if isinstance(value, bool | int | float):
            return str(value).lower() if isinstance(value, bool) else str(value)
        if not isinstance(value, str):
            held = "nothing" if value is None else f"a {type(value).__name__}"
            raise UserError(self.where, f"column {column!r} holds {held}", expected="a text", do="mend the row")
        return value

    def texts(self, column: str) -> tuple[str, ...]:
        """The list of texts that a column holds: as a list, or as text that is one.

        A text is a list in JSON (`["a", 1.50]`), or in Python with every item quoted (`['a', 'b']`); no other Python is
        read.

        Raises:
            UserError: no such column, or anything else in it.
        """
        self.require(column)
        value = self.fields[column]
        items = _list_in(value) if isinstance(value, str) else value
        if not isinstance(items, list):
            raise UserError(
                self.where,
                f"column {column!r} holds no list: {str(value)[:60]!r}",
                expected="a list of texts, or text that is one in JSON or in Python",
                do="mend the row",
            )
        named = {f"{column}[{number}]": item for number, item in enumerate(cast("list[object]", items))}
        return tuple(Row(self.where, named).text(name) for name in named)

    def object(self, column: str) -> "Row":
        """The object that a column holds, as a row of its own.

        Raises:
            UserError: no such column, or anything else in it.
        """
        self.require(column)
        value = self.fields[column]
        if not isinstance(value, dict):
            raise UserError(self.where, f"column {column!r} holds no object", expected="an object", do="mend the row")
        return Row(f"{self.where}, {column}", cast("dict[str, object]", value))


def table_rows(path: Path, *, inside: str | None = None) -> Iterator[Row]:
    """The rows of a file, in order; blank lines are passed over.

    `inside`: the key that the rows lie under where a .json file is one object.

    Raises:
        UserError: no file, an unknown suffix, no rows, or a file that does not hold what its suffix says.
    """
    readers: dict[str, Callable[[Path], Iterator[Row]]] = {
        ".csv": lambda path: _delimited_rows(path, ","),
        ".tsv": lambda path: _delimited_rows(path, "\t"),
        ".jsonl": lambda path: _rows_of_lines(path, _decoded(path)),
        ".json": lambda path: _json_rows(path, inside),
        ".parquet": _parquet_rows,
    }
    if not path.is_file():
        raise UserError(path, "no such file", expected="a table", do="correct its name, or fetch it")
    if path.suffix.lower() not in readers:
        raise UserError(
            path,
            f"do not know how to read {path.suffix or 'a file without a suffix'}",
            expected=", ".join(readers),
            do="convert the file, or name it by what it holds",
        )
    number = 0
    for number, row in enumerate(readers[path.suffix.lower()](path), start=1):  # noqa: B007
        yield row
    if not number:
        raise UserError(path, "no rows", expected="one row or more", do="fetch the file again")


def _decoded(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path}:{line}", f"not UTF-8 at byte {error.start}", expected="UTF-8 text", do="convert the file"
        ) from None


def delimited(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Line where each row begins, and its fields as text; empty lines are passed over.

    Raises:
        UserError: a file that is not UTF-8, or whose quotes do not close.
    """
    reader = csv.reader(io.StringIO(_decoded(path), newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for row in reader:
            if row:
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{path}:{line}", f"not CSV: {error}", expected="CSV", do="mend the row") from None


def _delimited_rows(path: Path, delimiter: str) -> Iterator[Row]:
    rows = delimited(path, delimiter)
    line, header = next(rows, (1, list[str]()))
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise UserError(
            f"{path}:{line}", f"two columns are named {', '.join(map(repr, twice))}", do="rename one of them"
        )
    for line, row in rows:
        if len(row) != len(header):
            raise UserError(
                f"{path}:{line}",
                f"{len(row)} columns",
                expected=f"{len(header)} columns, as in the header",
                do="mend the row",
            )
        yield Row(f"{path}:{line}", dict(zip(header, row, strict=True)))


def _json_rows(path: Path, inside: str | None) -> Iterator[Row]:
    text = _decoded(path)
    try:
        whole = _parsed(text)
    except ValueError:
        whole = None
    if isinstance(whole, dict) and inside is not None and inside in whole:
        whole = cast("dict[str, object]", whole)[inside]
    if not isinstance(whole, list):
        yield from _rows_of_lines(path, text)
        return
    for number, item in enumerate(cast("list[object]", whole), start=1):
        yield _object_row(f"{path}, item {number}", item)


def json_lines(path: Path, text: str, parsed: Callable[[str], object]) -> Iterator[tuple[int, str, object]]:
    """The number of each line that is not blank, where errors say it is, and the value in it.

    Raises:
        UserError: a line that `parsed` cannot read.
    """
    # Not str.splitlines: JSON allows U+2028 and its like inside of a string.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            value = parsed(line)
        except (ValueError, RecursionError) as error:
            raise UserError(
                where, f"not JSON Lines: {error}", expected="one JSON object on each line", do="mend the line"
            ) from None
        yield number, where, value


def _rows_of_lines(path: Path, text: str) -> Iterator[Row]:
    return (_object_row(where, value) for _, where, value in json_lines(path, text, _parsed))


def _object_row(where: str, value: object) -> Row:
    if not isinstance(value, dict):
        raise UserError(where, f"holds {str(value)[:40]!r}, not an object", expected="an object", do="mend it")
    return Row(where, cast("dict[str, object]", value))


def _parsed(text: str) -> object:
    """A JSON value in which numbers are the text that they are written as.

    Raises:
        ValueError: it is not JSON, is nested too deeply, or holds half of a surrogate pair.
    """
    try:
        value = json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if "\\u" in text:  # only an escape can hold half a character, which no file could be written with
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _list_in(text: str) -> object:
    try:
        return _parsed(text)
    except ValueError:
        pass
    try:
        with warnings.catch_warnings():  # of a backslash that escapes nothing: it stands for itself
            warnings.simplefilter("ignore", SyntaxWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
    items = cast("list[object]", value) if isinstance(value, list) else []
    return items if items and all(isinstance(item, str) for item in items) else None


def _parquet_rows(path: Path) -> Iterator[Row]:
    # Most tables are text, and loading pyarrow takes longer than reading one of those. It has no types.
    import pyarrow  # pyright: ignore[reportMissingTypeStubs]
    import pyarrow.parquet as parquet  # pyright: ignore[reportMissingTypeStubs]

    arrow, opened = cast(Any, pyarrow), cast(Any, parquet)
    number = 0
    try:
        with opened.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=512):
                for fields in batch.to_pylist():
                    number += 1
                    yield Row(f"{path}:{number}", fields)
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path}:{number + 1}",
            f"not Parquet that can be read: {str(error).strip().splitlines()[0]}",
            expected="a file that is whole",
            do="fetch the file again",
        ) from None
