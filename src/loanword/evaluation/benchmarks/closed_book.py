"""Closed-book questions: TriviaQA and NQ-open, answered in words out of what a model knows.

In: a folder with one file a split, found by a word of its name: `train`; `val`, `validation` or `dev`; `test`. So
`wikipedia-dev.json`, `NQ-open.dev.jsonl`, `validation-00000-of-00001.parquet` and `val.jsonl` will do; parts of one
file count as one. Files hold what is published:
  TriviaQA  .json, {"Data": [{"Question", "Answer": {"Value", "Aliases", "NormalizedAliases"}}]}, or the Hub's rows
            {"question", "answer": {"value", "aliases", "normalized_aliases"}}
  NQ-open   rows {"question", "answer": ["...", ...]}
Rows are asked as they stand, also where one stands twice. Shots are the first rows of `train`; with split test of
`dev` where there is no train. A `train` of a few rows is enough.

The official protocol is that of arXiv 2302.13971 (LLaMA), appendix A and figure 3, scored by the authors' scripts over
the whole first line: the cut at the first comma or dot, which figure 3's text asks for and the harness makes, loses
"September 14, 2008" and "J. K. Rowling". The harness protocol is lm-evaluation-harness 0.4.13's, tasks triviaqa and
nq_open, but for the shots: it draws other ones for each question, here all questions share the first (its own
`sampler: first_n`). F1 is the authors' in both.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from loanword.errors import UserError
from loanword.evaluation.benchmark import (
    Asking,
    Benchmark,
    Example,
    Score,
    Subject,
    SubjectQuestions,
    asked_subjects,
    no_chance,
)
from loanword.evaluation.benchmarks.free_answers import (
    Normalise,
    best_f1,
    exact_match,
    harness_nq_open_text,
    harness_triviaqa_text,
    nq_open_text,
    triviaqa_text,
)
from loanword.evaluation.tables import Row, table_rows
from loanword.protocols import OpenPrompt
from loanword.recipe import BenchmarkConfig
from loanword.records import Response

SUBJECTS = {"all": Subject("all", "", "")}

NUM_SHOTS = 5
OFFICIAL_TOKENS = 32
HARNESS_TOKENS = 64
"""Tokens of a response at most: no accepted answer is as long, so lm-eval's 256 would give the same grades."""

_WORDS = {"val": ("val", "validation", "dev"), "dev": ("dev", "validation", "val"), "test": ("test",)}
_SUFFIXES = (".json", ".jsonl", ".parquet")
_PART = re.compile(r"-\d{5}-of-\d{5}$")


@dataclass(frozen=True)
class _Answers:
    """What is accepted, and what a shot shows."""

    accepted: tuple[str, ...]
    shown: str


ReadRow = Callable[[Row, BenchmarkConfig], tuple[str, _Answers]]


@dataclass(frozen=True)
class _Words:
    """The words of a prompt: what stands before all, one question, and what ends a shot."""

    header: str
    question: Callable[[str], str]
    end: str


def triviaqa_row(row: Row, config: BenchmarkConfig) -> tuple[str, _Answers]:
    """A question and its answers: officially its normalised aliases, the best known first, and what people answered;
    in the harness its aliases.

    Raises:
        UserError: neither of the published forms.
    """
    published = "Question" in row.fields
    names = ("Value", "Aliases", "NormalizedAliases") if published else ("value", "aliases", "normalized_aliases")
    question = row.text("Question" if published else "question")
    answer = row.object("Answer" if published else "answer")
    answer.require(*names)
    value, aliases, normalised = answer.text(names[0]), answer.texts(names[1]), answer.texts(names[2])
    if config.protocol == "harness":
        return question, _Answers(aliases, aliases[0] if aliases else "")
    human = answer.texts("HumanAnswers") if "HumanAnswers" in answer.fields else ()
    accepted = (*normalised, *map(triviaqa_text, human))
    return question, _Answers(tuple(sorted(accepted, key=lambda text: text != triviaqa_text(value))), value)


def nq_open_row(row: Row, _: BenchmarkConfig) -> tuple[str, _Answers]:
    """A question and its answers, of which a shot shows the first.

    Raises:
        UserError: not the published form.
    """
    row.require("question", "answer")
    answers = row.texts("answer")
    return row.text("question"), _Answers(answers, answers[0] if answers else "")


def load(read_row: ReadRow, folder: Path, config: BenchmarkConfig) -> list[SubjectQuestions]:
    """Shots and examples, in file order.

    Raises:
        UserError: no such file or several, a row that is no question with an answer, too few shots.
    """
    (subject,) = asked_subjects(config, SUBJECTS)
    asked = _files(folder, _WORDS[config.split])
    if not asked:
        raise _no_file(folder, config.split, _WORDS[config.split])
    examples = tuple(_examples(asked, read_row, config))[: config.limit_examples]
    return [SubjectQuestions(subject, _shots(folder, asked, read_row, config), examples)]


def _examples(files: Sequence[Path], read_row: ReadRow, config: BenchmarkConfig) -> Iterator[Example]:
    for number, (question, answers) in enumerate(_questions(files, read_row, config)):
        yield Example(f"all/{config.split}/{number}", question, (), answers.accepted)


def _shots(folder: Path, asked: Sequence[Path], read_row: ReadRow, config: BenchmarkConfig) -> tuple[Example, ...]:
    if not config.num_shots:
        return ()
    found = _files(folder, ("train",)) or (_files(folder, ("dev",)) if config.split == "test" else [])
    if not found or set(found) & set(asked):
        raise _no_file(folder, "train", ("train",))
    shots: list[Example] = []
    for question, answers in _questions(found, read_row, config):
        shots.append(Example(f"all/train/{len(shots)}", question, (), (answers.shown,)))
        if len(shots) == config.num_shots:
            return tuple(shots)
    raise UserError(
        found[0],
        f"{len(shots)} rows, num_shots is {config.num_shots}",
        expected=f"at least {config.num_shots} rows",
        do="lower num_shots",
    )


