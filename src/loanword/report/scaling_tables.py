"""Laws of text, compute and instructions as the report shows them: tables, a figure, and what they say in sentences."""

from collections.abc import Callable, Sequence

import numpy as np
from markupsafe import Markup

from loanword.report.axes import budget_axis
from loanword.report.cells import (
    NOT_PLANNED_CELL,
    Cell,
    Column,
    Table,
    estimate_cell,
    number_cell,
    one_group,
    text_cell,
)
from loanword.report.figures import Figure
from loanword.report.panels import LinePanel, Point, Series, line_panel
from loanword.report.power_law import FEWEST
from loanword.report.scaling import Against, Crossing, Curve, Law, TooFew
from loanword.report.statistics import Floats
from loanword.report.summary import Finding
from loanword.report.svg import Style
from loanword.report.vocabulary import FROM_THE_START, NEVER, VocabularyPair
from loanword.report.wording import bytes_text, decimal, flops_text, language_name, percent, plain

AMOUNTS: dict[Against, Callable[[float], str]] = {
    "text": bytes_text,
    "compute": flops_text,
    "instructions": lambda amount: plain(round(amount)),
}
NUM_POINTS = 40
"""Points that a law is drawn by."""


def laws_table(key: str, title: str, found: Sequence[Law | TooFew]) -> Table | None:
    """One row a curve of bits per byte that has two amounts or more, or of quality that has a law; None without any."""
    rows = [_row(one) for one in found if (len(one.curve.amounts_B) > 1 if one.curve.is_bits else _is_law(one))]
    if not rows:
        return None
    columns = (
        Column("curve", "Of", is_number=False),
        Column("against", "Against", is_number=False),
        Column("num_amounts", "Amounts"),
        Column("state", "Law", is_number=False),
        Column("exponent", "Exponent"),
        Column("offset", "Where it ends"),
        Column("next_amount", "Next doubling"),
        Column("next_value", "Predicted"),
        Column("checked_amount", "Largest, held out"),
        Column("checked_predicted", "Predicted"),
        Column("checked_measured", "Measured"),
        Column("inside", "In the interval", is_number=False),
    )
    note = (
        "Bits per byte, or what quality lacks to its best, as E + A n^\u2212\u03b1: a power law of the amount n with "
        f"an offset E, fitted by Huber\u2019s loss of logarithms; it takes {FEWEST} amounts. Brackets hold 95\u202f% "
        "intervals: examples (and seeds) are resampled, and amounts moved by as much as runs lie off their laws."
    )
    return Table(key, title, note, columns, one_group(rows))


def _is_law(one: Law | TooFew) -> bool:
    return isinstance(one, Law) and one.falls


def _row(one: Law | TooFew) -> list[Cell]:
    curve = one.curve
    amount = AMOUNTS[curve.against]
    head = [text_cell(curve_name(curve)), text_cell(curve.against), number_cell(len(curve.amounts_B), plain)]
    if isinstance(one, TooFew):
        return [*head, text_cell(_too_few(curve), tone="quiet"), *[NOT_PLANNED_CELL] * 8]
    if not one.falls:
        return [*head, text_cell("no gain shown", tone="quiet"), *[NOT_PLANNED_CELL] * 8]
    shown, checked = _shown(curve), one.checked
    return [
        *head,
        text_cell("fitted"),
        estimate_cell(one.exponent, lambda value: decimal(value, 2)),
        estimate_cell(one.offset, shown),
        number_cell(one.next_amount, amount),
        estimate_cell(one.next_value, shown),
        number_cell(checked and checked.amount, amount, planned=False),
        estimate_cell(checked and checked.predicted, shown, planned=False),
        number_cell(checked and checked.measured, shown, planned=False),
        text_cell("yes" if checked.is_inside else "no") if checked else NOT_PLANNED_CELL,
    ]


def curve_name(curve: Curve) -> str:
    """What a curve is of."""
    measure = f"{language_name(curve.measure)}, bits per byte" if curve.is_bits else curve.measure
    return f"{measure}: {', '.join(curve.arm.phrases) or 'all runs'}"


