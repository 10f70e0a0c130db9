"""What is wrong with a line, in words that let its owner find and mend it."""

import json
from typing import Any, cast

from loanword.errors import UserError

MAX_DEPTH = 200
"""How deep JSON may be nested: beyond some such number, Python's own answer depends on who asks."""


def json_fields(line: bytes, where: str, offset: int) -> dict[str, object] | UserError:
    """The fields of one line of JSON Lines, or why there are none; `offset` is where the line starts in its file."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        return not_utf8(where, error, offset)
    try:
        value: Any = json.loads(text)
    except json.JSONDecodeError as error:
        return _not_json(where, f"{error.msg} at column {error.pos + 1}{_near(text, error.pos)}", text)
    except RecursionError:
        return _too_deep(where)
    except ValueError as error:
        return _not_json(where, str(error), text)
    if not isinstance(value, dict):
        return _not_json(where, f"the line holds {text[:40]!r}, not an object", text)
    return _too_deep(where) if _deeper(value, MAX_DEPTH) else cast(dict[str, object], value)


def not_utf8(where: str, error: UnicodeDecodeError, offset: int = 0) -> UserError:
    """What to say of bytes that are not UTF-8."""
    return UserError(
        where,
        f"not UTF-8: byte 0x{error.object[error.start]:02x} at byte offset {offset + error.start:,} of the file",
        expected="text in UTF-8",
        do="convert the file, for instance: iconv -f GB18030 -t UTF-8 OLD > NEW",
    )


def too_long(where: str, num_bytes: int, max_line_bytes: int) -> UserError:
    """What to say of a line, or of a text, that is too long to be held in memory."""
    return UserError(
        where,
        f"{num_bytes:,} bytes, which is more than max_line_bytes = {max_line_bytes:,}",
        expected="one document, or one instruction, a line",
        do="split the line, or raise max_line_bytes",
    )


def bad_row(where: str, reason: str) -> UserError:
    """What to say of a row of Parquet."""
    return UserError(where, reason, expected="text in UTF-8, at most max_line_bytes a row", do="mend the row")


def _not_json(where: str, reason: str, text: str) -> UserError:
    if text.strip() in ("[", "{"):  # one value over many lines, as editors and `json.dump` write it
        return UserError(
            where,
            f"not JSON Lines: the line holds {text.strip()!r} alone",
            expected="one JSON object on each line",
            do="write one object a line, for instance: jq -c '.[]' OLD > NEW",
        )
    return UserError(where, f"not JSON Lines: {reason}", expected="one JSON object on each line", do="mend the line")


def _too_deep(where: str) -> UserError:
    return UserError(
        where,
        f"not JSON Lines that can be read: nested deeper than {MAX_DEPTH} levels",
        expected="one JSON object on each line",
        do="mend the line",
    )


def _near(text: str, position: int) -> str:
    near = text[max(0, position - 20) : position + 20]
    return f", near {near!r}" if near else ""


def _deeper(value: Any, levels: int) -> bool:
    reached = [value]
    for _ in range(levels):
        reached = [inside for each in reached for inside in _members(each) if isinstance(inside, dict | list)]
        if not reached:
            return False
    return True


def _members(value: Any) -> list[Any]:
    return list(cast(dict[str, Any], value).values()) if isinstance(value, dict) else value
