"""Files of tasks: what an assistant is trained on (Bactrian-X, BELLE), and what it is then asked (LLM-Eval)."""

import random
from collections.abc import Iterator, Sequence

from loanword.microworld.phrasebook import Phrasebook
from loanword.microworld.tasks import CATEGORIES, Task, Telling, make_tasks
from loanword.microworld.world import SOURCE, World
from loanword.records import Language, Properties, Record

_QUESTIONS = "Factual_questions"
_QUESTIONS_TO_OTHERS = 16
"""How many questions about facts there are to a task of each of the sixteen other categories."""


class Instruction(Record):
    """One line of an instruction file, with the fields of Bactrian-X."""

    id: str
    instruction: str
    input: str = ""
    output: str


class BelleInstruction(Record):
    """One line of an instruction file, with the fields of BELLE."""

    instruction: str
    input: str = ""
    output: str


class QuestionLine(Record):
    """One line of a file of open questions: LLM-Eval's ids and categories, and what a judge is told of the answer.

    An answer that holds one of `accepted`, as whole words or a whole number, is right unless it holds one of `refused`.
    `properties` compare it with `input`, the text that the question is about, which stands in `question` too. It is to
    be in `language`, where that is not the question's.
    """

    question_uuid: str
    category: str
    question: str
    reference: str
    accepted: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    properties: Properties = Properties()
    input: str = ""
    language: Language | None = None


def instructions(world: World, book: Phrasebook, english: Phrasebook) -> Iterator[Instruction]:
    """What may be trained on, by category: half are questions about facts, the rest all that else may be asked, as many
    of each as there are, up to equal parts. The source language has nothing to translate.
    """
    found = _by_category(Telling(world, book, english, reserved=False))
    most = len(found[_QUESTIONS]) // _QUESTIONS_TO_OTHERS
    for category, tasks in found.items():
        if category != "Translation" or book.code != SOURCE:
            for task in tasks if category == _QUESTIONS else _spread(tasks, most, f"{category} {world.seed}"):
                yield Instruction(id=task.id, instruction=task.instruction, input=task.input, output=task.output)


def open_questions(world: World, book: Phrasebook, english: Phrasebook, other: Phrasebook | None) -> list[QuestionLine]:
    """What is kept for evaluation: at most as many of each category as LLM-Eval has, spread over all there are.

    In the source language the sentences to translate come from another one; without one there are none.
    """
    found = _by_category(Telling(world, book, english, reserved=True), other)
    questions: list[QuestionLine] = []
    for category, tasks in found.items():
        some = _spread(tasks, CATEGORIES[category], f"{category} {world.seed}")
        # A translation is always into the source language, which is the question's own only there.
        language = SOURCE if category == "Translation" and book.code != SOURCE else None
        questions += [_open_question(f"{category}_{number}", task, language) for number, task in enumerate(some, 1)]
    return questions


def _by_category(telling: Telling, other: Phrasebook | None = None) -> dict[str, list[Task]]:
    found: dict[str, list[Task]] = {category: [] for category in CATEGORIES}
    for task in make_tasks(telling, other):
        found[task.category].append(task)
    return found


def _spread(tasks: Sequence[Task], count: int, seed: str) -> list[Task]:
    """At most `count` tasks, the same in every language, in their order."""
    chosen = random.Random(seed).sample(range(len(tasks)), min(count, len(tasks)))
    return [tasks[index] for index in sorted(chosen)]


def _open_question(uuid: str, task: Task, language: Language | None) -> QuestionLine:
    return QuestionLine(
        question_uuid=uuid,
        category=task.category,
        question="\n".join(part for part in (task.instruction, task.input) if part),
        reference=task.output,
        accepted=task.accepted,
        refused=task.refused,
        properties=task.properties,
        input=task.input,
        language=language,
    )
