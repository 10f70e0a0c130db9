"""Benchmarks whose questions are all open: how they are read from files, asked, and left to a judge.

A model with a chat template gets each question as it stands, as its user's message. One that is not tuned is asked in
plain form: the question, a line break, and the response, which ends before a blank line where it does not end by
itself; the question of a later turn follows after that blank line. Nothing else stands in a prompt: no words of ours
in a language that may not be the question's, and no shots.
"""

import codecs
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar, cast

from loanword.errors import UserError
from loanword.evaluation.benchmark import (
    Asking,
    Benchmark,
    Example,
    Openness,
    Score,
    Subject,
    SubjectQuestions,
    asked_subjects,
    no_chance,
    no_mark,
)
from loanword.protocols import OpenPrompt
from loanword.recipe import BenchmarkConfig
from loanword.records import Record, Response

BLANK_LINE = "\n\n"

R = TypeVar("R", bound=Record)


def read_records(kind: type[R], path: Path) -> Iterator[tuple[str, R]]:
    """Every record of a file and where it stands: a line of JSON Lines, or an item of one list in JSON.

    Blank lines are passed over.

    Raises:
        UserError: no file, nothing in it, or a line that does not hold such a record.
    """
    if not path.is_file():
        raise UserError(path, "no such file", expected="a file of questions", do="put it there, or correct its name")
    raw = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    if not raw.strip():
        raise UserError(path, "is empty", expected="one question a line", do="fetch the file again")
    for where, item in _items(raw, path) if raw.lstrip().startswith(b"[") else _lines(raw, path):
        yield where, kind.from_json(item, where=where)


def _lines(raw: bytes, path: Path) -> Iterator[tuple[str, bytes]]:
    for number, line in enumerate(raw.split(b"\n"), start=1):
        if line.strip():
            yield f"{path}:{number}", line


def _items(raw: bytes, path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        items = cast("list[object]", json.loads(raw))
    except (ValueError, RecursionError) as error:
        raise UserError(path, f"not JSON: {error}", expected="a list of objects", do="fetch the file again") from None
    for number, item in enumerate(items, start=1):
        # Half of a character is left for the record to refuse.
        yield f"{path}, item {number}", json.dumps(item, ensure_ascii=False).encode("utf-8", "surrogatepass")


def subject_questions(
    found: Iterable[tuple[str, str, Example]], path: Path, config: BenchmarkConfig, subjects: Mapping[str, Subject]
) -> list[SubjectQuestions]:
    """The asked subjects with their questions, in file order; `found` is where each stands, its subject, and itself.

    Raises:
        UserError: an id that stands twice, a subject that is not known, or one that nothing is asked of.
    """
    asked = asked_subjects(config, subjects)
    examples: dict[str, list[Example]] = {name: [] for name in subjects}
    seen: dict[str, str] = {}
    for where, subject, example in found:
        if subject not in examples:
            raise UserError(
                where, f"category {subject!r}", expected=f"one of {', '.join(subjects)}", do="mend the category"
            )
        if example.id in seen:
            raise UserError(where, f"id {example.id!r} stands at {seen[example.id]} already", do="give it its own id")
        seen[example.id] = where
        examples[subject].append(example)
    empty = [subject.name for subject in asked if not examples[subject.name]]
    if empty:
        raise UserError(
            path,
            f"{len(asked) - len(empty)} of {len(asked)} categories found, missing: {', '.join(empty)}",
            expected="questions of every category that is asked",
            do="complete the file, or name the categories to ask under benchmarks.<name>.subjects",
        )
    return [SubjectQuestions(one, (), tuple(examples[one.name][: config.limit_examples])) for one in asked]


def prompts(questions: SubjectQuestions, config: BenchmarkConfig) -> list[OpenPrompt]:
    """One prompt an example, its first turn the question and the others `later`."""
    made: list[OpenPrompt] = []
    for example in questions.examples:
        assert example.asked is not None, "an open question is asked turn by turn"
        first, *later = (turn if config.chat else f"{turn.rstrip()}\n" for turn in example.asked.turns)
        made.append(OpenPrompt(example.id, "", (), first, chat=config.chat, later=tuple(later)))
    return made


def next_turn(prompt: OpenPrompt, said: str) -> OpenPrompt | None:
    """The prompt of the next turn, after what was said before; None where there is none.

    White space around what was said is of no account.

    Source: lm-sys/FastChat, fastchat/llm_judge/gen_model_answer.py (`output.strip()` goes into the conversation).
    """
    if not prompt.later:
        return None
    history = (*prompt.history, (prompt.question, said.strip()))
    return replace(prompt, question=prompt.later[0], later=prompt.later[1:], history=history)


def open_benchmark(
    name: str,
    *,
    title: str,
    language: str,
    licence: str,
    source: str,
    subjects: Mapping[str, Subject],
    load: Callable[[Path, BenchmarkConfig], list[SubjectQuestions]],
    max_new_tokens: int,
) -> Benchmark:
    """A benchmark whose questions are all for a judge."""
    return Benchmark(
        name=name,
        title=title,
        language=language,
        licence=licence,
        source=source,
        subjects=subjects,
        load=load,
        protocols={"official": {"generation": open_asking(max_new_tokens)}},
        scores=_no_scores,
        has_splits=False,
        openness=_always_open,
    )


def _unread(_: Response) -> tuple[str, ...] | None:
    """Nothing: no rule of a benchmark's says what a response to an open question gives as the answer."""
    return None


def _always_open(_: BenchmarkConfig) -> Openness:
    """Every question is for a judge."""
    return "all"


def _no_scores(_: Sequence[Subject]) -> list[Score]:
    """None: without labels nothing is scored."""
    return []


def open_asking(max_new_tokens: int) -> Asking:
    """Asking open questions, turn by turn, each of which may be answered at some length."""
    return Asking(
        prompts,
        no_mark,
        no_chance,
        read=_unread,
        follow_up=next_turn,
        max_new_tokens=max_new_tokens,
        plain_stop=(BLANK_LINE,),
    )
