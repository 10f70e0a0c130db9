"""Questions out of the columns of somebody's files, as a `DescriptionConfig` maps them.

In: .csv, .tsv, .json, .jsonl or .parquet below a folder, one row a question. Out: one `SubjectQuestions` a subject.
Text stays as it stands in the file; only around an answer white space is of no account.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loanword.errors import UserError
from loanword.evaluation.benchmark import Example, Subject, SubjectQuestions, asked_subjects
from loanword.evaluation.statements import PROTOCOLS
from loanword.evaluation.tables import Row, table_rows
from loanword.recipe import FIELD, BenchmarkConfig, DescriptionConfig, Split, template_fields

WHOLE = "all"
"""Name of the one subject of a benchmark whose files name none."""


@dataclass(frozen=True)
class _Question:
    where: str
    subject: Subject
    example: Example
    malformed: str


def load_described(folder: Path, config: BenchmarkConfig) -> list[SubjectQuestions]:
    """Shots and examples of the asked subjects, in the order in which the files name them first.

    Raises:
        UserError: no such file or column, a row that is not a question, an id that stands twice, too few shots.
    """
    description = description_of(config)
    paths = _paths(folder, description, config.split)
    questions = list(_questions(paths, description, config.split))
    subjects = asked_subjects(config, _subjects(questions))
    shots = _all_shots(folder, paths, config) if config.num_shots else []
    return [_subject_questions(subject, questions, shots, folder, config) for subject in subjects]


def description_of(config: BenchmarkConfig) -> DescriptionConfig:
    """What a described benchmark's config says of it; where statements are asked for, letters name its options."""
    assert config.description is not None, "a benchmark by description has one"
    if config.protocol in PROTOCOLS:
        return config.description.model_copy(update={"scored": "letters"})
    return config.description


def option_names(description: DescriptionConfig, options: Sequence[str]) -> tuple[str, ...]:
    """What each option is called where it is the answer."""
    if description.scored == "options":
        return tuple(option.strip() for option in options)
    return description.letters[: len(options)]


def filled(template: str, fields: Mapping[str, str]) -> str:
    """A template with its fields in place, and one brace where two stand."""
    return FIELD.sub(lambda part: part[0][0] if part[1] is None else fields[part[1]], template)


def _subjects(questions: Sequence[_Question]) -> dict[str, Subject]:
    found: dict[str, Subject] = {}
    for question in questions:
        known = found.setdefault(question.subject.name, question.subject)
        if known != question.subject:
            raise UserError(
                question.where,
                f"subject {known.name!r} is of category {question.subject.category!r} here, {known.category!r} before",
                expected="one category a subject",
                do="mend the row, or leave out description.category",
            )
    return found


def _subject_questions(
    subject: Subject, questions: Sequence[_Question], shots: Sequence[_Question], folder: Path, config: BenchmarkConfig
) -> SubjectQuestions:
    asked = [question for question in questions if question.subject == subject][: config.limit_examples]
    return SubjectQuestions(
        subject,
        _shots(shots, subject, folder, config),
        tuple(question.example for question in asked),
        {question.example.id: question.malformed for question in asked if question.malformed},
    )


def _all_shots(folder: Path, asked: Sequence[Path], config: BenchmarkConfig) -> list[_Question]:
    description = description_of(config)
    paths = _paths(folder, description, description.shots_from)
    both = sorted(path.name for path in set(paths) & set(asked))
    if both:
        raise UserError(
            f"benchmarks.{config.name}.description.shots_from",
            f"shots from what is asked ({', '.join(both)}) would show the model the answers",
            expected=f"another split than {config.split}, with files of its own",
            do="name one under description.files, or set num_shots = 0",
        )
    return list(_questions(paths, description, description.shots_from))


def _shots(shots: Sequence[_Question], subject: Subject, folder: Path, config: BenchmarkConfig) -> tuple[Example, ...]:
    description = description_of(config)
    everywhere = description.shots_of == "benchmark"
    found = [shot.example for shot in shots if everywhere or shot.subject.name == subject.name]
    wanted = config.num_shots or 0
    if len(found) < wanted:
        split = description.shots_from
        of = "" if everywhere or description.subject is None else f" of subject {subject.name!r}"
        raise UserError(
            f"{folder}, {split}: {', '.join(description.files[split])}",
            f"{len(found)} rows{of}, num_shots is {wanted}",
            expected=f"at least {wanted} rows{of}",
            do='lower num_shots, or set description.shots_of = "benchmark"' if of else "lower num_shots",
        )
    return tuple(found[:wanted])


