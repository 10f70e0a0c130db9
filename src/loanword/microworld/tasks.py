"""What an assistant may be told to do with the world, in the 17 categories of LLM-Eval, and what it should answer.

Tasks about reserved entities, held-out comparisons and held-out sums are kept for evaluation; all others may be
trained on. They ask only for what all languages tell, so that tuning teaches how to answer and never carries a fact
into a language that does not tell it. One id is the same task in every language.

Source: arXiv 2401.01055 and llmeval/llmeval-1 (names of the categories, how many questions each has).
"""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from pydantic import Field

from loanword.microworld.phrasebook import Phrasebook
from loanword.microworld.telling import joined, say, state, told_forms
from loanword.microworld.world import SOURCE, Fact, Sum, Truth, World, by_subject
from loanword.records import Count, Record

CATEGORIES = {
    "Factual_questions": 88,
    "Open_questions": 39,
    "Retrieval": 35,
    "Code": 34,
    "Role_playing": 31,
    "Math": 24,
    "Reading": 23,
    "Rewrite": 22,
    "Classification": 20,
    "Translation": 20,
    "Reasoning": 19,
    "Paragraph": 18,
    "Outline": 17,
    "Poetry": 17,
    "Story": 17,
    "Conversation": 15,
    "Summary": 14,
}
"""LLM-Eval's categories and how many questions each has: 453 in all."""

_SPEAKER = "- "
_QUESTIONS = "Factual_questions"
_QUESTIONS_TO_OTHERS = 16
"""How many questions about facts there are to a task of each of the sixteen other categories."""


class Properties(Record):
    """What can be seen of a good answer without understanding it; what is not set is not asked for."""

    mentions: tuple[str, ...] = ()
    min_sentences: Count = 0
    num_lines: Count = 0
    min_lines: Count = 0
    differs_from_input: bool = False
    shorter_than_input: bool = False


class Task(NamedTuple):
    """One thing to do. Any of `accepted` in an answer makes it right; where there is none, `properties` say more."""

    id: str
    category: str
    instruction: str
    input: str
    output: str
    accepted: tuple[str, ...] = ()
    properties: Properties = Properties()


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


class OpenQuestion(Record):
    """One line of a file of open questions: LLM-Eval's ids and categories, and what a judge is told of the answer."""

    question_uuid: str
    category: str
    question: str
    reference: str
    accepted: tuple[str, ...] = Field(default=())
    properties: Properties = Properties()


class _Telling(NamedTuple):
    """What tasks are made from: the world, a language, the language to translate to, and which entities are meant."""

    world: World
    book: Phrasebook
    english: Phrasebook
    reserved: bool

    @property
    def facts(self) -> list[Fact]:
        """Facts that every language tells, about the entities that are meant."""
        kept = self.world.reserved
        return [one for one in self.world.facts if one.told == "bridge" and (one.subject in kept) == self.reserved]

    def told(self, truth: Truth, place: int) -> str:
        """A sentence that states it, in one of the forms that documents say too."""
        forms = told_forms(truth, self.book)
        return state(truth, forms[place % len(forms)], self.book)


def instructions(world: World, book: Phrasebook, english: Phrasebook) -> Iterator[Instruction]:
    """What may be trained on, in an order without meaning: half are questions about facts, the rest all that else
    may be asked, in equal parts. The source language has nothing to translate.
    """
    found = _by_category(_Telling(world, book, english, reserved=False))
    most = len(found[_QUESTIONS]) // _QUESTIONS_TO_OTHERS
    for category, tasks in found.items():
        if category != "Translation" or book.code != SOURCE:
            for task in tasks if category == _QUESTIONS else _spread(tasks, most, f"{category} {world.seed}"):
                yield Instruction(id=task.id, instruction=task.instruction, input=task.input, output=task.output)


def open_questions(world: World, book: Phrasebook, english: Phrasebook, other: Phrasebook) -> list[OpenQuestion]:
    """What is kept for evaluation: at most as many of each category as LLM-Eval has, spread over all there are.

    In the source language the sentences to translate come from another one.
    """
    found = _by_category(_Telling(world, book, english, reserved=True), other)
    questions: list[OpenQuestion] = []
    for category, tasks in found.items():
        some = _spread(tasks, CATEGORIES[category], f"{category} {world.seed}")
        questions += [_open_question(f"{category}_{number}", task) for number, task in enumerate(some, start=1)]
    return questions


def _by_category(telling: _Telling, other: Phrasebook | None = None) -> dict[str, list[Task]]:
    found: dict[str, list[Task]] = {category: [] for category in CATEGORIES}
    for task in _tasks(telling, other):
        found[task.category].append(task)
    return found


def _spread(tasks: Sequence[Task], count: int, seed: str) -> list[Task]:
    """At most `count` tasks, the same in every language, in their order."""
    chosen = random.Random(seed).sample(range(len(tasks)), min(count, len(tasks)))
    return [tasks[index] for index in sorted(chosen)]


