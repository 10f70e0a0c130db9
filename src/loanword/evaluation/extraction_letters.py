"""Letters with which options are numbered, by script, and which of them one stands for in a text.

The series are facts of use, as the words are; no speaker has reviewed them.
"""

import unicodedata
from collections.abc import Sequence

import regex

LATIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

SERIES: tuple[tuple[str, ...], ...] = (
    tuple("أبجده"),  # ar; also ا, which is read as أ
    ("الف", "ب", "ج", "د"),  # ur, fa
    tuple("কখগঘঙ"),  # bn
    tuple("कखगघङ"),  # hi, ne
    tuple("अबसद"),  # hi
    tuple("अबकड"),  # mr
    tuple("કખગઘ"),  # gu
    tuple("અબકડ"),  # gu
    tuple("அஆஇஈ"),  # ta
    tuple("అఆఇఈ"),  # te
    tuple("കഖഗഘ"),  # ml
    tuple("АБВГД"),  # ru
    tuple("АВСDЕ"),  # Cyrillic letters that look like Latin ones, the D Latin
    tuple("ΑΒΓΔΕ"),  # el
    tuple("אבגדה"),  # he
    ("এ", "বি", "সি", "ডি", "ই"),  # names of the Latin letters: bn
    ("ए", "बी", "सी", "डी", "ई"),  # hi, mr, ne
    ("એ", "બી", "સી", "ડી", "ઈ"),  # gu
    ("ஏ", "பி", "சி", "டி", "இ"),  # ta
    ("ఎ", "బి", "సి", "డి", "ఇ"),  # te
    ("എ", "ബി", "സി", "ഡി", "ഇ"),  # ml
    ("اے", "بی", "سی", "ڈی"),  # ur
)
"""Letters, or names of letters, that number options in the order of the Latin ones."""

ALSO_WORDS = frozenset((
    "A", "I", "E", "এ", "ই", "ए", "ई", "सी", "એ", "ઈ", "બી", "ஏ", "இ", "ஈ", "ఆ", "ఈ", "ఎ", "ఇ", "എ", "ഇ", "ه", "د",
    "اے", "بی", "سی",
))  # fmt: skip
"""Letters that are words too: one before a word that is none of ours is taken for that."""

FOREIGN = -1
"""Index of a letter that is none of those asked for."""

FORMAT = regex.compile(r"[\p{Cf}\p{Co}\u064B-\u0652\u0670\u0640]")  # bidi marks, joiners; Arabic vowels, stretching
ALIKE = str.maketrans({"إ": "ا", "أ": "ا", "آ": "ا", "ٱ": "ا", "ی": "ي", "ى": "ي", "ک": "ك"})


def fold(text: str) -> str:
    """The form in which words and letters compare; case is kept."""
    return FORMAT.sub("", unicodedata.normalize("NFKC", text)).translate(ALIKE)


def letter_names(letters: Sequence[str], standing: set[str]) -> dict[str, int]:
    """Which letter each name of one stands for in a text where the words `standing` stand.

    Latin letters are named by their counterparts in other scripts too, and the other way round.
    """
    count = len(letters)
    latin = list(LATIN[:count])
    series = [[fold(name) for name in names[:count]] for names in SERIES]
    names: dict[str, int] = {}
    if [letter.upper() for letter in letters] == latin:
        names = _counterparts(series, standing)
        names |= {name: FOREIGN for name in LATIN[count:] if name not in "IOY"}  # words of English, Portuguese, Spanish
    elif any(list(letters) == listed for listed in series):
        names = {name: index for index, name in enumerate(latin)}
    return names | {letter: index for index, letter in enumerate(letters)}


def _counterparts(series: Sequence[Sequence[str]], standing: set[str]) -> dict[str, int]:
    places: dict[str, dict[int, set[str]]] = {}
    for listed in series:
        for index, name in enumerate(listed):
            places.setdefault(name, {}).setdefault(index, set()).update(set(listed) - {name})
    return {
        name: next(iter(found)) if len(found) == 1 else _which(name, found, standing) for name, found in places.items()
    }


_MARATHI = frozenset(("आहे", "आहेत", "नाही", "पर्याय", "बरोबर", "योग्य"))


def _which(name: str, found: dict[int, set[str]], standing: set[str]) -> int:
    """A name that has two places in two series: that of the series whose other letters stand in the text."""
    common = set[str].intersection(*found.values())
    seen = [index for index, others in found.items() if (others - common) & standing]
    if len(seen) == 1:
        return seen[0]
    if name == "क" and not seen and not _MARATHI & standing:  # first in Hindi and Nepali, third in Marathi
        return 0
    if name == "В" and not seen and not any(regex.match(r"\p{Cyrillic}{2}", word) for word in standing):
        return 1  # a Latin letter's double: nothing else is written in Cyrillic
    return FOREIGN
