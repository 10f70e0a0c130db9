"""A corpus artifact: source files become shards of documents in seeded order, and a held-out split.

In: source files of one language (`sources`).
Out: `documents-00000.jsonl` ..., `held_out.jsonl`, `counts.json`, `removed.jsonl` with some of what was removed or
changed, and `quarantine.jsonl` where lines were set aside.

Three steps, each of which goes on from what a killed one left, with the same bytes in the end: sources are read into
parts on disk (sift), all documents are decided on together (decide), and the corpus is written (shards). In memory are
some megabytes a process and a byte a document, or 50 where near duplicates go, however much text there is.
"""

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from loanword.corpus.decide import Decided, decide
from loanword.corpus.examples import NUM_EXAMPLES, removed_example
from loanword.corpus.judge import TextList, changing, reasons
from loanword.corpus.memory import shared_with
from loanword.corpus.parts import Part, Told, whole
from loanword.corpus.shards import Line, Resemblance, section_lines, write_shards
from loanword.corpus.sift import PART_BYTES, read_parts
from loanword.corpus.sources import SourceFile
from loanword.errors import UserError
from loanword.protocols import Progress, silent
from loanword.recipe import CorpusConfig
from loanword.records import (
    CorpusCounts,
    Document,
    Removed,
    canonical_json,
    read_json,
    read_lines,
    write_json,
    write_lines,
)

SHARD_BYTES = 16_000_000
_HELD_OUT = "held_out.jsonl"
_COUNTS = "counts.json"
_REMOVED = "removed.jsonl"
_QUARANTINE = "quarantine.jsonl"
_MADE_FROM = "made_from.json"
_SHARDS = "documents-*.jsonl"
_NAMED = 5
_FORMAT = 2
"""Of what lies in the scratch folder: a build does not go on from what another version of this program left."""


def documents(corpus: Path) -> Iterator[Document]:
    """The documents of a corpus in its order, without the held-out ones."""
    for shard in shards(corpus):
        yield from read_lines(Document, shard)


def shards(corpus: Path) -> list[Path]:
    """The files that `documents` reads, in order: one line of JSON a document."""
    return sorted(corpus.glob(_SHARDS))


def held_out(corpus: Path) -> Iterator[Document]:
    """The documents that training never sees."""
    return read_lines(Document, corpus / _HELD_OUT)


def counts(corpus: Path) -> CorpusCounts:
    """What the corpus holds."""
    return read_json(CorpusCounts, corpus / _COUNTS)


def removed(corpus: Path) -> Iterator[Removed]:
    """Some of the documents that each rule removed or changed, rule by rule."""
    return read_lines(Removed, corpus / _REMOVED)


def build_corpus(
    config: CorpusConfig,
    files: Sequence[SourceFile],
    out: Path,
    progress: Progress = silent,
    *,
    without: TextList | None = None,
    num_workers: int = 1,
    shard_bytes: int = SHARD_BYTES,
    part_bytes: int = PART_BYTES,
) -> CorpusCounts:
    """Fills `out` with the corpus that `config` asks for; `files` are what its sources are.

    Every document that was read is kept, held out, or counted under one reason in `num_removed`: the name of a
    cleaning rule, `too_short` (fewer than `min_characters`, surrounding space not counted), `other_language`, `listed`
    (holds a text of `without`), `duplicate` (another has the same text), `near_duplicate`,
    `held_out_near_duplicate` (would be held out, but resembles one that is trained on), `over_limit`. `num_changed`
    counts the documents that a rule changed and none removed. Of documents that share an id all but the first get `~`
    and a digest of their text behind it. Nothing of it depends on `num_workers`, and but for the
    order of what was set aside nothing on the order of `files`.

    Raises:
        UserError: sources that cannot be read, too few documents to hold any out and keep one, or none to hold out
            that resembles nothing else.
    """
    folder = out / ".scratch" / "corpus"
    _clear_unless_from(_made_from(config, files, shard_bytes, part_bytes), out, folder)
    parts = read_parts(
        config, files, folder, _half(progress, 0), without=without, num_workers=num_workers, part_bytes=part_bytes
    )
    told, num_quarantined = _told(parts, out, folder)
    decided = decide(parts, config, shard_bytes, folder)
    made = _counts(config, told, num_quarantined, decided)
    if not made.num_documents:
        raise _nothing_left(files, config, made)
    held = [line for section in _sections(decided, "held_out") for line in section_lines(decided, section)]
    resemblance = _resemblance(config, held)
    with shared_with(num_workers):
        near = write_shards(decided, out, folder, resemblance, _half(progress, 1), num_workers)
    if held and len(near) == len(held):
        raise _nothing_to_hold_out(files, config)
    left = [line for place, line in enumerate(held) if place not in near]
    with whole(out / _HELD_OUT, folder) as file:
        file.writelines(left)
    write_lines(_examples(told, decided, held, near), out / _REMOVED)
    made = _with_held_out(made, left, len(near))
    write_json(made, out / _COUNTS)
    _clear(folder)
    return made


def _made_from(config: CorpusConfig, files: Sequence[SourceFile], shard_bytes: int, part_bytes: int) -> str:
    read = [(file.label, file.num_bytes) for file in files]
    return canonical_json([_FORMAT, config.model_dump(mode="json"), read, shard_bytes, part_bytes])


