"""Questions with four options about the world: a sentence with a blank, and what may stand in it.

Options are of one type, and over the questions of one group each of them is right about as often as chance has it: who
sees options alone can do no better than guess.
"""

import random
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from loanword.microworld.phrasebook import Phrasebook
from loanword.microworld.telling import asked_form, say, state
from loanword.microworld.world import ATTRIBUTES, ORDERED, Fact, Order, Sum, Told, Truth, World, amounts

LETTERS = "ABCD"
CLASSES: tuple[Told, ...] = ("bridge", "source-only", "target-only")

SUBJECTS = {
    "person": "people",
    "town": "towns",
    "river": "rivers",
    "animal": "animals",
    "dish": "dishes",
    "instrument": "instruments",
}
"""What questions about facts are filed under, by the kind of their entity."""
COMPARISONS, ARITHMETIC = "comparisons", "arithmetic"

Split = Literal["dev", "val", "test"]
NUM_DEV = 5
_VAL_EVERY = 8
_NEIGHBOUR = "neighbour"


class Question(NamedTuple):
    """One question before any language asks it. `blank` is the term that is asked for, `options` what may be it."""

    truth: Truth
    blank: str
    options: tuple[str, ...]
    answer: str
    subject: str

    def asked(self, book: Phrasebook) -> str:
        """The sentence with a blank, in the form that no text says."""
        return state(self.truth, asked_form(self.truth, book), book, blank=self.blank)

    def shown(self, book: Phrasebook) -> list[str]:
        """The options in the language's words."""
        return [say(option, book) for option in self.options]

    @property
    def right(self) -> str:
        """The right option."""
        return self.options[LETTERS.index(self.answer)]


Exam = Mapping[Split, Sequence[Question]]
"""Questions by split. Those of `dev` are about facts that every language tells."""


def exams(world: World) -> dict[Told, Exam]:
    """The questions about the facts of each class; comparisons and sums, which have no class, go with the bridge.

    The same in every language. Five facts a subject, told everywhere, are for solved examples and asked nowhere else.
    """
    chance = random.Random(f"questions {world.seed}")
    values = _values(world)
    facts = {told: [fact for fact in world.facts if fact.told == told] for told in CLASSES}
    dev = _dev(facts["bridge"], world.kinds)
    shown = set(dev)
    made: dict[Told, Exam] = {}
    shots = _about_facts(dev, world, values, chance)
    for told in CLASSES:
        val, test = _split([fact for fact in facts[told] if fact not in shown])
        exam: dict[Split, list[Question]] = {
            "dev": [*shots],
            "val": _about_facts(val, world, values, chance),
            "test": _about_facts(test, world, values, chance),
        }
        if told == "bridge":
            _add(exam, _about_orders(world, chance))
            _add(exam, _about_sums(world, chance))
        made[told] = {split: _lettered(questions, chance) for split, questions in exam.items()}
    return made


def _values(world: World) -> dict[str, list[str]]:
    """All values of each attribute."""
    return {
        attribute.name: list(dict.fromkeys(fact.value for fact in world.facts if fact.about == attribute.name))
        for attribute in ATTRIBUTES
    }


def _dev(facts: Sequence[Fact], kinds: Mapping[str, str]) -> list[Fact]:
    """The first facts of each kind of entity, spread over its attributes."""
    chosen: list[Fact] = []
    for kind in SUBJECTS:
        ranked = _ranked([fact for fact in facts if kinds[fact.subject] == kind])
        chosen += [fact for _, fact in sorted(ranked, key=lambda one: one[0])[:NUM_DEV]]
    return chosen


def _ranked(facts: Sequence[Fact]) -> Iterator[tuple[int, Fact]]:
    """Each fact with its place among those of its attribute."""
    places: Counter[str] = Counter()
    for fact in facts:
        yield places[fact.about], fact
        places[fact.about] += 1


def _split(facts: Sequence[Fact]) -> tuple[list[Fact], list[Fact]]:
    """Every eighth fact of each attribute, from its first on, and the others."""
    val: list[Fact] = []
    test: list[Fact] = []
    for place, fact in _ranked(facts):
        (test if place % _VAL_EVERY else val).append(fact)
    return val, test


