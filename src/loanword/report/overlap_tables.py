"""Tables of what training texts hold of benchmarks."""

from collections import Counter
from collections.abc import Sequence

from loanword.report.cells import (
    MISSING_CELL,
    NOT_PLANNED_CELL,
    Cell,
    Column,
    RowGroup,
    Sources,
    Table,
    estimate_cell,
    number_cell,
    one_group,
    run_cell,
    text_cell,
)
from loanword.report.corpora import visible
from loanword.report.gather import RunRecords
from loanword.report.knowledge import benchmark_titles, benchmarks_of
from loanword.report.overlap import SourceOverlap, Splits, SplitScore
from loanword.report.saying import say
from loanword.report.statistics import SMALLEST_NUM_EXAMPLES, Estimate
from loanword.report.tables import RUN
from loanword.report.wording import benchmark_name, percent, plain, signed

MOST_LISTED = 200
"""Touched examples of one text that the page lists; the others stand in its records."""


def overlap_tables(runs: Sequence[RunRecords], splits: Splits) -> tuple[Table, ...]:
    """One table a benchmark that any run's texts were measured against."""
    tables: list[Table] = []
    for name, title in benchmark_titles(benchmarks_of(runs)).items():
        rows = [(run.label, splits[run.label, name]) for run in runs if (run.label, name) in splits]
        if rows:
            tables.append(_splits_table(name, title, rows))
    return tuple(tables)


def _splits_table(benchmark: str, title: str, rows: Sequence[tuple[str, SplitScore]]) -> Table:
    columns = (
        RUN,
        Column("num_examples", "Examples"),
        Column("num_touched", "Touched"),
        Column("num_too_short", "Too short to tell"),
        Column("clean", "Score of clean ones"),
        Column("touched", "Score of touched ones"),
        Column("difference", "Touched minus clean"),
        Column("beyond_base", "Of it more than in the base"),
    )
    note = say(
        "Touched: any text that the run trains on holds the example, verbatim or lightly edited. Scores are means over "
        "examples, or shares of points, and differences are in percentage points with 95\u202f% intervals. Touched "
        "examples may be easier or harder by themselves; the last column takes off what the base shows on the same "
        "examples. No interval is given below {fewest} examples on either side. Answers are not looked "
        "for: a text that holds a question need not hold its answer.",
        fewest=plain(SMALLEST_NUM_EXAMPLES),
    )
    groups = one_group([_row(label, one) for label, one in rows])
    sources = Sources(roles=("overlap", f"grades.{benchmark}"))
    return Table(f"overlap.{benchmark}", title, note, columns, groups, sources)


def _row(label: str, split: SplitScore) -> list[Cell]:
    if split.state == "missing":
        return [run_cell(label), *[MISSING_CELL] * 7]
    counts = [number_cell(count, plain) for count in (split.num_graded, split.num_touched, split.num_too_short)]
    if split.state != "told":
        why = "nothing is touched" if split.state == "none" else "too few for an interval"
        return [
            run_cell(label),
            *counts,
            NOT_PLANNED_CELL,
            NOT_PLANNED_CELL,
            text_cell(say(why), tone="quiet"),
            NOT_PLANNED_CELL,
        ]
    return [
        run_cell(label),
        *counts,
        _score_cell(split.clean),
        _score_cell(split.touched),
        _difference_cell(split.difference),
        _difference_cell(split.beyond_base),
    ]


def _score_cell(estimate: Estimate | None) -> Cell:
    return estimate_cell(estimate, percent, bounds=lambda share: percent(share).split("\u202f")[0], planned=False)


def _difference_cell(estimate: Estimate | None) -> Cell:
    return estimate_cell(estimate, lambda share: signed(100 * share, 1), planned=False)


def touched_tables(found: Sequence[SourceOverlap]) -> tuple[Table, ...]:
    """One table a benchmark: the touched examples of each text, and where in it they are."""
    names = dict.fromkeys(one.benchmark for one in found if one.touched)
    return tuple(_touched_table(name, [one for one in found if one.benchmark == name]) for name in names)


def _touched_table(benchmark: str, found: Sequence[SourceOverlap]) -> Table:
    columns = (
        Column("example", "Example", is_number=False),
        Column("document", "Document that holds most of it", is_number=False),
        Column("num_found", "n-grams found"),
        Column("num_ngrams", "of"),
        Column("share", "Share in one place"),
    )
    times = Counter(one.source for one in found)
    groups = [_touched_group(one, tell_apart=times[one.source] > 1) for one in found if one.touched]
    note = say(
        "At most {most} of each text; all are in its overlap.jsonl. n-grams are counted over the whole text, "
        "the share is of the example's words (pairs of characters where words are not separated by spaces), weighted, "
        "in one stretch of the document.",
        most=plain(MOST_LISTED),
    )
    title = say("Touched examples of {benchmark}", benchmark=benchmark_name(benchmark))
    return Table(f"touched.{benchmark}", title, note, columns, tuple(groups), Sources(roles=("overlap",)))


def _touched_group(one: SourceOverlap, *, tell_apart: bool) -> RowGroup:
    touched = one.touched
    rows = tuple(
        (
            text_cell(visible(example.id)),
            text_cell(visible(example.document)),
            number_cell(example.num_found, plain),
            number_cell(example.num_ngrams, plain),
            number_cell(example.short_share, percent),
        )
        for example in touched[:MOST_LISTED]
    )
    title = f"{one.source} ({one.artifact[:8]})" if tell_apart else one.source
    note = say(
        "{touched} of {all} touched, {short} too short to tell",
        touched=plain(len(touched)),
        all=plain(len(one.overlaps)),
        short=plain(one.num_too_short),
    )
    return RowGroup(title, rows, note)
