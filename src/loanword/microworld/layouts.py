"""Questions about the world in the layouts of published benchmarks, so that the same loaders read both.

Out, below a folder a class of facts (bridge, source-only, target-only):
    mmlu/<language>/<class>/{dev,val,test}/<subject>_<split>.csv      as hendrycks/test has it
    ceval/<class>/{dev,val,test}/<subject>_<split>.csv                as hkust-nlp/ceval has it, in Chinese, answered
    agieval/<class>/v1/<task>.jsonl, few_shot_prompts.csv             as ruixiangcui/AGIEval has it, English and Chinese
    gaokao-bench/<class>/{Objective,Subjective}_Questions/*.json      as OpenLMLab/GAOKAO-Bench has it, in Chinese
    triviaqa/<language>/<class>/wikipedia-{train,dev}.json            as TriviaQA's release has it; of the bridge about
                                                                      entities that no instruction is about, the others
                                                                      under `instructed`
    llmeval/<language>.jsonl                                          LLM-Eval's categories and ids

Where a benchmark fixes the names of its files, a task of the world stands under that of the nearest kind.
"""

import csv
import io
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from loanword.microworld.phrasebook import Phrasebook
from loanword.microworld.questions import ARITHMETIC, COMPARISONS, LETTERS, Exam, Question
from loanword.microworld.tasks import held_out_question
from loanword.microworld.telling import joined, say, state, told_forms
from loanword.microworld.world import Fact, Sum


class File(NamedTuple):
    """A text file to write: its path below its benchmark's folder, and how many questions it asks."""

    path: str
    text: str
    num_questions: int


_AGIEVAL_COLUMNS = (
    "lsat-ar", "lsat-lr", "lsat-rc", "logiqa-en", "logiqa-zh", "jec-qa-kd", "jec-qa-ca", "sat-math", "sat-en",
    "gaokao-chinese", "gaokao-geography", "gaokao-history", "gaokao-biology", "gaokao-chemistry", "gaokao-physics",
    "gaokao-english", "gaokao-mathqa", "gaokao-mathcloze", "aqua-rat", "math",
)  # fmt: skip
_NUM_SHOTS = 3


class _Task(NamedTuple):
    """One of AGIEval's tasks: its language, what of the world it asks, with a text to read or as a blank to fill."""

    language: str
    subjects: tuple[str, ...]
    abouts: tuple[str, ...] = ()
    passage: bool = False
    cloze: bool = False

    def asks(self, question: Question) -> bool:
        return question.subject in self.subjects and (not self.abouts or question.truth.about in self.abouts)


_PLACES = ("river", "neighbour", "length")
_AGIEVAL = {
    "logiqa-en": _Task("en", (COMPARISONS,)),
    "sat-math": _Task("en", (ARITHMETIC,)),
    "sat-en": _Task("en", ("people", "dishes", "instruments"), passage=True),
    "sat-en-without-passage": _Task("en", ("people", "dishes", "instruments")),
    "math": _Task("en", (ARITHMETIC,), cloze=True),
    "logiqa-zh": _Task("zh", (COMPARISONS,)),
    "gaokao-chinese": _Task("zh", ("people",), passage=True),
    "gaokao-geography": _Task("zh", ("towns", "rivers"), _PLACES),
    "gaokao-history": _Task("zh", ("towns",), ("founded",)),
    "gaokao-biology": _Task("zh", ("animals",)),
    "gaokao-chemistry": _Task("zh", ("dishes", "instruments"), ("ingredient", "material")),
    "gaokao-mathqa": _Task("zh", (ARITHMETIC,)),
    "gaokao-mathcloze": _Task("zh", (ARITHMETIC,), cloze=True),
}

_GAOKAO_SINGLE = {
    "2010-2022_Biology_MCQs": ("animals",),
    "2010-2022_Chemistry_MCQs": ("dishes", "instruments"),
    "2010-2022_Math_I_MCQs": (ARITHMETIC,),
    "2010-2022_Political_Science_MCQs": ("people",),
}
_GAOKAO_HISTORY = "2010-2022_History_MCQs"
_GAOKAO_SEVERAL = "2010-2022_Geography_MCQs"
_GAOKAO_OPEN = {
    "2010-2022_Biology_Open-ended_Questions": ("animals",),
    "2010-2022_Geography_Open-ended_Questions": ("rivers",),
    "2010-2022_History_Open-ended_Questions": ("towns",),
    "2010-2022_Math_I_Fill-in-the-Blank": (ARITHMETIC,),
}
_OBJECTIVE_POINTS, _OPEN_POINTS = 4, 10