def _too_few(curve: Curve) -> str:
    return f"{plain(len(curve.amounts_B))} of the {FEWEST} amounts that a law takes"


def _shown(curve: Curve) -> Callable[[float], str]:
    if curve.is_bits:
        return lambda value: decimal(value, 3)
    return percent if curve.lacks_from == 1.0 else lambda value: decimal(value, 2)


def crossings_table(found: Sequence[Crossing]) -> Table | None:
    """One row a pair of arms that differ in one factor; None where no two laws do."""
    rows = [
        [
            text_cell(curve_name(one.arm.curve)),
            text_cell(one.factor),
            text_cell(crossing_text(one).partition(" [")[0]),
            text_cell(_interval(one)),
            number_cell(one.found.share_from_start, percent),
            number_cell(one.found.share_never, percent),
        ]
        for one in found
    ]
    columns = (
        Column("arm", "Arm", is_number=False),
        Column("factor", "Against its control", is_number=False),
        Column("crossing", "Ahead by the laws", is_number=False),
        Column("interval", "95\u202f% interval"),
        Column("share_from_start", "Ahead at every amount"),
        Column("share_never", "Behind at the last"),
    )
    note = (
        "From which amount of target text on the law of an arm lies no higher than its control\u2019s, looked for from "
        "the smallest amount that both tried up to four times the largest. Where a larger vocabulary breaks even is "
        "measured too, between budgets that were run; the two may differ where laws fit badly."
    )
    return (
        Table("scaling.crossings", "Where the laws of two arms cross", note, columns, one_group(rows)) if rows else None
    )


def crossing_text(one: Crossing) -> str:
    """From which amount on an arm is ahead by the laws, with the interval where there is one."""
    found = one.found
    if found.bytes.value == FROM_THE_START:
        return f"at every amount from {bytes_text(found.smallest)} on; the laws do not cross"
    if found.bytes.value == NEVER:
        ahead = "ahead before, but not" if found.is_ahead_before else "not"
        return f"{ahead} at {bytes_text(found.largest)}, four times what was tried"
    tried = min(law.curve.amounts_B[-1] for law in (one.arm, one.control))
    beyond = ", beyond what was tried" if found.bytes.value > tried else ""
    return f"from {bytes_text(found.bytes.value)} of target text on{beyond} [{_interval(one)}]"


def vocabulary_crossings(pairs: Sequence[VocabularyPair], crossed: Sequence[Crossing]) -> list[str]:
    """What laws say of where arms with new pieces break even, beyond the budgets that were run too, a sentence each."""
    found: list[str] = []
    for pair in pairs:
        sides = {pair.arm.runs[-1].label, pair.control.runs[-1].label}
        of_pair = [one for one in crossed if {law.curve.arm.runs[-1].label for law in (one.arm, one.control)} == sides]
        name = ", ".join(pair.arm.phrases)
        found += [f"{name}, by the laws of both arms: ahead {crossing_text(one)}." for one in of_pair]
        if not of_pair:
            found.append(
                f"{name}: no laws of both arms yet, so nothing is said beyond the budgets that were run; a law takes "
                f"{FEWEST} budgets."
            )
    return found


def _interval(one: Crossing) -> str:
    low, high = (_end(value, one) for value in (one.found.bytes.low, one.found.bytes.high))
    return low if low == high else f"{low} to {high}"


def _end(value: float, one: Crossing) -> str:
    if value == FROM_THE_START:
        return f"below {bytes_text(one.found.smallest)}"
    return f"beyond {bytes_text(one.found.largest)}" if value == NEVER else bytes_text(value)


def scaling_figure(found: Sequence[Law | TooFew]) -> Figure | None:
    """Bits per byte against text with the laws and their next doubling, a panel a language; None without a law."""
    by_language: dict[str, list[Law]] = {}
    for one in found:
        if isinstance(one, Law) and one.falls and one.curve.is_bits and one.curve.against == "text":
            by_language.setdefault(one.curve.measure, []).append(one)
    if not by_language:
        return None
    caption = (
        "Measured bits per byte, and the law of each arm up to twice its largest amount. The last point of a line is "
        "predicted, with the 95\u202f% interval of a run there."
    )
    drawings = tuple(_panel(language, of) for language, of in by_language.items())
    return Figure("scaling", "What more text would give", caption, drawings)


