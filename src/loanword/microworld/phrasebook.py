"""What a language needs to tell the world: one data file a language, and no code.

In: languages/<code>.toml. Besides plain words it holds
    [kinds]                 sentences that introduce an entity of a kind
    [nouns]                 what an entity of a kind is: the answer to "What is it?"
    [prose]                 openings before, links between and closings after the facts of a document
    [tasks]                 what a model may be told to do, and two answers that no fact gives
    [attributes.<name>]     sentences that state a fact, questions for it, and a brief answer
    [orders.<name>]         the same for two entities of which one has {more} of an attribute and the other {less}
    [sums]                  the same for {first} and {second}, whose sum is {value}
with `{subject}`, `{value}` and so on where a name, a word, a number or a question goes.

The k-th sentence of an attribute, an order or the sums means the same in every language: that makes parallel text.
Three or more sentences of an attribute, beside its first, name the subject before the value: tests ask in these.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Annotated

from pydantic import Field, model_validator

from loanword.errors import UserError
from loanword.microworld.world import ATTRIBUTES, ENTITIES, ORDERED, SOURCE, WORDS
from loanword.records import Language, Record, canonical_json

MIN_SENTENCES = 8
MIN_ASKED = 3

Templates = Annotated[tuple[str, ...], Field(min_length=1)]


class Phrases(Record):
    """How one kind of fact is told and asked for."""

    sentences: Annotated[tuple[str, ...], Field(min_length=MIN_SENTENCES)]
    questions: Annotated[tuple[str, ...], Field(min_length=2)]
    answer: str

    @cached_property
    def asked_forms(self) -> list[int]:
        """The forms, not the first, in which the value comes last, as an answer does; all of them without a subject.

        A model that is trained on "X is Y" is slow to say X after Y: what it knows is asked in the way it was told.
        """
        forms = enumerate(self.sentences)
        return [form for form, text in forms if form and text.find("{subject}") < len(text.partition("{value}")[0])]


class ProsePhrases(Record):
    """Sentences without facts, which make a document of several facts."""

    openings: Templates
    links: Templates
    closings: Templates


class TaskPhrases(Record):
    """What a model may be told to do; `role_answer` and `summary` begin what it may answer."""

    brief: str
    about: str
    describe: str
    find: str
    code: str
    role: str
    role_answer: str
    rewrite: str
    classify: str
    translate: str
    paragraph: str
    outline: str
    poem: str
    story: str
    converse: str
    summarise: str
    summary: str


TASK_HOLES: Mapping[str, tuple[str, ...]] = {
    "brief": ("question",),
    "find": ("question",),
    "role_answer": ("subject", "value"),
    **dict.fromkeys(("describe", "role", "classify", "paragraph", "outline", "poem", "story", "summary"), ("subject",)),
}
"""What goes into each of the tasks; nothing into the others."""


class Phrasebook(Record):
    """One language's words and sentence forms. `join` stands between two sentences, `flores` is its FLORES-200 code."""

    code: Language
    flores: Annotated[str, Field(pattern=r"^[a-z]{3}_[A-Z][a-z]{3}$")]
    join: str
    kinds: dict[str, Templates]
    nouns: dict[str, str]
    prose: ProsePhrases
    tasks: TaskPhrases
    words: dict[str, str]
    attributes: dict[str, Phrases]
    orders: dict[str, Phrases]
    sums: Phrases

    @cached_property
    def phrases(self) -> dict[str, Phrases]:
        """How each kind of fact is told, by the name that facts have it under."""
        orders = {f"order of {name}": phrases for name, phrases in self.orders.items()}
        return {**self.attributes, **orders, "sum": self.sums}

    @model_validator(mode="after")
    def _tells_the_world(self) -> "Phrasebook":
        found = [*self._keys(), *self._holes(), *self._equal_words(), *self._never_asked()]
        if found:
            raise ValueError("; ".join(found))
        return self

    def _keys(self) -> Iterator[str]:
        expected = {
            "kinds": ENTITIES,
            "nouns": ENTITIES,
            "words": WORDS,
            "attributes": [attribute.name for attribute in ATTRIBUTES],
            "orders": ORDERED,
        }
        for section, names in expected.items():
            given: Mapping[str, object] = getattr(self, section)
            yield from (f"{section}.{name}: missing" for name in names if name not in given)
            yield from (f"{section}.{name}: unknown key" for name in given if name not in names)

    def _holes(self) -> Iterator[str]:
        for where, template, names in self._templates():
            found = re.findall(r"\{(\w*)\}", template)
            if sorted(found) != sorted(names) or len(found) != template.count("{") or not template.strip():
                wanted = " and ".join(f"{{{name}}}" for name in names) or "no braces"
                yield f"{where}: {template!r} must hold {wanted}{', each once' if names else ''}"

    def _templates(self) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """Every template with its path and the names that it must hold."""
        for name, template in self.tasks.model_dump().items():
            yield f"tasks.{name}", template, TASK_HOLES.get(name, ())
        for kind, templates in self.kinds.items():
            yield from ((f"kinds.{kind}", template, ("subject",)) for template in templates)
        yield from ((f"nouns.{kind}", noun, ()) for kind, noun in self.nouns.items())
        yield from (("prose.openings", template, ("subject",)) for template in self.prose.openings)
        yield from (("prose.links", template, ()) for template in self.prose.links)
        yield from (("prose.closings", template, ()) for template in self.prose.closings)
        for name, phrases in self.attributes.items():
            yield from _fact_templates(f"attributes.{name}", phrases, ("subject", "value"), ("subject",), "value")
        for name, phrases in self.orders.items():
            yield from _fact_templates(f"orders.{name}", phrases, ("more", "less"), ("first", "second"), "more")
        yield from _fact_templates("sums", self.sums, ("first", "second", "value"), ("first", "second"), "value")

    def _never_asked(self) -> Iterator[str]:
        for name, phrases in self.attributes.items():
            if len(phrases.asked_forms) < MIN_ASKED:
                yield (
                    f"attributes.{name}.sentences: {len(phrases.asked_forms)} after the first name {{subject}} before "
                    f"{{value}}, not {MIN_ASKED}"
                )

    def _equal_words(self) -> Iterator[str]:
        """Values of one attribute must differ, and its sentences too, or a question has two right answers."""
        for attribute in ATTRIBUTES:
            if isinstance(attribute.values, tuple):
                words = [self.words.get(value, value) for value in attribute.values]
                yield from (f"words: {word!r} twice" for word in dict.fromkeys(words) if words.count(word) > 1)
        for name, phrases in self.phrases.items():
            twice = [form for form in dict.fromkeys(phrases.sentences) if phrases.sentences.count(form) > 1]
            yield from (f"{name}: {form!r} twice" for form in twice)


