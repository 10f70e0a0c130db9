"""Texts, numbers and tables as Markdown; what comes from records shows as it is, whatever it holds."""

import re
from collections.abc import Callable, Sequence

from loanword.report.statistics import Estimate

_MEANT_AS_TEXT = re.compile(r"([\\`*_{}\[\]<>#|~!&$])")
_BREAKS = re.compile(r"\s*[\r\n\u2028\u2029]+\s*")


def escaped(text: object) -> str:
    """A text on one line that Markdown shows as it is, HTML in it too."""
    return _MEANT_AS_TEXT.sub(r"\\\1", _BREAKS.sub(" ", str(text)).strip())


def code(text: str) -> str:
    """A text in the type of code."""
    fence = "``" if "`" in text else "`"
    pad = " " if "`" in text else ""
    # A bar would end a table's cell even inside of code.
    return f"{fence}{pad}{_BREAKS.sub(' ', text)}{pad}{fence}".replace("|", "\\|")


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, num_words: int = 1) -> str:
    """Rows of Markdown under headings; columns behind the first `num_words` are numbers and flush right."""
    rule = [":---" if place < num_words else "---:" for place in range(len(headings))]
    return "\n".join(f"| {' | '.join(cell or ' ' for cell in row)} |" for row in (headings, rule, *rows))


def items(texts: Sequence[str]) -> str:
    """Texts as a list."""
    return "\n".join(f"- {text}" for text in texts)


def estimate_text(
    estimate: Estimate, shown: Callable[[float], str], bound: Callable[[float], str] | None = None
) -> str:
    """A number with its interval in brackets, whose ends may be written without a unit."""
    low, high = (bound or shown)(estimate.low), (bound or shown)(estimate.high)
    return f"{shown(estimate.value)} [{low} to {high}]"
