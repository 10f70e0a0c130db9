"""Texts of the interface that know what they are made of, so that another language can say them in its own order.

A Said is the English text and may stand wherever a text may; beside it lie its template, which a catalogue of another
language is asked for, and its parts. Parts that are no Said are names and numbers, which every language leaves alone.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, reduce
from importlib.resources import files
from typing import Literal

Code = Literal["en", "zh"]
CODES: tuple[Code, ...] = ("en", "zh")


class Said(str):
    """A text that was made of a template and parts by name."""

    template: str
    parts: Mapping[str, str]

    def __new__(cls, template: str, parts: Mapping[str, str]) -> "Said":
        said = super().__new__(cls, template.format(**parts))
        said.template, said.parts = template, parts
        return said

    def __deepcopy__(self, memo: object) -> "Said":
        # Nothing of it changes; a record that holds it is copied on its way to JSON.
        return self


def say(template: str, /, **parts: str) -> Said:
    """The English text of a template, with parts in the places that it names."""
    return Said(template, parts)


def term(text: str) -> Said:
    """A name in a record that other languages may have a word for: the items of our own rubrics, and not of others."""
    return Said(text.replace("{", "{{").replace("}", "}}"), {})


def sentences(parts: Iterable[str]) -> str:
    """Sentences one after another; empty ones are left out."""
    return _chained("{before} {sentence}", "sentence", parts)


def listed(parts: Iterable[str]) -> str:
    """Things with commas between them and none before the last."""
    return _chained("{before}, {thing}", "thing", parts)


def clauses(parts: Iterable[str]) -> str:
    """Clauses with semicolons between them."""
    return _chained("{before}; {clause}", "clause", parts)


def remarks(parts: Iterable[str]) -> str:
    """Remarks beside each other, set off by dots."""
    return _chained("{before} · {remark}", "remark", parts)


def joined(parts: Iterable[str]) -> str:
    """Things as a list in a sentence."""
    *before, last = list(parts) or [""]
    return say("{before} and {last}", before=listed(before), last=last) if before else last


def _chained(template: str, name: str, parts: Iterable[str]) -> str:
    told = [part for part in parts if part]
    return reduce(lambda before, one: say(template, **{"before": before, name: one}), told) if told else ""


@dataclass(frozen=True)
class Interface:
    """A language of the interface, with its text for every English one that it knows."""

    code: Code
    texts: Mapping[str, str]

    def text(self, english: str) -> str:
        """A text of ours; English where this language has none."""
        return self.words(english) if isinstance(english, Said) else self.texts.get(english, english)

    def words(self, english: str) -> str:
        """A text of ours, or somebody's name or number, which stays as it is."""
        if not isinstance(english, Said):
            return english
        parts = {name: self.words(part) for name, part in english.parts.items()}
        return self.texts.get(english.template, english.template).format(**parts)


@cache
def interface(code: Code) -> Interface:
    """The interface in one language, from the catalogue in the package: English text or template to that language's."""
    if code == "en":
        return Interface(code, {})
    catalogue = (files("loanword.report") / f"interface.{code}.json").read_text(encoding="utf-8")
    return Interface(code, json.loads(catalogue))