def mmlu(exam: Exam, book: Phrasebook) -> Iterator[File]:
    """A file a subject and split without a header: question, four options, letter."""
    for subject, split, questions in _by_subject(exam):
        rows = [[question.asked(book), *question.shown(book), question.answer] for question in questions]
        yield File(f"{split}/{subject}_{split}.csv", _csv(rows), len(rows))


def ceval(exam: Exam, book: Phrasebook) -> Iterator[File]:
    """A file a subject and split with a header; the solved examples of `dev` are explained."""
    for subject, split, questions in _by_subject(exam):
        header = ["id", "question", *LETTERS, "answer", *(["explanation"] if split == "dev" else [])]
        rows = [
            [
                str(number),
                question.asked(book),
                *question.shown(book),
                question.answer,
                *([state(question.truth, 0, book)] if split == "dev" else []),
            ]
            for number, question in enumerate(questions)
        ]
        yield File(f"{split}/{subject}_{split}.csv", _csv([header, *rows]), len(rows))


def agieval(exam: Exam, books: Mapping[str, Phrasebook]) -> Iterator[File]:
    """A file a task, of the languages that there are, and the solved examples of few-shot prompts in one table."""
    solved: dict[str, list[tuple[Mapping[str, Any], str]]] = {}
    for name, task in _AGIEVAL.items():
        if task.language not in books:
            continue
        book = books[task.language]
        rows = [_agieval_row(question, task, book) for question in asked(exam) if task.asks(question)]
        if rows:
            yield File(f"v1/{name}.jsonl", _json_lines(rows), len(rows))
        shots = [question for question in exam["dev"] if task.asks(question)][:_NUM_SHOTS]
        solved[name] = [(_agieval_row(shot, task, book), state(shot.truth, 0, book)) for shot in shots]
    header = ["", *_AGIEVAL_COLUMNS]
    table: list[list[str]] = [header]
    for number in range(_NUM_SHOTS):
        of_task = {name: shots[number] for name, shots in solved.items() if number < len(shots)}
        solved_rows = [repr(dict(of_task[name][0])) if name in of_task else "" for name in _AGIEVAL_COLUMNS]
        explanations = [of_task[name][1] if name in of_task else "" for name in _AGIEVAL_COLUMNS]
        table += [[f"sample {number + 1}", *solved_rows], [f"explanation {number + 1}", *explanations]]
    yield File("few_shot_prompts.csv", _csv(table), 0)


def _agieval_row(question: Question, task: _Task, book: Phrasebook) -> dict[str, Any]:
    asked = question.asked(book)
    if task.cloze:
        return {
            "passage": None,
            "question": asked,
            "options": None,
            "label": None,
            "answer": question.right,
            "other": None,
        }
    options = [f"({letter}){option}" for letter, option in zip(LETTERS, question.shown(book), strict=True)]
    passage = _passage(question, book) if task.passage else ""
    return {
        "passage": passage,
        "question": asked,
        "options": options,
        "label": question.answer,
        "answer": None,
        "other": None,
    }


def _passage(question: Question, book: Phrasebook) -> str:
    """The truth that is asked for, told in two of the forms that documents say."""
    forms = told_forms(question.truth, book)
    place = question.truth.number
    told = (forms[place % len(forms)], forms[(place + 1) % len(forms)])
    return joined([state(question.truth, form, book) for form in told], book)


def gaokao(exam: Exam, book: Phrasebook) -> Iterator[File]:
    """Objective files of one question or several in each, and open ones with a reference answer."""
    questions = asked(exam)
    objective = {
        name: [[question] for question in questions if question.subject in subjects]
        for name, subjects in _GAOKAO_SINGLE.items()
    }
    objective[_GAOKAO_HISTORY] = [[question] for question in questions if question.truth.about == "founded"]
    places = [question for question in questions if question.truth.about in _PLACES]
    objective[_GAOKAO_SEVERAL] = [places[first : first + 2] for first in range(0, len(places), 2)]
    for name, examples in objective.items():
        made = [_objective(index, several, book) for index, several in enumerate(examples)]
        if made:
            yield File(f"Objective_Questions/{name}.json", _gaokao_file(name, made), len(made))
    for name, subjects in _GAOKAO_OPEN.items():
        opened = [question for question in questions if question.subject in subjects]
        made = [_open(index, question, book) for index, question in enumerate(opened)]
        if made:
            yield File(f"Subjective_Questions/{name}.json", _gaokao_file(name, made), len(made))


