"""Items that a judge rates nearly always alike: how their ratings are spread over the grades."""

from collections.abc import Sequence
from itertools import pairwise

from loanword.report.cells import (
    NOT_PLANNED_CELL,
    Cell,
    Column,
    RowGroup,
    Sources,
    Table,
    number_cell,
    run_cell,
)
from loanword.report.quality.ratings import Part
from loanword.report.quality.scores import JudgedBenchmark, RunScores
from loanword.report.quality.words import heading, scale_range
from loanword.report.saying import say
from loanword.report.tables import RUN
from loanword.report.wording import percent, plain

SATURATED = 0.9
"""Share of an item's ratings at one end of its scale from which on it hardly tells responses apart."""


def saturation_table(judged: Sequence[JudgedBenchmark]) -> Table:
    """Shares per grade of every item that most ratings of some run put at one end of its scale."""
    saturated = [(one, part) for one in judged for part in _items(one) if _is_saturated(one, part)]
    bins = dict.fromkeys(place for one, part in saturated for place in _bins(one, part))
    shown = sorted(bins)
    columns = (
        RUN,
        *(Column(_bin_key(place), _bin_title(place)) for place in shown),
        Column("num_ratings", "Ratings"),
    )
    groups = [
        RowGroup(
            part.title,
            tuple(_distribution_row(one, part, label, shown) for label in one.scored),
            say("{heading}, scale {scale}", heading=heading(one), scale=scale_range(part.lowest, part.highest)),
        )
        for one, part in saturated
    ]
    note = say(
        "Items of which at least {share} of some run\u2019s ratings lie at one end of the scale. Such an item hardly "
        "tells responses apart, and pulls a mean over items that holds it to that end.",
        share=percent(SATURATED, 0),
    )
    sources = Sources(roles=("ratings",))
    return Table("quality.distribution", "Items that are saturated", note, columns, tuple(groups), sources)


def _items(one: JudgedBenchmark) -> list[Part]:
    """Items with more than two grades: of two, the mean is the share."""
    return [
        part
        for part in one.parts
        if len(part.places) == 1 and not part.is_share and (part.highest - part.lowest > 1 or len(_bins(one, part)) > 2)
    ]


def _values(scores: RunScores, part: Part) -> list[float]:
    name = scores.judge.items[part.places[0]].name
    return [rating.scores[name] for rating in scores.ratings if rating.outcome == "rated" and name in rating.scores]


def _all_values(one: JudgedBenchmark, part: Part) -> list[list[float]]:
    return [values for scores in one.scored.values() if (values := _values(scores, part))]


def _is_saturated(one: JudgedBenchmark, part: Part) -> bool:
    return any(
        values.count(end) >= SATURATED * len(values)
        for values in _all_values(one, part)
        for end in (part.lowest, part.highest)
    )


def _bins(one: JudgedBenchmark, part: Part) -> list[tuple[float, float]]:
    """The grades of an item as (grade, grade), and between two of them (lower, upper) where a rating lies there."""
    grades = [float(grade) for grade in range(int(part.lowest), int(part.highest) + 1)]
    values = [value for of_run in _all_values(one, part) for value in of_run]
    between = [(low, high) for low, high in pairwise(grades) if any(low < value < high for value in values)]
    return [*((grade, grade) for grade in grades), *between]


def _distribution_row(
    one: JudgedBenchmark, part: Part, label: str, shown: Sequence[tuple[float, float]]
) -> tuple[Cell, ...]:
    values, own = _values(one.scored[label], part), set(_bins(one, part))
    cells: list[Cell] = []
    for low, high in shown:
        num = sum(value == low if low == high else low < value < high for value in values)
        is_told = (low, high) in own and values
        cells.append(number_cell(num / len(values), percent) if is_told else NOT_PLANNED_CELL)
    return (run_cell(label), *cells, number_cell(len(values), plain))


def _bin_key(place: tuple[float, float]) -> str:
    low, high = place
    return f"at_{plain(low)}" if low == high else f"from_{plain(low)}_to_{plain(high)}"


def _bin_title(place: tuple[float, float]) -> str:
    low, high = place
    return plain(low) if low == high else say("between {low} and {high}", low=plain(low), high=plain(high))
