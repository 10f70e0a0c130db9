"""Text that leaves its language at a known rate, made from parallel sentences."""

import random
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import regex

from loanword.evaluation.switching.exempt import kind
from loanword.writing import writing

Piece = Literal["sentence", "half", "4 words", "2 words", "1 word"]
PIECES: tuple[Piece, ...] = ("sentence", "half", "4 words", "2 words", "1 word")

_WORD = regex.compile(r"[\p{L}\p{M}\p{N}'’-]+")


class Mixed(NamedTuple):
    """A sentence, and the characters [start, end) of it that are in the other language; None where it is whole."""

    text: str
    place: tuple[int, int] | None


def mixed(
    own: Sequence[str], other: Sequence[str], language: str, rate: float, pieces: Sequence[Piece], seed: int = 0
) -> Iterator[Mixed]:
    """Sentences of a language, of which a share of `rate` holds one piece of its translation.

    Line by line the same meaning in both. Which sentences and which pieces is drawn by the seed. Words are replaced by
    as many words in small letters, and two letters make a word where spaces do not part them; a sentence whose
    translation has no such words in a row stays whole.
    """
    draw = random.Random(seed)
    for mine, theirs in zip(own, other, strict=True):
        chosen = draw.random() < rate
        made = _replaced(mine, theirs, draw.choice(pieces), draw, spaced=writing(language).spaced) if chosen else None
        yield made or Mixed(mine, None)


def _replaced(own: str, other: str, piece: Piece, draw: random.Random, *, spaced: bool) -> Mixed | None:
    if piece == "sentence":
        return Mixed(other, (0, len(other)))
    places = [match.span() for match in _WORD.finditer(own)]
    theirs = [match.span() for match in _WORD.finditer(other)]
    if piece == "half":
        at = places[len(places) // 2][0] if spaced else len(own) // 2
        second = other[theirs[len(theirs) // 2][0] :]
        return Mixed(own[:at] + second, (at, at + len(second)))
    num_words = int(piece[0])
    small = [
        (theirs[at][0], theirs[at + num_words - 1][1])
        for at in range(len(theirs) - num_words + 1)
        if all(
            kind(other[start:end]) == "word" and other[start].isalpha() for start, end in theirs[at : at + num_words]
        )
        and len(regex.findall(r"\s", other[theirs[at][0] : theirs[at + num_words - 1][1]])) == num_words - 1
    ]
    if spaced:
        ours = [(places[at][0], places[at + num_words - 1][1]) for at in range(len(places) - num_words + 1)]
    else:
        ours = [(at, at + 2 * num_words) for at in range(len(own) - 2 * num_words)]
    if not small or not ours:
        return None
    (first, last), (start, end) = draw.choice(small), draw.choice(ours)
    said = other[first:last]
    return Mixed(own[:start] + said + own[end:], (start, start + len(said)))