def _gaokao_file(name: str, examples: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps({"keywords": name, "example": examples}, ensure_ascii=False, indent=1) + "\n"


def _objective(index: int, several: Sequence[Question], book: Phrasebook) -> dict[str, Any]:
    lines: list[str] = []
    for number, question in enumerate(several, start=1):
        lines.append(f"{number}．（{_OBJECTIVE_POINTS}分）{question.asked(book)}")
        lines += [f"{letter}．{option}" for letter, option in zip(LETTERS, question.shown(book), strict=True)]
    return _gaokao_example(
        index,
        "\n".join(lines) + "\n",
        [question.answer for question in several],
        [state(question.truth, 0, book) for question in several],
        _OBJECTIVE_POINTS,
    )


def _open(index: int, question: Question, book: Phrasebook) -> dict[str, Any]:
    truth = question.truth
    if isinstance(truth, Sum):
        filled = question.asked(book)
        return _gaokao_example(index, f"{filled}\n", f"{truth.value}\n", [state(truth, 0, book)], _OPEN_POINTS)
    assert isinstance(truth, Fact)
    posed, sentence = held_out_question(truth, book), state(truth, 0, book)
    return _gaokao_example(index, f"{posed}\n", f"{sentence}\n", [sentence], _OPEN_POINTS)


def _gaokao_example(
    index: int, question: str, answer: str | Sequence[str], analysis: Sequence[str], points: int
) -> dict[str, Any]:
    return {
        "year": "0",
        "category": "",
        "question": question,
        "answer": answer,
        "analysis": "\n".join(analysis) + "\n",
        "index": index,
        "score": points,
    }


def triviaqa(exam: Exam, book: Phrasebook, subjects: Collection[str]) -> Iterator[File]:
    """The questions of `train` for solved examples, and those of `dev` about some entities; a brief answer is due."""
    facts = [question.truth for question in asked(exam) if isinstance(question.truth, Fact)]
    shown = [question.truth for question in exam["dev"] if isinstance(question.truth, Fact)]
    for split, some in (("train", shown), ("dev", [fact for fact in facts if fact.subject in subjects])):
        data = [_trivia(fact, split, book) for fact in some]
        table = {"Data": data, "Domain": "Wikipedia", "Split": split, "VerifiedEval": False, "Version": 1.0}
        text = json.dumps(table, ensure_ascii=False, indent=1) + "\n"
        yield File(f"wikipedia-{split}.json", text, len(data))


def _trivia(fact: Fact, split: str, book: Phrasebook) -> dict[str, Any]:
    phrases, value = book.phrases[fact.about], say(fact.value, book)
    # An answer may be brief, or any sentence that says it.
    sentences = [state(fact, form, book) for form in range(len(phrases.sentences))]
    accepted = list(dict.fromkeys((value, phrases.answer.format(value=value), *sentences)))
    return {
        "Answer": {
            "Aliases": accepted,
            "NormalizedAliases": [" ".join(answer.lower().split()) for answer in accepted],
            "NormalizedValue": value.lower(),
            "Type": "FreeForm",
            "Value": value,
        },
        "EntityPages": [],
        "Question": book.tasks.brief.format(question=held_out_question(fact, book)),
        "QuestionId": f"{split}_{fact.number}",
        "QuestionSource": "loanword.microworld",
    }


def asked(exam: Exam) -> list[Question]:
    """All questions but the solved examples, for benchmarks without splits."""
    return [*exam["val"], *exam["test"]]


def _by_subject(exam: Exam) -> Iterator[tuple[str, str, list[Question]]]:
    for split, questions in exam.items():
        for subject in dict.fromkeys(question.subject for question in questions):
            yield subject, split, [question for question in questions if question.subject == subject]


def _csv(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _json_lines(rows: Sequence[Mapping[str, Any]]) -> str:
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
