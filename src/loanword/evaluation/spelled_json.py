"""JSON that is read and written again with its numbers as they were spelled: 1.50 stays 1.50, and 1e3 stays 1e3."""

import json
from collections.abc import Sequence
from typing import Any, cast


class Number:
    """A number of JSON, as it is spelled."""

    def __init__(self, spelling: str) -> None:
        self._spelling = spelling

    def __repr__(self) -> str:
        return self._spelling


_ENCODER = json.JSONEncoder(ensure_ascii=False)


def parsed(text: str) -> Any:
    """A JSON value with its numbers as they are spelled.

    Raises:
        ValueError: it is not JSON.
        RecursionError: it is nested too deeply.
    """
    return json.loads(text, parse_float=Number, parse_int=Number)


def written(value: object, indent: int = 0, level: int = 1) -> str:
    """JSON as `json.dumps` lays it out, with numbers as they were spelled."""
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        parts = [f"{_ENCODER.encode(key)}: {written(held, indent, level + 1)}" for key, held in fields.items()]
        return _enclosed("{", parts, "}", indent, level)
    if isinstance(value, list):
        parts = [written(item, indent, level + 1) for item in cast("list[object]", value)]
        return _enclosed("[", parts, "]", indent, level)
    return repr(value) if isinstance(value, Number) else _ENCODER.encode(value)


def _enclosed(start: str, parts: Sequence[str], end: str, indent: int, level: int) -> str:
    if not indent or not parts:
        return start + ", ".join(parts) + end
    line = "\n" + " " * (indent * level)
    return start + line + f",{line}".join(parts) + line[: len(line) - indent] + end
