"""Lists of words that tell what belongs to a language from what is a name or a unit: words.toml."""

import re
import tomllib
import unicodedata
from functools import cache
from importlib import resources
from typing import Any, cast

# Swahili words end in a vowel; Vietnamese is written syllable by syllable: an onset, one to three vowels, a coda.
_SHAPES = {
    "sw": re.compile(r".*[aeiou]"),
    "vi": re.compile(
        r"(?:b|ch?|d|đ|gh?|gi|h|kh?|l|m|n|ngh?|nh|ph?|qu|r|s|th?|tr|v|x)?[aeiouy]{1,3}(?:ch?|m|n|ng|nh|p|t)?"
    ),
}


@cache
def _lists() -> dict[str, Any]:
    return tomllib.loads((resources.files(__package__ or "") / "words.toml").read_text(encoding="utf-8"))


@cache
def listed(name: str) -> frozenset[str]:
    """Words of one list that is not a language's own: connectors, symbols, endings of species."""
    return frozenset(cast(str, _lists()[name]).split())


@cache
def function_words(language: str) -> frozenset[str]:
    """Words of which a language's sentences are made; empty for a language without a list."""
    return frozenset(cast(dict[str, str], _lists()["function"]).get(language, "").split())


@cache
def loans(language: str) -> frozenset[str]:
    """Words of another language's spelling that are at home in this one."""
    lists = cast(dict[str, str], _lists()["loans"])
    return frozenset(f"{lists['all']} {lists.get(language, '')}".split())


def fits(word: str, language: str) -> bool | None:
    """Whether a word can be a language's own by its shape; None for a language of which no shape is known here."""
    pattern = _SHAPES.get(language)
    if pattern is None:
        return None
    plain = "".join(each for each in unicodedata.normalize("NFD", word) if not unicodedata.combining(each))
    return pattern.fullmatch(plain) is not None
