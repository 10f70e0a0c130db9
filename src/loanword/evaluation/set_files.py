"""One file of a set: its rows, the texts in them that are translated, and the file written with others in their place.

A field is named by its path: `question`, `other.solution`; lists are walked through, so `options` are the texts of a
list and `messages.content` those of its objects.
"""

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

from loanword.errors import UserError
from loanword.evaluation.spelled_json import Number, parsed, written
from loanword.evaluation.tables import delimited, json_lines

TABLES = (".jsonl", ".json", ".csv", ".tsv")
LETTERS = ("A", "B", "C", "D", "E", "F", "G", "H")


class Shape(NamedTuple):
    """Rows that have the field `known_by`: `leading` fields are texts of their own, `belonging` ones belong to them."""

    known_by: str
    leading: tuple[str, ...]
    belonging: tuple[str, ...] = ()


SHAPES = (
    Shape("messages", ("messages.content",)),
    Shape("conversations", ("conversations.value",)),
    Shape("instruction", ("instruction", "input", "output")),
    Shape("target", ("input", "target")),
    Shape("turns", ("turns",)),
    Shape("model_id", ("choices.turns",)),
    Shape("question_uuid", ("question", "reference", "input"), ("accepted", "refused", "properties.mentions")),
    Shape("example", ("example.question",)),
    Shape(
        "question",
        ("question", "passage", "flores_passage", "explanation"),
        (*LETTERS, "options", "choices", "choices.text", *(f"mc_answer{number}" for number in range(1, 9))),
    ),
)
"""Conversations; ShareGPT's; Alpaca's and BELLE's fields; BELLE's first; MT-Bench, and its reference answers; LLM-Eval,
with what a rule looks for in a response; GAOKAO-Bench; MMLU, C-Eval, AGIEval, Belebele and questions with a reference
answer, which stays as it is where it is not named."""


@dataclass
class Slot:
    """A place for a text in a row: read from it, and written to it. `leading` is the text that it belongs to."""

    line: int
    id: str
    field: str
    text: str
    put: Callable[[str], None]
    leading: "Slot | None" = None


@dataclass
class SetFile:
    """A file that was read: its slots, the fields of its rows that have none, and what it is written as."""

    slots: list[Slot]
    other_fields: list[str]
    content: Callable[[], str]


def read_set_file(path: Path, fields: Sequence[str]) -> SetFile:
    """A file with the texts of the named fields, or of those that its shape tells.

    Raises:
        UserError: a suffix or a shape that is not known, a line that cannot be read, a field that is not there.
    """
    name = path.name.lower().removesuffix(".gz")
    if not name.endswith(TABLES):
        raise UserError(
            path, "do not know how to read it", expected=f"{', '.join(TABLES)}, of JSON also with .gz",
            do="convert the file, or name it by what it holds",
        )  # fmt: skip
    if name.endswith((".csv", ".tsv")):
        return _table(path, "," if name.endswith(".csv") else "\t", fields)
    return _json(path, fields)


def _table(path: Path, delimiter: str, fields: Sequence[str]) -> SetFile:
    if path.suffix == ".gz":
        raise UserError(path, "a packed table", expected="CSV as it is, or JSON Lines with .gz", do="unpack it")
    rows = list(delimited(path, delimiter))
    header = _header(path, rows, fields)
    columns = header or _examination_columns(path, rows)
    body = rows[1:] if header else rows
    if not body:
        raise UserError(path, "no rows", expected="one question a row", do="fetch the file again")
    slots: list[Slot] = []
    others: dict[str, None] = {}
    for line, row in body:
        if len(row) != len(columns):
            raise UserError(
                f"{path}:{line}", f"{len(row)} columns", expected=f"{len(columns)} columns", do="mend the row"
            )
        # A row is looked at by its columns' names, and written to by their places.
        places = {column: number for number, column in enumerate(columns)}
        found = _slots(f"{path}:{line}", line, dict(zip(columns, row, strict=True)), fields)
        for slot in found:
            slot.put = _cell(row, places[slot.field])
        slots += found
        others |= dict.fromkeys(column for column in columns if column not in {slot.field for slot in found})
    ends = "\r\n" if b"\r\n" in path.read_bytes()[:65536] else "\n"

    def content() -> str:
        written = io.StringIO(newline="")
        csv.writer(written, delimiter=delimiter, lineterminator=ends).writerows(row for _, row in rows)
        return written.getvalue()

    return SetFile(slots, list(others), content)


