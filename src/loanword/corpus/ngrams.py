"""Texts as sequences of units that compare across spelling, and their n-grams as numbers.

A unit is a word, or a single character of a script that puts no spaces between words. Compatibility forms (NFKC) and
case are folded; whatever is no letter, mark or number parts words and is otherwise left out. So are Latin letters that
stand alone, which label options, and words behind a backslash, which are markup of formulas. Numbers follow from the
text alone, in every process.

Shapes: C characters, W words, U units, K keys.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import regex
from numpy.typing import NDArray

from loanword.corpus.order import changes

Numbers = NDArray[np.uint64]
Places = NDArray[np.int64]
Bools = NDArray[np.bool_]
Codes = NDArray[np.uint32]

UNSPACED = regex.compile(
    r"[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\u30fc\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}"
    r"\p{Script=Myanmar}\p{Script=Tibetan}]"
)
"""Characters of scripts without spaces between words."""
_IN_UNITS = regex.compile(r"[\p{L}\p{M}\p{N}]")
_NUMERAL = regex.compile(r"\p{N}")
_INVISIBLE = regex.compile(r"[\p{Cf}\p{Variation_Selector}]")
# Ideographs and Hangul syllables fold to themselves; no need to ask for each of them.
_MAY_FOLD = regex.compile(r"[^\p{Unified_Ideograph}\uac00-\ud7a3\p{Cn}\p{Co}\p{Cs}]")
_HANGUL_VOWELS_AND_FINALS = (0x1160, 0x1200)
_NUM_CODE_POINTS = 0x110000

# What the table of characters holds: a folded code point with these flags, or one of the first three.
_PARTS, _LEFT_OUT, _BEGINS_MARKUP, _FIRST_CODE = 0, 1, 2, 3
_OWN_UNIT, _NUMBER, _FOLDS_WITH_OTHERS = 1 << 24, 1 << 25, 1 << 26

CHARACTERS_AT_ONCE = 500_000

_MASK = (1 << 64) - 1
# Odd, so that their powers can be undone modulo 2**64; any such numbers without a pattern would do.
_LETTER, _UNIT, _MIX = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_FIRST_LETTER, _LAST_LETTER = ord("a"), ord("z")


@dataclass(frozen=True)
class Units:
    """The units of some texts, one text after the other: those of text t are [starts[t], starts[t + 1])."""

    numbers_U: Numbers
    are_characters_U: Bools
    are_numerals_U: Bools
    starts: Places

    @cached_property
    def owners_U(self) -> Places:
        """Which text each unit belongs to."""
        return np.repeat(np.arange(len(self.starts) - 1, dtype=np.int64), np.diff(self.starts))

    def text_at(self, places: Places) -> Places:
        """Which text the unit at each place belongs to."""
        return np.searchsorted(self.starts, places, side="right").astype(np.int64) - 1


def folded(text: str) -> str:
    """A text without the differences of compatibility forms and case."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def units(texts: Sequence[str]) -> Units:
    """The units of each text."""
    cut = [_units(some) for some in _some_at_once(texts)]
    before = np.cumsum([0, *(len(one.numbers_U) for one in cut)])
    return Units(
        np.concatenate([one.numbers_U for one in cut]),
        np.concatenate([one.are_characters_U for one in cut]),
        np.concatenate([one.are_numerals_U for one in cut]),
        np.concatenate([[0], *(one.starts[1:] + first for one, first in zip(cut, before, strict=False))]),
    )


