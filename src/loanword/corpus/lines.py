"""Lines of source files as plain fields, with what is wrong with a line as a value.

In: JSON Lines (`.jsonl`, `.json`), one object a line; `.txt`, one object a file; both also as `.gz` or `.zst`;
`.parquet`, one object a row.
Out: SourceLine, in the order of the files and of the lines in them.

A broken line is not raised here: whoever reads decides whether it is fatal or set aside. A file that cannot be
read to its end is always fatal, because nobody knows what it would have held.
"""

import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import zstandard

from loanword.errors import UserError
from loanword.protocols import Progress, silent

_BLOCK_BYTES = 1 << 16
_REPORT_LINES = 512


class SourceLine(NamedTuple):
    """One line of a source file: its fields, or the fault that kept them from being read."""

    path: Path
    number: int
    fields: Mapping[str, object]
    fault: UserError | None = None

    @property
    def where(self) -> str:
        """File and line, as errors name them."""
        return f"{self.path}:{self.number}"


Report = Callable[[int], None]
Reader = Callable[[Path, Report], Iterator[SourceLine]]


def source_lines(files: Sequence[Path], progress: Progress = silent) -> Iterator[SourceLine]:
    """The lines of all files; blank lines of JSON Lines are passed over. Progress is in bytes of the files on disk.

    A `.txt` file gives the fields `id` (its stem) and `text`. Every name is checked before anything is read.

    Raises:
        UserError: a missing file, an unknown suffix, a file that is cut off or damaged.
    """
    readers = [(path, _reader(path)) for path in files]
    return _read_all(readers, progress)


def name_stem(path: Path) -> str:
    """The file's name without the suffixes that say how to read it."""
    name = path.name.lower()
    for packing in (".gz", ".zst"):
        name = name.removesuffix(packing)
    return path.name[: len(Path(name).stem)]


def _reader(path: Path) -> Reader:
    if not path.exists():
        raise UserError(path, "no such file", expected="a source file", do="check the name and the data root (--data)")
    if not path.is_file():
        raise UserError(path, "is a folder", expected="a source file", do="name the files in it one by one")
    suffixes = [suffix.lower() for suffix in path.suffixes]
    kind = suffixes[-2:-1] if suffixes and suffixes[-1] in (".gz", ".zst") else suffixes[-1:]
    readers: dict[str, Reader] = {".jsonl": _json_lines, ".json": _json_lines, ".txt": _text_file}
    if suffixes[-1:] == [".parquet"]:
        return _parquet_rows
    if kind and kind[0] in readers:
        return readers[kind[0]]
    raise UserError(
        path,
        f"do not know how to read {''.join(path.suffixes) or 'a file without a suffix'}",
        expected=".jsonl or .txt, either also with .gz or .zst, or .parquet",
        do="convert the file, or name it by what it holds",
    )


def _read_all(readers: Sequence[tuple[Path, Reader]], progress: Progress) -> Iterator[SourceLine]:
    total_bytes = sum(path.stat().st_size for path, _ in readers)
    done_bytes = 0
    for path, reader in readers:
        before_bytes = done_bytes
        yield from reader(path, lambda read, before=before_bytes: progress(before + read, total_bytes, "bytes"))
        done_bytes += path.stat().st_size
        progress(done_bytes, total_bytes, "bytes")


