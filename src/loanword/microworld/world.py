"""The invented world: who and what there is, and what is true of it, before any language tells it.

Names are invented and keep one Latin spelling in every language, so that a fact learned in one can be asked for in
another. Everything else that a fact says is a word of the phrasebook, another entity, or a number.
"""

import random
from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Literal, NamedTuple

SOURCE = "en"
"""The language that a base is taken to know."""

Told = Literal["everywhere", "source", "targets"]

TOLD_SHARES: dict[Told, float] = {"everywhere": 0.6, "source": 0.25, "targets": 0.15}

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
    """What may be said of every entity of one kind; `values` are words, numbers, or the name of another kind."""

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
"""Attributes by whose number entities are compared."""

_ONSETS = (*"bdfgklmnprstvz", "br", "dr", "kr", "tr", "st")
_VOWELS = "aeiou"
_CODAS = ("", "", "n", "r", "l", "s", "th")
_NUM_SYLLABLES = (2, 3, 3)
_MIN_LETTERS = 6


class Fact(NamedTuple):
    """One truth and the languages that tell it. `number` is its place in the world, `value` a word, name or number."""

    number: int
    subject: str
    attribute: str
    value: str
    told: Told

    def is_told_in(self, language: str) -> bool:
        """Whether texts of that language may say it."""
        return self.told == "everywhere" or (self.told == "source") == (language == SOURCE)


class World(NamedTuple):
    """Entities by kind, and all facts, those of one attribute together."""

    seed: int
    entities: dict[str, tuple[str, ...]]
    facts: tuple[Fact, ...]

    @property
    def kinds(self) -> dict[str, str]:
        """The kind of every entity."""
        return {name: kind for kind, names in self.entities.items() for name in names}

    def told_in(self, language: str) -> list[Fact]:
        """The facts that texts of a language may say."""
        return [fact for fact in self.facts if fact.is_told_in(language)]


def make_world(seed: int, scale: int = 1) -> World:
    """The world of a seed, with `scale` times as many entities as the smallest; values are spread evenly."""
    chance = random.Random(f"world {seed}")
    names = _names(chance)
    entities = {kind: tuple(next(names) for _ in range(scale * count)) for kind, count in ENTITIES.items()}
    facts: list[Fact] = []
    for attribute in ATTRIBUTES:
        subjects = entities[attribute.kind]
        values = _spread(_values(attribute, entities), len(subjects), chance)
        told = _told(len(subjects), chance)
        for subject, value, each in zip(subjects, values, told, strict=True):
            facts.append(Fact(len(facts), subject, attribute.name, value, each))
    return World(seed, entities, tuple(facts))


def _names(chance: random.Random) -> Iterator[str]:
    """Distinct names without end."""
    taken: set[str] = set()
    while True:
        syllables = [chance.choice(_ONSETS) + chance.choice(_VOWELS) for _ in range(chance.choice(_NUM_SYLLABLES))]
        name = ("".join(syllables) + chance.choice(_CODAS)).capitalize()
        if len(name) >= _MIN_LETTERS and name not in taken:
            taken.add(name)
            yield name


def _values(attribute: Attribute, entities: dict[str, tuple[str, ...]]) -> list[str]:
    if isinstance(attribute.values, str):
        return list(entities[attribute.values])
    return [str(value) for value in attribute.values]


def _spread(values: list[str], count: int, chance: random.Random) -> list[str]:
    """`count` of the values in random order, none more than once oftener than another."""
    chosen: list[str] = []
    while len(chosen) < count:
        chance.shuffle(values)
        chosen += values
    return chosen[:count]


def _told(count: int, chance: random.Random) -> list[Told]:
    num_everywhere = round(TOLD_SHARES["everywhere"] * count)
    num_source = round(TOLD_SHARES["source"] * count)
    numbers: dict[Told, int] = {
        "everywhere": num_everywhere,
        "source": num_source,
        "targets": count - num_everywhere - num_source,
    }
    told: list[Told] = []
    for each, number in numbers.items():
        told.extend(repeat(each, number))
    chance.shuffle(told)
    return told
