"""The texts of AGIEval's options, without the marks that they are published with.

Most options begin "(A)", others "A．", " A. ", "A .", "A、", "A: ", "A? " or "A ", and a few have no mark. 38 examples
of logiqa-en and logiqa-zh have their options in the order in which two columns were read, A, C, B, D: there the label
is that of the mark, as those show that can be solved by hand (108 and 192 of either file), and options are put in the
order of their marks.
"""

import re

from loanword.evaluation.benchmarks.agieval_tasks import LETTERS

_MARK = re.compile(r"\s*(?:\((?P<bracketed>[A-G])\)|(?P<bare>[A-G])(?:\s*(?P<point>[.．。、:：?？])|(?=\s)))\s*")


def unmarked(options: tuple[str, ...]) -> tuple[str, ...]:
    """Texts of options, each at the place of the letter that it is marked with.

    Where marks do not give every letter once, options keep their places and lose only what can be nothing but a mark: a
    letter in brackets, or its own one with a point behind it.
    """
    marks = [_MARK.match(option) for option in options]
    letters = [mark and (mark["bracketed"] or mark["bare"]) for mark in marks]
    expected = LETTERS[: len(options)]
    if set(letters) == set(expected):
        by_letter = {
            letter: _behind(mark, option) for letter, mark, option in zip(letters, marks, options, strict=True)
        }
        return tuple(by_letter[letter] for letter in expected)
    return tuple(
        _behind(mark if mark and (mark["bracketed"] or (mark["point"] and mark["bare"] == own)) else None, option)
        for own, mark, option in zip(expected, marks, options, strict=True)
    )


def _behind(mark: re.Match[str] | None, option: str) -> str:
    return (option[mark.end() :] if mark else option).strip()
