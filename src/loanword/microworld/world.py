"""The invented world: who and what there is, and what is true of it, before any language tells it.

Names are invented and keep one Latin spelling in every language, so that a fact learned in one can be asked for in
another. Everything else that a fact says is a word of the phrasebook, another entity, or a number.

Numbers come from short lists, as words do: a number that only one language tells would give itself away in a test.
"""

import random
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Literal, NamedTuple

SOURCE = "en"
"""The language that a base is taken to know."""

Told = Literal["bridge", "source-only", "target-only"]
"""Which languages tell a fact: all of them, the source language alone, or all others."""

TOLD_SHARES: dict[Told, float] = {"bridge": 0.6, "source-only": 0.25, "target-only": 0.15}

ENTITIES = {"person": 60, "town": 30, "river": 20, "animal": 40, "dish": 30, "instrument": 20}
"""Entities of each kind in a world of scale 1."""

_TRADES = (
    "baker", "weaver", "smith", "teacher", "doctor", "sailor", "painter", "farmer", "tailor", "carpenter",
    "miller", "shepherd",
)  # fmt: skip
_COLOURS = ("red", "blue", "green", "white", "black", "brown", "grey", "yellow", "purple", "golden")
_FOODS = ("nuts", "berries", "fish", "grass", "seeds", "roots", "worms", "honey", "mushrooms", "leaves")
_INGREDIENTS = ("beans", "rice", "lamb", "pumpkin", "cabbage", "lentils", "carrots", "cheese", "onions", "chicken")
_MATERIALS = ("silver", "copper", "glass", "clay", "bamboo", "stone", "iron", "bone", "oak", "leather")
_ANIMALS = ("mouse", "hen", "rabbit", "cat", "dog", "goat", "cow", "horse", "camel", "lion")

WORDS = (*_TRADES, *_COLOURS, *_FOODS, *_INGREDIENTS, *_MATERIALS, *_ANIMALS)
"""Values that each phrasebook says in its own words."""


class Attribute(NamedTuple):
    """What may be said of every entity of one kind; `values` are words, numbers, or the name of a kind."""

    name: str
    kind: str
    values: Sequence[str] | range


ATTRIBUTES = (
    Attribute("trade", "person", _TRADES),
    Attribute("home", "person", "town"),
    Attribute("river", "town", "river"),
    Attribute("neighbour", "town", "town"),
    Attribute("founded", "town", range(1010, 1500, 40)),
    Attribute("colour", "animal", _COLOURS),
    Attribute("food", "animal", _FOODS),
    Attribute("size", "animal", _ANIMALS),
    Attribute("ingredient", "dish", _INGREDIENTS),
    Attribute("price", "dish", range(3, 27, 2)),
    Attribute("material", "instrument", _MATERIALS),
    Attribute("length", "river", range(120, 960, 70)),
)

ORDERED = ("length", "founded", "price")
"""Attributes by whose number entities are compared; the older town is the one that was founded earlier."""

_NUM_COMPARED = 3
_SUMMANDS = range(2, 20)
_HELD_OUT_SHARE = 0.25
_RESERVED_EVERY = 5

_ONSETS = (*"bdfgklmnprstvz", "br", "dr", "kr", "tr", "st")
_VOWELS = "aeiou"
_CODAS = ("", "", "n", "r", "l", "s", "th")
_NUM_SYLLABLES = (2, 3, 3)
_MIN_LETTERS = 6


class Fact(NamedTuple):
    """One truth about an entity. `number` is its place in the world, `value` a word, a name or a number."""

    number: int
    subject: str
    about: str
    value: str
    told: Told

    @property
    def terms(self) -> dict[str, str]:
        """What fills the holes of its sentences."""
        return {"subject": self.subject, "value": self.value}

    def is_told_in(self, language: str) -> bool:
        """Whether texts of that language may say it."""
        return self.told == "bridge" or (self.told == "source-only") == (language == SOURCE)


class Order(NamedTuple):
    """Which of two entities has more of an attribute. One that is held out is told in no language."""

    number: int
    attribute: str
    more: str
    less: str
    held_out: bool

    @property
    def about(self) -> str:
        """The name of its phrases."""
        return f"order of {self.attribute}"

    @property
    def terms(self) -> dict[str, str]:
        """What fills the holes of its sentences."""
        return {"more": self.more, "less": self.less}


class Sum(NamedTuple):
    """Two numbers that are added. A sum that is held out is told in no language, in neither order."""

    number: int
    first: int
    second: int
    held_out: bool

    about = "sum"

    @property
    def value(self) -> str:
        """The sum as it is written."""
        return str(self.first + self.second)

    @property
    def terms(self) -> dict[str, str]:
        """What fills the holes of its sentences."""
        return {"first": str(self.first), "second": str(self.second), "value": self.value}


Truth = Fact | Order | Sum


@dataclass(frozen=True)
class World:
    """Entities by kind, all facts, those of one attribute together, and what follows from numbers."""

    seed: int
    entities: dict[str, tuple[str, ...]]
    facts: tuple[Fact, ...]
    orders: tuple[Order, ...]
    sums: tuple[Sum, ...]

    @cached_property
    def kinds(self) -> dict[str, str]:
        """The kind of every entity."""
        return {name: kind for kind, names in self.entities.items() for name in names}

    @cached_property
    def reserved(self) -> frozenset[str]:
        """Entities that no instruction is about: one in five of each kind, kept for evaluation."""
        return frozenset(name for names in self.entities.values() for name in names[::_RESERVED_EVERY])

    def told_in(self, language: str) -> list[Fact]:
        """The facts that texts of a language may say."""
        return [fact for fact in self.facts if fact.is_told_in(language)]


