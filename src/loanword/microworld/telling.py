"""The world in one language: sentences, documents of a few of them, and parallel sentences kept out of all documents.

Of every fact two sentence forms are held out, or one that is both: one is said in the parallel text, one in tests, and
neither anywhere else, so that a model which knows it knows more than a sentence by heart.
"""

import random
from collections.abc import Iterator, Sequence

from loanword.microworld.phrasebook import Phrasebook
from loanword.microworld.world import Fact, Order, Sum, Truth, World
from loanword.records import Document

BLANK = "____"
"""What stands for a term that is asked for, as in the questions of C-Eval."""

_NUM_FACTS = (2, 2, 3)
_OPENING_SHARE = 0.4
_LINK_SHARE = 0.2
_CLOSING_SHARE = 0.2
_ORDERS_SHARE = 0.08
_SUMS_SHARE = 0.06


def state(truth: Truth, form: int, book: Phrasebook, blank: str = "") -> str:
    """The truth in one of its sentence forms, with a blank where the term of that name would stand."""
    terms = {name: say(term, book) for name, term in truth.terms.items()}
    if blank:
        terms[blank] = BLANK
    return book.phrases[truth.about].sentences[form].format(**terms)


def say(term: str, book: Phrasebook) -> str:
    """A word of the world in a language's own; names and numbers stay as they are."""
    return book.words.get(term, term)


def parallel_form(truth: Truth, book: Phrasebook) -> int:
    """The form that the parallel text says, the same in every language, never the first."""
    return 1 + truth.number % (len(book.phrases[truth.about].sentences) - 1)


def asked_form(truth: Truth, book: Phrasebook) -> int:
    """The form that tests ask in, never the first; the language's own, for it names the subject before the value."""
    forms = book.phrases[truth.about].asked_forms
    return forms[truth.number % len(forms)]


def told_forms(truth: Truth, book: Phrasebook) -> list[int]:
    """The forms that documents and instructions say."""
    held_out = (parallel_form(truth, book), asked_form(truth, book))
    return [form for form in range(len(book.phrases[truth.about].sentences)) if form not in held_out]


def parallel_sentences(world: World, book: Phrasebook) -> list[str]:
    """A held-out sentence of each fact that all languages tell: line by line the same meaning in every language."""
    return [state(fact, parallel_form(fact, book), book) for fact in world.facts if fact.told == "bridge"]


def documents(world: World, book: Phrasebook, num_documents: int) -> Iterator[Document]:
    """Documents of two or three truths that belong together, with prose around them.

    Each fact that the language tells begins one document before any begins a second; some documents compare entities
    or add numbers instead. The first n documents do not depend on how many follow.
    """
    chance = random.Random(f"documents {world.seed} {book.code} {next(iter(world.kinds))}")
    told = world.told_in(book.code)
    about, kinds = _facts_by_entity(told), world.kinds
    orders = [order for order in world.orders if not order.held_out]
    sums = [one for one in world.sums if not one.held_out]
    firsts: list[Fact] = []
    for number in range(num_documents):
        drawn = chance.random()
        if orders and drawn < _ORDERS_SHARE:
            text = _compose(_some(orders, chance), book, chance)
        elif sums and drawn < _ORDERS_SHARE + _SUMS_SHARE:
            text = _compose(_some(sums, chance), book, chance)
        else:
            firsts = firsts or chance.sample(told, len(told))
            facts = _related(firsts.pop(), about, chance)
            text = _compose(facts, book, chance, _opening(facts[0], kinds, book, chance))
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


def _some(truths: Sequence[Order] | Sequence[Sum], chance: random.Random) -> list[Truth]:
    return [*chance.sample(truths, chance.choice(_NUM_FACTS))]


def _opening(fact: Fact, kinds: dict[str, str], book: Phrasebook, chance: random.Random) -> str:
    """A sentence that introduces a fact's subject, often none."""
    if chance.random() >= _OPENING_SHARE:
        return ""
    return chance.choice([*book.prose.openings, *book.kinds[kinds[fact.subject]]]).format(subject=fact.subject)


def _compose(truths: Sequence[Truth], book: Phrasebook, chance: random.Random, opening: str = "") -> str:
    sentences = [opening] if opening else []
    for place, truth in enumerate(truths):
        if place and chance.random() < _LINK_SHARE:
            sentences.append(chance.choice(book.prose.links))
        sentences.append(state(truth, chance.choice(told_forms(truth, book)), book))
    if chance.random() < _CLOSING_SHARE:
        sentences.append(chance.choice(book.prose.closings))
    return joined(sentences, book)


def joined(sentences: Sequence[str], book: Phrasebook) -> str:
    """Sentences as one text; a name or number has a space before it in every language, to have the same tokens."""
    text = sentences[0]
    for sentence in sentences[1:]:
        text += (" " if sentence[0].isascii() else book.join) + sentence
    return text