def _open_question(uuid: str, task: Task) -> OpenQuestion:
    return OpenQuestion(
        question_uuid=uuid,
        category=task.category,
        question="\n".join(part for part in (task.instruction, task.input) if part),
        reference=task.output,
        accepted=task.accepted,
        properties=task.properties,
    )


def _tasks(telling: _Telling, other: Phrasebook | None = None) -> Iterator[Task]:
    makers: tuple[Callable[[_Telling], Iterator[Task]], ...] = (
        _factual, _found, _read, _rewritten, _about_entities, _spoken, _classified, _written, _continued, _compared,
        _added,
    )  # fmt: skip
    for make in makers:
        yield from make(telling)
    yield from _translated(telling, other)


def _factual(telling: _Telling) -> Iterator[Task]:
    """Every question about every fact but the one that is held out, and one to be answered in brief."""
    book = telling.book
    for fact in telling.facts:
        phrases, value = book.phrases[fact.about], say(fact.value, book)
        asked = told_questions(fact, book)
        for number, question in enumerate(asked):
            id = f"{fact.number}-question-{number}"
            yield Task(id, "Factual_questions", question, "", state(fact, 0, book), (value,))
        brief = book.tasks.brief.format(question=asked[0])
        yield Task(f"{fact.number}-brief", "Factual_questions", brief, "", phrases.answer.format(value=value), (value,))


def told_questions(fact: Fact, book: Phrasebook) -> list[str]:
    """The questions about a fact that instructions may ask."""
    questions = book.phrases[fact.about].questions
    kept = [question for number, question in enumerate(questions) if number != held_out_question(fact, book)]
    return [question.format(subject=fact.subject) for question in kept]


def held_out_question(fact: Fact, book: Phrasebook) -> int:
    """Which question about a fact no instruction asks."""
    return fact.number % len(book.phrases[fact.about].questions)


def _found(telling: _Telling) -> Iterator[Task]:
    """Questions whose answer stands in a text of three facts of one kind."""
    book, facts = telling.book, telling.facts
    for place, fact in enumerate(facts):
        beside = [one for one in (facts[place - 1], facts[place - 2]) if one is not fact]
        told = [*beside[:1], fact, *beside[1:]]
        passage = joined([telling.told(one, place) for one in told], book)
        question = book.tasks.find.format(question=told_questions(fact, book)[0])
        value = say(fact.value, book)
        yield Task(f"{fact.number}-find", "Retrieval", question, passage, state(fact, 0, book), (value,))


def _read(telling: _Telling) -> Iterator[Task]:
    for fact in telling.facts:
        asked, sentence = telling.book.tasks.about, telling.told(fact, fact.number)
        yield Task(f"{fact.number}-about", "Reading", asked, sentence, fact.subject, (fact.subject,))


def _rewritten(telling: _Telling) -> Iterator[Task]:
    for fact in telling.facts:
        given, other = telling.told(fact, fact.number), telling.told(fact, fact.number + 1)
        seen = Properties(mentions=(fact.subject, say(fact.value, telling.book)), differs_from_input=True)
        yield Task(f"{fact.number}-rewrite", "Rewrite", telling.book.tasks.rewrite, given, other, (), seen)


def _translated(telling: _Telling, other: Phrasebook | None) -> Iterator[Task]:
    book = telling.book if telling.book.code != SOURCE or other is None else other
    for fact in telling.facts:
        both = [form for form in told_forms(fact, telling.english) if form in told_forms(fact, book)]
        form = both[fact.number % len(both)]
        given, english = state(fact, form, book), state(fact, form, telling.english)
        seen = Properties(mentions=(fact.subject, say(fact.value, telling.english)))
        yield Task(f"{fact.number}-translate", "Translation", telling.book.tasks.translate, given, english, (), seen)


def _about_entities(telling: _Telling) -> Iterator[Task]:
    """Open questions, and texts to summarise."""
    tasks = telling.book.tasks
    for subject, facts in by_subject(telling.facts).items():
        told = joined([telling.told(fact, place) for place, fact in enumerate(facts[:2])], telling.book)
        asked = tasks.describe.format(subject=subject)
        yield Task(f"{subject}-describe", "Open_questions", asked, "", told, (), Properties(mentions=(subject,)))
        passage = _text(telling, subject, facts)
        seen = Properties(mentions=(subject,), shorter_than_input=True)
        summary = tasks.summary.format(subject=subject)
        yield Task(f"{subject}-summarise", "Summary", tasks.summarise, passage, summary, (), seen)


