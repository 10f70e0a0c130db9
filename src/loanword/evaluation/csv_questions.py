"""Questions in comma-separated files as C-Eval and MMLU publish them: one file a subject and split.

In: folder/{dev,val,test}/<subject>_<split>.csv, UTF-8. Out: one `SubjectQuestions` a subject. Other sets that are laid
out alike are read by naming their subjects.
Every field is read as text: the answers `None` and `NA` are words, not missing values.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loanword.errors import UserError
from loanword.evaluation.benchmark import LETTERS, Example, Subject, SubjectQuestions, asked_subjects
from loanword.evaluation.tables import delimited
from loanword.recipe import BenchmarkConfig


@dataclass(frozen=True)
class CsvLayout:
    """Where a benchmark keeps a question's fields: columns named by a header, or counted from 0.

    `id` is the column that numbers the questions, where there is one. `num_columns` is the width of files without a
    header; `withheld` are splits that may lack the answers' column.
    """

    question: str | int
    options: tuple[str | int, ...]
    answer: str | int
    id: str | None = None
    explanation: str | int | None = None
    num_columns: int = 0
    withheld: tuple[str, ...] = ()

    @property
    def has_header(self) -> bool:
        return isinstance(self.question, str)


def load_questions(
    folder: Path, config: BenchmarkConfig, subjects: Mapping[str, Subject], layout: CsvLayout
) -> list[SubjectQuestions]:
    """Shots and examples of the asked subjects, in published order, then of those that are the folder's own.

    A name that is not published is a subject where the folder has its file: the prompt calls it by its name, with
    spaces for underscores, and it has no category.

    Raises:
        UserError: an unknown subject, a missing folder or file, a file that is not such a CSV, too few shots.
    """
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
    asked = asked_subjects(config, {**subjects, **_own_subjects(folder, config, subjects)})
    _require_files(folder, config.split, asked, subjects)
    if config.num_shots:
        _require_files(folder, "dev", asked, subjects)
    return [_load_subject(folder, config, subject, layout) for subject in asked]


def _own_subjects(folder: Path, config: BenchmarkConfig, published: Mapping[str, Subject]) -> dict[str, Subject]:
    named = {name: Subject(name, name.replace("_", " "), "") for name in config.subjects if name not in published}
    return {
        name: subject
        for name, subject in named.items()
        # An id is subject/split/number: a name with a slash would be read as another.
        if "/" not in name and csv_path(folder, config.split, subject.name).is_file()
    }


def _require_files(folder: Path, split: str, asked: Sequence[Subject], subjects: Mapping[str, Subject]) -> None:
    missing = [subject.name for subject in asked if not csv_path(folder, split, subject.name).is_file()]
    if missing:
        raise UserError(
            folder / split,
            f"{len(asked) - len(missing)} of {len(asked)} subjects found, missing: {', '.join(missing)}",
            expected=f"one <subject>_{split}.csv for each subject asked; the benchmark has {len(subjects)}",
            do="complete the folder, or name the subjects to ask under benchmarks.<name>.subjects",
        )


def csv_path(folder: Path, split: str, name: str) -> Path:
    """Where the questions of a subject lie."""
    return folder / split / f"{name}_{split}.csv"


def _load_subject(folder: Path, config: BenchmarkConfig, subject: Subject, layout: CsvLayout) -> SubjectQuestions:
    examples = tuple(read_examples(csv_path(folder, config.split, subject.name), subject.name, layout))
    examples = examples[: config.limit_examples]
    if not config.num_shots:
        return SubjectQuestions(subject, (), examples)
    path = csv_path(folder, "dev", subject.name)
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
    """The questions of one file in order; their ids are subject, split and number: the file's own, or from 0.

    A file of a withheld split that has no answers gives examples without.

    Raises:
        UserError: no questions, a missing column, a row of another width, an empty field, an answer that is no letter
            A-D, a number that two questions have.
    """
    rows = delimited(path, ",")
    columns = _columns(path, rows, layout) if layout.has_header else range(layout.num_columns)
    lines: dict[str, int] = {}
    for line, row in rows:
        where = f"{path}:{line}"
        if len(row) != len(columns):
            raise UserError(where, f"{len(row)} columns", expected=f"{len(columns)} columns", do="mend the row")
        field: dict[str | int, str] = dict(zip(columns, row, strict=True))
        number = _filled(field[layout.id], "id", where) if layout.id else str(len(lines))
        if number in lines:
            twice = f"id {number} is that of line {lines[number]} too"
            raise UserError(where, twice, expected="an id of its own", do="mend the row")
        lines[number] = line
        yield Example(
            id=f"{subject}/{path.parent.name}/{number}",
            question=_filled(field[layout.question], "question", where),
            options=tuple(_filled(field[option], f"option {option}", where) for option in layout.options),
            answers=(_letter(field[layout.answer], where),) if layout.answer in field else (),
            explanation=field.get(layout.explanation, "") if layout.explanation is not None else "",
        )
    if not lines:
        raise UserError(path, "no questions", expected="one question a row", do="fetch the file again")


def _filled(text: str, name: str, where: str) -> str:
    if not text.strip():
        raise UserError(where, f"{name} is empty", expected="a text", do="mend the row")
    return text


def _letter(text: str, where: str) -> str:
    if text not in LETTERS:
        raise UserError(where, f"answer {text!r}", expected="one of A, B, C, D", do="mend the row")
    return text


def _columns(path: Path, rows: Iterator[tuple[int, list[str]]], layout: CsvLayout) -> list[str]:
    _, header = next(rows, (1, list[str]()))
    fields = (*([layout.id] if layout.id else []), layout.question, *layout.options, layout.answer)
    needed = [str(name) for name in fields]
    missing = [name for name in needed if name not in header]
    if missing == [layout.answer] and path.parent.name in layout.withheld:
        return header
    if missing:
        raise UserError(
            f"{path}:1",
            f"no column {', '.join(missing)} among {', '.join(header) or 'none'}",
            expected=f"columns {', '.join(needed)}",
            do="fetch the file again",
        )
    return header
