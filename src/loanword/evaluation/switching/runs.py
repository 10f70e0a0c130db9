"""The words of a text with their places and scripts: those of other scripts than a language's own, or all.

A word of an unspaced script is what stands between two other characters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import regex

from loanword.writing import script_letters

LETTERS = regex.compile(r"\p{L}")
_WEIGHTY, _WEIGHT = ("Han", "Hiragana", "Katakana"), 2.5
_JAPANESE = {"Hiragana", "Katakana"}


@dataclass(frozen=True, slots=True)
class Word:
    """Characters [start, end) of a text, all of one script ("Han" for Japanese without kana)."""

    start: int
    end: int
    text: str
    script: str


def num_letters(text: str) -> int:
    """Number of a text's letters, marks not counted."""
    return len(LETTERS.findall(text))


def weight(text: str, scripts: Sequence[str] = ()) -> float:
    """Letters of a text, those of the given scripts where some are given; one of Chinese or Japanese weighs 2.5.

    Two of those say about as much as five of an alphabet.
    """
    counts = script_letters(text)
    return sum(
        count * (_WEIGHT if script in _WEIGHTY else 1.0)
        for script, count in counts.items()
        if not scripts or script in scripts
    )


def words(text: str, scripts: Sequence[str], *, own: bool) -> list[Word]:
    """Words in other scripts than those; with `own`, those in their main script too."""
    main = scripts[0]
    return [
        Word(match.start(), match.end(), found, main if match.lastgroup == "own" else _script(found))
        for match in _pattern(tuple(scripts), own).finditer(text)
        for found in (match.group(),)
    ]


@cache
def _pattern(scripts: tuple[str, ...], own: bool) -> regex.Pattern[str]:
    native = "".join(rf"\p{{Script={script}}}" for script in scripts)
    main = rf"\p{{Script={scripts[0]}}}"
    parts = [rf"(?P<own>{main}[{main}\p{{M}}]*+(?:['’]{main}++)*+)"] if own else []
    if "Latin" not in scripts:
        parts.append(r"(?P<latin>\p{Script=Latin}[\p{Script=Latin}\p{M}]*+(?:['’]\p{Script=Latin}++)*+)")
    foreign = rf"[\p{{L}}--[\p{{Script=Common}}\p{{Script=Inherited}}\p{{Script=Latin}}{native}]]"
    parts.append(rf"(?P<other>{foreign}[{foreign}\p{{M}}\u30fc\u200c\u200d]*+)")
    return regex.compile("(?V1)" + "|".join(parts))


@lru_cache(maxsize=100_000)
def _script(word: str) -> str:
    counts = script_letters(word)
    kana = _JAPANESE & counts.keys()
    return "Hiragana" if kana else max(counts, key=lambda script: counts[script], default="Unknown")
