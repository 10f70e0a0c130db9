"""A text as pieces that a model is asked for one by one, and pieces that stay as they are.

Out: Pieces whose texts, put together, are the text to the character. What is asked has words in it and no white space
around it. Fenced code, and the mark of an option at the start, are never asked. A text that is too long is cut where a
paragraph, a line or a sentence ends; never inside of what a translation keeps, and never inside of a sentence.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import regex

from loanword.evaluation.protected_text import FENCED, has_words, kept

_OPTION = re.compile(r"\s*(?:[(（]?[A-Ha-h][)）]|[A-H][.．、:：])[ \t]*(?=\S)")
"""The mark of an option at the start of its text, as `(A)` or `A.`."""

# A full stop ends a sentence before a space and no small letter, so that `e.g. this` is one; the marks of scripts
# without spaces end one wherever they stand, with the quotes and brackets that close after them.
_ENDS = (
    regex.compile(r"\n[ \t]*\n\s*"),
    regex.compile(r"\n\s*"),
    regex.compile(r"(?<=[.!?؟।॥۔።…][\"'”’»)\]]*)\s+(?!\p{Ll})|(?<=[。！？][”’」』）]*)\s*(?![。！？”’」』）])"),
)


class Piece(NamedTuple):
    """A part of a text; `asked` where a model is asked for its translation."""

    text: str
    asked: bool


def pieces(text: str, most_characters: int) -> list[Piece]:
    """A text in pieces, the asked ones no longer than `most_characters` where they can be cut."""
    mark = _OPTION.match(text)
    start = mark.end() if mark else 0
    made = [Piece(text[:start], False)] if mark else []
    for fence in FENCED.finditer(text, start):
        made += prose(text[start : fence.start()], most_characters)
        made.append(Piece(fence[0], False))
        start = fence.end()
    return [*made, *prose(text[start:], most_characters)]


def halves(text: str) -> tuple[str, str] | None:
    """A text in two, the white space between them at the end of the first; None where it is one sentence.

    It is cut at the strongest end in its middle three fifths, else at the one that is nearest to its middle.
    """
    protected = [(part.start, part.end) for part in kept(text)]
    found = [_places(text, ends, protected) for ends in _ENDS]
    middle = len(text) / 2
    for places in found:
        if central := [place for place in places if abs(place - middle) <= 0.3 * len(text)]:
            cut = min(central, key=lambda place: abs(place - middle))
            return text[:cut], text[cut:]
    everywhere = [place for places in found for place in places]
    if not everywhere:
        return None
    cut = min(everywhere, key=lambda place: abs(place - middle))
    return text[:cut], text[cut:]


def put_together(made: Sequence[Piece], said: Mapping[int, str], *, spaced: bool) -> str:
    """The pieces in order, with what was said in place of some of them, by their number.

    Between two sentences stands one space where the words of the language that is written are `spaced`, and none where
    they are not; every other white space is the text's own.
    """
    parts: list[str] = []
    for number, piece in enumerate(made):
        between = 0 < number < len(made) - 1 and made[number - 1].asked and made[number + 1].asked
        if number in said:
            after = number > 0 and made[number - 1].asked
            parts.append((" " if after and spaced else "") + said[number])
        elif between and piece.text.isspace() and "\n" not in piece.text:
            parts.append(" " if spaced else "")
        else:
            parts.append(piece.text)
    return "".join(parts)


def prose(text: str, most_characters: int) -> Iterator[Piece]:
    """A text without code and without the mark of an option in pieces."""
    if not has_words(text):
        if text:
            yield Piece(text, False)
        return
    core = text.strip()
    start = text.index(core)
    if start:
        yield Piece(text[:start], False)
    cut = halves(core) if len(core) > most_characters else None
    if cut is None:
        yield Piece(core, True)
    else:
        for half in cut:
            yield from prose(half, most_characters)
    if start + len(core) < len(text):
        yield Piece(text[start + len(core) :], False)


def _places(text: str, ends: "regex.Pattern[str]", protected: Sequence[tuple[int, int]]) -> list[int]:
    """Where the text may be cut: behind an end that is not its own, and outside of what is protected."""
    places = [found.end() for found in ends.finditer(text) if found.start() > 0 and found.end() < len(text)]
    starts = [start for start, _ in protected]

    def is_inside(place: int) -> bool:
        before = bisect_left(starts, place) - 1
        return before >= 0 and place < protected[before][1]

    return [place for place in places if not is_inside(place)]
