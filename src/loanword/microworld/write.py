"""The world on disk, in the formats in which real data is published: a data root for studies.

Out: text/<language>.jsonl.gz               documents, {id, text}
     text/elsewhere/<language>.jsonl.gz     documents about other entities, in every language but the source
     parallel/<split>/<code>.<split>        held-out sentences in FLORES-200's layout, splits dev and devtest
     instructions/<language>.jsonl.gz       {id, instruction, input, output} as in Bactrian-X
     instructions/belle/zh.jsonl.gz         {instruction, input, output} as in BELLE
     benchmarks/                            see `layouts`
     world.json                             what all of it was made from, and which files it is

Equal worlds give equal bytes: no times and no file names go into a gzip header.
"""

import gzip
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from loanword.errors import UserError
from loanword.microworld import layouts
from loanword.microworld.assistant import BelleInstruction, instructions, open_questions
from loanword.microworld.phrasebook import Phrasebook
from loanword.microworld.questions import exams
from loanword.microworld.telling import documents, parallel_sentences
from loanword.microworld.world import SOURCE, World, elsewhere, make_world
from loanword.records import Record, canonical_json

CONTENTS = "world.json"
_CHINESE = "zh"


class Size(NamedTuple):
    """How large a world is, and how many documents tell it in the source language and in each other."""

    scale: int
    num_source_documents: int
    num_target_documents: int
    num_elsewhere_documents: int


SIZES = {
    "small": Size(1, 60_000, 30_000, 6_000),
    "medium": Size(10, 600_000, 300_000, 60_000),
    "large": Size(100, 6_000_000, 3_000_000, 600_000),
}


class Written(NamedTuple):
    """What was written to one place below the root: a file or a folder, and how much of what it holds."""

    place: str
    num_lines: int
    unit: str
    num_bytes: int


def write_world(seed: int, size: Size, books: Mapping[str, Phrasebook], out: Path) -> list[Written] | None:
    """Writes the world in some languages, the source language among them, and says what was written.

    None where the same world is there already. Files of the same names are replaced.

    Raises:
        UserError: a folder that cannot be written.
    """
    made_from = _made_from(seed, size, books)
    try:
        before = _written_before(out)
        if before is not None and before.is_whole and before.made_from == made_from:
            return None
        out.mkdir(parents=True, exist_ok=True)
        for name in before.files if before is not None else ():
            (out / name).unlink(missing_ok=True)
        world = make_world(seed, size.scale)
        places = Places(out, made_from)
        written = [*_write_texts(world, size, books, places), *_write_benchmarks(world, books, places)]
        places.note(is_whole=True)
    except OSError as error:
        raise UserError(
            error.filename or out,
            f"cannot be written: {error.strerror or error}",
            expected=f"a folder that can be written to, for {out}",
            do="name another folder, or free space",
        ) from None
    return written


class Contents(Record):
    """What a world was made from, and the files that it consists of: those of an earlier one go before it comes."""

    made_from: str
    files: tuple[str, ...]
    is_whole: bool


class Places:
    """Where files of a world go, and which they are; until all are there the world is noted as cut short."""

    def __init__(self, root: Path, made_from: str) -> None:
        self.root = root
        self._made_from = made_from
        self._files: list[str] = []

    def path(self, name: str) -> Path:
        """The path of a file below the root, its folder made."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self._files.append(name)
        if len(self._files) == 1:
            self.note(is_whole=False)
        return path

    def note(self, *, is_whole: bool) -> None:
        """Writes down what there is."""
        contents = Contents(made_from=self._made_from, files=tuple(self._files), is_whole=is_whole)
        (self.root / CONTENTS).write_text(f"{contents.to_json()}\n", encoding="utf-8")


def _written_before(out: Path) -> Contents | None:
    path = out / CONTENTS
    return Contents.from_json(path.read_bytes(), where=path) if path.is_file() else None


def _made_from(seed: int, size: Size, books: Mapping[str, Phrasebook]) -> str:
    """A digest of all that decides what is written: this package's own code too."""
    asked = {"seed": seed, "size": size._asdict(), "languages": list(books)}
    digest = hashlib.sha256("\n".join([canonical_json(asked), *(book.to_json() for book in books.values())]).encode())
    for file in sorted(resources.files("loanword.microworld").iterdir(), key=lambda file: file.name):
        if file.name.endswith(".py"):
            digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


