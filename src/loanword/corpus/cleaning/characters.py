"""Rules that change single characters: normal forms, control characters, full-width forms, simplified characters.

Each is idempotent: what it gives is left alone when it comes again.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import Any, cast

import regex

from loanword.corpus.cleaning.rule import Edit, Edited

# Scripts whose letters join differently with a joiner (U+200D) or non-joiner (U+200C) behind them: there these two are
# spelling. Source: The Unicode Standard, sections 9.2 (Arabic) and 12.1 (Devanagari), and those of the other scripts.
_JOINING = (
    "Arabic", "Syriac", "Nko", "Mongolian", "Devanagari", "Bengali", "Gurmukhi", "Gujarati", "Oriya", "Tamil", "Telugu",
    "Kannada", "Malayalam", "Sinhala", "Khmer", "Myanmar", "Thaana", "Tibetan", "Balinese", "Javanese",
)  # fmt: skip
_JOINING_LETTER = "[" + "".join(rf"\p{{Script={name}}}" for name in _JOINING) + r"]\p{M}*"
# Scripts without spaces in which a zero-width space (U+200B) says where a word ends.
_UNSPACED_LETTER = r"[\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\p{Script=Tibetan}]\p{M}*"
_EMOJI = r"[\p{Extended_Pictographic}\p{Emoji_Modifier}\uFE0F]"

_MOST_CONVERSIONS = 4

_LINE_ENDS = re.compile("\r\n?|[\v\f\x85\u2028\u2029]")
_ODD = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufdd0-\ufdef\ufff9-\ufffc"
    "\ufffe\uffff]"
)
_UNWANTED = regex.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u061c\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    "\ufdd0-\ufdef\ufff9-\ufffc\ufffe\uffff]"
    rf"|(?<!{_JOINING_LETTER})\u200C|(?<!{_JOINING_LETTER})(?!(?<={_EMOJI})\u200D\p{{Extended_Pictographic}})\u200D"
    rf"|(?<!{_UNSPACED_LETTER})\u200B"
)


def normalized(text: str) -> str:
    """The text in Unicode's normal form C: one spelling of what looks and means the same."""
    return text if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)


def without_control_characters(text: str) -> str:
    """The text without what no reader sees: control characters, marks of order, direction and width.

    Ends of lines of every kind become `\\n`; tabs stay. A joiner and a non-joiner stay behind letters of the scripts
    that spell with them and inside emoji, a zero-width space behind letters of scripts without spaces. Marks of
    direction go everywhere: they say how mixed text is drawn, not what it says.
    """
    if not _ODD.search(text):
        return text
    return _UNWANTED.sub("", _LINE_ENDS.sub("\n", text))


_FULL_WIDTH = re.compile("[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]")
_FULL_WIDTH_POINT = re.compile("(?<=[\uff10-\uff19])\uff0e(?=[\uff10-\uff19])")
_TO_ASCII = {code: code - 0xFEE0 for block in ("09", "AZ", "az")
             for code in range(ord(block[0]) + 0xFEE0, ord(block[1]) + 0xFEE1)}  # fmt: skip


def with_plain_letters(text: str) -> str:
    """The text with full-width Latin letters and digits as ASCII, and so the point between two such digits.

    Other full-width signs stay: they are the punctuation of Chinese text.
    """
    if not _FULL_WIDTH.search(text):
        return text
    return _FULL_WIDTH_POINT.sub(".", text).translate(_TO_ASCII)


def _to_simplified() -> Edited:
    from opencc import OpenCC  # loads dictionaries of some megabytes

    convert = cast(Callable[[str], str], cast(Any, OpenCC("t2s")).convert)

    def simplified(text: str) -> str:
        # One conversion misses a character that its neighbours look like a phrase with (於倫敦): those are caught by
        # another, which nothing is left for after that in 45 MB of Chinese Wikipedia.
        for _ in range(_MOST_CONVERSIONS):
            converted = text if text.isascii() else convert(text)
            if converted == text:
                break
            text = converted
        return text

    return simplified


NFC = Edit("nfc", lambda: normalized)
CONTROL_CHARACTERS = Edit("control-characters", lambda: without_control_characters)
FULL_WIDTH_FORMS = Edit("full-width-forms", lambda: with_plain_letters)
SIMPLIFIED_CHARACTERS = Edit(
    "simplified-characters", _to_simplified, languages=frozenset({"zh", "yue", "wuu", "lzh", "und"})
)