def _cell(row: list[str], place: int) -> Callable[[str], None]:
    def put(text: str) -> None:
        row[place] = text

    return put


def _header(path: Path, rows: Sequence[tuple[int, list[str]]], fields: Sequence[str]) -> list[str] | None:
    """The names in the first row, where it names what is known or asked for."""
    if not rows:
        raise UserError(path, "no rows", expected="one question a row", do="fetch the file again")
    line, first = rows[0]
    known = {shape.known_by for shape in SHAPES}
    # A question of an examination may have an option that reads as the name of a column.
    if not (known | set(fields)) & set(first) or (not fields and _is_examination(rows)):
        return None
    if twice := sorted({name for name in first if first.count(name) > 1}):
        raise UserError(f"{path}:{line}", f"two columns are named {', '.join(twice)}", do="rename one of them")
    return first


def _is_examination(rows: Sequence[tuple[int, list[str]]]) -> bool:
    width = len(rows[0][1])
    letters = LETTERS[: width - 2]
    return 4 <= width <= len(LETTERS) + 2 and all(len(row) == width and row[-1] in letters for _, row in rows)


def _examination_columns(path: Path, rows: Sequence[tuple[int, list[str]]]) -> list[str]:
    """Names for MMLU's columns, which has none: question, options, and the letter of the right one."""
    width = len(rows[0][1])
    letters = LETTERS[: width - 2]
    if not _is_examination(rows):
        line = next((line for line, row in rows if len(row) != width or row[-1:] not in [[one] for one in letters]), 1)
        raise UserError(
            f"{path}:{line}", "neither a header with a column that is known, nor a question with options and a letter",
            expected=f"a column {', '.join(shape.known_by for shape in SHAPES)}, or MMLU's columns",
            do="name the columns that are translated with --fields, or the files that are with --only",
        )  # fmt: skip
    return ["question", *letters, "answer"]


def _json(path: Path, fields: Sequence[str]) -> SetFile:
    text = _text(path)
    try:
        whole = parsed(text)
    except (ValueError, RecursionError):
        whole = None
    # A file of one line is JSON Lines by its name: what is written has to be the same kind.
    named_lines = path.name.lower().removesuffix(".gz").endswith(".jsonl")
    if named_lines or not isinstance(whole, list | dict):
        rows = [_object(where, number, value) for number, where, value in json_lines(path, text, parsed)]

        def lines() -> str:
            return "".join(written(row) + "\n" for _, _, row in rows)

        return _json_file(rows, fields, lines, path)
    items: list[Any] = cast("list[Any]", whole) if isinstance(whole, list) else [whole]
    rows = [_object(f"{path}, item {number}", number, item) for number, item in enumerate(items, start=1)]
    indent = next((len(line) - len(line.lstrip()) for line in text.splitlines()[1:] if line.strip()), None)

    def value() -> str:
        return written(cast("object", whole), indent or 0) + "\n"

    return _json_file(rows, fields, value, path)


Row = tuple[str, int, dict[str, Any]]
"""Where errors say it is, its number, and its fields."""


def _json_file(rows: Sequence[Row], fields: Sequence[str], content: Callable[[], str], path: Path) -> SetFile:
    if not rows:
        raise UserError(path, "no rows", expected="one object or more", do="fetch the file again")
    slots: list[Slot] = []
    others: dict[str, None] = {}
    for where, line, row in rows:
        found = _slots(where, line, row, fields)
        slots += found
        used = {slot.field.split(".")[0].split("[")[0] for slot in found}
        others |= dict.fromkeys(name for name in row if name not in used)
    return SetFile(slots, [name for name in others if name not in {slot.field for slot in slots}], content)


