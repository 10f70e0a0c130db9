"""MT-Bench: 80 English conversations of two turns in eight categories; the second turn follows on the model's own
first answer.

In: a folder with question.jsonl (question_id, category, turns) and the answers of GPT-4 that its judge is shown,
reference_gpt4.jsonl (or reference_answer/gpt-4.jsonl, as FastChat has it): question_id, choices[0].turns. These are
there for reasoning, math and coding, and are references here; the hints that question.jsonl has for some questions
(`reference`) are shown to no judge by the authors, nor here. Out: one `SubjectQuestions` a category.

The authors decode by category: at temperature 0.7 in writing and roleplay, 0.1 in stem and humanities, greedily in the
others, 1,024 tokens at most. Ours is greedy throughout, so that a response is the same every time; to ask as they do,
name the categories under subjects of benchmarks of their own, with decoding.temperature. Conversations of other
lengths in this layout are asked to their end.

Source: lm-sys/FastChat, commit 007ecd07da27132136c707eef92bf9841fd167f2, fastchat/llm_judge/common.py
(temperature_config, NEED_REF_CATS), and fastchat/llm_judge/gen_model_answer.py (turns, tokens); arXiv 2306.05685.
"""

from collections.abc import Iterator, Mapping
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
from loanword.recipe import BenchmarkConfig
from loanword.records import OpenQuestion, Record

QUESTIONS = "question.jsonl"
REFERENCES = ("reference_gpt4.jsonl", "reference_answer/gpt-4.jsonl")
CATEGORIES = ("writing", "roleplay", "reasoning", "math", "coding", "extraction", "stem", "humanities")
SUBJECTS = {name: Subject(name, name, "") for name in CATEGORIES}

Text = Annotated[str, Field(pattern=r"\S")]


class Question(Record):
    """A line of question.jsonl."""

    model_config = ConfigDict(extra="ignore")

    question_id: int | str
    category: str
    turns: Annotated[tuple[Text, ...], Field(min_length=1)]


class Choice(Record):
    """An answer, turn by turn."""

    model_config = ConfigDict(extra="ignore")

    turns: tuple[Text, ...]


class Answered(Record):
    """A line of a file of answers, of which one is given."""

    model_config = ConfigDict(extra="ignore")

    question_id: int | str
    choices: Annotated[tuple[Choice, ...], Field(min_length=1)]


def load(folder: Path, config: BenchmarkConfig) -> list[SubjectQuestions]:
    """The questions of the asked categories, in file order.

    Raises:
        UserError: a missing file, a line that is no question or no answer, an id that stands twice, an unknown category
            or one without questions, an answer to no question or to another number of turns.
    """
    references = _references(folder)
    path = folder / QUESTIONS
    made = subject_questions(_examples(path, references), path, config, SUBJECTS)
    asked = {str(one.question_id) for _, one in read_records(Question, path)}
    for id, (where, _) in references.items():
        if id not in asked:
            raise UserError(where, f"question_id {id} is no question's", expected=f"an id of {path}", do="mend the id")
    return made


def _references(folder: Path) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Where the answer to each question stands, and its turns."""
    if folder.is_file():
        raise UserError(folder, "a file", expected=f"the folder that holds {QUESTIONS}", do="name the folder")
    path = next((folder / name for name in REFERENCES if (folder / name).is_file()), None)
    if path is None:
        raise UserError(
            folder,
            "no reference answers",
            expected=f"{QUESTIONS} and {' or '.join(REFERENCES)}",
            do="put the files there; the judge of mathematics, reasoning and coding wants them",
        )
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    for where, one in read_records(Answered, path):
        id = str(one.question_id)
        if id in found:
            raise UserError(where, f"question_id {id} stands at {found[id][0]} already", do="leave one of them out")
        found[id] = where, one.choices[0].turns
    return found


def _examples(path: Path, references: Mapping[str, tuple[str, tuple[str, ...]]]) -> Iterator[tuple[str, str, Example]]:
    for where, one in read_records(Question, path):
        id = str(one.question_id)
        said_at, answers = references.get(id, ("", ()))
        if answers and len(answers) != len(one.turns):
            raise UserError(
                said_at, f"{len(answers)} turns", expected=f"{len(one.turns)}, as {where} has", do="mend the answer"
            )
        asked = OpenQuestion(turns=one.turns, references=answers)
        yield where, one.category, Example(id, one.turns[0], options=(), answers=(), asked=asked)


MT_BENCH = open_benchmark(
    "mt_bench",
    title="MT-Bench",
    language="en",
    licence="Apache-2.0",
    source="https://github.com/lm-sys/FastChat/tree/main/fastchat/llm_judge",
    subjects=SUBJECTS,
    load=load,
    max_new_tokens=1024,
)