def _questions(files: Sequence[Path], read_row: ReadRow, config: BenchmarkConfig) -> Iterator[tuple[str, _Answers]]:
    for path in files:
        for row in table_rows(path, inside="Data"):
            question, answers = read_row(row, config)
            if not question.strip():
                raise UserError(row.where, "the question is empty", expected="a text", do="mend the row")
            if not answers.shown.strip() or not any(answer.strip() for answer in answers.accepted):
                raise UserError(
                    row.where,
                    "no answer is accepted: the labels are withheld, or lost",
                    expected="one accepted answer or more",
                    do="use split val, or fetch the release that has the labels",
                )
            yield question, answers


def _files(folder: Path, words: Sequence[str]) -> list[Path]:
    """The files of a split: of the first of its names that there is, all parts."""
    known = sorted(path for path in folder.glob("*") if path.suffix in _SUFFIXES) if folder.is_dir() else []
    for word in words:
        named = [path for path in known if word in re.split(r"[^a-z]+", path.stem.lower())]
        whole = sorted({_PART.sub("", path.stem) + path.suffix for path in named})
        if len(whole) > 1:
            raise UserError(
                folder,
                f"several files are called {word}: {', '.join(whole)}",
                expected="one file a split, in one or several parts",
                do="leave the one that is meant in the folder",
            )
        if named:
            return named
    return []


def _no_file(folder: Path, split: str, words: Sequence[str]) -> UserError:
    return UserError(
        folder,
        f"no file of split {split}" if folder.is_dir() else "folder not found",
        expected=f"a file with {' or '.join(words)} in its name: {', '.join(_SUFFIXES)}",
        do="put the file there" + (", or set num_shots = 0" if split == "train" else ", or name another split"),
    )


def prompts(words: _Words, questions: SubjectQuestions, config: BenchmarkConfig) -> list[OpenPrompt]:
    """One prompt an example."""
    shots = tuple(f"{words.question(shot.question)} {shot.answers[0]}{words.end}" for shot in questions.shots)
    return [
        OpenPrompt(example.id, words.header, shots, words.question(example.question), chat=config.chat)
        for example in questions.examples
    ]


def _as_printed(question: str) -> str:
    # NQ-open's questions are queries: small letters, no question mark. Figure 3 shows them with both.
    return f"{question[:1].upper()}{question[1:]}" + ("" if question.rstrip().endswith("?") else "?")


_OFFICIAL = _Words("Answer these questions:\n", lambda question: f"Q: {_as_printed(question)}\nA:", "\n")
_HARNESS_TRIVIAQA = _Words("", lambda question: f"Question: {question}?\nAnswer:", "\n\n")
_HARNESS_NQ_OPEN = _Words("Answer these questions:\n\n", lambda question: f"Q: {question}?\nA:", "\n")


def read(response: Response) -> tuple[str, ...] | None:
    """The whole of what was said; nothing where that is nothing."""
    said = response.texts[-1].strip()
    return (said,) if said else None


def scores(subjects: Sequence[Subject]) -> list[Score]:
    """Exact match over questions, and F1 beside it."""
    names = tuple(subject.name for subject in subjects)
    return [Score("exact match", "questions", names), Score("F1", "questions", names, measure="f1")]


def _mark(normalise: Normalise, response: Response, given: tuple[str, ...]) -> float:
    return exact_match(given[0], response.answers, normalise)


def _f1(normalise: Normalise, response: Response, given: tuple[str, ...]) -> float:
    return best_f1(given[0], response.answers, normalise)


def _official(normalise: Normalise) -> Asking:
    return _asking(_OFFICIAL, normalise, normalise, stop=("\n",), max_new_tokens=OFFICIAL_TOKENS)


def _harness(words: _Words, mark: Normalise, f1: Normalise) -> Asking:
    return _asking(words, mark, f1, stop=("\n", ".", ","), max_new_tokens=HARNESS_TOKENS)


def _asking(words: _Words, mark: Normalise, f1: Normalise, *, stop: tuple[str, ...], max_new_tokens: int) -> Asking:
    return Asking(
        prompts=partial(prompts, words),
        mark=partial(_mark, mark),
        chance=no_chance,
        num_shots=NUM_SHOTS,
        read=read,
        f1=partial(_f1, f1),
        max_new_tokens=max_new_tokens,
        stop=stop,
    )


TRIVIAQA = Benchmark(
    name="triviaqa",
    title="TriviaQA",
    language="en",
    licence="Apache-2.0",
    source="https://nlp.cs.washington.edu/triviaqa",
    subjects=SUBJECTS,
    load=partial(load, triviaqa_row),
    protocols={
        "official": {"generation": _official(triviaqa_text)},
        "harness": {"generation": _harness(_HARNESS_TRIVIAQA, harness_triviaqa_text, triviaqa_text)},
    },
    scores=scores,
)

NQ_OPEN = Benchmark(
    name="nq_open",
    title="NQ-open",
    language="en",
    licence="CC-BY-SA-3.0",
    source="https://github.com/google-research-datasets/natural-questions/tree/master/nq_open",
    subjects=SUBJECTS,
    load=partial(load, nq_open_row),
    protocols={
        "official": {"generation": _official(nq_open_text)},
        "harness": {"generation": _harness(_HARNESS_NQ_OPEN, harness_nq_open_text, nq_open_text)},
    },
    scores=scores,
)