def _json_lines(path: Path, report: Report) -> Iterator[SourceLine]:
    offset = 0
    number = 0
    with path.open("rb") as raw:
        lines = iter(_unpacked(path, raw))
        while True:
            try:
                line = next(lines, None)
            except (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as error:
                raise _damaged(f"{path}:{number + 1}", str(error)) from None
            if line is None:
                return
            number += 1
            if not line.isspace():
                yield _json_line(path, number, line, offset)
            offset += len(line)
            if number % _REPORT_LINES == 0:
                report(raw.tell())


def _json_line(path: Path, number: int, line: bytes, offset: int) -> SourceLine:
    where = f"{path}:{number}"
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        return SourceLine(path, number, {}, _not_utf8(where, error, offset))
    if number == 1:
        text = text.removeprefix("\ufeff")
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        near = text[max(0, error.pos - 20) : error.pos + 20]
        return SourceLine(path, number, {}, _not_json(where, f"{error.msg} at column {error.pos + 1}, near {near!r}"))
    except (ValueError, RecursionError) as error:
        return SourceLine(path, number, {}, _not_json(where, str(error)))
    if not isinstance(value, dict):
        return SourceLine(path, number, {}, _not_json(where, f"the line holds {text[:40]!r}, not an object"))
    return SourceLine(path, number, cast(dict[str, object], value))


def _text_file(path: Path, report: Report) -> Iterator[SourceLine]:
    try:
        with path.open("rb") as raw:
            content = _unpacked(path, raw).read()
    except (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as error:
        raise _damaged(path, str(error)) from None
    try:
        text = content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        yield SourceLine(path, number, {}, _not_utf8(f"{path}:{number}", error, 0))
    else:
        yield SourceLine(path, 1, {"id": name_stem(path), "text": text})


def _parquet_rows(path: Path, report: Report) -> Iterator[SourceLine]:
    # Loading pyarrow takes as long as reading a small corpus, and most corpora are JSON Lines. It has no types.
    import pyarrow  # pyright: ignore[reportMissingTypeStubs]
    import pyarrow.parquet as parquet  # pyright: ignore[reportMissingTypeStubs]

    arrow, opened = cast(Any, pyarrow), cast(Any, parquet)
    number = 0
    try:
        with opened.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_REPORT_LINES):
                for fields in batch.to_pylist():
                    number += 1
                    yield SourceLine(path, number, fields)
                report(path.stat().st_size * number // file.metadata.num_rows)
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _damaged(f"{path}:{number + 1}", str(error)) from None


def _unpacked(path: Path, raw: IO[bytes]) -> io.BufferedReader:
    suffix = path.suffix.lower()
    if suffix == ".gz":
        return io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=raw)), _BLOCK_BYTES)
    if suffix == ".zst":
        return io.BufferedReader(_ZstdFile(raw), _BLOCK_BYTES)
    return cast(io.BufferedReader, raw)


class _ZstdFile(io.RawIOBase):
    # zstandard's own stream_reader takes a file that was cut off for one that ends; this one raises EOFError.

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._packed = b""
        self._unpacked = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        while not self._unpacked:
            packed = self._packed or self._raw.read(_BLOCK_BYTES)
            if not packed:
                if self._frame is not None:
                    raise EOFError("the last zstd frame is not complete")
                return 0
            self._unpack(packed)
        size = min(len(buffer), len(self._unpacked))
        buffer[:size] = self._unpacked[:size]
        self._unpacked = self._unpacked[size:]
        return size

    def _unpack(self, packed: bytes) -> None:
        frame = self._frame or zstandard.ZstdDecompressor().decompressobj()
        self._unpacked = frame.decompress(packed)
        self._packed = frame.unused_data if frame.eof else b""
        self._frame = None if frame.eof else frame


def _damaged(where: object, reason: str) -> UserError:
    return UserError(
        where,
        f"the file cannot be read any further: {reason.strip()}",
        expected="a file that is whole",
        do="fetch the file again, and compare its size or digest with the original's",
    )


def _not_json(where: str, reason: str) -> UserError:
    return UserError(where, f"not JSON Lines: {reason}", expected="one JSON object on each line", do="mend the line")


def _not_utf8(where: str, error: UnicodeDecodeError, offset: int) -> UserError:
    return UserError(
        where,
        f"not UTF-8: byte 0x{error.object[error.start]:02x} at byte offset {offset + error.start:,} of the file",
        expected="text in UTF-8",
        do="convert the file, for instance: iconv -f GB18030 -t UTF-8 OLD > NEW",
    )
