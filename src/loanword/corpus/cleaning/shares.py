"""Rules that remove documents by what their characters are: too many symbols, too many digits.

Shares are of the characters that are not space. Combining marks belong to letters, and every script's punctuation is
punctuation: so a share means the same in all scripts.
"""

import re

import regex

from loanword.corpus.cleaning.rule import Fault, Removal
from loanword.recipe.text import CleaningConfig

# Symbols, and what no text holds: controls, private and unassigned characters. Of punctuation, what markup and code are
# made of, and four and more of one mark in a row.
_SYMBOLS = regex.compile(r"[\p{S}\p{Cc}\p{Co}\p{Cn}#*@&/\\_{}\[\]--\t\n\r]+", regex.V1)
_ASCII_SYMBOLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f#*@&/\\_{}\[\]$+<=>^`|~]+")  # the same, faster
_RULED_LINES = re.compile(r"([.\-…·,:;!?'\"。！？，、—–])\1{3,}")
_DIGITS = regex.compile(r"\p{N}+")


def symbol_share(text: str) -> float:
    """How much of a text is symbols, markup and ruled lines, of its characters that are not space."""
    symbols = _ASCII_SYMBOLS if text.isascii() else _SYMBOLS
    num_symbols = sum(map(len, symbols.findall(text)))
    num_symbols += sum(match.end() - match.start() for match in _RULED_LINES.finditer(text))
    return _share(num_symbols, text)


def digit_share(text: str) -> float:
    """How much of a text is digits and other numerals of any script, of its characters that are not space."""
    return _share(sum(map(len, _DIGITS.findall(text))), text)


def _share(num_characters: int, text: str) -> float:
    return num_characters / (len("".join(text.split())) or 1) if num_characters else 0.0


def _symbols(config: CleaningConfig) -> Fault:
    return lambda text: _too_large(symbol_share(text), config.max_symbol_share, "symbols")


def _digits(config: CleaningConfig) -> Fault:
    return lambda text: _too_large(digit_share(text), config.max_digit_share, "digits")


def _too_large(share: float, limit: float, what: str) -> str:
    return f"{share:.2f} of it {what}" if share > limit else ""


SYMBOLS = Removal("symbols", _symbols)
DIGITS = Removal("digits", _digits)