def _some_at_once(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Texts in their order, so few at a time that what is computed of them stays small."""
    first, num_characters = 0, 0
    for place, text in enumerate(texts):
        num_characters += len(text)
        if num_characters > CHARACTERS_AT_ONCE:
            yield texts[first : place + 1]
            first, num_characters = place + 1, 0
    yield texts[first:]


def _units(texts: Sequence[str]) -> Units:
    codes_C, ends = _codes(texts)
    if (found := np.flatnonzero(codes_C & _FOLDS_WITH_OTHERS)).size:
        wanting = frozenset(np.searchsorted(ends, found, side="right").tolist())
        codes_C, ends = _codes([folded(text) if place in wanting else text for place, text in enumerate(texts)])
        codes_C &= ~np.uint32(_FOLDS_WITH_OTHERS)
    kept_C = codes_C != _LEFT_OUT
    if not kept_C.all():
        ends = np.cumsum(kept_C)[ends - 1]
        codes_C = codes_C[kept_C]
    begin_C = (codes_C & _OWN_UNIT) != 0
    words_W, first_W = _words(codes_C, begin_C)
    begin_C[first_W] = True
    places_U = np.flatnonzero(begin_C)
    codes_U = codes_C[places_U]
    are_characters_U = (codes_U & _OWN_UNIT) != 0
    numbers_U = codes_U.astype(np.uint64)
    numbers_U[~are_characters_U] = words_W
    starts = np.concatenate([[0], np.searchsorted(places_U, ends)]).astype(np.int64)
    return Units(_mixed(numbers_U), are_characters_U, (codes_U & _NUMBER) != 0, starts)


def _codes(texts: Sequence[str]) -> tuple[Codes, Places]:
    """The folded characters of all texts, something that parts words after each, and where each ends after that."""
    raw = "\n".join((*texts, "")).encode("utf-32-le", "surrogatepass")
    ends = np.cumsum([len(text) + 1 for text in texts], dtype=np.int64)
    return _table()[np.frombuffer(raw, dtype=np.uint32)], ends


def _words(codes_C: Codes, own_C: Bools) -> tuple[Numbers, Places]:
    """A number for each word, and where it begins."""
    in_word_C = (codes_C >= _FIRST_CODE) & ~own_C
    edges_C = np.flatnonzero(changes(in_word_C.view(np.int8)))
    edges_C = edges_C[1:] if len(edges_C) and not in_word_C[0] else edges_C
    # Something that parts words stands before the first character and after each text.
    first_W, after_W = edges_C[::2], edges_C[1::2]
    powers_C, undone_C = _powers(_LETTER, len(codes_C).bit_length())
    sums_C = np.cumsum(codes_C * powers_C[: len(codes_C)])
    before_W = np.where(first_W, sums_C[first_W - 1], np.uint64(0))
    words_W = (sums_C[after_W - 1] - before_W) * undone_C[first_W]
    kept_W = (after_W - first_W > 1) | (words_W < _FIRST_LETTER) | (words_W > _LAST_LETTER)
    kept_W &= (first_W == 0) | (codes_C[first_W - 1] != _BEGINS_MARKUP)
    return words_W[kept_W], first_W[kept_W]


def ngrams(numbers_U: Numbers, length: int) -> Numbers:
    """A number for each run of `length` units, by the place where it begins."""
    if len(numbers_U) < length:
        return np.empty(0, dtype=np.uint64)
    made, so_far = np.zeros(len(numbers_U) - length + 1, dtype=np.uint64), 0
    doubled, size = numbers_U, 1
    while so_far < length:
        if length & size:
            part = doubled[so_far : so_far + len(made)]
            made = made + part * np.uint64(pow(_UNIT, so_far, _MASK + 1))
            so_far += size
        if so_far < length:
            doubled = doubled[:-size] + doubled[size:] * np.uint64(pow(_UNIT, size, _MASK + 1))
            size *= 2
    return _mixed(made)


class Keys:
    """A set of n-grams that many others are looked up in."""

    def __init__(self, keys: Numbers) -> None:
        keys = np.sort(keys)
        self.keys_K = keys[changes(keys)]
        # One in sixteen of what is not there passes the table of first bits at most.
        self._shift = np.uint64(64 - max(8, (16 * len(self.keys_K)).bit_length()))
        self._known = np.zeros(1 << int(64 - self._shift), dtype=np.bool_)
        self._known[self.keys_K >> self._shift] = True

    def find(self, numbers: Numbers) -> tuple[Places, Places]:
        """Where in `numbers` a key stands, in order, and which."""
        places = np.flatnonzero(self._known[numbers >> self._shift])
        if not len(places):
            return places, places
        ranks = np.minimum(np.searchsorted(self.keys_K, numbers[places]), len(self.keys_K) - 1)
        found = self.keys_K[ranks] == numbers[places]
        return places[found], ranks[found]


def _mixed(numbers: Numbers) -> Numbers:
    mixed = (numbers ^ (numbers >> np.uint64(31))) * np.uint64(_MIX)
    return mixed ^ (mixed >> np.uint64(29))


@cache
def _powers(factor: int, num_bits: int) -> tuple[Numbers, Numbers]:
    size, undone = 1 << num_bits, pow(factor, -1, _MASK + 1)
    powers = [np.full(size, number, dtype=np.uint64) for number in (factor, undone)]
    for each in powers:
        each[0] = 1
    return np.cumprod(powers[0]), np.cumprod(powers[1])


@cache
def _table() -> Codes:
    """What each code point folds to, or that it parts words, is left out, or folds together with its neighbours."""
    everything = "".join(map(chr, range(_NUM_CODE_POINTS)))
    table = np.zeros(_NUM_CODE_POINTS, dtype=np.uint32)
    for first, last in _ranges(_IN_UNITS, everything):
        table[first:last] = np.arange(first, last, dtype=np.uint32)
    for first, last in _ranges(UNSPACED, everything):
        table[first:last] |= np.where(table[first:last] == _PARTS, _PARTS, _OWN_UNIT).astype(np.uint32)
    for first, last in _ranges(_NUMERAL, everything):
        table[first:last] |= _NUMBER
    for first, last in _ranges(_INVISIBLE, everything):
        table[first:last] = _LEFT_OUT
    unfolded, composing = table.copy(), set(range(*_HANGUL_VOWELS_AND_FINALS))
    for match in _MAY_FOLD.finditer(everything):
        letter, code = match[0], match.start()
        table[code] = _folded_code(letter, unfolded)
        parts = unicodedata.decomposition(letter).split()
        composing |= {int(parts[1], 16)} if len(parts) == 2 and not parts[0].startswith("<") else set()
        composing |= {code} if unicodedata.combining(letter) else set()
    table[ord("\\")] = _BEGINS_MARKUP
    table[list(composing)] |= _FOLDS_WITH_OTHERS
    return table


def _ranges(pattern: "regex.Pattern[str]", text: str) -> list[tuple[int, int]]:
    return [match.span() for match in regex.finditer(f"(?:{pattern.pattern})+", text)]


def _folded_code(letter: str, table: Codes) -> int:
    known = [int(table[ord(each)]) for each in folded(letter)]
    if len(known) == 1:
        return known[0]
    if all(code in (_PARTS, _LEFT_OUT) for code in known):
        return _PARTS if known else _LEFT_OUT
    return _FOLDS_WITH_OTHERS | int(table[ord(letter)])
