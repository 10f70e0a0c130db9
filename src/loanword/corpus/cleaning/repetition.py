"""Rules that remove documents which say the same again and again: lines, or n-grams of words.

Source: Rae et al. 2021, "Scaling Language Models: Methods, Analysis & Insights from Training Gopher", Appendix A1.1:
the share of duplicate lines (their Table A1: 0.30), and that of characters in duplicate n-grams (0.15 for n = 5 down to
0.10 for n = 10). What is ours: lines are told apart by what they say, one n stands for their six, what comes for the
first time is not counted, and where words are not separated each character is a word.
"""

import re
from functools import cache

import numpy as np
from numpy.typing import NDArray

from loanword.corpus.cleaning.rule import Fault, Removal
from loanword.recipe.text import CleaningConfig

NGRAM_WORDS = 10
PART_CHARACTERS = 1_000_000
_SAYS_SOMETHING = re.compile(r"\w")
# Thai and Lao, Tibetan, Burmese, Khmer; Chinese and Japanese, and Chinese characters beyond the first plane.
_UNSPACED = ((0x0E00, 0x0EFF), (0x0F00, 0x0FFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x2E80, 0x9FFF), (0xF900, 0xFAFF),
             (0x20000, 0x3FFFF))  # fmt: skip
_HAS_UNSPACED = re.compile("[" + "".join(f"{chr(first)}-{chr(last)}" for first, last in _UNSPACED) + "]")
_SPACES = ((0x00, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0x2000, 0x200B), (0x2028, 0x2029), (0x202F, 0x202F))
_LETTER_KIND, _SPACE_KIND, _UNSPACED_KIND = 0, 1, 2
# Any odd number has an inverse modulo 2^64, which is what substrings are told apart with.
_MULTIPLIER = 0x9E3779B97F4A7C15
_INVERSE = pow(_MULTIPLIER, -1, 1 << 64)


def repeated_line_share(text: str) -> float:
    """How many of a text's lines stand in it before; lines without a letter or digit are not counted."""
    lines = [line for line in map(str.strip, text.split("\n")) if _SAYS_SOMETHING.search(line)]
    return 1 - len(set(lines)) / len(lines) if lines else 0.0


def repeated_ngram_share(text: str) -> float:
    """How many of a text's characters lie in n-grams of words that stand in it before; space is not counted.

    A text that says the same n times has (n - 1) / n. Characters of scripts without spaces count as words. A text of
    more than `PART_CHARACTERS` is looked at in parts of that length.
    """
    if not _may_repeat(text):
        return 0.0
    parts = [text[start : start + PART_CHARACTERS] for start in range(0, len(text), PART_CHARACTERS)]
    repeated, counted = zip(*map(_repeated_characters, parts), strict=True)
    return sum(repeated) / max(1, sum(counted))


def _may_repeat(text: str) -> bool:
    # An n-gram that comes again is n words that come again, and n - 2 times three of them in a row: most texts have
    # fewer, which is seen in a third of the time.
    if _HAS_UNSPACED.search(text):
        return len(text) - len(set(text)) >= NGRAM_WORDS
    words = text.split()
    if len(words) - len(set(words)) < NGRAM_WORDS:
        return False
    return len(words) - 2 - len(set(zip(words, words[1:], words[2:], strict=False))) >= NGRAM_WORDS - 2


def _repeated_characters(text: str) -> tuple[int, int]:
    codes_C, starts_W = _words(text)
    num_ngrams = len(starts_W) - NGRAM_WORDS
    if num_ngrams < 2:
        return 0, len(codes_C)
    firsts_N, ends_N = starts_W[:num_ngrams], starts_W[NGRAM_WORDS:]
    hashes_N = _hashes(codes_C, firsts_N, ends_N)
    sorted_N = np.sort(hashes_N)
    if not (sorted_N[1:] == sorted_N[:-1]).any():  # of most texts; to find which it is takes several times as long
        return 0, len(codes_C)
    again_N = _again(hashes_N)
    edges_C = np.zeros(len(codes_C) + 1, np.int64)
    edges_C[firsts_N[again_N]] += 1
    edges_C[ends_N[again_N]] -= 1
    return int((np.cumsum(edges_C) > 0).sum()), len(codes_C)


def _words(text: str) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    # The code points that are not space, and where among them words start; the last start is their end.
    codes_T = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    kinds_T = _kinds()[codes_T]
    starts_T = kinds_T == _UNSPACED_KIND
    starts_T[1:] |= kinds_T[:-1] != _LETTER_KIND
    starts_T[:1] = True
    letters_T = kinds_T != _SPACE_KIND
    codes_C, starts_C = codes_T[letters_T].astype(np.uint64), starts_T[letters_T]
    return codes_C, np.append(np.flatnonzero(starts_C), len(starts_C))


@cache
def _kinds() -> NDArray[np.uint8]:
    # Of every code point, one megabyte in all.
    kinds = np.full(0x110000, _LETTER_KIND, np.uint8)
    for ranges, kind in ((_SPACES, _SPACE_KIND), (_UNSPACED, _UNSPACED_KIND)):
        for first, last in ranges:
            kinds[first : last + 1] = kind
    return kinds


def _hashes(codes_C: NDArray[np.uint64], firsts_N: NDArray[np.int64], ends_N: NDArray[np.int64]) -> NDArray[np.uint64]:
    # Of every substring at once: differences of running sums of code x multiplier^place, moved to place 0.
    size = 1 << len(codes_C).bit_length()
    powers_C, inverses_C = _powers(_MULTIPLIER, size), _powers(_INVERSE, size)
    sums_C = np.append(np.uint64(0), np.cumsum((codes_C + np.uint64(1)) * powers_C[: len(codes_C)]))
    return (sums_C[ends_N] - sums_C[firsts_N]) * inverses_C[firsts_N]


@cache  # of about twenty sizes, since parts are short: 33 MB in all
def _powers(of: int, size: int) -> NDArray[np.uint64]:
    powers = np.full(size, of, np.uint64)
    powers[:1] = 1
    return np.cumprod(powers)


def _again(hashes_N: NDArray[np.uint64]) -> NDArray[np.bool_]:
    order_N = np.argsort(hashes_N, kind="stable")
    sorted_N = hashes_N[order_N]
    again_N = np.zeros(len(hashes_N), np.bool_)
    again_N[order_N[1:]] = sorted_N[1:] == sorted_N[:-1]
    return again_N


def _lines(config: CleaningConfig) -> Fault:
    return lambda text: _too_large(repeated_line_share(text), config.max_repeated_line_share, "lines")


def _ngrams(config: CleaningConfig) -> Fault:
    return lambda text: _too_large(repeated_ngram_share(text), config.max_repeated_ngram_share, f"{NGRAM_WORDS}-grams")


def _too_large(share: float, limit: float, what: str) -> str:
    return f"{share:.2f} of it in {what} that stand there before" if share > limit else ""


REPEATED_LINES = Removal("repeated-lines", _lines)
REPEATED_NGRAMS = Removal("repeated-ngrams", _ngrams)
