"""AGIEval's files: the tasks, their examples and the solved examples of few-shot prompts.

In: folder/v1/<task>.jsonl, a row a line {passage, question, options, label, answer, other}, and
folder/few_shot_prompts.csv, as the repository's `data` lies; `folder` may be v1 itself, with the csv in it.
Out: one `SubjectQuestions` a task; ids are task and number, counted from 0.

Options are texts as they are published, with the letter that most begin with. A label that cannot be right is kept,
asked and counted, and listed: seven of gaokao-mathqa are of several letters, one of jec-qa-kd is empty (here the text
""), one of jec-qa-ca holds a full stop.

Source: ruixiangcui/AGIEval, commit 5c77d073fda993f1652eaae3cf5d04cc5fd21d40, src/dataset_loader.py (tasks, languages,
which rows of the csv are examples and which explanations).
"""

import ast
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from loanword.errors import UserError
from loanword.evaluation.benchmark import Example, Subject, SubjectQuestions, asked_subjects
from loanword.evaluation.statements import OPTIONS
from loanword.evaluation.tables import delimited
from loanword.recipe import Answering, BenchmarkConfig
from loanword.records import Record

LETTERS = ("A", "B", "C", "D", "E", "F", "G")
CLOZE = ("math", "gaokao-mathcloze")
"""Tasks that are answered by a mathematical expression."""
SEVERAL = ("jec-qa-kd", "jec-qa-ca", "gaokao-physics")
"""Tasks of which an answer may be several letters."""
REPEATED = "sat-en-without-passage"
"""The file that asks the questions of sat-en again."""
MOST_SHOTS = 5

_NAMES_BY_CATEGORY = {
    "English": (
        "lsat-ar",
        "lsat-lr",
        "lsat-rc",
        "logiqa-en",
        "sat-math",
        "sat-en",
        "aqua-rat",
        REPEATED,
        "gaokao-english",
        "math",
    ),
    "Chinese": (
        "logiqa-zh",
        "jec-qa-kd",
        "jec-qa-ca",
        "gaokao-chinese",
        "gaokao-geography",
        "gaokao-history",
        "gaokao-biology",
        "gaokao-chemistry",
        "gaokao-physics",
        "gaokao-mathqa",
        "gaokao-mathcloze",
    ),
}
_FIVE_OPTIONS = ("lsat-ar", "lsat-lr", "lsat-rc", "aqua-rat")

# Questions with options come before cloze ones, in each of the two languages, as the official lists have them.
SUBJECTS = {
    name: Subject(name, name, category)
    for cloze in (False, True)
    for category, names in _NAMES_BY_CATEGORY.items()
    for name in names
    if (name in CLOZE) == cloze
}


Kind = Literal["single", "several", "cloze"]


def kind(task: str) -> Kind:
    """How a task is answered: by one letter, by one or several, or by an expression."""
    return "cloze" if task in CLOZE else "several" if task in SEVERAL else "single"


def _num_options(task: str) -> int:
    return 5 if task in _FIVE_OPTIONS else 4


class Row(Record):
    """A question as it lies on disk."""

    passage: str | None = None
    question: str
    options: tuple[str, ...] | None = None
    label: str | tuple[str, ...] | None = None
    answer: str | None = None
    other: Any = None


def load_tasks(folder: Path, config: BenchmarkConfig) -> list[SubjectQuestions]:
    """Examples and shots of the tasks asked, in the order of `SUBJECTS`.

    Where a config names no task: all that can be answered its way, in the official protocol without the file that
    repeats sat-en. At most `num_shots` shots are given; the csv has three to five of a task.

    Raises:
        UserError: an unknown task or one that cannot be answered this way, a missing folder or file, a bad row.
    """
    asked = _asked(config)
    v1 = folder / "v1" if (folder / "v1").is_dir() else folder
    missing = [subject.name for subject in asked if not _path(v1, subject).is_file()]
    if missing:
        raise UserError(
            v1,
            f"{len(asked) - len(missing)} of {len(asked)} tasks found, missing: {', '.join(missing)}",
            expected=f"one <task>.jsonl for each task asked; the benchmark has {len(SUBJECTS)} files",
            do="put the repository's data folder there, or set the benchmark's folder or subjects in the study file",
        )
    shots = _shots(folder, v1, config)
    return [_load_task(v1, config, subject, shots.get(subject.name, ())) for subject in asked]


