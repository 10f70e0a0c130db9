"""One part of the report's page as a value."""

from dataclasses import dataclass

from loanword.report.cells import Table
from loanword.report.corpora import ExampleGroup
from loanword.report.figures import Figure
from loanword.report.quality.excerpts import Excerpt
from loanword.report.questions import Verdict
from loanword.report.summary import Finding


@dataclass(frozen=True)
class Section:
    """One part of the page: figures, tables, examples; `lead` opens it in words, and `answers` answer it.

    A question has a `verdict`, the `limits` of its evidence, and the keys of sections that say more in `more`.
    """

    key: str
    title: str
    lead: str
    figures: tuple[Figure, ...]
    tables: tuple[Table, ...]
    answers: tuple[Finding, ...] = ()
    examples: tuple[ExampleGroup, ...] = ()
    folded: tuple[Table, ...] = ()
    excerpts: tuple[Excerpt, ...] = ()
    verdict: Verdict | None = None
    limits: tuple[str, ...] = ()
    more: tuple[str, ...] = ()

    @property
    def all_tables(self) -> tuple[Table, ...]:
        """Its tables, those among them that the page folds away."""
        return (*self.tables, *self.folded)


def present(figure: Figure | None) -> tuple[Figure, ...]:
    """A figure where there is one."""
    return () if figure is None else (figure,)


def known(table: Table | None) -> tuple[Table, ...]:
    """A table where there is one."""
    return () if table is None else (table,)


def filled(table: Table) -> tuple[Table, ...]:
    """A table where it has rows."""
    return (table,) if table.num_rows else ()
