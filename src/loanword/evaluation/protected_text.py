"""What a translation keeps as it stands: code, formulas, tags, addresses, placeholders, blanks, options' letters, and
numbers.

In: a text and its translation. Out: what is missing in the translation, there more often, or there in addition.

All of it but fenced code is left in place when a model is asked, and looked for in what the model wrote. Markers in its
place would have to come back too, and they hide what the grammar of many languages needs to see: whether it is one or
five, what a formula speaks of, whether a blank is a noun. Whatever is not found is for people to look at.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import regex

from loanword.evaluation.protected_numbers import NUMBER, missing_numbers, plain_digits

FENCED = re.compile(r"^[ \t]*(```|~~~)[^\n]*\n(?:.*?\n)??[ \t]*\1[ \t]*$|^[ \t]*(?:```|~~~)[^\n]*\n.*\Z", re.M | re.S)
"""A block of code between fences; one that does not close reaches to the end."""

_URL = r"[!#-;=?-~]"  # of an address: ASCII, so that Chinese can follow at once; no quotes, no angle brackets
_LONGEST = 1000  # characters of a formula, or of code in a line: beyond, its end is not looked for
_ATTRIBUTE = r"""\s+[A-Za-z_:][\w:.-]*=(?:"[^"]*"|'[^']*'|[^\s"'<>]+)"""

