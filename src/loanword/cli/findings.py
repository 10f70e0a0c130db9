"""What a check found out, for people and for machines."""

from collections.abc import Sequence
from typing import Literal

from loanword.records import Record

State = Literal["ok", "absent", "problem"]


class Finding(Record):
    """One thing that was looked at: `absent` is worth knowing, `problem` stands in the way of what was asked."""

    area: str
    name: str
    state: State
    found: str
    do: str = ""


def print_findings(findings: Sequence[Finding]) -> None:
    """A table to stdout, one block an area."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    marks: dict[State, tuple[str, str]] = {"ok": ("ok", "green"), "absent": ("-", "dim"), "problem": ("!!", "bold red")}
    console = Console(soft_wrap=False)
    for area in dict.fromkeys(finding.area for finding in findings):
        table = Table(title=area, title_justify="left", box=None, show_header=False, padding=(0, 1))
        for column in ({"width": 2}, {"max_width": 36, "overflow": "fold"}, {"overflow": "fold", "ratio": 1}):
            table.add_column(**column)  # pyright: ignore[reportArgumentType]
        for finding in (finding for finding in findings if finding.area == area):
            mark, style = marks[finding.state]
            said = finding.found + (f"\n-> {finding.do}" if finding.do else "")
            # Text and not str: names and paths may hold square brackets, which rich would read as markup.
            table.add_row(Text(mark, style=style), Text(finding.name), Text(said))
        console.print(table)
        console.print()
