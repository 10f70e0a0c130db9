"""Values read across versions of the store: what is not known here is not shown."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from loanword.errors import UserError
from loanword.records import problems


class Lenient(BaseModel):
    """A frozen value with the fields that the report shows; others are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


L = TypeVar("L", bound=Lenient)


def read_lenient(kind: type[L], path: Path) -> L:
    """The value that a file holds.

    Raises:
        UserError: the file lacks a field, or has another kind of value in it.
    """
    return _parsed(kind, path.read_bytes(), path)


def read_lenient_lines(kind: type[L], path: Path) -> tuple[L, ...]:
    """The values of a file, one a line.

    Raises:
        UserError: a line lacks a field, or has another kind of value in it.
    """
    lines = enumerate(path.read_bytes().splitlines(), start=1)
    return tuple(_parsed(kind, line, f"{path}:{number}") for number, line in lines)


def _parsed(kind: type[L], content: bytes, where: object) -> L:
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        raise UserError(
            where,
            "; ".join(problems(error)),
            expected=f"the fields of a {kind.__name__}",
            do="build the artifact again",
        ) from None
