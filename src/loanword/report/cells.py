"""Tables as values: what a cell shows, what it holds, and the same as JSON and CSV.

A cell is never blank: it holds something, is missing (planned and not finished), or was not planned.
"""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from loanword.report.saying import say
from loanword.report.statistics import Estimate
from loanword.report.wording import MISSING, NOT_PLANNED

Tone = Literal["", "good", "bad", "quiet"]


@dataclass(frozen=True)
class Sources:
    """What numbers were computed from: artifacts of some runs, by label, in some roles or whole stages.

    Where no run is named, those of all runs are meant.
    """

    runs: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()

    def within(self, wider: "Sources") -> "Sources":
        """These, with what they do not name taken from what holds around them."""
        return Sources(self.runs or wider.runs, self.roles or wider.roles)


NO_SOURCES = Sources()


@dataclass(frozen=True)
class Column:
    """One column: `key` names it for machines; numbers are set flush right."""

    key: str
    title: str
    is_number: bool = True
    sources: Sources = NO_SOURCES


@dataclass(frozen=True)
class Cell:
    """What one cell shows, and the value behind it; `interval` is shown after it, quieter.

    A cell that heads its row says from which runs the row's numbers were computed.
    """

    text: str
    value: str | float | None = None
    state: Literal["present", "missing", "not planned"] = "present"
    interval: str = ""
    low: float | None = None
    high: float | None = None
    tone: Tone = ""
    sources: Sources = NO_SOURCES

    def plain(self) -> Any:
        """The value for JSON: bare, with its interval, or its state where there is none."""
        if self.state != "present":
            return {"state": self.state}
        if self.low is not None:
            return {"value": self.value, "low": self.low, "high": self.high}
        return self.value


MISSING_CELL = Cell(MISSING, state="missing", tone="quiet")
NOT_PLANNED_CELL = Cell(NOT_PLANNED, state="not planned", tone="quiet")


@dataclass(frozen=True)
class RowGroup:
    """Rows under a heading of their own; the heading is empty where a table has one group."""

    title: str
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    sources: Sources = NO_SOURCES


@dataclass(frozen=True)
class Table:
    """A table whose first column heads its rows."""

    key: str
    title: str
    note: str
    columns: tuple[Column, ...]
    groups: tuple[RowGroup, ...]
    sources: Sources = NO_SOURCES

    @property
    def anchor(self) -> str:
        """Its key as a name that a page can point at: attributes hold several names with spaces between them."""
        return "_".join(self.key.split())

    @property
    def num_rows(self) -> int:
        """Its rows, over all groups."""
        return sum(len(group.rows) for group in self.groups)

    def sources_of(self, group: RowGroup, row: Sequence[Cell], column: Column | None = None) -> Sources:
        """What a row, or its number in one column, was computed from."""
        of_row = row[0].sources.within(group.sources).within(self.sources)
        if column is not None:
            return column.sources.within(of_row)
        return of_row.within(Sources(roles=tuple(role for one in self.columns for role in one.sources.roles)))

    def to_json(self, named: Callable[[Sources], Sequence[str]] | None = None) -> dict[str, Any]:
        """Rows as objects by column key, the group's title under `group` where there are groups.

        Under `sources` stand the artifacts that the row was computed from, as `named` has them.
        """
        keys = [column.key for column in self.columns]
        rows = [
            ({"group": group.title} if group.title else {})
            | {key: cell.plain() for key, cell in zip(keys, row, strict=True)}
            | ({"sources": list(named(self.sources_of(group, row)))} if named else {})
            for group in self.groups
            for row in group.rows
        ]
        return {"title": self.title, "note": self.note, "rows": rows}

    def to_csv(self) -> str:
        """One line a row; an interval has columns of its own, and a state stands as its word."""
        grouped = any(group.title for group in self.groups)
        ranged = [place for place in range(len(self.columns)) if any(row[place].low is not None for row in self._rows)]
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            (["group"] if grouped else [])
            + [name for place in range(len(self.columns)) for name in self._names(place, ranged)]
        )
        for group in self.groups:
            for row in group.rows:
                fields = [field for place, cell in enumerate(row) for field in _fields(cell, place in ranged)]
                writer.writerow(([group.title] if grouped else []) + fields)
        return file.getvalue()

    @property
    def _rows(self) -> list[tuple[Cell, ...]]:
        return [row for group in self.groups for row in group.rows]

    def _names(self, place: int, ranged: Sequence[int]) -> list[str]:
        key = self.columns[place].key
        return [key, f"{key}_low", f"{key}_high"] if place in ranged else [key]


def _fields(cell: Cell, ranged: bool) -> list[Any]:
    first = cell.value if cell.state == "present" else cell.state
    return [first, cell.low, cell.high] if ranged else [first]


def one_group(rows: Sequence[Sequence[Cell]]) -> tuple[RowGroup, ...]:
    """The rows of a table without headings between them."""
    return (RowGroup("", tuple(tuple(row) for row in rows)),)


def text_cell(text: str, *, tone: Tone = "") -> Cell:
    """A cell of words."""
    return Cell(text, text, tone=tone)


def run_cell(label: str, *, text: str = "") -> Cell:
    """A cell that heads the row of one run."""
    return Cell(text or label, text or label, sources=Sources((label,)))


def pair_cell(arm: str, control: str) -> Cell:
    """A cell that heads the row of an arm beside its control."""
    named = against(arm, control)
    return Cell(named, named, sources=Sources((arm, control)))


def pair_group(arm: str, control: str, rows: tuple[tuple[Cell, ...], ...], note: str = "") -> RowGroup:
    """Rows about an arm beside its control."""
    return RowGroup(against(arm, control), rows, note, Sources((arm, control)))


def against(arm: str, control: str) -> str:
    """An arm and its control by name."""
    return say("{arm} against {control}", arm=arm, control=control)


def number_cell(value: float | None, shown: Callable[[float], str], *, planned: bool = True) -> Cell:
    """A cell of one number, or the reason why there is none."""
    if value is None:
        return MISSING_CELL if planned else NOT_PLANNED_CELL
    return Cell(shown(value), value)


def estimate_cell(
    estimate: Estimate | None,
    shown: Callable[[float], str],
    *,
    bounds: Callable[[float], str] | None = None,
    planned: bool = True,
) -> Cell:
    """A cell of a number with its interval, whose ends may be written without a unit, or why there is none."""
    if estimate is None:
        return MISSING_CELL if planned else NOT_PLANNED_CELL
    bound = bounds or shown
    interval = say("{low} to {high}", low=bound(estimate.low), high=bound(estimate.high))
    return Cell(shown(estimate.value), estimate.value, interval=interval, low=estimate.low, high=estimate.high)
