"""Documents of source files, one at a time.

In: lines as `lines` reads them. Out: Document records in the order of the files.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from loanword.corpus.lines import SourceLine, source_lines
from loanword.corpus.sources import SourceFile
from loanword.errors import UserError
from loanword.protocols import Progress, silent
from loanword.records import Count, Document, Record

_SET_ASIDE = 'or set broken_lines = "quarantine" to put such lines aside'


class QuarantinedLine(Record):
    """A line that was set aside, and why. `file` is the file's name, below its folder or in its data set at most."""

    file: str
    line: Count
    reason: str


def read_documents(
    files: Sequence[Path | SourceFile],
    *,
    text_field: str = "text",
    quarantine: Callable[[QuarantinedLine], object] | None = None,
    progress: Progress = silent,
) -> Iterator[Document]:
    """The documents of all files, in order; a folder stands for the files in it.

    See `document_of` for ids. A broken line goes to `quarantine`; without one it is fatal.

    Raises:
        UserError: a file that cannot be read, a broken line, or no document at all.
    """
    lines = source_lines(files, progress, fields=document_fields(text_field))
    names = [file.name if isinstance(file, SourceFile) else str(file) for file in files]
    return _read(names, lines, text_field, quarantine)


def document_fields(text_field: str) -> tuple[str, ...]:
    """The fields that documents are made of, for `batches`."""
    return (text_field, "id")


def document_of(line: SourceLine, text_field: str) -> Document | UserError:
    """The document of a line, or why there is none.

    `text_field` is the name of a field, or names with dots between them that lead into fields which hold objects; of a
    text file it is always the text. The id is the line's field `id`, or else `<file stem>-<line number>`, and a text
    file's is its stem; ids are as unique as the sources make them.
    """
    if line.fault is not None:
        fault = line.fault
        return UserError(fault.where, fault.what, expected=fault.expected, do=f"{fault.do}; {_SET_ASIDE}")
    field = "text" if line.kind == "text" else text_field
    text = line.fields.get(field)
    if not isinstance(text, str):
        found = _inside(line.fields, field)
        if not isinstance(found, str):
            return _no_text(line, field, found)
        text = found
    name = line.fields.get("id")
    if name is None or name == "":
        name = f"{line.stem}-{line.number}"
    if isinstance(name, bool) or not isinstance(name, str | int):
        return _wrong_text(line, f"field 'id' holds {str(name)[:40]!r}, a {type(name).__name__}", field)
    if not (_encodable(text) and _encodable(str(name))):
        return _wrong_text(line, "half of a surrogate pair, which no UTF-8 text holds", field)
    return Document(id=str(name), text=text)


def quarantined(line: SourceLine, fault: UserError) -> QuarantinedLine:
    """The record of a line that is set aside."""
    file = _escaped(line.label or line.path.name)
    return QuarantinedLine(file=file, line=line.number, reason=_escaped(fault.what))


def _read(
    files: Sequence[str],
    lines: Iterator[SourceLine],
    text_field: str,
    quarantine: Callable[[QuarantinedLine], object] | None,
) -> Iterator[Document]:
    num_documents = num_quarantined = 0
    for line in lines:
        document = document_of(line, text_field)
        if isinstance(document, Document):
            num_documents += 1
            yield document
        elif quarantine is None:
            raise document
        else:
            num_quarantined += 1
            quarantine(quarantined(line, document))
    if not num_documents:
        raise _no_documents(files, num_quarantined)


_NOTHING = object()


def _inside(fields: Mapping[str, object], path: str) -> object:
    """What lies at a path of names; a field whose own name has dots in it comes first."""
    if path in fields:
        return fields[path]
    value: Any = fields
    for name in path.split("."):
        inside = cast(dict[str, Any], value) if isinstance(value, dict) else {}
        value = inside.get(name, _NOTHING)
    return value


def _no_text(line: SourceLine, field: str, found: object) -> UserError:
    if found is _NOTHING:
        return _wrong_text(line, f"no field {field!r}; the fields are {', '.join(line.fields) or 'none'}", field)
    return _wrong_text(line, f"field {field!r} holds {str(found)[:40]!r}, a {type(found).__name__}", field)


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _escaped(text: str) -> str:
    # A reason may name what was found in a line, half of a surrogate pair for one.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _wrong_text(line: SourceLine, what: str, field: str) -> UserError:
    return UserError(
        line.where,
        what,
        expected=f"an object with the text in {field!r}, and perhaps an 'id' that is a string or a whole number",
        do=f"set text_field to the field that holds the text, mend the line, {_SET_ASIDE}",
    )


def _no_documents(files: Sequence[str], num_quarantined: int) -> UserError:
    found = f"no documents, and {num_quarantined:,} broken lines" if num_quarantined else "no documents"
    return UserError(
        ", ".join(files) or "source files",
        f"the corpus is empty: {found}",
        expected="at least one document",
        do="check that these are the files you mean, and what they hold",
    )
