"""Multiple-choice benchmarks as values, and their questions as they lie on disk: one CSV file a subject and split.

In: folder/{dev,val,test}/<subject>_<split>.csv, UTF-8. Out: one `SubjectQuestions` a subject.
Every field is read as text: the answers `None` and `NA` are words, not missing values.
"""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loanword.errors import UserError
from loanword.protocols import ChoicePrompt
from loanword.recipe import BenchmarkConfig

LETTERS = ("A", "B", "C", "D")


@dataclass(frozen=True)
class Subject:
    """One part of a benchmark: `title` is its name in the prompt."""

    name: str
    title: str
    category: str
    hard: bool = False


@dataclass(frozen=True)
class Example:
    """One question with its four options; `answer` is the letter of the right one."""

    id: str
    question: str
    options: tuple[str, ...]
    answer: str


@dataclass(frozen=True)
class SubjectQuestions:
    """What one subject asks: `shots` are the solved examples of its prompts, in file order."""

    subject: Subject
    shots: tuple[Example, ...]
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Benchmark:
    """A published set of questions and the way it is asked; `chance` is the accuracy of guessing."""

    name: str
    language: str
    chance: float
    licence: str
    source: str
    subjects: Mapping[str, Subject]
    load: Callable[[Path, BenchmarkConfig], list[SubjectQuestions]]
    prompts: Callable[[SubjectQuestions], list[ChoicePrompt]]


@dataclass(frozen=True)
class CsvLayout:
    """Where a benchmark keeps a question's fields: columns named by a header, or counted from 0.

    `num_columns` is the width of files without a header.
    """

    question: str | int
    options: tuple[str | int, ...]
    answer: str | int
    num_columns: int = 0

    @property
    def has_header(self) -> bool:
        return isinstance(self.question, str)


def load_questions(
    folder: Path, config: BenchmarkConfig, subjects: Mapping[str, Subject], layout: CsvLayout
) -> list[SubjectQuestions]:
    """Shots and examples of the asked subjects, in published order.

    Raises:
        UserError: an unknown subject, a missing folder or file, a file that is not such a CSV, too few shots.
    """
    asked = asked_subjects(config, subjects)
    if not folder.is_dir():
        raise UserError(
            folder,
            "folder not found",
            expected=f"{config.split}/*_{config.split}.csv and dev/*_dev.csv, {len(subjects)} subjects",
            do="put the benchmark there, or set its folder in the study file",
        )
    if config.split == "dev" and config.num_shots:
        raise UserError(
            folder,
            f"split dev with num_shots {config.num_shots} would show the model the answers it is asked for",
            expected="split val or test, or num_shots 0",
            do="set benchmarks.<name>.split or num_shots",
        )
    _require_files(folder, config.split, asked, subjects)
    if config.num_shots:
        _require_files(folder, "dev", asked, subjects)
    return [_load_subject(folder, config, subject, layout) for subject in asked]


def asked_subjects(config: BenchmarkConfig, subjects: Mapping[str, Subject]) -> list[Subject]:
    """The subjects that a config selects, all where it names none, in published order."""
    unknown = sorted(set(config.subjects) - set(subjects))
    if unknown:
        raise UserError(
            f"benchmarks.{config.name}.subjects" if config.name else "subjects",
            f"no subject is called {', '.join(unknown)}",
            expected=f"any of {', '.join(subjects)}",
            do="mend the name",
        )
    return [subject for name, subject in subjects.items() if not config.subjects or name in config.subjects]


def _require_files(folder: Path, split: str, asked: Sequence[Subject], subjects: Mapping[str, Subject]) -> None:
    missing = [subject.name for subject in asked if not _csv_path(folder, split, subject).is_file()]
    if missing:
        raise UserError(
            folder / split,
            f"{len(asked) - len(missing)} of {len(asked)} subjects found, missing: {', '.join(missing)}",
            expected=f"one <subject>_{split}.csv for each subject asked; the benchmark has {len(subjects)}",
            do="complete the folder, or name the subjects to ask under benchmarks.<name>.subjects",
        )


def _csv_path(folder: Path, split: str, subject: Subject) -> Path:
    return folder / split / f"{subject.name}_{split}.csv"


def _load_subject(folder: Path, config: BenchmarkConfig, subject: Subject, layout: CsvLayout) -> SubjectQuestions:
    examples = tuple(read_examples(_csv_path(folder, config.split, subject), subject.name, layout))
    examples = examples[: config.limit_examples]
    if not config.num_shots:
        return SubjectQuestions(subject, (), examples)
    path = _csv_path(folder, "dev", subject)
    shots = tuple(read_examples(path, subject.name, layout))
    if len(shots) < config.num_shots:
        raise UserError(
            path,
            f"{len(shots)} examples, num_shots is {config.num_shots}",
            expected=f"at least {config.num_shots} examples",
            do="lower num_shots",
        )
    return SubjectQuestions(subject, shots[: config.num_shots], examples)


def read_examples(path: Path, subject: str, layout: CsvLayout) -> Iterator[Example]:
    """The questions of one file in order; their ids are subject, split and number, counted from 0.

    Raises:
        UserError: no questions, a missing column, a row of another width, an answer that is no letter A-D.
    """
    split = path.parent.name
    rows = csv_rows(path)
    columns = _columns(path, rows, layout) if layout.has_header else range(layout.num_columns)
    number = -1
    for number, (line, row) in enumerate(rows):
        where = f"{path}:{line}"
        if len(row) != len(columns):
            raise UserError(where, f"{len(row)} columns", expected=f"{len(columns)} columns", do="mend the row")
        field: dict[str | int, str] = dict(zip(columns, row, strict=True))
        yield Example(
            id=f"{subject}/{split}/{number}",
            question=field[layout.question],
            options=tuple(field[option] for option in layout.options),
            answer=_letter(field[layout.answer], where),
        )
    if number < 0:
        raise UserError(path, "no questions", expected="one question a row", do="fetch the file again")


def _letter(text: str, where: str) -> str:
    if text not in LETTERS:
        raise UserError(where, f"answer {text!r}", expected="one of A, B, C, D", do="mend the row")
    return text


def _columns(path: Path, rows: Iterator[tuple[int, list[str]]], layout: CsvLayout) -> list[str]:
    _, header = next(rows, (1, list[str]()))
    needed = [str(name) for name in (layout.question, *layout.options, layout.answer)]
    missing = [name for name in needed if name not in header]
    if missing == [layout.answer]:
        raise UserError(
            f"{path}:1",
            f"the labels are withheld: there is no column {layout.answer!r}",
            expected=f"columns {', '.join(needed)}",
            do="use split val, or fetch the release that has the labels",
        )
    if missing:
        raise UserError(
            f"{path}:1",
            f"no column {', '.join(missing)} among {', '.join(header) or 'none'}",
            expected=f"columns {', '.join(needed)}",
            do="fetch the file again",
        )
    return header


def csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line where each row begins, and its fields as text; empty lines are passed over.

    Raises:
        UserError: a file that is not UTF-8 or not CSV.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            path, f"not UTF-8 at byte {error.start}", expected="UTF-8 text", do="convert the file"
        ) from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for row in reader:
            if row:
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{path}:{line}", f"not CSV: {error}", expected="CSV", do="mend the row") from None