def _fact_templates(
    path: str, phrases: Phrases, told: tuple[str, ...], asked: tuple[str, ...], answer: str
) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    yield from ((f"{path}.sentences", template, told) for template in phrases.sentences)
    yield from ((f"{path}.questions", template, asked) for template in phrases.questions)
    yield f"{path}.answer", phrases.answer, (answer,)


def phrasebooks(languages: Sequence[str] | None = None) -> dict[str, Phrasebook]:
    """The phrasebooks of this package by language, the source language first; of some languages, or of all.

    Raises:
        UserError: a language that has none, a file that is not a whole phrasebook, or has not the source's number of
            sentences.
    """
    folder = resources.files("loanword.microworld") / "languages"
    files = {file.name.removesuffix(".toml"): file for file in folder.iterdir() if file.name.endswith(".toml")}
    unknown = sorted(set(languages or ()) - set(files))
    if unknown:
        raise UserError(
            "languages",
            f"the world is not told in {', '.join(unknown)}",
            expected=f"any of {', '.join(sorted(files))}",
            do="name one of them, or write its phrasebook (CONTRIBUTING.md)",
        )
    books: dict[str, Phrasebook] = {}
    for language in (SOURCE, *sorted(set(languages or files) - {SOURCE})):
        book = books[language] = read_phrasebook(files[language])
        if book.code != language:
            raise UserError(f"{language}.toml", f"code = {book.code!r}", expected=f"{language!r}", do="mend the line")
        check_parallel(book, books[SOURCE])
    _check_apart(books)
    return books


def _check_apart(books: Mapping[str, Phrasebook]) -> None:
    """Nothing, where no two languages share the name of a file of parallel text."""
    known: dict[str, str] = {}
    for language, book in books.items():
        if book.flores in known:
            what = f"flores = {book.flores!r} is that of {known[book.flores]}.toml"
            raise UserError(f"{language}.toml", what, expected="a code of its own", do="mend the line")
        known[book.flores] = language


def read_phrasebook(file: Traversable) -> Phrasebook:
    """The phrasebook that a file holds.

    Raises:
        UserError: all that is missing, unknown or misplaced in it.
    """
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise UserError(file, f"not UTF-8 at byte {error.start}", do="save the file as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(file, f"not TOML: {error}", do="mend the line") from None
    return Phrasebook.from_json(canonical_json(table), where=file)


def check_parallel(book: Phrasebook, source: Phrasebook) -> None:
    """Nothing, where a language has as many sentences and questions of each kind of fact as the source language.

    Raises:
        UserError: it has not.
    """
    for name, phrases in book.phrases.items():
        for part in ("sentences", "questions"):
            count, expected = len(getattr(phrases, part)), len(getattr(source.phrases[name], part))
            if count != expected:
                raise UserError(
                    f"{book.code}.toml: {name}, {part}",
                    f"{count} of them",
                    expected=f"{expected}, as in {source.code}.toml, the k-th with the same meaning",
                    do="translate them one by one",
                )
