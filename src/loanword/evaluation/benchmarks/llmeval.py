"""LLM-Eval: open questions in 17 categories, whose responses are rated on five items.

In: a folder with one file a language, LANG.jsonl (`language`, zh where none is named), side by side with equal ids; or
with questions.jsonl or dialogs.json; or such a file itself. A line, or an item of a list, is an object with
  question_uuid     "Factual_questions_1": the category and a number
  question          what is asked, whole
  category          may be missing, where the id tells it
  reference         may be missing: what a judge compares a response with
  language          may be missing: what a response is to be in, where it is not in the question's (a translation)
  accepted, refused, properties, input    may be missing: what rules can grade a response by
Out: one `SubjectQuestions` a category. What else stands in a line is of no account.

The authors publish scores (453 questions, by the ids above) but not their data/dialogs.json; whoever has the questions
names them so. The categories are those of the score files; five of them have shorter names in some lists, which are
read too. Neither the authors nor arXiv 2401.01055 say how responses were decoded. Ours are greedy and end after 512
tokens; `decoding` changes that, and benchmark.json says what was done.

Source: llmeval/llmeval-1 (categories, ids); arXiv 2401.01055, section 2.2 (how responses are rated).
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field

from loanword.errors import UserError
from loanword.evaluation.benchmark import Example, Subject, SubjectQuestions
from loanword.evaluation.benchmarks.open_questions import (
    open_benchmark,
    read_records,
    subject_questions,
)
from loanword.language_names import NAMES
from loanword.recipe import BenchmarkConfig
from loanword.records import Checks, Language, OpenQuestion, Properties, Record

CATEGORIES = (
    "Factual_questions", "Open_questions", "Retrieval", "Code", "Role_playing", "Math_Solving",
    "Reading_Comprehension", "Rewrite", "Classification", "Translation", "Reasoning", "Paragraph_Generation",
    "Outline_Generation", "Poetry", "Story_Generation", "Conversation", "Summary",
)  # fmt: skip
SUBJECTS = {name: Subject(name, name.replace("_", " "), "") for name in CATEGORIES}

_SHORT = {
    "Math": "Math_Solving",
    "Reading": "Reading_Comprehension",
    "Paragraph": "Paragraph_Generation",
    "Outline": "Outline_Generation",
    "Story": "Story_Generation",
}
_USUAL_LANGUAGE = "zh"
_WHOLE = ("questions.jsonl", "questions.json", "dialogs.json")
_SUFFIXES = (".jsonl", ".json")


class Question(Record):
    """A question as it is published, or as a question file of one's own has it."""

    model_config = ConfigDict(extra="ignore")

    question_uuid: Annotated[str, Field(pattern=r"\S")]
    question: Annotated[str, Field(pattern=r"\S")]
    category: str = ""
    reference: str = ""
    accepted: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    properties: Properties = Properties()
    input: str = ""
    language: Language | None = None

    @property
    def subject(self) -> str:
        """The category's published name."""
        named = self.category or re.sub(r"_\d+$", "", self.question_uuid)
        return _SHORT.get(named, named)

    @property
    def checks(self) -> Checks | None:
        """What rules can grade by; None where nothing is said of it."""
        checks = Checks(accepted=self.accepted, refused=self.refused, properties=self.properties, input=self.input)
        return None if checks == Checks(input=self.input) else checks


def load(path: Path, config: BenchmarkConfig) -> list[SubjectQuestions]:
    """The questions of the asked categories in one language, in file order.

    Raises:
        UserError: no file of that language, a line that is no question, an id that stands twice, an unknown category
            or one without questions, ids that another language's file has and this one lacks.
    """
    file = _file(path, config)
    made = subject_questions(_examples(file), file, config, SUBJECTS)
    if path.is_dir():
        _require_same_ids(file, {one.subject.name for one in made}, config)
    return made


def _file(path: Path, config: BenchmarkConfig) -> Path:
    language = config.language or _USUAL_LANGUAGE
    if path.is_file():
        if path.stem in NAMES and path.stem != language:
            raise UserError(
                path,
                f"is named as {NAMES[path.stem]}, and language is {language!r}",
                expected="the language that the questions are in",
                do=f'set language = "{path.stem}", or name another file',
            )
        return path
    names = (*(f"{language}{suffix}" for suffix in _SUFFIXES), *_WHOLE)
    found = [path / name for name in names if (path / name).is_file()]
    if not found:
        there = ", ".join(file.name for file in _languages(path)) or "none of them"
        raise UserError(
            path,
            f"no questions in {language!r}: there is {there}",
            expected=f"one of {', '.join(names)}, or a file of questions itself",
            do="put it there, or set the language of one that there is",
        )
    return found[0]


def _languages(folder: Path) -> list[Path]:
    """The files of a folder that are named by a language."""
    known = sorted(folder.glob("*")) if folder.is_dir() else []
    return [file for file in known if file.suffix in _SUFFIXES and file.stem in NAMES]


def _examples(path: Path) -> Iterator[tuple[str, str, Example]]:
    for where, one in read_records(Question, path):
        references = (one.reference,) if one.reference.strip() else ()
        asked = OpenQuestion(turns=(one.question,), references=references, checks=one.checks, language=one.language)
        yield where, one.subject, Example(one.question_uuid, one.question, options=(), answers=(), asked=asked)


def _require_same_ids(path: Path, subjects: set[str], config: BenchmarkConfig) -> None:
    """Nothing, where a translated set is whole: responses in two languages are compared by id."""
    ids = {one.question_uuid for _, one in read_records(Question, path)}
    for other in _languages(path.parent):
        asked = (one for _, one in read_records(Question, other) if one.subject in subjects)
        missing = [one.question_uuid for one in asked if one.question_uuid not in ids]
        if missing:
            more = ", ..." if len(missing) > 5 else ""
            raise UserError(
                path,
                f"lacks {len(missing)} ids that {other.name} has: {', '.join(missing[:5])}{more}",
                expected="the same ids in every language of a folder",
                do=f"complete it, or name the file itself under benchmarks.{config.name or '<name>'}.folder",
            )


LLMEVAL = open_benchmark(
    "llmeval",
    title="LLM-Eval",
    language=_USUAL_LANGUAGE,
    licence="none stated",
    source="https://github.com/llmeval/llmeval-1",
    subjects=SUBJECTS,
    load=load,
    max_new_tokens=512,
)
