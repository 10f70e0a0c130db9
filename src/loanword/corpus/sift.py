"""From source files to parts: every line is read, every document cleaned and judged by itself, in several processes.

In: batches of lines (`lines`). Out: parts (`parts`), each of consecutive batches; reading goes on behind the last part
that is there.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic_core import to_json

from loanword.corpus.clean import Cleaned
from loanword.corpus.examples import changed_example, removed_example
from loanword.corpus.judge import Signature, TextList, judge, signing
from loanword.corpus.lines import BATCH_BYTES, LineBatch, all_batches, parsed
from loanword.corpus.memory import give_back_memory, shared_with
from loanword.corpus.order import order_key, text_digest
from loanword.corpus.parts import COLUMNS, Part, Position, Sifted, Told, parts_in, write_part
from loanword.corpus.read import document_fields, document_of, quarantined
from loanword.corpus.sources import SourceFile
from loanword.errors import UserError
from loanword.protocols import Progress
from loanword.recipe import CorpusConfig
from loanword.records import Document
from loanword.tokenizer.workers import ordered_map

PART_BYTES = 16_000_000
_PART_READ_BYTES = 8 * PART_BYTES
"""What is read for one part, where little of it is kept: so much is read again after a kill."""


class _Task(NamedTuple):
    batches: list[LineBatch]
    following: Position
    num_bytes: int


class _Answer(NamedTuple):
    sifted: Sifted
    told: Told
    fault: UserError | None
    following: Position
    num_read_bytes: int


def read_parts(
    config: CorpusConfig,
    files: Sequence[SourceFile],
    folder: Path,
    progress: Progress,
    *,
    without: TextList | None = None,
    num_workers: int = 1,
    part_bytes: int = PART_BYTES,
) -> list[Part]:
    """The parts that hold what `files` do, in `folder`; those that are there already are not made again.

    Raises:
        UserError: sources that cannot be read, or a broken line where these are fatal.
    """
    parts = parts_in(folder)
    position, end = parts[-1].following if parts else Position(0, 0), Position(len(files), 0)
    if position == end:
        return parts
    sieve = Sieve(config, without)
    held, told, num_bytes, num_read_bytes = list[Sifted](), Told(), 0, 0
    with shared_with(num_workers):
        for answer in ordered_map(sieve, _tasks(config, files, position, progress), num_workers):
            if answer.fault is not None:
                raise answer.fault
            held.append(answer.sifted)
            told.add(answer.told)
            num_bytes += len(answer.sifted.lines) + sum(map(len, answer.told.quarantined))
            num_read_bytes += answer.num_read_bytes
            if num_bytes >= part_bytes or num_read_bytes >= _PART_READ_BYTES or answer.following == end:
                parts.append(write_part(held, told, answer.following, folder / f"part-{len(parts):06}"))
                held, told, num_bytes, num_read_bytes = [], Told(), 0, 0
                del answer
                give_back_memory()
    return parts


def _tasks(config: CorpusConfig, files: Sequence[SourceFile], start: Position, progress: Progress) -> Iterator[_Task]:
    """Batches from `start` on, small ones of several files together."""
    held, num_bytes = list[LineBatch](), 0
    read = all_batches(files, config, progress, fields=document_fields(config.text_field), first=start.file)
    for place, number, batch in read:
        if (place, number) < start:
            continue
        if num_bytes >= BATCH_BYTES:
            yield _Task(held, Position(place, number), num_bytes)
            held, num_bytes = [], 0
        held.append(batch)
        num_bytes += max(len(batch.content), len(batch.rows) and BATCH_BYTES)
    yield _Task(held, Position(len(files), 0), num_bytes)


class Sieve:
    """What becomes of each document by itself, under a corpus's settings."""

    def __init__(self, config: CorpusConfig, without: TextList | None) -> None:
        self._text_field = config.text_field
        self._fatal = config.broken_lines == "fatal"
        self._seed = config.split_seed
        self._judge = judge(config, without)
        self._signature = signing(config)

    def __call__(self, task: _Task) -> _Answer:
        going_on, told, documents = _GoingOn(self._seed, self._signature), Told(), list[Document]()
        for batch in task.batches:
            for line in parsed(batch):
                document = document_of(line, self._text_field)
                if isinstance(document, Document):
                    documents.append(document)
                elif self._fatal:
                    return _Answer(going_on.sifted(), told, document, task.following, task.num_bytes)
                else:
                    told.quarantined.append(quarantined(line, document).to_json())
        for document, judged in zip(documents, self._judge([each.text for each in documents]), strict=True):
            self._sift(document, judged, going_on, told)
        return _Answer(going_on.sifted(), told, None, task.following, task.num_bytes)

    def _sift(self, document: Document, judged: Cleaned, going_on: "_GoingOn", told: Told) -> None:
        if judged.removed_by is not None:
            rule, because = judged.removed_by, judged.because
            told.num_removed[rule] += 1
            told.examples.offer(
                rule, self._key(document), lambda: removed_example(rule, document.id, document.text, because)
            )
            return
        for changed_by in judged.changed_by:
            told.num_changed[changed_by] += 1
            told.examples.offer(
                changed_by,
                self._key(document),
                lambda rule=changed_by: changed_example(rule, document.id, document.text, judged.text),
            )
        going_on.add(document.id, judged.text)

    def _key(self, document: Document) -> int:
        """A place among examples: of equal texts each has its own."""
        return order_key(self._seed, document.id.encode("utf-8") + text_digest(document.text))


class _GoingOn:
    """Documents that no rule removed, as a part will hold them."""

    def __init__(self, seed: int, signature: Signature | None) -> None:
        self._seed = seed
        self._signature = signature
        self._lines: list[bytes] = []
        self._rows: list[tuple[int, ...]] = []
        self._signatures: list[npt.NDArray[np.uint32]] = []

    def add(self, id: str, text: str) -> None:
        # What records.canonical_json gives, five times as fast.
        line = to_json({"id": id, "text": text}) + b"\n"
        digest = text_digest(text)
        # Of the text alone: an id may hold the file's name and the line's number.
        order = order_key(self._seed, digest)
        high, low = int.from_bytes(digest[:8]), int.from_bytes(digest[8:])
        self._rows.append((order, high, low, int.from_bytes(text_digest(id)[:8]), len(text.encode("utf-8")), len(line)))
        self._lines.append(line)
        if self._signature is not None:
            self._signatures.append(self._signature(text))

    def sifted(self) -> Sifted:
        columns = np.array(self._rows, np.uint64).reshape(-1, len(COLUMNS)).T
        return Sifted(
            b"".join(self._lines),
            dict(zip(COLUMNS, columns, strict=True)),
            np.stack(self._signatures) if self._signatures else None,
        )