# A dollar opens a formula only before a character, and closes one only behind a character and before no digit, so that
# `$5 and $10` is money. Source: the manual of pandoc, extension tex_math_dollars.
_KEPT = re.compile(
    rf"""
    (?P<code>(?P<ticks>`{{1,9}})(?!`)[^\n]{{1,{_LONGEST}}}?(?<!`)(?P=ticks)(?!`) )
    |(?P<formula>\$\$.{{1,{_LONGEST}}}?\$\$ | \\\(.{{1,{_LONGEST}}}?\\\) | \\\[.{{1,{_LONGEST}}}?\\\]
        |\\begin\{{(?P<name>\w{{1,40}}\*?)\}}.{{0,{_LONGEST}}}?\\end\{{(?P=name)\}}
        |(?<![\\$])\$(?=[^\s$])[^$\n]{{0,{_LONGEST}}}?(?<=[^\s\\])\$(?![\d$])
        |\\[A-Za-z]+(?:\{{[^{{}}\n]*\}})*
        |(?<![A-Za-z0-9_])[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)+(?![A-Za-z0-9_]) )
    |(?P<address>(?:https?|ftp)://{_URL}*[\w/#=&-] | www\.{_URL}*[\w/#=&-]
        |(?<![\w.%+-])[\w.%+-]{{1,64}}@[A-Za-z0-9-]{{1,63}}(?:\.[A-Za-z0-9-]{{1,63}})*\.[A-Za-z]{{2,63}} )
    |(?P<tag></?[A-Za-z][A-Za-z0-9-]*(?:{_ATTRIBUTE})*\s*/?> | </?\d+/?> | &(?:[a-z]+|\#\d+); )
    |(?P<placeholder>\$\{{[^{{}}\n]*\}} | \{{\{{[^{{}}\n]*\}}\}} | \{{[A-Za-z0-9_.:!]*\}}
        |(?<![\w%])%(?:\([A-Za-z0-9_]+\)|\d+\$)?[-+\#0]*\d*(?:\.\d+)?[sdifgxXu](?![A-Za-z]) )
    |(?P<blank>_{{2,}} | ＿+ | [(（][\s\u3000\u00a0]*[)）] | \[\s*\] )
    |(?P<circled>[\u2460-\u24ff\u2776-\u2793] )
    |(?<=[(（])(?P<bracketed>[A-H])(?=[)）])
    |(?:(?<=^)|(?<=[\n\t\u3000。，；])|(?<=[ ]{{2}})|(?<=\n[ ]))(?P<option>[A-H])(?=[)）．、：]|[.:](?![A-Za-z0-9]))
    |{NUMBER}
    """,
    re.X | re.S | re.A,
)
_LITERAL = ("code", "address", "tag", "placeholder", "formula")
_DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Marks that turn the direction of writing: they part what they stand in without being seen."""
_GONE = "\ufffc"
"""Stands where something was taken out: neither a space nor a word, so that its neighbours stay what they are."""
_WORD = regex.compile(r"\p{L}\p{M}*\p{L}|[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]")


class Kept(NamedTuple):
    """A part of a text that a translation keeps, and what it is."""

    kind: str
    text: str
    start: int
    end: int


def kept(text: str) -> Iterator[Kept]:
    """The parts of a text that its translation keeps, in order; none reaches into another."""
    for found in _KEPT.finditer(text):
        name = next(name for name, part in found.groupdict().items() if part is not None and name not in _INNER)
        yield Kept(_KINDS.get(name, name), found[name], *found.span(name))


_INNER = frozenset({"ticks", "name"})
_KINDS = {"bracketed": "option"}


def has_words(text: str) -> bool:
    """Whether anything of a text can be translated: two letters in a row, or a character that is a word, outside of
    what is kept."""
    return _WORD.search(words_apart(text)) is not None


def words_apart(text: str) -> str:
    """A text without what a translation keeps."""
    text = FENCED.sub(" ", text)
    pieces: list[str] = []
    start = 0
    for part in kept(text):
        pieces.append(text[start : part.start])
        start = part.end
    return " ".join([*pieces, text[start:]])


def alterations(source: str, translation: str) -> list[str]:
    """What a translation does not keep of its source, or adds to it, each in words; none where all is as it should be.

    Digits of all scripts are equal in numbers, formulas and blanks; a number is equal however its thousands and its
    decimals are parted, where one reading of both agrees. More numbers than the source has are no alteration.
    """
    blocks = [[block[0] for block in FENCED.finditer(text)] for text in (source, translation)]
    found = [] if blocks[0] == blocks[1] else [f"{len(blocks[1])} blocks of code, in the source {len(blocks[0])}"]
    source, translation = (_DIRECTION.sub("", FENCED.sub(_GONE, text)) for text in (source, translation))
    parts, said = list(kept(source)), list(kept(translation))
    wanted_rest, rest = source, translation
    literal = {part.text: part.kind for part in parts if part.kind in _LITERAL}
    # The longest first, since one may stand inside of another.
    for text, kind in sorted(literal.items(), key=lambda item: -len(item[0])):
        number, wanted_rest = _taken(wanted_rest, text, any_digits=kind == "formula")
        times, rest = _taken(rest, text, any_digits=kind == "formula")
        if times != number:
            often = f"there {times} times, in the source {number}" if times else "missing"
            found.append(f"{kind} {text} is {often}")
    there = plain_digits(source)
    added = [part for part in said if part.kind in _LITERAL and plain_digits(part.text) not in there]
    found += [f"{part.kind} {part.text} is added" for part in added]
    found += _missing_marks(parts, said, rest)
    found += [f"number {number} is missing" for number in missing_numbers(wanted_rest, rest)]
    return found


def _missing_marks(parts: list[Kept], said: list[Kept], rest: str) -> Iterator[str]:
    """Blanks, circled numbers and options' letters that are not there as often."""
    blanks = [sum(part.kind == "blank" for part in among) for among in (parts, said)]
    if blanks[0] != blanks[1]:
        yield f"{blanks[1]} blanks, in the source {blanks[0]}"
    for mark, number in Counter(part.text for part in parts if part.kind == "circled").items():
        if rest.count(mark) < number:
            yield f"mark {mark} is missing"
    for letter, number in Counter(part.text for part in parts if part.kind == "option").items():
        if len(re.findall(rf"(?<![A-Za-z0-9]){letter}(?![A-Za-z0-9])", rest)) < number:
            yield f"option {letter} is missing"


def _taken(text: str, wanted: str, *, any_digits: bool) -> tuple[int, str]:
    """How often something stands in a text, and the text without it."""
    among, sought = (plain_digits(text), plain_digits(wanted)) if any_digits else (text, wanted)
    pieces: list[str] = []
    start = 0
    while (place := among.find(sought, start)) >= 0:
        pieces.append(text[start:place])
        start = place + len(sought)
    return len(pieces), _GONE.join([*pieces, text[start:]])
