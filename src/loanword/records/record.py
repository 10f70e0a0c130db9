"""Values that touch disk: frozen, strict, and written the same way every time.

A record is parsed at the edge and never checked again. JSON is the one wire form: in strict JSON mode
`true` is not a number, `"no"` stays a string, and a list becomes a tuple.
"""

import gzip
import hashlib
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from loanword.errors import UserError

Count = Annotated[int, Field(ge=0)]
PositiveCount = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
PartName = Annotated[str, Field(pattern=r"^[^/\\\x00-\x1f.][^/\\\x00-\x1f]{0,59}$")]
"""What a study calls one of several parts of a run: with the stage before it, it is the name of a link in the store."""


class OutsideFile:
    """Marks a field that names a file or folder outside the store: identity counts its content, never its path."""


SourcePath = Annotated[str, Field(min_length=1), OutsideFile()]


class Record(BaseModel):
    """A frozen value with a canonical JSON form; unknown keys and loose types are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def to_json(self) -> str:
        """One line of JSON, keys sorted; equal records give equal lines.

        Raises:
            ValueError: where reading the line back would not give an equal record.
        """
        line = canonical_json(self.model_dump(mode="json"))
        if type(self).model_validate_json(line) != self:
            raise ValueError(f"{type(self).__name__} does not survive JSON: {line[:200]}")
        return line

    @classmethod
    def from_json(cls, line: str | bytes, *, where: object) -> Self:
        """The record that a line of JSON holds.

        Raises:
            UserError: all problems of the line at once, each with its path.
        """
        try:
            return cls.model_validate_json(line)
        except ValidationError as error:
            raise UserError(
                where,
                "; ".join(problems(error)),
                expected=f"a {cls.__name__} with {', '.join(cls.model_fields)}",
                do="mend the line, or build the file again",
            ) from None


R = TypeVar("R", bound=Record)


def canonical_json(value: object) -> str:
    """JSON with sorted keys and no spaces; NaN and infinity raise ValueError."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def problems(error: ValidationError) -> list[str]:
    """Every problem of a failed validation, as `path: message (got value)`."""
    found: list[str] = []
    for detail in error.errors(include_url=False):
        path = ".".join(str(part) for part in detail["loc"]) or "(whole)"
        if detail["type"] == "extra_forbidden":
            found.append(f"{path}: unknown key")
        elif detail["type"] == "missing":
            found.append(f"{path}: missing")
        elif detail["type"] == "value_error":  # a record's own, which names the values that it is about
            found.append(f"{path}: {detail['msg'].removeprefix('Value error, ')}")
        else:
            got = json.dumps(detail.get("input"), ensure_ascii=False, default=str)
            found.append(f"{path}: {detail['msg'][:1].lower()}{detail['msg'][1:]} (got {got[:80]})")
    return found


def write_lines(records: Iterable[Record], path: Path) -> int:
    """Writes one record a line and returns their number; the file appears whole or not at all."""
    count = 0
    temporary = path.with_name(path.name + ".part")
    with temporary.open("w", encoding="utf-8", newline="\n") as file:
        for record in records:
            file.write(record.to_json() + "\n")
            count += 1
    temporary.replace(path)
    return count


def read_lines(kind: type[R], path: Path) -> Iterator[R]:
    """The records of a file that `write_lines` wrote, in order.

    Raises:
        UserError: a line that does not hold such a record, with file and line.
    """
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            yield kind.from_json(line, where=f"{path}:{number}")


def read_toml(kind: type[R], path: Path, *, what: str, where_told: str) -> R:
    """The record of a file of TOML. `what` it is, and `where_told` which document describes it, are for errors.

    Raises:
        UserError: it is not there, not TOML, or not such a record; all problems at once.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(path, f"no such {what}", do=f"correct the path ({where_told} has one)") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(path, f"not TOML: {error}", do="mend the line") from None
    try:
        return kind.model_validate_json(json.dumps(table, default=str))
    except ValidationError as error:
        raise UserError(
            path,
            "; ".join(problems(error)),
            expected=f"{', '.join(kind.model_fields)} ({where_told})",
            do="correct the file; nothing was started",
        ) from None


def indented_json(value: Any) -> str:
    """A plain value as `write_json` writes it."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def write_json(value: Record | Mapping[str, Any], path: Path) -> None:
    """Writes one value, indented for people; the file appears whole or not at all."""
    plain = value.model_dump(mode="json") if isinstance(value, Record) else value
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(indented_json(plain), encoding="utf-8")
    temporary.replace(path)


def read_json(kind: type[R], path: Path) -> R:
    """The record that a file holds."""
    return kind.from_json(path.read_bytes(), where=path)


def file_sha256(path: Path) -> str:
    """Digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
