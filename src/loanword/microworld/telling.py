"""The world in one language: sentences, documents of a few of them, and parallel sentences kept out of all documents.

Of every fact that all languages tell, one sentence form is held out: it is said in the parallel text and nowhere
else, so that a model which predicts it well knows more than a sentence by heart.
"""

import random
from collections.abc import Iterator, Sequence

from loanword.microworld.phrasebook import Phrasebook
from loanword.microworld.world import Fact, World
from loanword.records import Document

_NUM_FACTS = (2, 2, 3)
_OPENING_SHARE = 0.4
_LINK_SHARE = 0.2
_CLOSING_SHARE = 0.2


def state(fact: Fact, form: int, book: Phrasebook) -> str:
    """The fact in one of its attribute's sentence forms."""
    template = book.attributes[fact.attribute].sentences[form]
    return template.format(subject=fact.subject, value=say_value(fact, book))


def say_value(fact: Fact, book: Phrasebook) -> str:
    """The fact's value in the language's word for it; names and numbers stay as they are."""
    return book.words.get(fact.value, fact.value)


def held_out_form(fact: Fact, book: Phrasebook) -> int | None:
    """The form that no document says, never the first; None where only some languages tell the fact."""
    if fact.told != "everywhere":
        return None
    return 1 + fact.number % (len(book.attributes[fact.attribute].sentences) - 1)


def parallel_sentences(world: World, book: Phrasebook) -> list[str]:
    """The held-out sentence of each fact that all languages tell: line by line the same meaning in every language."""
    held_out = ((fact, held_out_form(fact, book)) for fact in world.facts)
    return [state(fact, form, book) for fact, form in held_out if form is not None]


def documents(world: World, book: Phrasebook, num_documents: int) -> Iterator[Document]:
    """Documents of two or three facts that belong together, with prose around them.

    Each fact that the language tells begins one document before any begins a second; the first n documents do not
    depend on how many follow.
    """
    chance = random.Random(f"documents {world.seed} {book.code}")
    told = world.told_in(book.code)
    about = _facts_by_entity(told)
    kinds = world.kinds
    firsts: list[Fact] = []
    for number in range(num_documents):
        if not firsts:
            firsts = chance.sample(told, len(told))
        facts = _related(firsts.pop(), about, chance)
        text = _compose(facts, kinds[facts[0].subject], book, chance)
        yield Document(id=f"{book.code}-{number:07}", text=text)


def _facts_by_entity(facts: Sequence[Fact]) -> dict[str, list[Fact]]:
    about: dict[str, list[Fact]] = {}
    for fact in facts:
        for name in (fact.subject, fact.value):
            about.setdefault(name, []).append(fact)
    return about


def _related(first: Fact, about: dict[str, list[Fact]], chance: random.Random) -> list[Fact]:
    """The fact, and others, each about the subject or the value of the one before it."""
    facts = [first]
    for _ in range(chance.choice(_NUM_FACTS) - 1):
        near = [[fact for fact in about[name] if fact not in facts] for name in (facts[-1].subject, facts[-1].value)]
        new = [some for some in near if some]
        if new:
            facts.append(chance.choice(chance.choice(new)))
    return facts


def _compose(facts: Sequence[Fact], kind: str, book: Phrasebook, chance: random.Random) -> str:
    sentences: list[str] = []
    if chance.random() < _OPENING_SHARE:
        opening = chance.choice([*book.prose.openings, *book.kinds[kind]])
        sentences.append(opening.format(subject=facts[0].subject))
    for place, fact in enumerate(facts):
        if place and chance.random() < _LINK_SHARE:
            sentences.append(chance.choice(book.prose.links))
        sentences.append(state(fact, _seen_form(fact, book, chance), book))
    if chance.random() < _CLOSING_SHARE:
        sentences.append(chance.choice(book.prose.closings))
    return _joined(sentences, book.join)


def _seen_form(fact: Fact, book: Phrasebook, chance: random.Random) -> int:
    held_out = held_out_form(fact, book)
    forms = range(len(book.attributes[fact.attribute].sentences))
    return chance.choice([form for form in forms if form != held_out])


def _joined(sentences: Sequence[str], join: str) -> str:
    """Sentences as one text; a name or number has a space before it in every language, to have the same tokens."""
    text = sentences[0]
    for sentence in sentences[1:]:
        text += (" " if sentence[0].isascii() else join) + sentence
    return text