def _clear_unless_from(made_from: str, out: Path, folder: Path) -> None:
    """Leaves what a killed build of the same corpus has got to, and nothing else."""
    mark = folder / _MADE_FROM
    if mark.exists() and mark.read_text(encoding="utf-8") == made_from:
        return
    _clear(folder)
    for path in (*shards(out), *(out / name for name in (_HELD_OUT, _COUNTS, _REMOVED, _QUARANTINE))):
        path.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    with whole(mark, folder) as file:
        file.write(made_from.encode("utf-8"))


def _clear(folder: Path) -> None:
    # The mark goes first: of a folder that is half removed nobody may go on.
    (folder / _MADE_FROM).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)  # workers of a build that was killed may still be writing there


def _half(progress: Progress, part: int) -> Progress:
    return lambda done, total, unit: progress(part * total + done, 2 * total, unit)


def _told(parts: Sequence[Part], out: Path, folder: Path) -> tuple[Told, int]:
    """What became of what is in no part; lines that were set aside go to their file, and are counted."""
    told, num_quarantined = Told(), 0
    with whole(out / _QUARANTINE, folder) as file:
        for part in parts:
            one = part.told()
            num_quarantined += len(one.quarantined)
            file.writelines(f"{line}\n".encode() for line in one.quarantined)
            one.quarantined.clear()
            told.add(one)
    if not num_quarantined:
        (out / _QUARANTINE).unlink()
    return told, num_quarantined


def _sections(decided: Decided, kind: str) -> list[int]:
    return [place for place, section in enumerate(decided.decision.sections) if section.kind == kind]


def _counts(config: CorpusConfig, told: Told, num_quarantined_lines: int, decided: Decided) -> CorpusCounts:
    """What is decided; held-out documents that resemble others are still among them."""
    num_documents, num_bytes = Counter[str](), Counter[str]()
    for section in decided.decision.sections:
        num_documents[section.kind] += section.num_documents
        num_bytes[section.kind] += section.num_bytes
    removed = {**dict.fromkeys(reasons(config), 0), **told.num_removed}
    removed["duplicate"] = decided.decision.num_duplicates
    if config.near_duplicates is not None:
        removed["near_duplicate"] = decided.decision.num_near_duplicates
    return CorpusCounts(
        language=config.language,
        num_documents=num_documents["shard"],
        num_bytes=num_bytes["shard"],
        num_held_out_documents=num_documents["held_out"],
        num_held_out_bytes=num_bytes["held_out"],
        num_quarantined_lines=num_quarantined_lines,
        num_removed={**removed, "held_out_near_duplicate": 0, "over_limit": num_documents["over_limit"]},
        num_changed={**dict.fromkeys(changing(config), 0), **told.num_changed},
    )


def _with_held_out(made: CorpusCounts, left: Sequence[Line], num_near: int) -> CorpusCounts:
    return made.model_copy(
        update={
            "num_held_out_documents": len(left),
            "num_held_out_bytes": sum(len(_document(line).text.encode("utf-8")) for line in left),
            "num_removed": {**made.num_removed, "held_out_near_duplicate": num_near},
        }
    )


def _resemblance(config: CorpusConfig, held: Sequence[Line]) -> Resemblance | None:
    """What tells documents that resemble a held-out one; None where nothing is held out.

    Near duplicates that are gone do not make up for it: they are found with a probability, and this is exact.
    """
    if not held:
        return None
    from loanword.corpus.screen import Screen

    return Screen([_document(line).text for line in held], config.held_out_similarity)


def _examples(told: Told, decided: Decided, held: Sequence[Line], near: Mapping[int, str]) -> Iterator[Removed]:
    yield from told.examples.records()
    yield from decided.decision.examples
    for place, because in sorted(near.items())[:NUM_EXAMPLES]:
        document = _document(held[place])
        yield removed_example("held_out_near_duplicate", document.id, document.text, because)


def _document(line: Line) -> Document:
    return Document.model_validate_json(bytes(line))


def _nothing_left(files: Sequence[SourceFile], config: CorpusConfig, made: CorpusCounts) -> UserError:
    left_out = ", ".join(f"{number:,} {reason}" for reason, number in made.num_removed.items())
    if made.num_quarantined_lines:
        left_out += f", and {made.num_quarantined_lines:,} lines set aside"
    over_limit = made.num_removed["over_limit"] > 0
    return UserError(
        _named(files),
        f"no document is left to train on: {made.num_held_out_documents:,} held out, {left_out}",
        expected=f"a first document of at most {config.limit_bytes:,} bytes"
        if over_limit
        else f"more than held_out_documents = {config.held_out_documents:,} distinct documents, "
        f"not {made.num_held_out_documents:,}",
        do="raise limit_bytes"
        if over_limit
        else "give more text, or lower held_out_documents or what the rules ask for",
    )


def _nothing_to_hold_out(files: Sequence[SourceFile], config: CorpusConfig) -> UserError:
    return UserError(
        _named(files),
        f"every document that would be held out is at least {config.held_out_similarity} similar to one that is "
        "trained on",
        expected="text of which most is there once",
        do="set near_duplicates, so that what resembles each other is there once; or raise held_out_documents or "
        "held_out_similarity",
    )


def _named(files: Sequence[SourceFile]) -> str:
    names = [file.name for file in files]
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else "")
