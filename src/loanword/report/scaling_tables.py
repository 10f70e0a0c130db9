"""Laws of text, compute and instructions as the report shows them: tables, a figure, and what they say in sentences."""

from collections.abc import Callable, Sequence

import numpy as np
from markupsafe import Markup

from loanword.report.axes import growth_axis
from loanword.report.cells import (
    NOT_PLANNED_CELL,
    Cell,
    Column,
    RowGroup,
    Sources,
    Table,
    estimate_cell,
    number_cell,
    one_group,
    text_cell,
)
from loanword.report.figures import Figure
from loanword.report.panels import LinePanel, Point, Series, line_panel
from loanword.report.power_law import FEWEST
from loanword.report.saying import listed, say, sentences
from loanword.report.scaling import Against, Checked, Crossing, Curve, Law, TooFew
from loanword.report.statistics import Estimate, Floats
from loanword.report.summary import Finding
from loanword.report.summary import interval_text as with_interval
from loanword.report.svg import Style
from loanword.report.vocabulary import FROM_THE_START, NEVER, VocabularyPair
from loanword.report.vocabulary_words import interval_text
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
    rows: dict[str, list[tuple[Cell, ...]]] = {}
    for one in found:
        if len(one.curve.amounts_B) > 1 if one.curve.is_bits else _is_law(one):
            rows.setdefault(_measured_against(one.curve), []).append(tuple(_row(one)))
    if not rows:
        return None
    columns = (
        Column("arm", "Arm", is_number=False),
        Column("num_amounts", "Amounts"),
        Column("state", "Law", is_number=False),
        Column("exponent", "Exponent"),
        Column("offset", "Where it ends"),
        Column("next_amount", "Next doubling"),
        Column("next_value", "Predicted"),
        Column("checked_amount", "Largest, held out"),
        Column("checked_predicted", "Predicted"),
        Column("checked_measured", "Measured"),
        Column("inside", "Inside", is_number=False),
    )
    note = say(
        "Bits per byte, or what quality lacks to its best, as E + A n^\u2212\u03b1: a power law of the amount n with "
        "an offset E, fitted by Huber\u2019s loss of logarithms; it takes {fewest} amounts. Brackets hold 95\u202f% "
        "intervals: examples (and seeds) are resampled, and amounts moved by as much as runs lie off their laws.",
        fewest=plain(FEWEST),
    )
    groups = tuple(RowGroup(measured, tuple(of)) for measured, of in rows.items())
    return Table(key, title, note, columns, groups)


def _is_law(one: Law | TooFew) -> bool:
    return isinstance(one, Law) and one.falls


def _row(one: Law | TooFew) -> list[Cell]:
    curve = one.curve
    amount = AMOUNTS[curve.against]
    name = _arm_name(curve)
    head = [
        Cell(name, name, sources=_sources(curve)),
        number_cell(len(curve.amounts_B), plain),
    ]
    if isinstance(one, TooFew):
        return [*head, text_cell(_too_few(curve), tone="quiet"), *[NOT_PLANNED_CELL] * 8]
    if not one.falls:
        return [*head, text_cell(say("no gain shown"), tone="quiet"), *[NOT_PLANNED_CELL] * 8]
    shown, checked = _shown(curve), one.checked
    return [
        *head,
        text_cell(say("fitted")),
        estimate_cell(one.exponent, lambda value: decimal(value, 2)),
        estimate_cell(one.offset, shown),
        number_cell(one.next_amount, amount),
        estimate_cell(one.next_value, shown),
        number_cell(checked and checked.amount, amount, planned=False),
        estimate_cell(checked and checked.predicted, shown, planned=False),
        number_cell(checked and checked.measured, shown, planned=False),
        text_cell(say("yes") if checked.is_inside else say("no")) if checked else NOT_PLANNED_CELL,
    ]


def curve_name(curve: Curve) -> str:
    """What a curve is of."""
    return say("{measure}: {arm}", measure=_measure_name(curve), arm=_arm_name(curve))


def _measured_against(curve: Curve) -> str:
    return say("{measure}, against {amount}", measure=_measure_name(curve), amount=say(curve.against))


