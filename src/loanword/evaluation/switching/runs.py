"""The words of a text with their places and scripts: those of other scripts than a language's own, or all.

A word of an unspaced script is what stands between two other characters.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from operator import attrgetter
from typing import NamedTuple

import regex

from loanword.writing import script_letters, writing

LETTERS = regex.compile(r"\p{L}++")
_WEIGHTY, _WEIGHT = ("Han", "Hiragana", "Katakana"), 2.5
_JAPANESE = {"Hiragana", "Katakana"}
_START = attrgetter("start")


class Word(NamedTuple):
    """Characters [start, end) of a text, all of one script ("Han" for Japanese without kana)."""

    start: int
    end: int
    text: str
    script: str


def num_letters(text: str) -> int:
    """Number of a text's letters, marks not counted."""
    return sum(map(len, LETTERS.findall(text)))


def weight(text: str, scripts: Sequence[str] = ()) -> float:
    """Letters of a text, those of the given scripts where some are given; one of Chinese or Japanese weighs 2.5.

    Two of those say about as much as five of an alphabet.
    """
    return sum(each for script, each in weights(text).items() if not scripts or script in scripts)


def weights(text: str) -> dict[str, float]:
    """What the letters of each script in a text weigh."""
    counts = script_letters(text)
    return {script: count * (_WEIGHT if script in _WEIGHTY else 1.0) for script, count in counts.items()}


def own_scripts(language: str) -> tuple[str, ...]:
    """Scripts in which every word is the language's own: Chinese letters leave Japanese and Korean at times."""
    scripts = writing(language).scripts
    return tuple(script for script in scripts if script != "Han") or scripts


def clauses_at(
    text: str, found: Sequence[Word], places: Iterable[int], breaks: regex.Pattern[str]
) -> Iterator[tuple[int, int]]:
    """Clauses, parted by breaks, that hold one of the words at those places: their words [first, last)."""
    ends = [match.start() for match in breaks.finditer(text)]
    last = 0
    for place in places:
        if place >= last:
            after = bisect_left(ends, found[place].start)
            first = bisect_left(found, ends[after - 1], last, place, key=_START) if after else 0
            last = bisect_left(found, ends[after], place, key=_START) if after < len(ends) else len(found)
            yield first, last


def is_all_in(text: str, scripts: Sequence[str]) -> bool:
    """Whether a text has no word in other scripts than those."""
    return _pattern(tuple(scripts), own=False).search(text) is None


def words(text: str, scripts: Sequence[str], *, own: bool) -> list[Word]:
    """Words in other scripts than those; with `own`, those in their main script too."""
    main = scripts[0]
    return [
        Word(match.start(), match.end(), found, main if match.lastgroup == "own" else _script(found))
        for match in _pattern(tuple(scripts), own=own).finditer(text)
        for found in (match.group(),)
    ]


@cache
def _pattern(scripts: tuple[str, ...], *, own: bool) -> regex.Pattern[str]:
    native = "".join(rf"\p{{Script={script}}}" for script in scripts)
    main = rf"[\p{{Script={scripts[0]}}}--\p{{P}}]"
    letters = rf"{main}\p{{M}}\u200c\u200d"
    parts = [rf"(?P<own>{main}[{letters}]*+(?:['’][{letters}]++)*+)"] if own else []
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