def _path(v1: Path, subject: Subject) -> Path:
    return v1 / f"{subject.name}.jsonl"


def _asked(config: BenchmarkConfig) -> list[Subject]:
    named = asked_subjects(config, SUBJECTS)
    able = [subject for subject in named if answered_by(config.protocol, config.answering, subject.name)]
    if config.subjects and len(able) < len(named):
        unable = [subject.name for subject in named if subject not in able]
        raise UserError(
            f"benchmarks.{config.name}.subjects",
            f"{', '.join(unable)} cannot be answered by {config.answering} in the {config.protocol} protocol",
            expected="tasks with options by likelihood, cloze tasks by generation",
            do="leave them out, or set answering",
        )
    if config.subjects or config.protocol == "harness":
        return able
    return [subject for subject in able if subject.name != REPEATED]


def answered_by(protocol: str, answering: Answering | None, task: str) -> bool:
    """Whether a task can be asked: cloze tasks have no choices, and the harness generates answers to nothing else."""
    if answering == "likelihood":
        return task not in CLOZE
    return protocol != "harness" or task in CLOZE


def _load_task(v1: Path, config: BenchmarkConfig, subject: Subject, shots: Sequence[Example]) -> SubjectQuestions:
    path = _path(v1, subject)
    examples: list[Example] = []
    malformed: dict[str, str] = {}
    for number, (where, row) in enumerate(read_rows(path)):
        id = f"{subject.name}/{number}"
        examples.append(_example(id, row, subject.name, where))
        if wrong := _wrong_label(subject.name, examples[-1].answers):
            malformed[id] = wrong
    if not examples:
        raise UserError(path, "no questions", expected="one question a line", do="fetch the file again")
    kept = tuple(examples[: config.limit_examples])
    listed = {example.id: malformed[example.id] for example in kept if example.id in malformed}
    return SubjectQuestions(subject, tuple(shots), kept, listed)


def read_rows(path: Path) -> Iterator[tuple[str, Row]]:
    """The rows of a file, each with file and line; empty lines are passed over.

    Raises:
        UserError: a file that is not UTF-8, a line that is no such row.
    """
    try:
        lines = path.read_bytes().decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise UserError(
            path, f"not UTF-8 at byte {error.start}", expected="UTF-8 text", do="fetch the file again"
        ) from None
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield f"{path}:{number}", Row.from_json(line, where=f"{path}:{number}")


def _example(id: str, row: Row, task: str, where: str) -> Example:
    options = row.options or ()
    if task in CLOZE:
        answers = (row.answer or "",)
        _check(bool(answers[0].strip()), where, f"answer {row.answer!r}", "an expression")
    else:
        answers = (row.label,) if isinstance(row.label, str) else row.label or ("",)
        num_options = _num_options(task)
        _check(len(options) == num_options, where, f"{len(options)} options", f"{num_options} options")
        _check(all(option.strip() for option in options), where, "an option is empty", "a text for each option")
        _check(_names_options(row.label, num_options), where, f"label {row.label!r}", _letters_of(num_options))
    _check(bool(row.question.strip()), where, "the question is empty", "a text")
    return Example(id=id, question=row.question, options=options, answers=answers, passage=row.passage or "")


def _check(holds: bool, where: str, what: str, expected: str) -> None:
    if not holds:
        raise UserError(where, what, expected=expected, do="mend the row, or fetch the file again")


def _letters_of(num_options: int) -> str:
    return f"letters from A to {LETTERS[num_options - 1]}, in a list where several may be right"


def _names_options(label: str | Sequence[str] | None, num_options: int) -> bool:
    """Whether a label names no option that there is not; an empty list names none, which is published so."""
    if label is None:
        return False
    letters = [character for part in label for character in part if character.isalnum()]
    return all(letter in LETTERS[:num_options] for letter in letters) and (bool(letters) or not isinstance(label, str))


def _wrong_label(task: str, answers: Sequence[str]) -> str:
    if task in CLOZE:
        return ""
    if not any(answers):
        return "the label is empty"
    if task in SEVERAL:
        letters = all(answer in LETTERS for answer in answers)
        return "" if letters else f"the label {list(answers)} holds what is no letter"
    return "" if len(answers) == 1 and answers[0] in LETTERS else f"the label {' '.join(answers)!r} is not one letter"


