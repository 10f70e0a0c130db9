"""The options of GAOKAO-Bench's single choices, which stand inside of the question's text behind `A.` to `D.`.

Points are `.`, `．` or `、`. Letters stand on lines of their own or side by side, and may follow a text without a
space. All 1,418 questions of the seven files are split. Options of five are pictures, which leave no text.
"""

import re

LETTERS = "ABCD"

# Not the end of a word or a formula, as in "DNA." and "$ABC.$".
_MARK = re.compile(r"(?<![A-Za-z])([A-D])\s?[.．、]")


def split_options(text: str) -> tuple[str, tuple[str, ...]] | None:
    """A question without its options, and the texts of the four; None where their letters do not stand in order.

    The last A, B, C, D that follow each other are meant: a table or a sentence before them may have such letters too.
    """
    marks = list(_MARK.finditer(text))
    first = "".join(mark[1] for mark in marks).rfind(LETTERS)
    if first < 0:
        return None
    found = marks[first : first + len(LETTERS)]
    ends = [*(mark.start() for mark in found[1:]), len(text)]
    options = tuple(text[mark.end() : end].strip() for mark, end in zip(found, ends, strict=True))
    return text[: found[0].start()].strip(), options
