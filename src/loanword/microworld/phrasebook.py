"""What a language needs to tell the world: one data file a language, and no code.

In: languages/<code>.toml. Besides plain words it holds
    [kinds]                 sentences that introduce an entity of a kind
    [prose]                 openings before, links between and closings after the facts of a document
    [attributes.<name>]     sentences that state a fact, questions for it, and a brief answer
with `{subject}`, `{value}` or `{question}` where a name, a word or a question goes.

The k-th sentence of an attribute means the same in every language: that makes the parallel text.
"""

import tomllib
from collections.abc import Iterator, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Annotated

from pydantic import Field, model_validator

from loanword.errors import UserError
from loanword.microworld.world import ATTRIBUTES, ENTITIES, SOURCE, WORDS
from loanword.records import Language, Record, canonical_json

MIN_SENTENCES = 6

Templates = Annotated[tuple[str, ...], Field(min_length=1)]


class AttributePhrases(Record):
    """How one attribute is told and asked for."""

    sentences: Annotated[tuple[str, ...], Field(min_length=MIN_SENTENCES)]
    questions: Templates
    answer: str


class ProsePhrases(Record):
    """Sentences without facts, which make a document of several facts."""

    openings: Templates
    links: Templates
    closings: Templates


class InstructionPhrases(Record):
    """Instructions that hold for every attribute."""

    brief: str
    about: str


class Phrasebook(Record):
    """One language's words and sentence forms. `join` stands between two sentences."""

    code: Language
    join: str
    kinds: dict[str, Templates]
    prose: ProsePhrases
    instructions: InstructionPhrases
    words: dict[str, str]
    attributes: dict[str, AttributePhrases]

    @model_validator(mode="after")
    def _tells_the_world(self) -> "Phrasebook":
        found = [*self._keys(), *self._holes()]
        if found:
            raise ValueError("; ".join(found))
        return self

    def _keys(self) -> Iterator[str]:
        expected = {"kinds": ENTITIES, "words": WORDS, "attributes": [attribute.name for attribute in ATTRIBUTES]}
        for section, names in expected.items():
            given: Mapping[str, object] = getattr(self, section)
            yield from (f"{section}.{name}: missing" for name in names if name not in given)
            yield from (f"{section}.{name}: unknown key" for name in given if name not in names)

    def _holes(self) -> Iterator[str]:
        for where, template, names in self._templates():
            for name in ("subject", "value", "question"):
                count = template.count(f"{{{name}}}")
                if count != (name in names):
                    yield f"{where}: {{{name}}} stands {count} times, not {int(name in names)}, in {template!r}"

    def _templates(self) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """Every template with its path and the names that it must hold."""
        yield "instructions.brief", self.instructions.brief, ("question",)
        yield "instructions.about", self.instructions.about, ()
        for kind, templates in self.kinds.items():
            yield from ((f"kinds.{kind}", template, ("subject",)) for template in templates)
        yield from (("prose.openings", template, ("subject",)) for template in self.prose.openings)
        yield from (("prose.links", template, ()) for template in self.prose.links)
        yield from (("prose.closings", template, ()) for template in self.prose.closings)
        for name, phrases in self.attributes.items():
            path = f"attributes.{name}"
            yield from ((f"{path}.sentences", template, ("subject", "value")) for template in phrases.sentences)
            yield from ((f"{path}.questions", template, ("subject",)) for template in phrases.questions)
            yield f"{path}.answer", phrases.answer, ("value",)


def phrasebooks() -> dict[str, Phrasebook]:
    """The phrasebooks of this package by language, the source language first.

    Raises:
        UserError: a file that is not a whole phrasebook, or has not the source's number of sentences.
    """
    folder = resources.files("loanword.microworld") / "languages"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
    books = sorted(map(read_phrasebook, files), key=lambda book: book.code != SOURCE)
    for book in books:
        _check_parallel(book, books[0])
    return {book.code: book for book in books}


def read_phrasebook(file: Traversable) -> Phrasebook:
    """The phrasebook that a file holds.

    Raises:
        UserError: all that is missing, unknown or misplaced in it.
    """
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise UserError(file, f"not TOML: {error}", do="mend the line") from None
    return Phrasebook.from_json(canonical_json(table), where=file)


def _check_parallel(book: Phrasebook, source: Phrasebook) -> None:
    for name, phrases in book.attributes.items():
        for part in ("sentences", "questions"):
            count, expected = len(getattr(phrases, part)), len(getattr(source.attributes[name], part))
            if count != expected:
                raise UserError(
                    f"{book.code}.toml: attributes.{name}.{part}",
                    f"{count} of them",
                    expected=f"{expected}, as in {source.code}.toml, the k-th with the same meaning",
                    do="translate them one by one",
                )
