"""Amounts as people read them, in columns."""

import sys
from collections.abc import Sequence

MINUTE, HOUR, DAY = 60, 3_600, 86_400


def human(number: float, unit: str = "") -> str:
    """A number with three digits and a prefix: 12.3 M."""
    if not number:
        return "-"
    prefixes = ["", "k", "M", "G", "T", "P", "E", "Z", "Y"]
    while abs(number) >= 999.5 and len(prefixes) > 1:
        number, prefixes = number / 1000, prefixes[1:]
    return f"{number:.3g} {prefixes[0]}{unit}".rstrip()


def duration(seconds: float) -> str:
    """Seconds in the unit that people would use, with two or three digits: 4.2 s, 12 min, 31.5 h, 120 days."""
    for unit, size, most in (("s", 1, 2 * MINUTE), ("min", MINUTE, 2 * HOUR), ("h", HOUR, 4 * DAY)):
        if seconds < most:
            number = seconds / size
            return f"{number:.1f} {unit}" if number < 99.95 else f"{number:.0f} {unit}"
    return f"{seconds / DAY:,.1f} days"


def table(rows: Sequence[Sequence[str]]) -> None:
    """Prints rows as columns, the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        sys.stdout.write("  ".join(cells).rstrip() + "\n")