def _panel(language: str, of: Sequence[Law]) -> Markup:
    series: list[Series] = []
    for place, law in enumerate(of):
        curve = law.curve
        grid: Floats = np.geomspace(float(curve.amounts_B[0]), law.next_amount, NUM_POINTS)
        drawn = zip(grid.tolist(), law.point.at(grid)[0].tolist(), strict=True)
        series.append(Series((), tuple(Point(x, y) for x, y in drawn), Style(place), is_law=True))
        measured = zip(curve.amounts_B.tolist(), curve.values_B.tolist(), strict=True)
        last = Point(law.next_amount, law.next_value.value, law.next_value.low, law.next_value.high)
        points = (*(Point(x, y) for x, y in measured), last)
        series.append(Series(curve.arm.phrases or ("all runs",), points, Style(place), is_joined=False))
    name = language_name(language)
    return line_panel(
        LinePanel(
            identifier=f"scaling-{language}",
            title=f"{name}: bits per byte against text, with the next doubling",
            description=" ".join(law_text(law) for law in of),
            x_title="target text",
            y_title=f"{name}, bits per byte",
            x_axis=budget_axis([point.x for one in series for point in one.points], bytes_text),
            series=series,
            markers=True,
        )
    )


def law_text(law: Law) -> str:
    """What one law says, in a sentence or two."""
    curve = law.curve
    amount, shown = AMOUNTS[curve.against], _shown(curve)
    after = "" if curve.against == "text" else f" of {curve.against}"
    if not law.falls:
        return f"{curve_name(curve)}: no gain shown from {amount(curve.amounts_B[0])} to {amount(curve.amounts_B[-1])}."
    low, high = shown(law.next_value.low), shown(law.next_value.high)
    predicted = f"{shown(law.next_value.value)} [{low} to {high}] predicted at {amount(law.next_amount)}{after}"
    text = f"{curve_name(curve)}: {predicted}"
    if law.checked is None:
        return f"{text}."
    checked = law.checked
    held = f"{shown(checked.predicted.value)} [{shown(checked.predicted.low)} to {shown(checked.predicted.high)}]"
    inside = "inside" if checked.is_inside else "outside"
    return (
        f"{text}. Held out, {amount(checked.amount)} is predicted at {held} and was measured at "
        f"{shown(checked.measured)}, {inside} the interval."
    )


def scaling_findings(found: Sequence[Law | TooFew], crossed: Sequence[Crossing]) -> list[Finding]:
    """What more text would give in each language, arm by arm, and where arms cross."""
    by_language: dict[str, list[Law | TooFew]] = {}
    for one in found:
        if one.curve.is_bits and one.curve.against == "text" and len(one.curve.amounts_B) > 1:
            by_language.setdefault(one.curve.measure, []).append(one)
    told: list[Finding] = []
    for language, of in by_language.items():
        fitted = [one for one in of if isinstance(one, Law)]
        heading = f"More text in {language_name(language)}"
        if not fitted:
            most = max(len(one.curve.amounts_B) for one in of)
            text = (
                f"At most {plain(most)} budgets of one arm were run; a law takes {FEWEST}, and one more to be checked. "
                "Smaller budgets are cuts of the same trunk and cost little."
            )
            told.append(Finding(heading, text))
            continue
        points = [law_text(law) for law in fitted]
        points += [
            f"{', '.join(one.arm.curve.arm.phrases)} ({one.factor}): ahead {crossing_text(one)}."
            for one in crossed
            if one.arm.curve.measure == language
        ]
        checked = [law for law in fitted if law.checked is not None]
        inside = sum(law.checked.is_inside for law in checked if law.checked is not None)
        text = f"{plain(len(fitted))} of {plain(len(of))} arms have budgets enough for a law"
        text += (
            f"; {plain(inside)} of {plain(len(checked))} held-out budgets lie in their intervals." if checked else "."
        )
        told.append(Finding(heading, text, points=tuple(points)))
    return told