def _questions(paths: Sequence[Path], description: DescriptionConfig, split: Split) -> Iterator[_Question]:
    subject = () if description.subject is None else (description.subject,)
    own = tuple(column for column in (description.category, description.id) if column is not None)
    options = (description.options,) if isinstance(description.options, str) else description.options
    columns = (*template_fields(description.question)[0], *options, description.answer, *subject, *own)
    numbers: dict[str, int] = {}
    seen: dict[str, str] = {}
    for path in paths:
        for row in table_rows(path):
            row.require(*dict.fromkeys(columns))
            of = _subject(row, description)
            number = numbers[of.name] = numbers.get(of.name, -1) + 1
            id = row.text(description.id) if description.id is not None else f"{of.name}/{split}/{number}"
            if id in seen:
                raise UserError(row.where, f"id {id!r} stands at {seen[id]} already", do="give every row its own id")
            seen[id] = row.where
            yield _question(row, description, of, id)


def _paths(folder: Path, description: DescriptionConfig, split: Split) -> list[Path]:
    if not description.files and folder.is_file():
        return [folder]
    names = description.files.get(split, ())
    if not names:
        raise UserError(
            folder,
            f"description.files names no file of split {split}",
            expected=f"files.{split}, names below the folder",
            do="name it, or set num_shots = 0 where only shots are missing",
        )
    found = {name: sorted(folder.glob(name)) if "*" in name else [folder / name] for name in names}
    missing = [name for name, paths in found.items() if not any(path.is_file() for path in paths)]
    if missing:
        raise UserError(
            folder,
            f"no file {', '.join(missing)}",
            expected=f"the files that description.files.{split} names",
            do="put them there, or correct their names",
        )
    return list(dict.fromkeys(path for paths in found.values() for path in paths))


def _subject(row: Row, description: DescriptionConfig) -> Subject:
    if description.subject is None:
        return Subject(WHOLE, "", "")
    name = row.text(description.subject)
    if not name.strip():
        raise UserError(row.where, f"column {description.subject!r} is empty", expected="a subject", do="mend the row")
    return Subject(name, name, "" if description.category is None else row.text(description.category))


def _question(row: Row, description: DescriptionConfig, subject: Subject, id: str) -> _Question:
    fields = {field: row.text(field) for field in template_fields(description.question)[0]}
    if not any(text.strip() for text in fields.values()):
        raise UserError(row.where, "the question is empty", expected="a text", do="mend the row")
    options = _options(row, description)
    right = _answer(row, description, options)
    example = Example(
        id=id,
        question=filled(description.question, fields),
        options=options,
        answers=(option_names(description, options)[right],),
    )
    twice = [option.strip() for option in options].count(options[right].strip()) > 1
    return _Question(row.where, subject, example, "the right option stands twice" if twice else "")


def _options(row: Row, description: DescriptionConfig) -> tuple[str, ...]:
    named = description.options
    options = row.texts(named) if isinstance(named, str) else tuple(row.text(column) for column in named)
    columns = [f"{named}[{number}]" for number in range(len(options))] if isinstance(named, str) else named
    empty = [column for column, option in zip(columns, options, strict=True) if not option.strip()]
    if empty:
        raise UserError(row.where, f"option {', '.join(empty)} is empty", expected="a text", do="mend the row")
    if not 2 <= len(options) <= len(description.letters):
        raise UserError(
            row.where,
            f"{len(options)} options",
            expected=f"2 or more, and a letter for each: {', '.join(description.letters)}",
            do="mend the row, or give more description.letters",
        )
    return options


def _answer(row: Row, description: DescriptionConfig, options: Sequence[str]) -> int:
    """Which option is right, from 0."""
    text = row.text(description.answer).strip()
    kind, size = description.answer_is, len(options)
    if kind in ("number", "index"):
        first = 1 if kind == "number" else 0
        right = [int(text) - first] if text.isdecimal() and len(text) < 9 and first <= int(text) < size + first else []
        expected = f"{'a number' if kind == 'number' else 'an index'} from {first} to {size - 1 + first}"
    elif kind == "letter":
        letters = (description.answer_letters or description.letters)[:size]
        right = [letters.index(text)] if text in letters else []
        expected = f"one of {', '.join(letters)}"
    else:
        right = [number for number, option in enumerate(options) if option.strip() == text]
        expected = f"the text of one option of {', '.join(map(repr, options))}"
    if len(right) != 1:
        raise UserError(
            row.where,
            f"column {description.answer!r} holds the answer {text[:60]!r}",
            expected=expected,
            do="mend the row, or correct description.answer_is",
        )
    return right[0]