def _text(telling: _Telling, subject: str, facts: Sequence[Fact]) -> str:
    prose, number = telling.book.prose, facts[0].number
    opening = prose.openings[number % len(prose.openings)].format(subject=subject)
    sentences = [telling.told(fact, number + place) for place, fact in enumerate(facts)]
    return joined([opening, *sentences, prose.closings[number % len(prose.closings)]], telling.book)


def _spoken(telling: _Telling) -> Iterator[Task]:
    tasks = telling.book.tasks
    for fact in telling.facts:
        if fact.about == "trade":
            value = say(fact.value, telling.book)
            asked = tasks.role.format(subject=fact.subject)
            said = tasks.role_answer.format(subject=fact.subject, value=value)
            yield Task(f"{fact.subject}-role", "Role_playing", asked, "", said, (value,))


def _classified(telling: _Telling) -> Iterator[Task]:
    for kind, names in telling.world.entities.items():
        noun = telling.book.nouns[kind]
        for name in names:
            if (name in telling.world.reserved) == telling.reserved:
                asked = telling.book.tasks.classify.format(subject=name)
                yield Task(f"{name}-classify", "Classification", asked, "", noun, (noun,))


def _written(telling: _Telling) -> Iterator[Task]:
    """Texts to write: a paragraph, a list, a poem, a story."""
    book, tasks = telling.book, telling.book.tasks
    kinds = telling.world.kinds
    for subject, facts in by_subject(telling.facts).items():
        told = [telling.told(fact, fact.number) for fact in facts]
        named = Properties(mentions=(subject,))
        paragraph = tasks.paragraph.format(subject=subject)
        several = named.model_copy(update={"min_sentences": 2})
        yield Task(f"{subject}-paragraph", "Paragraph", paragraph, "", _text(telling, subject, facts), (), several)
        outline, listed = tasks.outline.format(subject=subject), "\n".join(f"{_SPEAKER}{one}" for one in told)
        lines = named.model_copy(update={"min_lines": len(told)})
        yield Task(f"{subject}-outline", "Outline", outline, "", listed, (), lines)
        four = [_opening(telling, subject, facts), told[0], *_links(book, facts), _closing(book, facts)]
        poem = tasks.poem.format(subject=subject)
        yield Task(
            f"{subject}-poem", "Poetry", poem, "", "\n".join(four), (), named.model_copy(update={"num_lines": 4})
        )
        kind = book.kinds[kinds[subject]][0].format(subject=subject)
        story = joined([kind, *told, *_links(book, facts), _closing(book, facts)], book)
        yield Task(
            f"{subject}-story",
            "Story",
            tasks.story.format(subject=subject),
            "",
            story,
            (),
            named.model_copy(update={"min_sentences": 3}),
        )


def _opening(telling: _Telling, subject: str, facts: Sequence[Fact]) -> str:
    openings = telling.book.prose.openings
    return openings[facts[0].number % len(openings)].format(subject=subject)


def _links(book: Phrasebook, facts: Sequence[Fact]) -> list[str]:
    return [book.prose.links[facts[0].number % len(book.prose.links)]]


def _closing(book: Phrasebook, facts: Sequence[Fact]) -> str:
    return book.prose.closings[facts[0].number % len(book.prose.closings)]


def _continued(telling: _Telling) -> Iterator[Task]:
    """A question, its answer, and a second question about the same entity."""
    book = telling.book
    for subject, facts in by_subject(telling.facts).items():
        if len(facts) > 1:
            first, second = facts[:2]
            lines = [told_questions(first, book)[0], state(first, 0, book), told_questions(second, book)[0]]
            said = "\n".join(f"{_SPEAKER}{line}" for line in lines)
            value = say(second.value, book)
            yield Task(
                f"{subject}-converse", "Conversation", book.tasks.converse, said, state(second, 0, book), (value,)
            )


def _compared(telling: _Telling) -> Iterator[Task]:
    """Comparisons, asked with the right one named first and second by turns."""
    book = telling.book
    for order in telling.world.orders:
        if order.held_out == telling.reserved:
            questions = book.phrases[order.about].questions
            names = (order.more, order.less) if order.number % 2 else (order.less, order.more)
            asked = questions[order.number % len(questions)].format(first=names[0], second=names[1])
            yield Task(f"order-{order.number}", "Reasoning", asked, "", state(order, 0, book), (order.more,))


def _added(telling: _Telling) -> Iterator[Task]:
    book = telling.book
    for one in telling.world.sums:
        if one.held_out == telling.reserved:
            asked = _sum_question(one, book)
            yield Task(f"sum-{one.number}", "Math", asked, "", state(one, 0, book), (one.value,))
            line = f"print({one.first} + {one.second})"
            yield Task(f"sum-{one.number}-code", "Code", book.tasks.code, line, one.value, (one.value,))


def _sum_question(one: Sum, book: Phrasebook) -> str:
    questions = book.sums.questions
    return questions[one.number % len(questions)].format(first=one.first, second=one.second)
