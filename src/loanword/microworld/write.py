"""The world on disk, in the formats in which real data is published.

Out: text/<language>.jsonl.gz           documents, {id, text}
     parallel/<language>.txt            held-out sentences, the same line the same meaning
     instructions/<language>.jsonl.gz   {id, instruction, input, output}, the same id the same instruction

Equal worlds give equal bytes: no times and no file names go into a gzip header.
"""

import gzip
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from loanword.errors import UserError
from loanword.microworld.instructions import instructions
from loanword.microworld.phrasebook import Phrasebook
from loanword.microworld.telling import documents, parallel_sentences
from loanword.microworld.world import SOURCE, World
from loanword.records import Record


class Size(NamedTuple):
    """How large a world is, and how much text tells it in the source language and in each other."""

    scale: int
    num_source_documents: int
    num_target_documents: int


SIZES = {
    "small": Size(1, 32_000, 10_000),
    "medium": Size(10, 320_000, 100_000),
    "large": Size(100, 3_200_000, 1_000_000),
}


class Written(NamedTuple):
    """A file that was written: where, and how many lines of what it holds."""

    path: Path
    num_lines: int
    unit: str


def write_world(world: World, books: Mapping[str, Phrasebook], size: Size, out: Path) -> list[Written]:
    """Writes the world in every language; files of the same names are replaced.

    Raises:
        UserError: a folder that cannot be written.
    """
    written: list[Written] = []
    try:
        for folder in ("text", "parallel", "instructions"):
            (out / folder).mkdir(parents=True, exist_ok=True)
        for language, book in books.items():
            count = size.num_source_documents if language == SOURCE else size.num_target_documents
            written += [
                _write_records(documents(world, book, count), out / f"text/{language}.jsonl.gz", "documents"),
                _write_sentences(parallel_sentences(world, book), out / f"parallel/{language}.txt"),
                _write_records(instructions(world, book), out / f"instructions/{language}.jsonl.gz", "instructions"),
            ]
    except OSError as error:
        raise UserError(out, f"cannot be written: {error.strerror}", do="name another folder, or free space") from None
    return written


def _write_records(records: Iterable[Record], path: Path, unit: str) -> Written:
    count = 0
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
        for record in records:
            packed.write(f"{record.to_json()}\n".encode())
            count += 1
    temporary.replace(path)
    return Written(path, count, unit)


def _write_sentences(sentences: list[str], path: Path) -> Written:
    path.write_text("".join(f"{sentence}\n" for sentence in sentences), encoding="utf-8", newline="\n")
    return Written(path, len(sentences), "sentences")