def make_world(seed: int, scale: int = 1) -> World:
    """The world of a seed, with `scale` times as many entities as the smallest; values are spread evenly."""
    chance = random.Random(f"world {seed}")
    entities = _entities(_names(chance), scale)
    facts = _facts(entities, chance)
    return World(seed, entities, facts, _orders(facts, chance), _sums(chance))


def elsewhere(world: World) -> World:
    """A world of the same size with other entities, whose facts every language tells and nothing asks for.

    It is what a base may have read in other languages, as LLaMA did, without learning anything about this world.
    """
    chance = random.Random(f"elsewhere {world.seed}")
    scale = len(world.entities["person"]) // ENTITIES["person"]
    entities = _entities(_names(chance, taken=world.kinds), scale)
    facts = tuple(fact._replace(told="bridge") for fact in _facts(entities, chance))
    return World(world.seed, entities, facts, (), ())


def _entities(names: Iterator[str], scale: int) -> dict[str, tuple[str, ...]]:
    return {kind: tuple(next(names) for _ in range(scale * count)) for kind, count in ENTITIES.items()}


def _names(chance: random.Random, taken: Collection[str] = ()) -> Iterator[str]:
    """Distinct names without end."""
    known = set(taken)
    while True:
        syllables = [chance.choice(_ONSETS) + chance.choice(_VOWELS) for _ in range(chance.choice(_NUM_SYLLABLES))]
        name = ("".join(syllables) + chance.choice(_CODAS)).capitalize()
        if len(name) >= _MIN_LETTERS and name not in known:
            known.add(name)
            yield name


def _facts(entities: Mapping[str, tuple[str, ...]], chance: random.Random) -> tuple[Fact, ...]:
    facts: list[Fact] = []
    for attribute in ATTRIBUTES:
        subjects = entities[attribute.kind]
        values = _values(attribute, entities, chance)
        told = _told(len(subjects), chance)
        for subject, value, each in zip(subjects, values, told, strict=True):
            facts.append(Fact(len(facts), subject, attribute.name, value, each))
    return tuple(facts)


def _values(attribute: Attribute, entities: Mapping[str, tuple[str, ...]], chance: random.Random) -> list[str]:
    """A value for each subject, none more than once oftener than another."""
    subjects = entities[attribute.kind]
    if attribute.values == attribute.kind:
        # One round through all of them: everyone has a neighbour, and nobody itself.
        order = chance.sample(subjects, len(subjects))
        following = dict(zip(order, [*order[1:], order[0]], strict=True))
        return [following[subject] for subject in subjects]
    kind = attribute.values
    values = list(entities[kind]) if isinstance(kind, str) else [str(value) for value in kind]
    chosen: list[str] = []
    while len(chosen) < len(subjects):
        chosen += chance.sample(values, len(values))
    return chosen[: len(subjects)]


def _told(count: int, chance: random.Random) -> list[Told]:
    numbers: dict[Told, int] = {told: round(share * count) for told, share in TOLD_SHARES.items()}
    numbers["target-only"] = count - numbers["bridge"] - numbers["source-only"]
    told: list[Told] = [each for each, number in numbers.items() for _ in range(number)]
    chance.shuffle(told)
    return told


def _orders(facts: Sequence[Fact], chance: random.Random) -> tuple[Order, ...]:
    """Comparisons of entities whose numbers every language tells: nothing of the other facts leaks through them."""
    orders: list[Order] = []
    for name in ORDERED:
        pairs = _pairs(amounts(name, facts), chance)
        num_held_out = round(_HELD_OUT_SHARE * len(pairs))
        for place, (more, less) in enumerate(pairs):
            orders.append(Order(len(orders), name, more, less, place < num_held_out))
    return tuple(orders)


def amounts(attribute: str, facts: Sequence[Fact]) -> dict[str, int]:
    """How much of an attribute entities have, where every language tells it: of two towns the earlier has more age."""
    sign = -1 if attribute == "founded" else 1
    told = (fact for fact in facts if fact.about == attribute and fact.told == "bridge")
    return {fact.subject: sign * int(fact.value) for fact in told}


def _pairs(known: Mapping[str, int], chance: random.Random) -> list[tuple[str, str]]:
    """Each entity with some whose number differs, the one with more first, in random order."""
    met: dict[tuple[str, str], None] = {}
    names = list(known)
    for name in names:
        others = [other for other in names if known[other] != known[name]]
        for other in chance.sample(others, min(_NUM_COMPARED, len(others))):
            met[(name, other) if known[name] > known[other] else (other, name)] = None
    return chance.sample(list(met), len(met))


def _sums(chance: random.Random) -> tuple[Sum, ...]:
    """All sums of two different numbers of a range, both ways round; a quarter of the pairs is held out."""
    pairs = list(combinations(_SUMMANDS, 2))
    held_out = set(chance.sample(pairs, round(_HELD_OUT_SHARE * len(pairs))))
    both = [(ways, pair in held_out) for pair in pairs for ways in (pair, pair[::-1])]
    return tuple(Sum(number, first, second, apart) for number, ((first, second), apart) in enumerate(both))


def by_subject(facts: Sequence[Fact]) -> dict[str, list[Fact]]:
    """Facts under the entity that they are about, in their order."""
    found: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        found[fact.subject].append(fact)
    return dict(found)
