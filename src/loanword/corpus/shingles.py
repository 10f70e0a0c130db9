"""The n-grams of a text as 64-bit numbers, and what two texts have in common of them.

A token is a word, lower-cased: a run of letters, digits and marks. In scripts that put no spaces between words each
letter is a token of its own, with the marks on it. Whatever stands between tokens counts for nothing. The rule
looks at characters alone, so a text that mixes scripts needs no decision, and no language has to be known.

A number stands for an n-gram on every machine and in every process. That two n-grams of a corpus get the same one
is possible (2**-64 a pair) and taken to be never.
"""

from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import regex

NGRAM_TOKENS = 5
"""Five words; or five characters, which are about three words of Chinese. A word that is replaced costs about as many
of the n-grams in the one as in the other."""

Hashes = npt.NDArray[np.uint64]

# Tibetan is not among them: it marks the end of every syllable, which serves as a space. Kana have marks and letters
# that belong to no script, beside them. What else is shared between scripts (accents) has to stay with words.
_WITHOUT_SPACES = "".join(
    rf"\p{{Script={script}}}"
    for script in (
        "Han", "Hiragana", "Katakana", "Bopomofo", "Yi", "Thai", "Lao", "Khmer", "Myanmar", "Tai_Le", "New_Tai_Lue",
        "Tai_Tham", "Javanese", "Balinese",
    )
) + r"\u3000-\u30FF\uFF66-\uFF9F"  # fmt: skip
# Letters of planes beyond these do not exist; what is clipped to the last place is no letter.
_NUM_CODES = 0x40000
_PIECE_CHARACTERS = (1 << 16) - 1
# A polynomial in this odd number, modulo 2**64, hashes characters in their order; so does one in the other, tokens.
_CHARACTER_STEP = 0x5851F42D4C957F2D
_TOKEN_STEP = 0xD1342543DE82EF95
_TOKEN_STEP_SQUARED = _TOKEN_STEP**2 % 2**64
_HALF = np.uint64(32)
_LATER = np.uint8(4)

# What a character is to the one after it: one bit each. And after which of these it starts a token.
_NOTHING, _WORD, _ALONE, _MARK = 1, 2, 4, 8
_STARTS_AFTER = {_NOTHING: 0, _WORD: _NOTHING | _ALONE | _MARK, _ALONE: 15, _MARK: _NOTHING}


class _Alphabet(NamedTuple):
    # By code point: `kinds` holds what a character is, and four bits higher after what it starts a token.
    kinds: npt.NDArray[np.uint8]
    values: Hashes


@lru_cache(maxsize=1)
def ngrams(text: str) -> Hashes:
    """The n-grams of a text in their order, with those that occur again; never empty, not to be written to.

    A text of fewer tokens than an n-gram is one n-gram as it is; a text of no tokens at all is one of its characters.
    The last text's are kept, so that a second question about it costs nothing.
    """
    found: list[Hashes] = []
    carried = np.zeros(0, np.uint64)
    start, length = 0, _PIECE_CHARACTERS
    while start < len(text):
        last = start + length >= len(text)
        starts, tokens = _tokens(text[start : start + length])
        if not last and len(starts) == 1 and starts[0] == 0:
            length *= 2
            continue
        if not last and len(starts):
            # The last token of a piece may go on in the next.
            start, tokens = start + int(starts[-1]), tokens[:-1]
        else:
            start += length
        length = _PIECE_CHARACTERS
        carried = np.concatenate([carried[1 - NGRAM_TOKENS :], tokens]) if len(carried) else tokens
        found.append(_runs(carried))
    made = found[0] if len(found) == 1 else np.concatenate([carried[:0], *found])
    if not len(made):
        made = _whole(carried if len(carried) else _codes(text).astype(np.uint64))
    made.flags.writeable = False
    return made


def similarity(one: str, other: str) -> float:
    """Jaccard similarity of two texts: distinct n-grams in both, of distinct n-grams in either."""
    return jaccard(np.unique(ngrams(one)), np.unique(ngrams(other)))


def jaccard(one: Hashes, other: Hashes) -> float:
    """The share of what is in either set that is in both; each is sorted and without repeats."""
    both = len(np.intersect1d(one, other, assume_unique=True))
    return both / (len(one) + len(other) - both)


