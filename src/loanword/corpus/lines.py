"""Lines of source files as plain fields, with what is wrong with a line as a value.

In: JSON Lines (`.jsonl`, `.json`), one object a line; `.txt`, one object a file; both also as `.gz` or `.zst`;
`.parquet`, one object a row.
Out: LineBatch, lines as they lie there, for whoever parses them, in this process or in another; SourceLine, parsed.
Both in the order of the files and of the lines in them.

Where batches are cut depends on what a file unpacks to and nothing else, so that work can go on from any of them. A
batch of JSON Lines ends with the first line that ends BATCH_BYTES or more behind the batch's start, too long lines and
blank ones counted; a text is one batch; for Parquet see `parquet`. No batch is empty but that of a file
which is.

A broken line is not raised here: whoever reads decides whether it is fatal or set aside. A file that cannot be
read to its end is always fatal, because nobody knows what it would have held; what precedes is there before it is
raised.

What counts as JSON: as Python's `json`, down to 200 levels. Of keys that are there twice the last one counts; NaN and
Infinity are numbers; NUL is text where it is escaped, and a fault where it is not.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple, cast

from pydantic_core import from_json

from loanword.corpus.broken import bad_row, json_fields, not_utf8, too_long
from loanword.corpus.parquet import Row, row_batches
from loanword.corpus.sources import Kind, SourceFile, local_files, name_stem
from loanword.corpus.unpack import unpacked
from loanword.errors import UserError
from loanword.protocols import Progress, silent
from loanword.recipe import SourceConfig

BATCH_BYTES = 1 << 20
"""Of a file's content; lines are never cut."""

_BOM = b"\xef\xbb\xbf"
_USUAL = SourceConfig(files=(".",))


class SourceLine(NamedTuple):
    """One line of a source file: its fields, or the fault that kept them from being read.

    `path` is how errors name the file, `label` how ids and records do.
    """

    path: Path
    number: int
    fields: Mapping[str, object]
    fault: UserError | None = None
    label: str = ""
    kind: Kind = "lines"

    @property
    def where(self) -> str:
        """File and line, as errors name them."""
        return f"{self.path}:{self.number}"

    @property
    def stem(self) -> str:
        """What the file is called without the suffixes that say how to read it, below its folder or in its data set."""
        label = PurePosixPath(self.label or self.path.name)
        return str(label.with_name(name_stem(label)))


class LineBatch(NamedTuple):
    """Neighbouring lines of a file, as they lie there: bytes of whole lines, or rows of Parquet.

    `number` is the first line's, `offset` where it starts in what the file unpacks to. The line behind `content`
    has `too_long_bytes`, where that is not 0: it is too long to be held.
    """

    name: str
    label: str
    kind: Kind
    number: int
    offset: int
    content: bytes
    rows: Sequence[Row]
    too_long_bytes: int
    max_line_bytes: int


def batches(
    file: SourceFile, config: SourceConfig, progress: Progress = silent, *, fields: Sequence[str] = ()
) -> Iterator[LineBatch]:
    """The lines of a file in order, in batches of about a megabyte. Progress is in bytes of the file as it lies there.

    `fields` are what will be asked for, where any are named: of a Parquet file that has the first, no others are read.

    Raises:
        UserError: a file that cannot be read to its end, or that unpacks to more than `config.max_expansion` times its
            size.
    """
    limit_bytes = config.max_line_bytes
    if file.kind == "rows":
        for number, rows in row_batches(
            file,
            fields=fields,
            batch_bytes=BATCH_BYTES,
            max_row_bytes=limit_bytes,
            max_expansion=config.max_expansion,
            progress=progress,
        ):
            yield LineBatch(file.name, file.label, "rows", number, 0, b"", rows, 0, limit_bytes)
        return
    blocks = unpacked(file, config.max_expansion, progress)
    if file.kind == "text":
        yield _text_batch(file, blocks, limit_bytes)
    else:
        yield from _line_batches(file, blocks, limit_bytes)


def parsed(batch: LineBatch) -> list[SourceLine]:
    """The lines of a batch; blank lines of JSON Lines are passed over.

    A `.txt` file gives the fields `id` (its stem) and `text`.
    """
    path = Path(batch.name)
    if batch.kind == "rows":
        return [_row(batch, path, number, row) for number, row in enumerate(batch.rows, batch.number)]
    if batch.kind == "text":
        return [_text(batch, path)]
    found: list[SourceLine] = []
    lines = batch.content.split(b"\n")
    if not lines[-1]:
        lines.pop()
    end = batch.offset - 1
    for number, line in enumerate(lines, batch.number):
        start, end = end + 1, end + 1 + len(line)
        if not line or line.isspace():
            continue
        try:
            fields: object = from_json(line, cache_strings="keys")
        except ValueError:
            fields = None
        if type(fields) is dict and len(line) <= batch.max_line_bytes:
            found.append(SourceLine(path, number, cast(dict[str, object], fields), None, batch.label))
        else:
            found.append(_line(batch, path, number, line, start))
    if batch.too_long_bytes:
        number = batch.number + len(lines)
        fault = too_long(f"{path}:{number}", batch.too_long_bytes, batch.max_line_bytes)
        found.append(_fault(batch, path, number, fault))
    return found


def source_lines(
    files: Sequence[Path | SourceFile],
    progress: Progress = silent,
    *,
    config: SourceConfig = _USUAL,
    fields: Sequence[str] = (),
) -> Iterator[SourceLine]:
    """The lines of all files, read and parsed in this process; a folder stands for the files in it.

    Of `config` only the limits count. Progress is in bytes of the files as they lie there. Every name is checked before
    anything is read.

    Raises:
        UserError: a missing file, an unknown suffix, a file that is cut off or damaged.
    """
    found = [each for file in files for each in ([file] if isinstance(file, SourceFile) else local_files(file))]
    return (line for _, _, batch in all_batches(found, config, progress, fields=fields) for line in parsed(batch))