def _object(where: str, number: int, value: object) -> Row:
    if not isinstance(value, dict):
        raise UserError(where, f"holds {str(value)[:40]!r}, not an object", expected="an object", do="mend it")
    row = cast("dict[str, Any]", value)
    for name, held in row.items():
        # What could not be written again is found before anything is paid for.
        try:
            written({name: held}).encode()
        except (UnicodeEncodeError, RecursionError) as error:
            what = "is nested too deeply" if isinstance(error, RecursionError) else "holds half of a character"
            raise UserError(
                where, f"field {name!r} {what}", expected="what can be written as UTF-8", do="mend the row"
            ) from None
    return where, number, row


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
        return (gzip.decompress(raw) if path.suffix.lower() == ".gz" else raw).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}:{line}", "not UTF-8", expected="UTF-8 text", do="convert the file") from None
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(path, f"cannot be read: {error}", expected="a whole file", do="fetch it again") from None


def _slots(where: str, line: int, row: Mapping[str, Any], fields: Sequence[str]) -> list[Slot]:
    """The texts of a row: of the named fields, all of which are there, or of those of its shape that it has."""
    id = next(
        (str(row[name]) for name in ("id", "question_id", "question_uuid") if isinstance(row.get(name), str | Number)),
        "",
    )
    shape = next((shape for shape in SHAPES if shape.known_by in row), None)
    if not fields and shape is None:
        raise UserError(
            where,
            f"the fields are {', '.join(row) or 'none'}",
            expected=f"one of {', '.join(shape.known_by for shape in SHAPES)}",
            do="name the fields that are translated with --fields, or the files that are with --only",
        )
    belonging = shape.belonging if shape is not None else ()
    leading = next(iter(_walk(where, row, shape.leading[0], "")), None) if shape is not None else None
    slots: list[Slot] = []
    usual = (*shape.leading, *shape.belonging) if shape is not None else ()
    for field in fields or usual:
        if field.split(".")[0] not in row:
            if fields:
                raise UserError(
                    where, f"no field {field!r}", expected=f"it, among {', '.join(row)}", do="correct --fields"
                )
            continue
        for name, text, put in _walk(where, row, field, "", strict=bool(fields)):
            slot = Slot(line, id, name, text, put)
            if field in belonging and leading is not None and leading[1].strip():
                slot.leading = Slot(line, id, leading[0], leading[1], leading[2])
            slots.append(slot)
    if not fields and not slots:
        known = {field.split(".")[0] for field in usual}
        raise UserError(
            where, f"no text in {', '.join(name for name in row if name in known)}", expected="text, or a list of it",
            do="mend the row, or name the fields that are translated with --fields",
        )  # fmt: skip
    return slots


Found = tuple[str, str, Callable[[str], None]]


def _walk(where: str, held: Any, path: str, name: str, *, strict: bool = False) -> Iterator[Found]:
    """Texts at a path below an object, with their whole names and how to write them; null is none.

    What is no text is passed over, or an error where it is looked for on purpose.
    """
    head, _, rest = path.partition(".")
    if not isinstance(held, dict) or head not in held:
        if strict:
            raise UserError(where, f"no field {name + path!r}", expected="it in every line", do="correct --fields")
        return
    fields = cast("dict[str, Any]", held)
    yield from _texts(where, fields, head, fields[head], rest, name + head, strict)


def _texts(where: str, holder: Any, key: Any, value: Any, rest: str, name: str, strict: bool) -> Iterator[Found]:
    if isinstance(value, list):
        for number, item in enumerate(cast("list[Any]", value)):
            yield from _texts(where, value, number, item, rest, f"{name}[{number}]", strict)
    elif rest:
        yield from _walk(where, value, rest, f"{name}.", strict=strict)
    elif isinstance(value, str):

        def put(text: str) -> None:
            holder[key] = text

        yield name, value, put
    elif strict and value is not None:
        raise UserError(where, f"field {name!r} holds {str(value)[:40]!r}", expected="a text", do="correct --fields")