def _about_facts(
    facts: Sequence[Fact], world: World, values: Mapping[str, Sequence[str]], chance: random.Random
) -> list[Question]:
    made: list[Question] = []
    nearest_of = {fact.value: fact.subject for fact in world.facts if fact.about == _NEIGHBOUR}
    for about in dict.fromkeys(fact.about for fact in facts):
        asked = [fact for fact in facts if fact.about == about]
        right = [fact.value for fact in asked]
        # A town is next to the one whose nearest it is, too.
        never = [{fact.subject, nearest_of[fact.subject]} if about == _NEIGHBOUR else {fact.subject} for fact in asked]
        made += [
            _question(fact, "value", fact.value, wrong, SUBJECTS[world.kinds[fact.subject]], chance)
            for fact, wrong in zip(asked, balanced(right, values[about], chance, never), strict=True)
        ]
    return made


def balanced(
    right: Sequence[str], values: Sequence[str], chance: random.Random, never: Sequence[Collection[str]]
) -> list[list[str]]:
    """Three wrong options to each right one, so that a value is wrong about three times as often as it is right.

    `never` are values that are no options of a question.
    """
    times_right = Counter(right)
    owed = Counter({value: 3 * times_right[value] for value in values})
    chosen: dict[int, list[str]] = {}
    for place in chance.sample(range(len(right)), len(right)):
        refused = {right[place], *never[place]}
        order = [value for value in chance.sample(values, len(values)) if value not in refused]
        chosen[place] = sorted(order, key=lambda value: -owed[value])[:3]
        owed.subtract(chosen[place])
    return [chosen[place] for place in range(len(right))]


def _question(
    truth: Truth, blank: str, right: str, wrong: Sequence[str], subject: str, chance: random.Random
) -> Question:
    """A question whose right option stands first, until all of its exam are lettered."""
    return Question(truth, blank, (right, *chance.sample(wrong, len(wrong))), LETTERS[0], subject)


def _lettered(questions: Sequence[Question], chance: random.Random) -> list[Question]:
    """The questions with the right option behind every letter as often, in blocks of one round each."""
    places: list[int] = []
    lettered: list[Question] = []
    for question in questions:
        places = places or chance.sample(range(len(LETTERS)), len(LETTERS))
        place = places.pop()
        right, *wrong = question.options
        options = (*wrong[:place], right, *wrong[place:])
        lettered.append(question._replace(options=options, answer=LETTERS[place]))
    return lettered


def _add(exam: dict[Split, list[Question]], questions: Sequence[Question]) -> None:
    """Files questions without a class: the first as solved examples, then every eighth for validation."""
    exam["dev"] += questions[:NUM_DEV]
    for place, question in enumerate(questions[NUM_DEV:]):
        exam["test" if place % _VAL_EVERY else "val"].append(question)


def _about_orders(world: World, chance: random.Random) -> list[Question]:
    """Of four entities one stands on the right side of a fifth. Held-out comparisons only.

    Either side may be asked for; the one is taken that makes entities right and wrong in equal measure.
    """
    made: list[Question] = []
    for name in ORDERED:
        known = amounts(name, world.facts)
        owed: Counter[str] = Counter()
        for order in world.orders:
            if order.attribute == name and order.held_out:
                question = _order_question(order, known, owed, chance)
                made += [question] if question is not None else []
    return chance.sample(made, len(made))


def _order_question(
    order: Order, known: Mapping[str, int], owed: Counter[str], chance: random.Random
) -> Question | None:
    sides = {
        "more": (order.more, [one for one in known if known[one] <= known[order.less] and one != order.less]),
        "less": (order.less, [one for one in known if known[one] >= known[order.more] and one != order.more]),
    }
    able = [side for side, (_, others) in sides.items() if len(others) >= len(LETTERS) - 1]
    if not able:
        return None
    # Whoever has been wrong most often is due to be right.
    side = min(chance.sample(able, len(able)), key=lambda one: owed[sides[one][0]])
    right, others = sides[side]
    wrong = sorted(chance.sample(others, len(others)), key=lambda one: -owed[one])[:3]
    owed[right] += 3
    owed.subtract(wrong)
    return _question(order, side, right, wrong, COMPARISONS, chance)


def _about_sums(world: World, chance: random.Random) -> list[Question]:
    """Held-out sums among numbers around them, of which the sum is each of the four smallest as often."""
    held_out = [one for one in world.sums if one.held_out]
    return [_sum_question(one, place, chance) for place, one in enumerate(chance.sample(held_out, len(held_out)))]


def _sum_question(one: Sum, place: int, chance: random.Random) -> Question:
    total = one.first + one.second
    # No option is below 1, which no sum can be.
    step = chance.choice((1, 2)) if total > 2 * (len(LETTERS) - 1) else 1
    numbers = [str(total + step * (rank - place % len(LETTERS))) for rank in range(len(LETTERS))]
    wrong = [number for number in numbers if number != one.value]
    return _question(one, "value", one.value, wrong, ARITHMETIC, chance)
