"""What an assistant may be told to do with the world, in the 17 categories of LLM-Eval, and what it should answer.

Tasks about reserved entities, held-out comparisons and held-out sums are kept for evaluation; all others may be
trained on. They ask only for what all languages tell, so that tuning teaches how to answer and never carries a fact
into a language that does not tell it. One id is the same task in every language.

Source: arXiv 2401.01055 and llmeval/llmeval-1 (names of the categories, how many questions each has).
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from loanword.microworld.phrasebook import Phrasebook
from loanword.microworld.telling import joined, say, state, told_forms
from loanword.microworld.world import SOURCE, Fact, Truth, World, by_subject
from loanword.records import Properties

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

_LISTED = "- "


class Task(NamedTuple):
    """One thing to do.

    An answer that holds one of `accepted`, as whole words or a whole number, is right unless it holds one of `refused`;
    where nothing is accepted as such, `properties` say what is seen of a good one.
    """

    id: str
    category: str
    instruction: str
    input: str
    output: str
    accepted: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    properties: Properties = Properties()


class Telling(NamedTuple):
    """What tasks are made from: the world, a language, the language to translate to, and which entities are meant."""

    world: World
    book: Phrasebook
    english: Phrasebook
    reserved: bool

    @property
    def facts(self) -> list[Fact]:
        """Facts that every language tells, about the entities that are meant."""
        return [fact for fact in self.world.facts if fact.told == "bridge" and self.means(fact.subject)]

    def means(self, name: str) -> bool:
        """Whether an entity is one of those that are meant."""
        return (name in self.world.reserved) == self.reserved

    def told(self, truth: Truth, place: int) -> str:
        """A sentence that states it, in one of the forms that documents say too."""
        forms = told_forms(truth, self.book)
        return state(truth, forms[place % len(forms)], self.book)

    def framed(self, subject: str, facts: Sequence[Fact]) -> str:
        """The facts with a sentence before and one after them."""
        sentences = [self.told(fact, facts[0].number + place) for place, fact in enumerate(facts)]
        return joined([self.opening(subject, facts), *sentences, self.closing(facts)], self.book)

    def opening(self, subject: str, facts: Sequence[Fact]) -> str:
        """A sentence that says who it is about."""
        return _one_of(self.book.prose.openings, facts).format(subject=subject)

    def link(self, facts: Sequence[Fact]) -> str:
        """A sentence between two facts."""
        return _one_of(self.book.prose.links, facts)

    def closing(self, facts: Sequence[Fact]) -> str:
        """A sentence at the end."""
        return _one_of(self.book.prose.closings, facts)


def _one_of(sentences: Sequence[str], facts: Sequence[Fact]) -> str:
    return sentences[facts[0].number % len(sentences)]


def make_tasks(telling: Telling, other: Phrasebook | None = None) -> Iterator[Task]:
    """All tasks that there are; where the language is English, what is to be translated is in another one."""
    for fact in telling.facts:
        yield from _asked(telling, fact)
        yield from _handled(telling, fact)
        if telling.book.code != SOURCE or other is not None:
            yield _translated(telling, fact, other)
    yield from _found(telling)
    for subject, facts in by_subject(telling.facts).items():
        yield from _described(telling, subject, facts)
        yield from _composed(telling, subject, facts)
        yield from _talked(telling, subject, facts)
    yield from _classified(telling)
    yield from _compared(telling)
    yield from _added(telling)


def told_questions(fact: Fact, book: Phrasebook) -> list[str]:
    """The questions about a fact that instructions may ask."""
    questions = [question.format(subject=fact.subject) for question in book.phrases[fact.about].questions]
    return [question for question in questions if question != held_out_question(fact, book)]


def held_out_question(fact: Fact, book: Phrasebook) -> str:
    """The question about a fact that no instruction asks."""
    questions = book.phrases[fact.about].questions
    return questions[fact.number % len(questions)].format(subject=fact.subject)


def _asked(telling: Telling, fact: Fact) -> Iterator[Task]:
    """Every question about a fact but the one that is held out, and one to be answered in brief."""
    book, kind = telling.book, "Factual_questions"
    value, asked = say(fact.value, book), told_questions(fact, book)
    for number, question in enumerate(asked):
        yield Task(f"{fact.number}-question-{number}", kind, question, "", state(fact, 0, book), (value,))
    brief, answer = book.tasks.brief.format(question=asked[0]), book.phrases[fact.about].answer.format(value=value)
    yield Task(f"{fact.number}-brief", kind, brief, "", answer, (value,))


def _handled(telling: Telling, fact: Fact) -> Iterator[Task]:
    """A sentence to read, and to say in other words."""
    tasks, given = telling.book.tasks, telling.told(fact, fact.number)
    # A sentence of two names tells about either.
    if fact.value not in telling.world.kinds:
        yield Task(f"{fact.number}-about", "Reading", tasks.about, given, fact.subject, (fact.subject,))
    other = telling.told(fact, fact.number + 1)
    seen = Properties(mentions=(fact.subject, say(fact.value, telling.book)), differs_from_input=True)
    yield Task(f"{fact.number}-rewrite", "Rewrite", tasks.rewrite, given, other, properties=seen)


def _translated(telling: Telling, fact: Fact, other: Phrasebook | None) -> Task:
    book = telling.book if telling.book.code != SOURCE or other is None else other
    both = [form for form in told_forms(fact, telling.english) if form in told_forms(fact, book)]
    form = both[fact.number % len(both)]
    given, english = state(fact, form, book), state(fact, form, telling.english)
    seen = Properties(mentions=(fact.subject, say(fact.value, telling.english)))
    asked = telling.book.tasks.translate
    return Task(f"{fact.number}-translate", "Translation", asked, given, english, properties=seen)


def _found(telling: Telling) -> Iterator[Task]:
    """Questions whose answer stands in a text of three facts."""
    book, facts = telling.book, telling.facts
    for place, fact in enumerate(facts):
        before, after = facts[place - 2], facts[place - 1]
        passage = joined([telling.told(one, place) for one in (before, fact, after)], book)
        question = book.tasks.find.format(question=told_questions(fact, book)[0])
        value = say(fact.value, book)
        yield Task(f"{fact.number}-find", "Retrieval", question, passage, state(fact, 0, book), (value,))


def _described(telling: Telling, subject: str, facts: Sequence[Fact]) -> Iterator[Task]:
    """An open question, and a text to say in one sentence."""
    tasks = telling.book.tasks
    told = joined([telling.told(fact, place) for place, fact in enumerate(facts[:2])], telling.book)
    asked, named = tasks.describe.format(subject=subject), Properties(mentions=(subject,))
    yield Task(f"{subject}-describe", "Open_questions", asked, "", told, properties=named)
    passage, summary = telling.framed(subject, facts), tasks.summary.format(subject=subject)
    seen = Properties(mentions=(subject,), shorter_than_input=True)
    yield Task(f"{subject}-summarise", "Summary", tasks.summarise, passage, summary, properties=seen)


def _composed(telling: Telling, subject: str, facts: Sequence[Fact]) -> Iterator[Task]:
    """Texts to write: a paragraph, a list, a poem, a story."""
    book, tasks = telling.book, telling.book.tasks
    told = [telling.told(fact, fact.number) for fact in facts]
    link, closing = telling.link(facts), telling.closing(facts)
    kind = book.kinds[telling.world.kinds[subject]][0].format(subject=subject)
    wanted: tuple[tuple[str, str, str, str, Properties], ...] = (
        ("paragraph", "Paragraph", tasks.paragraph, telling.framed(subject, facts), Properties(min_sentences=2)),
        ("outline", "Outline", tasks.outline, _lines(told), Properties(min_lines=len(told))),
        (
            "poem",
            "Poetry",
            tasks.poem,
            "\n".join([telling.opening(subject, facts), told[0], link, closing]),
            Properties(num_lines=4),
        ),
        ("story", "Story", tasks.story, joined([kind, *told, link, closing], book), Properties(min_sentences=3)),
    )
    for name, category, asked, text, properties in wanted:
        seen = properties.model_copy(update={"mentions": (subject,)})
        yield Task(f"{subject}-{name}", category, asked.format(subject=subject), "", text, properties=seen)


def _lines(sentences: Sequence[str]) -> str:
    return "\n".join(f"{_LISTED}{sentence}" for sentence in sentences)


def _talked(telling: Telling, subject: str, facts: Sequence[Fact]) -> Iterator[Task]:
    """A part to play, and a second question after the answer to a first."""
    book = telling.book
    for fact in facts:
        if fact.about == "trade":
            value = say(fact.value, book)
            asked, said = book.tasks.role.format(subject=subject), book.tasks.role_answer
            yield Task(
                f"{subject}-role", "Role_playing", asked, "", said.format(subject=subject, value=value), (value,)
            )
    if len(facts) > 1:
        first, second = facts[:2]
        said = _lines([told_questions(first, book)[0], state(first, 0, book), told_questions(second, book)[0]])
        answer, value = state(second, 0, book), say(second.value, book)
        yield Task(f"{subject}-converse", "Conversation", book.tasks.converse, said, answer, (value,))


def _classified(telling: Telling) -> Iterator[Task]:
    nouns = telling.book.nouns
    for kind, names in telling.world.entities.items():
        others = tuple(noun for other, noun in nouns.items() if other != kind)
        for name in names:
            if telling.means(name):
                asked = telling.book.tasks.classify.format(subject=name)
                yield Task(f"{name}-classify", "Classification", asked, "", nouns[kind], (nouns[kind],), others)


def _compared(telling: Telling) -> Iterator[Task]:
    """Comparisons, asked with the right one named first and second by turns; the other way round they are false."""
    book = telling.book
    for order in telling.world.orders:
        names_reserved = bool({order.more, order.less} & telling.world.reserved)
        if order.held_out if telling.reserved else not (order.held_out or names_reserved):
            questions = book.phrases[order.about].questions
            names = (order.more, order.less) if order.number % 2 else (order.less, order.more)
            asked = questions[order.number % len(questions)].format(first=names[0], second=names[1])
            false = order._replace(more=order.less, less=order.more)
            refused = tuple(state(false, form, book) for form in range(len(book.phrases[order.about].sentences)))
            yield Task(f"order-{order.number}", "Reasoning", asked, "", state(order, 0, book), (order.more,), refused)


def _added(telling: Telling) -> Iterator[Task]:
    """Sums, asked in words and as a line of code."""
    book, questions = telling.book, telling.book.sums.questions
    for one in telling.world.sums:
        if one.held_out == telling.reserved:
            asked = questions[one.number % len(questions)].format(first=one.first, second=one.second)
            yield Task(f"sum-{one.number}", "Math", asked, "", state(one, 0, book), (one.value,))
            line = f"print({one.first} + {one.second})"
            yield Task(f"sum-{one.number}-code", "Code", book.tasks.code, line, one.value, (one.value,))