def _shots(folder: Path, v1: Path, config: BenchmarkConfig) -> dict[str, tuple[Example, ...]]:
    if not config.num_shots:
        return {}
    where = f"benchmarks.{config.name}.num_shots"
    if config.protocol != OPTIONS and (config.answering == "likelihood" or config.protocol == "harness"):
        raise UserError(
            where,
            f"{config.num_shots} shots, but AGIEval's few-shot prompts are made to be answered in words",
            expected="num_shots 0, protocol options, or answering generation or chain-of-thought in the official one",
            do="set one of them",
        )
    if config.num_shots > MOST_SHOTS:
        raise UserError(
            where,
            f"{config.num_shots} shots, the benchmark has three to {MOST_SHOTS} of a task",
            expected=f"at most {MOST_SHOTS}, which gives each task all that it has",
            do="lower num_shots",
        )
    path = folder / "few_shot_prompts.csv"
    if not path.is_file():
        belongs = "beside v1" if v1 != folder else "in the folder that the study file names, beside the .jsonl files"
        raise UserError(path, "file not found", expected=f"the published file, {belongs}", do="put it there")
    shots = read_shots(path)
    if config.protocol == OPTIONS:
        shots = {name: _statable(some, name) for name, some in shots.items()}
    return {name: some[: config.num_shots] for name, some in shots.items()}


def _statable(shots: Sequence[Example], task: str) -> tuple[Example, ...]:
    """The solved examples that are one statement each: one letter is right, and the options stand apart."""
    apart = [shot for shot in shots if len(shot.options) == _num_options(task)]
    named = [(shot, [letter for letter in shot.answers[0] if letter in LETTERS]) for shot in apart]
    return tuple(replace(shot, answers=tuple(letters)) for shot, letters in named if len(letters) == 1)


def read_shots(path: Path) -> dict[str, tuple[Example, ...]]:
    """The solved examples of each task, in file order; `answers` is the answer as prompts print it.

    Raises:
        UserError: a missing column or row, a field that holds no example.
    """
    table = list(delimited(path, ","))
    header = table[0][1] if table else []
    columns = {name: "sat-en" if name == REPEATED else name for name in SUBJECTS}
    missing = sorted(set(columns.values()) - set(header))
    if missing or len(table) % 2 == 0 or any(len(fields) != len(header) for _, fields in table):
        what = f"no column {', '.join(missing)}" if missing else "rows are missing or of another width"
        expected = "a header, then an example and its explanation by turns, a column a task"
        raise UserError(path, what, expected=expected, do="fetch the file again")
    return {name: tuple(_column_shots(path, table[1:], header.index(column), name)) for name, column in columns.items()}


def _column_shots(path: Path, table: Sequence[tuple[int, list[str]]], column: int, task: str) -> Iterator[Example]:
    solved = [(f"{path}:{line}", fields[column]) for line, fields in table[0::2] if fields[column]]
    explanations = [fields[column].replace("\n\n", "\n") for _, fields in table[1::2] if fields[column]]
    if len(solved) != len(explanations):
        what = f"{len(solved)} examples of {task}, {len(explanations)} explanations"
        raise UserError(path, what, expected="one explanation for each example", do="fetch the file again")
    for number, ((where, text), explanation) in enumerate(zip(solved, explanations, strict=True)):
        row = _literal_row(text, f"{where} ({task})")
        answer = row.answer or "" if task in CLOZE else _printed(row.label)
        passage = "" if task == REPEATED else row.passage or ""
        id = f"{task}/shot/{number}"
        yield Example(id, row.question, row.options or (), (answer,), passage=passage, explanation=explanation)


def _literal_row(text: str, where: str) -> Row:
    try:
        return Row.from_json(json.dumps(ast.literal_eval(text)), where=where)
    except (ValueError, SyntaxError, TypeError):
        raise UserError(where, "no example", expected="a Python literal of its fields", do="fetch the file") from None


def _printed(label: str | Sequence[str] | None) -> str:
    # A list stands in the official prompts as Python prints it.
    return label if isinstance(label, str) else str(list(label or ()))