def _measure_name(curve: Curve) -> str:
    if curve.is_bits:
        return say("{language}, bits per byte", language=language_name(curve.measure))
    return curve.measure


def _arm_name(curve: Curve) -> str:
    return listed(curve.arm.phrases) or say("all runs")


def _sources(*curves: Curve) -> Sources:
    """The runs of some curves, with what they measure, and what says how large their amounts are."""
    runs = dict.fromkeys(run.label for curve in curves for run in curve.arm.runs)
    sizes = {"text": ("pretraining",), "compute": ("base", "pretraining"), "instructions": ()}
    roles = dict.fromkeys(role for curve in curves for role in (curve.role, *sizes[curve.against]))
    return Sources(tuple(runs), tuple(roles))


def _too_few(curve: Curve) -> str:
    return say(
        "{number} of the {fewest} amounts that a law takes", number=plain(len(curve.amounts_B)), fewest=plain(FEWEST)
    )


def _shown(curve: Curve) -> Callable[[float], str]:
    if curve.is_bits:
        return lambda value: decimal(value, 3)
    return percent if curve.lacks_from == 1.0 else lambda value: decimal(value, 2)


def crossings_table(found: Sequence[Crossing]) -> Table | None:
    """One row a pair of arms that differ in one factor; None where no two laws do."""
    rows = [
        [
            _crossing_head(one),
            text_cell(one.factor),
            text_cell(crossing_text(one, interval=False)),
            text_cell(interval_text(one.found)),
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


def _crossing_head(one: Crossing) -> Cell:
    name = curve_name(one.arm.curve)
    return Cell(name, name, sources=_sources(one.arm.curve, one.control.curve))


def crossing_text(one: Crossing, *, interval: bool = True) -> str:
    """From which amount on an arm is ahead by the laws, with the interval where there is one."""
    found = one.found
    if found.bytes.value == FROM_THE_START:
        return say("at every amount from {amount} on; the laws do not cross", amount=bytes_text(found.smallest))
    if found.bytes.value == NEVER:
        return say(
            "before, but not at {amount}, four times what was tried"
            if found.is_ahead_before
            else "not at {amount}, four times what was tried",
            amount=bytes_text(found.largest),
        )
    tried = min(law.curve.amounts_B[-1] for law in (one.arm, one.control))
    where = say(
        "from {amount} of target text on, beyond what was tried"
        if found.bytes.value > tried
        else "from {amount} of target text on",
        amount=bytes_text(found.bytes.value),
    )
    return say("{where} [{interval}]", where=where, interval=interval_text(found)) if interval else where


def vocabulary_crossings(pairs: Sequence[VocabularyPair], crossed: Sequence[Crossing]) -> list[str]:
    """What laws say of where arms with new pieces break even, beyond the budgets that were run too, a sentence each."""
    found: list[str] = []
    for pair in pairs:
        sides = {pair.arm.runs[-1].label, pair.control.runs[-1].label}
        of_pair = [one for one in crossed if {law.curve.arm.runs[-1].label for law in (one.arm, one.control)} == sides]
        name = listed(pair.arm.phrases)
        found += [
            say("{arm}, ahead by the laws of both arms: {where}.", arm=name, where=crossing_text(one))
            for one in of_pair
        ]
        if not of_pair:
            found.append(
                say(
                    "{arm}: no laws of both arms yet, so nothing is said beyond the budgets that were run; a law takes "
                    "{fewest} budgets.",
                    arm=name,
                    fewest=plain(FEWEST),
                )
            )
    return found


def scaling_figure(found: Sequence[Law | TooFew]) -> Figure | None:
    """Bits per byte against text with the laws and their next doubling, a panel a language; None without a law."""
    by_language: dict[str, list[Law]] = {}
    for one in found:
        if isinstance(one, Law) and one.falls and one.curve.is_bits and one.curve.against == "text":
            by_language.setdefault(one.curve.measure, []).append(one)
    if not by_language:
        return None
    caption = (
        "Measured bits per byte, and the law of each arm up to twice its largest amount. The last point of a line, "
        "hollow, is predicted, with the 95\u202f% interval of a run there."
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
        last = Point(law.next_amount, law.next_value.value, law.next_value.low, law.next_value.high, is_predicted=True)
        points = (*(Point(x, y) for x, y in measured), last)
        series.append(Series(curve.arm.phrases or (say("all runs"),), points, Style(place), is_joined=False))
    name = language_name(language)
    return line_panel(
        LinePanel(
            identifier=f"scaling-{language}",
            title=say("{language}: bits per byte against text, with the next doubling", language=name),
            description=sentences(law_text(law) for law in of),
            x_title=say("target text"),
            y_title=say("{language}, bits per byte", language=name),
            x_axis=growth_axis([point.x for one in series for point in one.points], bytes_text),
            series=series,
            markers=True,
        )
    )


def law_text(law: Law) -> str:
    """What one law says, in a sentence or two."""
    curve = law.curve
    amount, name = AMOUNTS[curve.against], curve_name(curve)
    if not law.falls:
        return say(
            "{curve}: no gain shown from {smallest} to {largest}.",
            curve=name,
            smallest=amount(float(curve.amounts_B[0])),
            largest=amount(float(curve.amounts_B[-1])),
        )
    predicted = say(
        "{curve}: {value} predicted at {amount}.",
        curve=name,
        value=_predicted(law.next_value, curve),
        amount=amount(law.next_amount),
    )
    return sentences((predicted, _held_out(law.checked, curve) if law.checked else ""))


def _held_out(checked: Checked, curve: Curve) -> str:
    return say(
        "Held out, {amount} is predicted at {predicted} and was measured at {measured}, inside the interval."
        if checked.is_inside
        else "Held out, {amount} is predicted at {predicted} and was measured at {measured}, outside the interval.",
        amount=AMOUNTS[curve.against](checked.amount),
        predicted=_predicted(checked.predicted, curve),
        measured=_shown(curve)(checked.measured),
    )


def _predicted(found: Estimate, curve: Curve) -> str:
    return with_interval(*map(_shown(curve), (found.value, found.low, found.high)))


def scaling_findings(found: Sequence[Law | TooFew], crossed: Sequence[Crossing]) -> list[Finding]:
    """What more text would give in each language, arm by arm, and where arms cross."""
    by_language: dict[str, list[Law | TooFew]] = {}
    for one in found:
        if one.curve.is_bits and one.curve.against == "text" and len(one.curve.amounts_B) > 1:
            by_language.setdefault(one.curve.measure, []).append(one)
    return [_finding(language, of, crossed) for language, of in by_language.items()]


def _finding(language: str, of: Sequence[Law | TooFew], crossed: Sequence[Crossing]) -> Finding:
    fitted = [one for one in of if isinstance(one, Law)]
    heading = say("More text in {language}", language=language_name(language))
    sources = _sources(*(one.curve for one in of))
    if not fitted:
        text = say(
            "At most {number} budgets of one arm were run; a law takes {fewest}, and one more to be checked. Smaller "
            "budgets are cuts of the same trunk and cost little.",
            number=plain(max(len(one.curve.amounts_B) for one in of)),
            fewest=plain(FEWEST),
        )
        return Finding(heading, text, sources=sources)
    ahead = [
        say(
            "{arm} ({factor}), ahead by the laws: {where}.",
            arm=_arm_name(one.arm.curve),
            factor=one.factor,
            where=crossing_text(one),
        )
        for one in crossed
        if one.arm.curve.measure == language
    ]
    points = (*map(law_text, fitted), *ahead)
    return Finding(heading, _fitted_text(fitted, len(of)), points=points, sources=sources)


def _fitted_text(fitted: Sequence[Law], num_arms: int) -> str:
    checked = [law.checked for law in fitted if law.checked is not None]
    counts = {"fitted": plain(len(fitted)), "all": plain(num_arms)}
    if not checked:
        return say("{fitted} of {all} arms have budgets enough for a law.", **counts)
    return say(
        "{fitted} of {all} arms have budgets enough for a law; {inside} of {checked} held-out budgets lie in their "
        "intervals.",
        **counts,
        inside=plain(sum(one.is_inside for one in checked)),
        checked=plain(len(checked)),
    )