def all_batches(
    files: Sequence[SourceFile],
    config: SourceConfig,
    progress: Progress = silent,
    *,
    fields: Sequence[str] = (),
    first: int = 0,
) -> Iterator[tuple[int, int, LineBatch]]:
    """The batches of all files from the one at place `first` on, each with its file's place and its number in the file.

    Progress is in bytes of the files as they lie there.
    """
    total_bytes = sum(file.num_bytes for file in files)
    done_bytes = sum(file.num_bytes for file in files[:first])
    for place, file in enumerate(files[first:], first):

        def report(read: int, total: int, unit: str, before: int = done_bytes) -> None:
            progress(before + read, total_bytes, unit)

        for number, batch in enumerate(batches(file, config, report, fields=fields)):
            yield place, number, batch
        done_bytes += file.num_bytes
        progress(done_bytes, total_bytes, "bytes")


def _text_batch(file: SourceFile, blocks: Iterator[bytes], limit_bytes: int) -> LineBatch:
    held, num_bytes = bytearray(), 0
    for block in blocks:
        num_bytes += len(block)
        if num_bytes <= limit_bytes:
            held += block
        else:
            held.clear()
    too_long_bytes = num_bytes if num_bytes > limit_bytes else 0
    return LineBatch(file.name, file.label, "text", 1, 0, bytes(held), (), too_long_bytes, limit_bytes)


def _line_batches(file: SourceFile, blocks: Iterator[bytes], limit_bytes: int) -> Iterator[LineBatch]:
    lines = _Lines(file, limit_bytes)
    try:
        for block in blocks:
            yield from lines.add(block)
    except UserError as error:
        yield from lines.rest(whole=False)
        where = f"{file.name}:{lines.number}"
        raise UserError(where, error.what, expected=error.expected, do=error.do) from None
    yield from lines.rest(whole=True)


class _Lines:
    # Bytes on their way into batches. Of a line that is too long, only the size is kept once that is known.

    def __init__(self, file: SourceFile, limit_bytes: int) -> None:
        self.number = 1
        self._offset = 0
        self._file = file
        self._limit_bytes = limit_bytes
        self._held = bytearray()
        self._searched = BATCH_BYTES - 1
        self._too_long_bytes = 0

    def add(self, block: bytes) -> Iterator[LineBatch]:
        if self._too_long_bytes:
            end = block.find(b"\n")
            self._too_long_bytes += len(block) if end < 0 else end
            if end < 0:
                return
            yield self._batch(len(self._held), ended=True)
            block = block[end + 1 :]
        self._held += block
        while end := self._held.find(b"\n", self._searched) + 1:
            yield self._batch(end)
        self._searched = max(BATCH_BYTES - 1, len(self._held))
        if self._searched >= BATCH_BYTES:
            start = self._held.rfind(b"\n", 0, BATCH_BYTES) + 1
            if len(self._held) - start > self._limit_bytes:
                self._too_long_bytes = len(self._held) - start
                del self._held[start:]

    def rest(self, *, whole: bool) -> Iterator[LineBatch]:
        # Of a file that cannot be read to its end, the last line is not whole.
        if not whole:
            self._too_long_bytes = 0
            del self._held[self._held.rfind(b"\n") + 1 :]
        if self._held or self._too_long_bytes:
            yield self._batch(len(self._held))

    def _batch(self, end: int, *, ended: bool = False) -> LineBatch:
        content = bytes(self._held[:end])
        del self._held[:end]
        file, number, offset, too_long_bytes = self._file, self.number, self._offset, self._too_long_bytes
        self.number += content.count(b"\n") + ended
        self._offset += len(content) + too_long_bytes + ended
        self._searched, self._too_long_bytes = BATCH_BYTES - 1, 0
        if number == 1 and content.startswith(_BOM):
            content, offset = content[len(_BOM) :], len(_BOM)
        return LineBatch(file.name, file.label, "lines", number, offset, content, (), too_long_bytes, self._limit_bytes)


def _line(batch: LineBatch, path: Path, number: int, line: bytes, offset: int) -> SourceLine:
    # Not what most lines are: broken, or read by Python's own parser only, which takes half of a surrogate pair.
    where = f"{path}:{number}"
    if len(line) > batch.max_line_bytes:
        return _fault(batch, path, number, too_long(where, len(line), batch.max_line_bytes))
    fields = json_fields(line, where, offset)
    if isinstance(fields, UserError):
        return _fault(batch, path, number, fields)
    return SourceLine(path, number, fields, None, batch.label)


def _text(batch: LineBatch, path: Path) -> SourceLine:
    if batch.too_long_bytes:
        return _fault(batch, path, 1, too_long(f"{path}:1", batch.too_long_bytes, batch.max_line_bytes))
    try:
        text = batch.content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        number = batch.content.count(b"\n", 0, error.start) + 1
        return _fault(batch, path, number, not_utf8(f"{path}:{number}", error))
    line = SourceLine(path, 1, {}, None, batch.label, "text")
    return line._replace(fields={"id": line.stem, "text": text})


def _row(batch: LineBatch, path: Path, number: int, row: Row) -> SourceLine:
    if isinstance(row, str):
        return _fault(batch, path, number, bad_row(f"{path}:{number}", row))
    return SourceLine(path, number, row, None, batch.label, "rows")


def _fault(batch: LineBatch, path: Path, number: int, fault: UserError) -> SourceLine:
    return SourceLine(path, number, {}, fault, batch.label, batch.kind)
