"""Documents of source files, one at a time.

In: files as `lines` reads them. Out: Document records in the order of the files.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from loanword.corpus.lines import SourceLine, name_stem, source_lines
from loanword.errors import UserError
from loanword.protocols import Progress, silent
from loanword.records import Count, Document, Record

_SET_ASIDE = 'or set broken_lines = "quarantine" to put such lines aside'


class QuarantinedLine(Record):
    """A line that was set aside, and why. `file` is the file's name, because a folder is nobody else's business."""

    file: str
    line: Count
    reason: str


def read_documents(
    files: Sequence[Path],
    *,
    text_field: str = "text",
    quarantine: Callable[[QuarantinedLine], object] | None = None,
    progress: Progress = silent,
) -> Iterator[Document]:
    """The documents of all files, in order.

    A document's id is its field `id`, or else `<file stem>-<line number>`; a `.txt` file is one document, named by
    its stem. Ids are as unique as the sources make them. A broken line goes to `quarantine`; without one it is fatal.

    Raises:
        UserError: a file that cannot be read, a broken line, or no document at all.
    """
    return _read(files, source_lines(files, progress), text_field, quarantine)


def _read(
    files: Sequence[Path],
    lines: Iterator[SourceLine],
    text_field: str,
    quarantine: Callable[[QuarantinedLine], object] | None,
) -> Iterator[Document]:
    num_documents = num_quarantined = 0
    for line in lines:
        document = _document(line, text_field)
        if isinstance(document, Document):
            num_documents += 1
            yield document
        elif quarantine is None:
            raise document
        else:
            num_quarantined += 1
            quarantine(QuarantinedLine(file=line.path.name, line=line.number, reason=document.what))
    if not num_documents:
        raise _no_documents(files, num_quarantined)


def _document(line: SourceLine, text_field: str) -> Document | UserError:
    if line.fault is not None:
        fault = line.fault
        return UserError(fault.where, fault.what, expected=fault.expected, do=f"{fault.do}; {_SET_ASIDE}")
    field = "text" if ".txt" in line.path.suffixes else text_field
    if field not in line.fields:
        return _wrong_text(line, f"no field {field!r}; the fields are {', '.join(line.fields) or 'none'}", field)
    text = line.fields[field]
    if not isinstance(text, str):
        return _wrong_text(line, f"field {field!r} holds {str(text)[:40]!r}, a {type(text).__name__}", field)
    name = line.fields.get("id")
    if name is None or name == "":
        name = f"{name_stem(line.path)}-{line.number}"
    if isinstance(name, bool) or not isinstance(name, str | int):
        return _wrong_text(line, f"field 'id' holds {str(name)[:40]!r}, a {type(name).__name__}", field)
    if not (_encodable(text) and _encodable(str(name))):
        return _wrong_text(line, "half of a surrogate pair, which no UTF-8 text holds", field)
    return Document(id=str(name), text=text)


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _wrong_text(line: SourceLine, what: str, field: str) -> UserError:
    return UserError(
        line.where,
        what,
        expected=f"an object with the text in {field!r}, and perhaps an 'id' that is a string or a whole number",
        do=f"set text_field to the field that holds the text, mend the line, {_SET_ASIDE}",
    )


def _no_documents(files: Sequence[Path], num_quarantined: int) -> UserError:
    found = f"no documents, and {num_quarantined:,} broken lines" if num_quarantined else "no documents"
    return UserError(
        ", ".join(map(str, files)) or "source files",
        f"the corpus is empty: {found}",
        expected="at least one document",
        do="check that these are the files you mean, and what they hold",
    )
