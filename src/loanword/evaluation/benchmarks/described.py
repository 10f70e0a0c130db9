"""A benchmark by description: multiple-choice questions in any language, out of the columns of somebody's files.

In: the files that `DescriptionConfig` names, one row a question. Shapes that it covers are those of Belebele (JSON
Lines, the number of the answer), Global-MMLU (Parquet or CSV, a letter), INCLUDE (a list of options, an index) and
AfriMMLU (TSV, a list inside of a text). Text reaches the prompt as it stands in the file: nothing is normalised,
stripped or reordered, whatever direction its script is written in.
"""

import re
from collections.abc import Sequence
from functools import partial

from loanword.evaluation.benchmark import (
    Asking,
    Benchmark,
    Example,
    Prompt,
    Score,
    Subject,
    SubjectQuestions,
    by_category,
    letter_chance,
    single_mark,
)
from loanword.evaluation.described_questions import description_of, filled, load_described, option_names
from loanword.evaluation.extraction import read_letter
from loanword.evaluation.statements import Statements
from loanword.protocols import ChoicePrompt, OpenPrompt
from loanword.recipe import BenchmarkConfig, DescriptionConfig
from loanword.records import Response

PLAIN_TOKENS = 64
CHAT_TOKENS = 256
"""Tokens of a response at most: a letter and what is said about it; a chat model may reason before it names one."""

_NOWHERE = "\0"
_LINE_OF_OPTIONS = re.compile(f"\n{_NOWHERE}|{_NOWHERE}\n?")


def described(config: BenchmarkConfig) -> Benchmark:
    """The benchmark that a config describes; the protocol that takes all of its words is called official.

    Its subjects are known once it is loaded.
    """
    description = description_of(config)
    read = partial(_read, description)
    # In a plain continuation the model goes on to a next question; in a chat it stops by itself.
    statements = Statements(partial(_cued, description), description.letters, description.shot_separator)
    stop = (description.shot_separator,) if description.shot_separator and not config.chat else ()
    return Benchmark(
        name=config.name,
        title=description.title or config.name,
        language=description.language,
        licence=description.licence,
        source=description.source or (f"https://huggingface.co/datasets/{description.hub}" if description.hub else ""),
        subjects={},
        load=load_described,
        protocols={
            "official": {
                "likelihood": Asking(prompts, single_mark, letter_chance),
                "generation": Asking(
                    prompts,
                    single_mark,
                    letter_chance,
                    read=read,
                    robust=read,
                    max_new_tokens=CHAT_TOKENS if config.chat else PLAIN_TOKENS,
                    stop=stop,
                ),
            },
            **statements.protocols(single_mark, letter_chance),
        },
        scores=scores,
    )


def scores(subjects: Sequence[Subject]) -> list[Score]:
    """Accuracy over questions, and where there are several subjects over them and by category."""
    names = tuple(subject.name for subject in subjects)
    over_subjects = [Score("mean of subjects", "subjects", names)] if len(names) > 1 else []
    return [Score("accuracy", "questions", names), *over_subjects, *by_category(subjects, "questions")]


def prompts(questions: SubjectQuestions, config: BenchmarkConfig) -> list[Prompt]:
    """One prompt an example: choices for likelihoods, else the question alone; in the words of the description."""
    description = description_of(config)
    subject = questions.subject.title
    header = filled(description.header, {"subject": subject})
    between = description.answer_separator
    shots = tuple(
        f"{_prompt(description, shot, subject)}{between}{shot.answers[0]}{description.shot_separator}"
        for shot in questions.shots
    )
    if config.answering != "likelihood":
        return [
            OpenPrompt(example.id, header, shots, _prompt(description, example, subject), chat=config.chat)
            for example in questions.examples
        ]
    return [
        ChoicePrompt(
            id=example.id,
            header=header,
            shots=shots,
            question=_prompt(description, example, subject),
            choices=tuple(f"{between}{name}" for name in option_names(description, example.options)),
        )
        for example in questions.examples
    ]


def _prompt(description: DescriptionConfig, example: Example, subject: str) -> str:
    lines = [
        filled(description.option_line, {"letter": letter, "option": option})
        for letter, option in zip(description.letters, example.options, strict=False)
    ]
    fields = {"question": example.question, "options": "\n".join(lines), "subject": subject}
    return filled(description.prompt, fields)


def _cued(description: DescriptionConfig, subject: Subject, example: Example) -> str:
    """The prompt without the place of its options, and what stands between it and an answer."""
    fields = {"question": example.question, "options": _NOWHERE, "subject": subject.title}
    prompt = _LINE_OF_OPTIONS.sub("", filled(description.prompt, fields))
    return f"{prompt}{description.answer_separator}"


def _read(description: DescriptionConfig, response: Response) -> tuple[str, ...] | None:
    """The letter that a response gives; where options are answered by their text, the one that it consists of."""
    text = response.texts[-1]
    if description.scored == "options":
        said = text.strip()
        return (said,) if [option.strip() for option in response.options].count(said) == 1 else None
    letter = read_letter(text, description.letters[: len(response.options)], response.options)
    return None if letter is None else (letter,)
