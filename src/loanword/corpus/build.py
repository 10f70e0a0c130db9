"""A corpus artifact: source files become shards of documents in seeded order, and a held-out split.

In: source files of one language (`lines`).
Out: `documents-00000.jsonl` ..., `held_out.jsonl`, `counts.json`, and `quarantine.jsonl` where lines were set aside.

The sources are read twice: once to decide about every document, once to write. Only what is decided with (40 bytes a
document) and one shard of text are in memory at a time.
"""

import json
import shutil
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path

from loanword.corpus.order import text_digest
from loanword.corpus.read import QuarantinedLine, read_documents
from loanword.corpus.split import Index, Split, split_documents
from loanword.errors import UserError
from loanword.protocols import Progress, silent
from loanword.recipe import CorpusConfig
from loanword.records import CorpusCounts, Document, read_json, read_lines, write_json, write_lines

SHARD_BYTES = 64_000_000
_HELD_OUT = "held_out.jsonl"
_COUNTS = "counts.json"


def documents(corpus: Path) -> Iterator[Document]:
    """The documents of a corpus in its order, without the held-out ones."""
    for shard in sorted(corpus.glob("documents-*.jsonl")):
        yield from read_lines(Document, shard)


def held_out(corpus: Path) -> Iterator[Document]:
    """The documents that training never sees."""
    return read_lines(Document, corpus / _HELD_OUT)


def counts(corpus: Path) -> CorpusCounts:
    """What the corpus holds."""
    return read_json(CorpusCounts, corpus / _COUNTS)


def build_corpus(
    config: CorpusConfig,
    files: Sequence[Path],
    out: Path,
    progress: Progress = silent,
    *,
    shard_bytes: int = SHARD_BYTES,
) -> CorpusCounts:
    """Fills `out` with the corpus that `config` asks for; `files` are where its sources lie on this machine.

    Every document that was read is kept, held out, or counted under `num_removed`: `too_short` (fewer than
    `min_characters`, surrounding space not counted), `duplicate` (another has the same text), `over_limit`. Of
    documents that share an id all but the first get `~` and a digest of their text behind it.

    Raises:
        UserError: sources that cannot be read, or too few documents to hold any out and keep one.
    """
    quarantined: list[QuarantinedLine] = []
    index, num_too_short = Index(config.split_seed), 0
    for document in _read(config, files, quarantined, _half(progress, 0)):
        if _long_enough(document, config):
            index.add(document)
        else:
            num_too_short += 1
    split = split_documents(index, config.held_out_documents, config.limit_bytes, shard_bytes)
    made = _counts(config, split, len(quarantined), num_too_short)
    if not made.num_documents:
        raise _nothing_left(files, config, made, len(index) - split.num_duplicates)
    again = _read(config, files, [], _half(progress, 1))
    _write_parts((each for each in again if _long_enough(each, config)), split, out, shard_bytes)
    if quarantined:
        write_lines(quarantined, out / "quarantine.jsonl")
    write_json(made, out / _COUNTS)
    return made


def _read(
    config: CorpusConfig, files: Sequence[Path], quarantined: list[QuarantinedLine], progress: Progress
) -> Iterator[Document]:
    sink = quarantined.append if config.broken_lines == "quarantine" else None
    return read_documents(files, text_field=config.text_field, quarantine=sink, progress=progress)


def _half(progress: Progress, part: int) -> Progress:
    return lambda done, total, unit: progress(part * total + done, 2 * total, unit)


def _long_enough(document: Document, config: CorpusConfig) -> bool:
    return len(document.text.strip()) >= config.min_characters


def _counts(config: CorpusConfig, split: Split, num_quarantined_lines: int, num_too_short: int) -> CorpusCounts:
    return CorpusCounts(
        language=config.language,
        num_documents=split.part_ends[-1] - split.part_ends[0],
        num_bytes=sum(split.part_bytes[1:]),
        num_held_out_documents=split.part_ends[0],
        num_held_out_bytes=split.part_bytes[0],
        num_quarantined_lines=num_quarantined_lines,
        num_removed={
            "too_short": num_too_short,
            "duplicate": split.num_duplicates,
            "over_limit": split.num_over_limit,
        },
    )


def _nothing_left(files: Sequence[Path], config: CorpusConfig, made: CorpusCounts, num_distinct: int) -> UserError:
    left_out = ", ".join(f"{number:,} {reason}" for reason, number in made.num_removed.items())
    over_limit = made.num_removed["over_limit"] > 0
    return UserError(
        ", ".join(map(str, files)),
        f"no document is left to train on: {made.num_held_out_documents:,} held out, {left_out}",
        expected=f"a first document of at most {config.limit_bytes:,} bytes"
        if over_limit
        else f"more than held_out_documents = {config.held_out_documents:,} distinct documents, not {num_distinct:,}",
        do="raise limit_bytes" if over_limit else "give more text, or lower held_out_documents or min_characters",
    )


def _write_parts(read: Iterator[Document], split: Split, out: Path, shard_bytes: int) -> None:
    spool = _Spool(out / ".scratch" / "corpus", shard_bytes)
    for rank, id_taken, document in zip(split.rank.tolist(), split.id_taken.tolist(), read, strict=True):
        if rank >= 0:
            spool.add(bisect_right(split.part_ends, rank), rank, _with_own_id(document) if id_taken else document)
    names = [_HELD_OUT, *(f"documents-{shard:05}.jsonl" for shard in range(len(split.part_ends) - 1))]
    for part, name in enumerate(names):
        write_lines(spool.documents(part), out / name)
    spool.remove()


def _with_own_id(document: Document) -> Document:
    return Document(id=f"{document.id}~{text_digest(document.text).hex()[:8]}", text=document.text)


class _Spool:
    # Documents on their way from reading order into ranks. Beyond `buffer_bytes` of text they wait on disk, one
    # file a part; a small corpus never gets there.

    def __init__(self, folder: Path, buffer_bytes: int) -> None:
        self._folder = folder
        self._buffer_bytes = buffer_bytes
        self._held: dict[int, list[tuple[int, Document]]] = {}
        self._held_bytes = 0
        self.remove()

    def add(self, part: int, rank: int, document: Document) -> None:
        self._held.setdefault(part, []).append((rank, document))
        self._held_bytes += len(document.text.encode("utf-8"))
        if self._held_bytes > self._buffer_bytes:
            self._flush()

    def documents(self, part: int) -> Iterator[Document]:
        ranked = [*self._waiting(part), *self._held.pop(part, [])]
        ranked.sort(key=lambda pair: pair[0])
        return (document for _, document in ranked)

    def remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def _flush(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        for part, ranked in self._held.items():
            with self._file(part).open("a", encoding="utf-8", newline="\n") as file:
                for rank, document in ranked:
                    file.write(json.dumps([rank, document.id, document.text], ensure_ascii=False) + "\n")
        self._held, self._held_bytes = {}, 0

    def _waiting(self, part: int) -> Iterator[tuple[int, Document]]:
        if not self._file(part).exists():
            return
        with self._file(part).open("rb") as file:
            for line in file:
                rank, name, text = json.loads(line)
                yield rank, Document(id=name, text=text)

    def _file(self, part: int) -> Path:
        return self._folder / f"{part}.jsonl"
