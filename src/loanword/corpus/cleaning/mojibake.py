"""The rule against mojibake: text that was written in one encoding and read in another is read again, by ftfy.

Only ftfy's repair of encodings is used, line by line; what else it can change (quotes, widths, ligatures, entities) is
not touched. It repairs UTF-8 that was read as a single-byte encoding; UTF-8 read as GBK is not among what it knows.
"""

import re
from collections.abc import Mapping

from loanword.corpus.cleaning.rule import Edit, Edited

_SIGNS = ("bad", "box", "start_punctuation", "end_punctuation", "currency", "numeric", "law")


def _mending() -> Edited:
    from ftfy import fix_encoding
    from ftfy.badness import MOJIBAKE_CATEGORIES, is_bad

    suspect = suspect_pairs(MOJIBAKE_CATEGORIES)

    def mended(text: str) -> str:
        if text.isascii() or not suspect.search(text):
            return text
        return "\n".join(
            fix_encoding(line) if suspect.search(line) and is_bad(line) else line for line in text.split("\n")
        )

    return mended


def suspect_pairs(categories: Mapping[str, str]) -> re.Pattern[str]:
    """What any line that ftfy takes for mojibake holds, by its own categories of characters; found much faster."""
    # Every pattern of `ftfy.badness.BADNESS_RE` has a C1 control character, or one of a few letters, or a sign beside
    # another character that mojibake is made of, or a capital behind a small letter.
    signs = "".join(categories[name] for name in _SIGNS)
    small = categories["lower_accented"] + categories["lower_common"]
    capital = categories["upper_accented"]
    every = f"{signs}{small}{capital}{categories['upper_common']}{categories['kaomoji']}"
    return re.compile(
        f"[{categories['c1']}ÂÃÎÐØÙŒœ]|[{signs}][{every}]|[{every}][{signs}]|[{small}][{capital}]"
        f"|[{capital}ΒΓΞΟВГРС]°|√´|вЂ|ГўВЂВ"
    )


MOJIBAKE = Edit("mojibake", _mending)