def _write_texts(world: World, size: Size, books: Mapping[str, Phrasebook], places: Places) -> Iterator[Written]:
    other_world = elsewhere(world)
    for language, book in books.items():
        count = size.num_source_documents if language == SOURCE else size.num_target_documents
        yield _records(documents(world, book, count), places, f"text/{language}.jsonl.gz", "documents")
        if language != SOURCE:
            others = documents(other_world, book, size.num_elsewhere_documents)
            yield _records(others, places, f"text/elsewhere/{language}.jsonl.gz", "documents")
        sentences = parallel_sentences(world, book)
        for split, some in (("dev", sentences[::2]), ("devtest", sentences[1::2])):
            yield _sentences(some, places, f"parallel/{split}/{book.flores}.{split}")
        told = list(instructions(world, book, books[SOURCE]))
        yield _records(told, places, f"instructions/{language}.jsonl.gz", "instructions")
        if language == _CHINESE:
            plain = (BelleInstruction(**one.model_dump(exclude={"id"})) for one in told)
            yield _records(plain, places, f"instructions/belle/{language}.jsonl.gz", "instructions")


def _write_benchmarks(world: World, books: Mapping[str, Phrasebook], places: Places) -> Iterator[Written]:
    english, others = books[SOURCE], [book for language, book in books.items() if language != SOURCE]
    other = books.get(_CHINESE, others[0] if others else None)
    for told, exam in exams(world).items():
        # Instructions are about bridge facts alone, and of these not about reserved entities.
        apart = {told: world.reserved, "instructed": world.kinds.keys() - world.reserved}
        asked_about = apart if told == "bridge" else {told: world.kinds.keys()}
        for language, book in books.items():
            yield _files(layouts.mmlu(exam, book), places, f"benchmarks/mmlu/{language}/{told}")
            for name, entities in asked_about.items():
                trivia = layouts.triviaqa(exam, book, entities)
                yield _files(trivia, places, f"benchmarks/triviaqa/{language}/{name}")
        if _CHINESE in books:
            yield _files(layouts.ceval(exam, books[_CHINESE]), places, f"benchmarks/ceval/{told}")
            yield _files(layouts.gaokao(exam, books[_CHINESE]), places, f"benchmarks/gaokao-bench/{told}")
        yield _files(layouts.agieval(exam, books), places, f"benchmarks/agieval/{told}")
    for language, book in books.items():
        questions = open_questions(world, book, english, other)
        text = "".join(f"{question.to_json()}\n" for question in questions)
        file = layouts.File(f"{language}.jsonl", text, len(questions))
        yield _files([file], places, "benchmarks/llmeval")


def _records(records: Iterable[Record], places: Places, name: str, unit: str) -> Written:
    path, count = places.path(name), 0
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0, compresslevel=6) as packed:
        for record in records:
            packed.write(f"{record.to_json()}\n".encode())
            count += 1
    temporary.replace(path)
    return Written(name, count, unit, path.stat().st_size)


def _sentences(sentences: list[str], places: Places, name: str) -> Written:
    text = "".join(f"{sentence}\n" for sentence in sentences)
    return Written(name, len(sentences), "sentences", places.path(name).write_bytes(text.encode()))


def _files(files: Iterable[layouts.File], places: Places, folder: str) -> Written:
    num_bytes = num_questions = 0
    for file in files:
        num_bytes += places.path(f"{folder}/{file.path}").write_bytes(file.text.encode())
        num_questions += file.num_questions
    return Written(folder, num_questions, "questions", num_bytes)


def summary(world_seed: int, written: Iterable[Written], out: Path) -> str:
    """What was written, a line a place."""
    lines = [f"World {world_seed} in {out}"]
    lines += [f"  {one.place:<44} {one.num_lines:>9,} {one.unit:<12} {one.num_bytes:>11,} bytes" for one in written]
    return "\n".join([*lines, ""])
