"""Numbers of a text, and whether they are in its translation, whatever its digits and its marks for thousands are.

`1,234.5`, `1.234,5`, `1 234,5` and `१,२३४.५` are one number; `1,234` may be two, and equals what either of them equals.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_MARKS = ".,．٫٬'’\u00a0\u202f\u2009"
_DECIMAL = frozenset(".,．٫")
_DIGITS = "".join(chr(point) for point in range(0x110000) if unicodedata.category(chr(point)) == "Nd")
_PLAIN = {ord(digit): str(unicodedata.digit(digit)) for digit in _DIGITS}

NUMBER = rf"""(?P<number>(?:[%٪](?=[{_DIGITS}]))?(?:(?<![^\s\u3000(（\[{{=<>:,：，|])[-−](?=[{_DIGITS}]))?
    [{_DIGITS}]+(?:[{_MARKS}][{_DIGITS}]+)*(?:\s?[%％٪﹪‰])?)"""
"""A number in a pattern that passes over white space: a minus only where it is no hyphen, a percent sign with it, which
stands before the number in Turkish."""

_NUMBER = re.compile(NUMBER, re.X)
_THOUSANDS = re.compile(rf"(?<=[{_DIGITS}])\ (?=[{_DIGITS}]{{3}}(?![{_DIGITS}]))")


class Reading(NamedTuple):
    """One value that written digits may have."""

    negative: bool
    digits: str
    num_decimals: int
    unit: str


def plain_digits(text: str) -> str:
    """A text with the digits 0 to 9 for those of other scripts; no character moves."""
    return text.translate(_PLAIN)


def missing_numbers(source: str, translation: str) -> list[str]:
    """The numbers of a source that its translation does not have as often, as the source writes them."""
    missing = _missing(source, translation)
    if not missing:
        return []
    # A space parts thousands in many languages, and two numbers in all of them: it is read so only where that helps.
    return min(missing, _missing(_THOUSANDS.sub("", source), _THOUSANDS.sub("", translation)), key=len)


def _missing(source: str, translation: str) -> list[str]:
    there = Counter(value for found in _NUMBER.finditer(translation) for value in readings(found["number"]))
    missing: list[str] = []
    for found in _NUMBER.finditer(source):
        for value in readings(found["number"]):
            match = value if there[value] else next((other for other in there if there[other] and other & value), None)
            if match is None:
                missing.append(found["number"])
            else:
                there[match] -= 1
    return list(dict.fromkeys(missing))


def readings(number: str) -> Iterator[frozenset[Reading]]:
    """The values that a written number may have; several sets where it is several numbers, as `1,2,3` is."""
    unit = "‰" if number.endswith("‰") else "%" if {number[0], number[-1]} & set("%％٪﹪") else ""
    negative = "-" in number or "−" in number
    body = plain_digits(number.strip("-−%％٪﹪‰ \t\n\u00a0\u202f"))
    groups, marks = re.split(rf"[{_MARKS}]", body), re.findall(rf"[{_MARKS}]", body)
    found: set[Reading] = set()
    if _are_thousands(groups, marks):
        found.add(Reading(negative, _bare("".join(groups)), 0, unit))
    if marks and marks[-1] in _DECIMAL and marks[-1] not in marks[:-1] and _are_thousands(groups[:-1], marks[:-1]):
        found.add(Reading(negative, "".join(groups), len(groups[-1]), unit))
    if found:
        yield frozenset(found)
        return
    for place, group in enumerate(groups):
        is_last = place == len(groups) - 1
        yield frozenset({Reading(negative and not place, _bare(group), 0, unit if is_last else "")})


def _are_thousands(groups: Sequence[str], marks: Sequence[str]) -> bool:
    """Whether groups are one whole number: by threes, or the last by three and those before by two, as in India."""
    if not marks:
        return True
    first, *middle, last = groups
    return len(set(marks)) == 1 and 1 <= len(first) <= 3 and len(last) == 3 and {*map(len, middle)} <= {2, 3}


def _bare(digits: str) -> str:
    # The third of October is 03 in one date and 3 in another; a longer row of digits is a code.
    return digits.lstrip("0") or "0" if len(digits) <= 2 else digits
