"""Published figures: the tables of arXiv 2401.01055 by the labels that its studies give their runs.

In: NAME.toml beside this module, one a study. What can be derived from a table is computed here, never written in one.
"""

import json
import tomllib
from importlib.resources import files
from typing import Literal

from loanword.records import Record

GPU_HOURS = 1_440
"""What all studies of the paper took, and more; the devices are not stated. Source: arXiv 2401.01055."""
AVERAGE = "average"
ROUNDING = 0.0005
"""Half of the last digit that the tables print."""
SLACK = 1e-9


class PublishedRow(Record):
    """One run, and its value in each of the table's columns."""

    run: str
    values: tuple[float, ...]


class Statement(Record):
    """What was said of an arm and a control on some benchmarks, without a number."""

    arm: str
    control: str
    said: Literal["higher", "about equal"]
    benchmarks: tuple[str, ...]


class PublishedTable(Record):
    """A table, or what was said in its place. Columns: items and their average, languages, or ends of a range."""

    title: str
    source: str
    measure: Literal["ratings", "perplexity", "switching", "statements"]
    judge: str = ""
    columns: tuple[str, ...] = ()
    rows: tuple[PublishedRow, ...] = ()
    statements: tuple[Statement, ...] = ()

    def value(self, row: PublishedRow, column: str) -> float:
        """What a row has in a column."""
        return row.values[self.columns.index(column)]

    @property
    def items(self) -> tuple[str, ...]:
        """The columns that an average is of."""
        return tuple(column for column in self.columns if column != AVERAGE)

    def mean_of_items(self, row: PublishedRow) -> float:
        """The mean of a row's own items."""
        return sum(self.value(row, item) for item in self.items) / len(self.items)

    def is_inconsistent(self, row: PublishedRow) -> bool:
        """Whether the average that is stated cannot be the mean of the items that are, each rounded as printed."""
        if AVERAGE not in self.columns:
            return False
        return abs(self.value(row, AVERAGE) - self.mean_of_items(row)) > 2 * ROUNDING + SLACK


def read_published(name: str) -> PublishedTable:
    """The table of that name."""
    text = files("loanword.report.published").joinpath(f"{name}.toml").read_text(encoding="utf-8")
    return PublishedTable.from_json(json.dumps(tomllib.loads(text)), where=f"{name}.toml")
