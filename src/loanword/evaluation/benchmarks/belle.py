"""BELLE's evaluation set: 1,000 open questions in Chinese, in ten classes, most with a reference answer.

In: belle_eval.json, one object a line: question, class, std_answer; or a folder that holds it. The answer is empty
where none was written (in 369 of the published lines: all of brainstorming and generation, and 92 of rewrite); such a
question has no reference. Out: one `SubjectQuestions` a class. Lines have no ids: here a question is the class and its
number there, from 0, so that a translation that keeps the order keeps the ids.

The authors paste responses into a page by hand and do not say how they are decoded. Ours are greedy and end after 1,024
tokens.

Source: LianjiaTech/BELLE, eval/eval_set.json (questions, classes) and eval/README_en.md (where there is no answer).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field

from loanword.evaluation.benchmark import Example, Subject, SubjectQuestions
from loanword.evaluation.benchmarks.open_questions import (
    open_benchmark,
    read_records,
    subject_questions,
)
from loanword.recipe import BenchmarkConfig
from loanword.records import OpenQuestion, Record

FILE = "belle_eval.json"
CLASSES = (
    "open qa", "brainstorming", "rewrite", "generation", "math", "classification", "closed qa", "summarization", "code",
    "extract",
)  # fmt: skip
SUBJECTS = {name: Subject(name, name, "") for name in CLASSES}


class Question(Record):
    """A line as it is published."""

    model_config = ConfigDict(extra="ignore")

    question: Annotated[str, Field(pattern=r"\S")]
    kind: str = Field(alias="class")
    std_answer: str


def load(path: Path, config: BenchmarkConfig) -> list[SubjectQuestions]:
    """The questions of the asked classes, in file order.

    Raises:
        UserError: no such file, a line that is no question, an unknown class, or one without questions.
    """
    file = path / FILE if path.is_dir() else path
    return subject_questions(_examples(file), file, config, SUBJECTS)


def _examples(path: Path) -> Iterator[tuple[str, str, Example]]:
    counts: dict[str, int] = {}
    for where, one in read_records(Question, path):
        # "closed qa" is published with a space that does not break.
        subject = " ".join(one.kind.split())
        number = counts[subject] = counts.get(subject, -1) + 1
        references = (one.std_answer,) if one.std_answer.strip() else ()
        asked = OpenQuestion(turns=(one.question,), references=references)
        yield where, subject, Example(f"{subject}/{number}", one.question, options=(), answers=(), asked=asked)


BELLE = open_benchmark(
    "belle",
    title="BELLE's evaluation set",
    language="zh",
    licence="Apache-2.0",
    source="https://github.com/LianjiaTech/BELLE",
    subjects=SUBJECTS,
    load=load,
    max_new_tokens=1024,
)
