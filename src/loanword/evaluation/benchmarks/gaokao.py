"""GAOKAO-Bench: Chinese college entrance examinations of 2010 to 2022, in 14 objective and 18 open files.

In: folder/{Objective,Subjective}_Questions/<file>.json with keywords (or keyword) and example: a list of question,
answer (or standard_answer), analysis, index and score. The number to report is the scoring rate: points over points.
Objective files are asked by default, open ones where they are named; their responses wait for a judge. A text to
correct is one turn in two calls: both texts are kept, and the last one answers the question.

Official is the authors' zero-shot generation, with their prompt as the system message where the model has a chat
template, and before the question where it has none (as OpenCompass does). They let GPT-4 speak to its end at
temperature 0.3. Ours is greedy and ends after 1,024 tokens, as OpenCompass's does: of the 1,781 objective responses of
GPT-4 that the authors publish 5 are longer in tokens of LLaMA, the longest by 58; of the 1,030 open ones 17 % are, so
raise decoding.max_new_tokens to 4096 where open files are asked.

Likelihood is ours, not the authors': each sub-question is asked by itself for one letter, in the form of the prompt's
own example. It never names two letters, so that in physics an answer of several is at most half earned. Options and
options-only are ours as well (see `statements`), and ask the seven files of single choices.

Source: OpenLMLab/GAOKAO-Bench, commit 6dbb24f8d8439041e5431c4c184a582182a6ce9c, Bench/bench_function.py (choice_test,
subjective_test, correction_test), Bench/subjective_grade.py (how a judge is shown the reference answer),
Models/openai_gpt4.py (messages), Results/gpt_4_0314_obj and Results/gpt_4_0314_sub (lengths of responses);
open-compass/opencompass, commit 2039132f000883a39250e474e836dcdacf91ca81,
configs/datasets/GaokaoBench/GaokaoBench_no_subjective_gen_4c31db.py (plain prompts, 1,024 tokens).
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, ConfigDict, Field

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
    by_category,
)
from loanword.evaluation.benchmarks.gaokao_answers import FULL_POINTS, chance, mark, read, robust
from loanword.evaluation.benchmarks.gaokao_options import split_options
from loanword.evaluation.benchmarks.gaokao_sections import OBJECTIVE, OPEN, SECTIONS, Section
from loanword.evaluation.statements import PROTOCOLS, Statements
from loanword.protocols import ChoicePrompt, OpenPrompt
from loanword.recipe import BenchmarkConfig
from loanword.records import Count, OpenQuestion, PositiveFloat, Record

SUBJECTS = {name: Subject(name, section.title, section.exam) for name, section in SECTIONS.items()}
SINGLE = tuple(name for name, section in OBJECTIVE.items() if section.kind == "single_choice")

# In a question of the correction type the text to correct follows this end of the instructions.
_INSTRUCTIONS_END = "不计分。"


class GaokaoQuestion(Record):
    """A question as it is published: an objective one has a list of letters, an open one its reference answer."""

    model_config = ConfigDict(extra="ignore")

    question: Annotated[str, Field(pattern=r"\S")]
    answer: tuple[str, ...] | str = Field(validation_alias=AliasChoices("standard_answer", "answer"))
    analysis: str
    index: Count
    score: PositiveFloat


class GaokaoFile(Record):
    """One file of questions."""

    model_config = ConfigDict(extra="ignore")

    keyword: str = Field(validation_alias=AliasChoices("keywords", "keyword"))
    example: tuple[GaokaoQuestion, ...] = Field(min_length=1)


def load(folder: Path, config: BenchmarkConfig) -> list[SubjectQuestions]:
    """Questions of the files asked, in the authors' order; all that can be where none is named, but no open ones.

    Raises:
        UserError: an unknown or missing file, one that holds no such questions, an answer that no letter can be; shots,
            which there are none of; open questions asked by likelihood; statements of what is no single choice, or of a
            question whose options cannot be told.
    """
    usual = SINGLE if config.protocol in PROTOCOLS else OBJECTIVE
    asked = asked_subjects(config, SUBJECTS if config.subjects else {name: SUBJECTS[name] for name in usual})
    _require_answerable(config, asked)
    missing = [subject.name for subject in asked if not _path(folder, subject.name).is_file()]
    if missing:
        raise UserError(
            folder,
            f"{len(asked) - len(missing)} of {len(asked)} files found, missing: {', '.join(missing)}",
            expected="Objective_Questions/*.json, 14 files, and Subjective_Questions/*.json, 18 files",
            do="complete the folder, or name the files to ask under benchmarks.<name>.subjects",
        )
    examples = {subject: _examples(_path(folder, subject.name), subject.name, config) for subject in asked}
    return _STATEMENTS.prepared((SubjectQuestions(subject, (), some) for subject, some in examples.items()), config)


def _require_answerable(config: BenchmarkConfig, asked: Sequence[Subject]) -> None:
    where = f"benchmarks.{config.name}"
    if config.num_shots:
        raise UserError(
            f"{where}.num_shots",
            f"GAOKAO-Bench has no solved examples to show, num_shots is {config.num_shots}",
            expected="num_shots 0",
            do="leave num_shots out",
        )
    several = [subject.name for subject in asked if subject.name not in SINGLE]
    if several and config.protocol in PROTOCOLS:
        raise UserError(
            f"{where}.subjects",
            f"no single choices, so that no option makes a statement by itself: {', '.join(several)}",
            expected=f"any of {', '.join(SINGLE)}",
            do="leave them out of subjects, or set another protocol",
        )
    named = [subject.name for subject in asked if SECTIONS[subject.name].is_open]
    if named and config.answering == "likelihood":
        raise UserError(
            f"{where}.answering",
            f"open questions have no letters to score: {', '.join(named)}",
            expected="answering generation where they are asked",
            do="set answering, or leave them out of subjects",
        )


def _path(folder: Path, name: str) -> Path:
    return folder / ("Subjective_Questions" if SECTIONS[name].is_open else "Objective_Questions") / f"{name}.json"


def _examples(path: Path, name: str, config: BenchmarkConfig) -> tuple[Example, ...]:
    file = GaokaoFile.from_json(path.read_bytes(), where=path)
    if file.keyword != name:
        raise UserError(path, f"keyword {file.keyword!r}", expected=f"{name!r}", do="give the file its own name again")
    indices = [question.index for question in file.example]
    repeated = sorted({index for index in indices if indices.count(index) > 1})
    if repeated:
        raise UserError(path, f"index {repeated[0]} twice", expected="an index of its own", do="mend the file")
    make = _stated_example if config.protocol in PROTOCOLS else _example
    made = (make(question, name, f"{path}: index {question.index}") for question in file.example)
    return tuple(made)[: config.limit_examples]


def _stated_example(question: GaokaoQuestion, name: str, where: str) -> Example:
    """An example whose options stand apart from its question."""
    split = split_options(question.question)
    if split is None:
        raise UserError(
            where,
            f"the question does not say which its options are: {question.question.strip()[-60:]!r}",
            expected="four options behind A. B. C. D. (or A．, A、), in this order",
            do="fetch the file again, or ask for letters (protocol official)",
        )
    return replace(_example(question, name, where), question=split[0], options=split[1])


def _example(question: GaokaoQuestion, name: str, where: str) -> Example:
    section = SECTIONS[name]
    id = f"{name}/{question.index}"
    if section.is_open:
        return _open_example(question, id, section, where)
    answers = _answers(question, section, where)
    return Example(
        id=id,
        question=question.question,
        options=(),
        answers=answers,
        explanation=question.analysis,
        points=question.score * len(answers),
    )


def _open_example(question: GaokaoQuestion, id: str, section: Section, where: str) -> Example:
    if not isinstance(question.answer, str):
        raise UserError(where, f"answer {list(question.answer)!r}", expected="one text", do="mend the file")
    if section.kind == "correction" and _INSTRUCTIONS_END not in question.question:
        expected = f"instructions that end in {_INSTRUCTIONS_END}, then the text to correct"
        raise UserError(where, f"question {question.question[:40]!r}", expected=expected, do="mend the file")
    # The label is a text that only a judge can compare; it is shown in the words of the authors' judge prompt.
    # Chinese is expected in English papers, too: prompts are in it, and so is all that the authors' models say, but for
    # the words that are filled in and the text that is corrected.
    reference = f"【分析过程】{question.analysis}\n【标准答案】{question.answer}"
    asked = OpenQuestion(turns=(question.question.strip(),), references=(reference,))
    return Example(id=id, question=question.question, options=(), answers=(), points=question.score, asked=asked)


def _answers(question: GaokaoQuestion, section: Section, where: str) -> tuple[str, ...]:
    answers = question.answer
    number = {"single_choice": 1, "multi_choice": 1, "five_out_of_seven": 5}.get(section.kind)
    if isinstance(answers, str) or not answers or (number is not None and len(answers) != number):
        shown = answers if isinstance(answers, str) else list(answers)
        raise UserError(where, f"answer {shown!r}", expected=f"a list of {number or 'one or more'}", do="mend the file")
    wrong = [answer for answer in answers if not _is_answer(answer, section)]
    if wrong:
        letters = ", ".join(section.letters)
        expected = f"letters of {letters}, each once" if section.kind == "multi_choice" else f"one of {letters}"
        raise UserError(where, f"answer {wrong[0]!r}", expected=expected, do="mend the file")
    if section.kind == "multi_choice" and question.score != FULL_POINTS:
        # The authors' marking gives 6 and 3 points whatever the question is worth.
        raise UserError(where, f"score {question.score:g}", expected=f"{FULL_POINTS} in physics", do="mend the file")
    return answers


def _is_answer(answer: str, section: Section) -> bool:
    if section.kind != "multi_choice":
        return answer in section.letters
    return bool(answer) and len(set(answer)) == len(answer) and set(answer) <= set(section.letters)


def open_prompts(questions: SubjectQuestions, config: BenchmarkConfig) -> list[OpenPrompt]:
    """One prompt an example: the file's prompt as the system message, the question as the user's."""
    prompt = SECTIONS[questions.subject.name].prompts[0]
    return [
        OpenPrompt(example.id, header="", shots=(), question=_asked(example), system=prompt, chat=config.chat)
        for example in questions.examples
    ]


def choice_prompts(questions: SubjectQuestions, _: BenchmarkConfig) -> list[ChoicePrompt]:
    """One prompt a sub-question, in order, answered by ` A` to ` D` or ` G`; sub-questions are numbered from 1."""
    section = SECTIONS[questions.subject.name]
    choices = tuple(f" {letter}" for letter in section.letters)
    cue = "【答案】:" if "【答案】: A" in section.prompts[0] else "【答案】"
    return [
        ChoicePrompt(example.id, section.prompts[0], (), f"{_asked(example)}{number}{cue}", choices)
        for example in questions.examples
        for number in _numbers(len(example.answers))
    ]


_STATEMENTS = Statements(cued=lambda _, example: f"{_asked(example)}【答案】: ")


def _asked(example: Example) -> str:
    return example.question.strip() + "\n"


def _numbers(count: int) -> list[str]:
    return [f"（{number}）" for number in range(1, count + 1)] if count > 1 else [""]


def follow_up(prompt: OpenPrompt, said: str) -> OpenPrompt | None:
    """The second prompt of a text to correct: what was changed between the text and its correction; else None."""
    section = SECTIONS[prompt.id.rpartition("/")[0]]
    if section.kind != "correction":
        return None
    original = prompt.question.split(_INSTRUCTIONS_END)[1]
    start, end = said.find("【答案】"), said.find("<eoa>")
    corrected = said[start + len("【答案】") : end if end >= 0 else None].strip() if start >= 0 else ""
    question = f"Article 1:{original}\nArticle 2:{corrected}"
    return OpenPrompt(prompt.id, header="", shots=(), question=question, system=section.prompts[1], chat=prompt.chat)


def openness(config: BenchmarkConfig) -> Openness:
    """Open files are asked where they are named."""
    open_files = [name in OPEN for name in config.subjects]
    return "none" if not any(open_files) else "all" if all(open_files) else "some"


def scores(subjects: Sequence[Subject]) -> list[Score]:
    """Scoring rate of the objective files, which is the official number, by examination, and over questions."""
    objective = [subject for subject in subjects if subject.name in OBJECTIVE]
    names = tuple(subject.name for subject in objective)
    return [
        Score("scoring rate", "points", names),
        *by_category(objective, "points"),
        Score("over questions", "questions", names),
    ]


GAOKAO = Benchmark(
    name="gaokao",
    title="GAOKAO-Bench",
    language="zh",
    licence="Apache-2.0",
    source="https://github.com/OpenLMLab/GAOKAO-Bench",
    subjects=SUBJECTS,
    load=load,
    protocols={
        "official": {
            # No stop strings: several sub-questions bring several <eoa>.
            "generation": Asking(
                open_prompts, mark, chance, read=read, robust=robust, follow_up=follow_up, max_new_tokens=1024
            ),
            "likelihood": Asking(choice_prompts, mark, chance),
        },
        **_STATEMENTS.protocols(mark, chance),
    },
    scores=scores,
    has_splits=False,
    openness=openness,
)