def scattered(values: Hashes) -> Hashes:
    """Numbers that look random, one for each different value.

    Source: the finalizer of SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators"),
    with the constants of Stafford's variant 13.
    """
    mixed = values ^ (values >> np.uint64(30))
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed


def _codes(text: str) -> npt.NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.dtype("<u4"))


def _tokens(piece: str) -> tuple[npt.NDArray[np.int64], Hashes]:
    # Where tokens start, and a number for each: the sum of its characters' values, each times the step to the power
    # of its place in the token. What lies between tokens has the value 0. The space in front ends what was before.
    alphabet = _alphabet()
    codes = _codes(" " + piece).astype(np.intp)
    kinds = alphabet.kinds.take(codes, mode="clip")
    starts: npt.NDArray[np.int64] = np.flatnonzero((kinds[1:] >> _LATER & kinds[:-1]) != 0)
    powers, inverses = _powers(1 << max(16, len(piece).bit_length()))
    values = alphabet.values.take(codes, mode="clip")
    values *= powers[: len(values)]
    until = values.cumsum()
    edges = np.empty(len(starts) + 1, np.uint64)
    edges[:-1] = until.take(starts)
    edges[-1] = until[-1]
    tokens: Hashes = edges[1:] - edges[:-1]
    tokens *= inverses.take(starts)
    return starts, tokens


def _runs(tokens: Hashes) -> Hashes:
    """A number for each run of five tokens: their sum, each times the token step to the power of its place."""
    assert NGRAM_TOKENS == 5
    twos = tokens[:-1] * np.uint64(_TOKEN_STEP)
    twos += tokens[1:]
    fives = twos[:-2] * np.uint64(_TOKEN_STEP_SQUARED)
    fives += twos[2:]
    fives = fives[:-1] * np.uint64(_TOKEN_STEP)
    fives += tokens[4:]
    fives ^= fives >> _HALF
    return fives


def _whole(values: Hashes) -> Hashes:
    powers, _ = _powers(1 << max(16, len(values).bit_length()))
    total: Hashes = np.add.reduce(scattered(values + np.uint64(1)) * powers[: len(values)], keepdims=True)
    return scattered(total + np.uint64(1))


@cache
def _alphabet() -> _Alphabet:
    # Surrogates stand for nothing; regex finds letters in a string of all characters much faster than one by one.
    characters = "".join(" " if 0xD800 <= code < 0xE000 else chr(code) for code in range(_NUM_CODES))
    kinds = np.full(_NUM_CODES, _NOTHING, np.uint8)
    for pattern, kind in (
        (r"[\p{L}\p{M}\p{N}]+", _WORD),
        (rf"[[\p{{L}}\p{{N}}]&&[{_WITHOUT_SPACES}]]+", _ALONE),
        (rf"[\p{{M}}&&[{_WITHOUT_SPACES}]]+", _MARK),
    ):
        for match in regex.finditer(pattern, characters, flags=regex.VERSION1):
            kinds[match.start() : match.end()] = kind
    kinds[-1] = _NOTHING
    lowered = np.arange(_NUM_CODES, dtype=np.uint64)
    for code in np.flatnonzero(kinds == _WORD).tolist():
        lower = chr(code).lower()
        lowered[code] = ord(lower) if len(lower) == 1 else code
    values = scattered(lowered + np.uint64(1))
    values[kinds == _NOTHING] = 0
    for kind, after in _STARTS_AFTER.items():
        kinds[kinds == kind] |= after << 4
    return _Alphabet(kinds, values)


@cache
def _powers(number: int) -> tuple[Hashes, Hashes]:
    """The first `number` powers of the step and of its inverse, modulo 2**64."""
    made: list[Hashes] = []
    for step in (_CHARACTER_STEP, pow(_CHARACTER_STEP, -1, 1 << 64)):
        powers = np.ones(number, np.uint64)
        known = 1
        while known < number:
            more = min(known, number - known)
            powers[known : known + more] = powers[:more] * np.uint64(pow(step, known, 1 << 64))
            known += more
        made.append(powers)
    return made[0], made[1]
