r"""Whether two mathematical answers in LaTeX are written alike, as the MATH dataset's authors decide it.

Nothing is computed: two answers are equivalent where their standard forms are the same characters. So `1/2`,
`\frac12` and `0.5` are, `2/4` and `0.50` are not. What LaTeX does not allow (`\sqrt` or `\frac` of nothing) and two
units in one answer have no standard form; such answers are compared as they stand.

Source: hendrycks/math, modeling/math_equivalence.py, as ruixiangcui/AGIEval carries it, commit
5c77d073fda993f1652eaae3cf5d04cc5fd21d40, src/math_equivalence.py (same decisions, our code).
"""

import re

# In this order: what one of them leaves is what the next one sees. A per cent sign goes twice, as in the source.
_BEFORE_UNITS = (
    ("\n", ""),
    ("\\!", ""),
    ("\\\\", "\\"),
    ("tfrac", "frac"),
    ("dfrac", "frac"),
    ("\\left", ""),
    ("\\right", ""),
    ("^{\\circ}", ""),
    ("^\\circ", ""),
    ("\\$", ""),
)
_AFTER_UNITS = (("\\%", ""), ("\\%", ""), (" .", " 0."), ("{.", "{0."))

_UNIT = "\\text{ "
_WHOLE_NUMBER = r"(?:0|-?[1-9][0-9]*)"
_QUOTIENT = re.compile(rf"({_WHOLE_NUMBER})/({_WHOLE_NUMBER})")


def equivalent(first: str, second: str) -> bool:
    """Whether two answers have the same standard form; where either has none, whether they are the same text."""
    one, other = standard_form(first), standard_form(second)
    if one is None or other is None:
        return first == second
    return one == other


def standard_form(answer: str) -> str | None:
    r"""An answer without sizes, spaces, degrees, per cent signs, units and a name before `=`, its fractions in braces.

    None: it has no such form.
    """
    without_unit = _without_unit(_replaced(answer, _BEFORE_UNITS))
    if without_unit is None:
        return None
    text = _replaced(without_unit, _AFTER_UNITS)
    text = "0" + text if text.startswith(".") else text
    rooted = _braced_roots(_without_name(text))
    if rooted is None:
        return None
    text = _braced_fractions(rooted.replace(" ", ""))
    if text == "0.5":
        return "\\frac{1}{2}"
    quotient = _QUOTIENT.fullmatch(text) if text is not None else None
    return f"\\frac{{{quotient[1]}}}{{{quotient[2]}}}" if quotient else text


def _replaced(text: str, pairs: tuple[tuple[str, str], ...]) -> str:
    for old, new in pairs:
        text = text.replace(old, new)
    return text


def _without_unit(text: str) -> str | None:
    before, *units = text.split(_UNIT)
    return before if len(units) < 2 else None


def _without_name(text: str) -> str:
    name, *values = text.split("=")
    return values[0] if len(values) == 1 and len(name) <= 2 else text


def _braced_roots(text: str) -> str | None:
    before, *radicands = text.split("\\sqrt")
    if not all(radicands):
        return None
    braced = (part if part.startswith("{") else f"{{{part[0]}}}{part[1:]}" for part in radicands)
    return before + "".join(f"\\sqrt{part}" for part in braced)


def _braced_fractions(text: str) -> str | None:
    """With a brace around each part of one character; as it stands where a fraction has but one part."""
    before, *fractions = text.split("\\frac")
    for fraction in fractions:
        if not fraction:
            return None
        if len(fraction) == 1 and fraction != "{":
            return text
        before += "\\frac" + _braced_parts(fraction)
    return before


def _braced_parts(fraction: str) -> str:
    if fraction.startswith("{"):
        return fraction
    above, below, rest = fraction[0], fraction[1], fraction[2:]
    return f"{{{above}}}" + (f"{{{below}}}" if below != "{" else below) + rest
