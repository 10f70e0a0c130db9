"""What the source language lost on the way: every run against the untouched base, and what was gained for it.

Measured on text in the source language, in bits per byte, and on every benchmark in it (MMLU, closed-book questions),
over the same documents and questions. Gain and loss meet in one figure: a run is on the front where no other gains
more in the target language and loses no more in the source language.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from loanword.report.axes import linear_axis, tick_text
from loanword.report.cells import Cell, Column, Sources, Table, estimate_cell, one_group, run_cell, text_cell
from loanword.report.comparisons import MARGIN_ACCURACY, MARGIN_BITS_PER_BYTE, reference_run
from loanword.report.figures import Figure
from loanword.report.gather import RunRecords
from loanword.report.knowledge import Knowledge, benchmarks_of, compare_knowledge
from loanword.report.likelihoods import Scores, compare_languages
from loanword.report.panels import LinePanel, Point, Series, line_panel
from loanword.report.saying import clauses, joined, say
from loanword.report.statistics import (
    SIGNIFICANCE,
    SMALLEST_NUM_EXAMPLES,
    Estimate,
    PairedDifference,
    Verdict,
    with_verdicts,
)
from loanword.report.svg import NUM_COLOURS, Style
from loanword.report.tables import TONES
from loanword.report.wording import decimal, language_name, percent, plain, signed

BITS = "bits_per_byte"
MOST_NAMED = 8
"""Runs that a panel names all of; where there are more, those on the front."""
UNNAMED = Style(NUM_COLOURS - 1)
"""Grey, like what stands behind."""


@dataclass(frozen=True)
class Retained:
    """One measure of the source language under one run and under its base; `paired` is None where it is missing."""

    run: str
    against: str
    measure: str
    base: Estimate | None
    value: Estimate | None
    paired: PairedDifference | None
    adjusted_p: float | None = None
    verdict: Verdict | None = None

    @property
    def lower_is_better(self) -> bool:
        return self.measure == BITS

    @property
    def margin(self) -> float:
        """The largest difference that may be called none."""
        return MARGIN_BITS_PER_BYTE if self.lower_is_better else MARGIN_ACCURACY


@dataclass(frozen=True)
class Tradeoff:
    """What a run gains in its target language and loses in the source language, in bits per byte, positive both."""

    run: str
    gain: Estimate
    loss: Estimate
    on_front: bool = False


def source_of(runs: Sequence[RunRecords]) -> str:
    """The language that the base comes from."""
    return next((str(run.settings["source"]) for run in runs if "source" in run.settings), "en")


def retained(runs: Sequence[RunRecords], scores: Scores, knowledge: Knowledge) -> list[Retained]:
    """Every run on every measure of the source language against its base; p-values are adjusted over all of them."""
    bases = [(run, reference_run(runs, run)) for run in runs]
    found = [
        one
        for run, base in bases
        if base is not None and run.label != base.label
        for one in _of_run(run, base, runs, scores, knowledge)
    ]
    return with_verdicts(found, lower_is_better=lambda one: one.lower_is_better, margin=lambda one: one.margin)


def _of_run(
    run: RunRecords, base: RunRecords, runs: Sequence[RunRecords], scores: Scores, knowledge: Knowledge
) -> Iterator[Retained]:
    source = source_of(runs)
    if run.is_read(source) and base.is_read(source):
        ours, theirs = scores.get((run.label, source)), scores.get((base.label, source))
        paired = compare_languages(ours, theirs) if ours and theirs else None
        yield Retained(
            run.label, base.label, BITS, theirs and theirs.bits_per_byte, ours and ours.bits_per_byte, paired
        )
    for name, facts in benchmarks_of(runs).items():
        asked = all(f"grades.{name}" in one.artifacts for one in (run, base))
        if asked and facts.language == source:
            mine, its = knowledge.get((run.label, name)), knowledge.get((base.label, name))
            paired = compare_knowledge(mine, its) if mine and its else None
            yield Retained(run.label, base.label, name, its and its.headline, mine and mine.headline, paired)


def retention_table(found: Sequence[Retained], runs: Sequence[RunRecords], titles: dict[str, str]) -> Table | None:
    """One row a run, one column a measure: the change against the base; None where there is nothing to compare."""
    measures = list(dict.fromkeys(one.measure for one in found))
    if not measures:
        return None
    source = language_name(source_of(runs))
    by_place = {(one.run, one.measure): one for one in found}
    columns = [Column("run", "Run", is_number=False)]
    for measure in measures:
        title = say("{language}, bits per byte", language=source) if measure == BITS else titles.get(measure, measure)
        role = "likelihoods" if measure == BITS else f"grades.{measure}"
        columns.append(Column(measure, title, sources=Sources(roles=(role,))))
    rows: list[list[Cell]] = []
    for base in dict.fromkeys(one.against for one in found):
        of_base = [one for one in found if one.against == base]
        itself = run_cell(base, text=say("{run} (the base itself)", run=base))
        rows.append([itself, *(_base_cell(of_base, one) for one in measures)])
        for label in dict.fromkeys(one.run for one in of_base):
            rows.append([_head(label, base), *(_cell(by_place.get((label, measure))) for measure in measures)])
    note = say(
        "The first row is the untouched base; the cells below are a run minus the base over the same documents or "
        "questions, with a 95\u202f% interval: bits per byte (more is worse), and percentage points of a benchmark in "
        "{language} (less is worse). Coloured where at least {fewest} documents or questions are shared and p, "
        "adjusted by Holm over the whole table, is below {level}.",
        language=source,
        fewest=plain(SMALLEST_NUM_EXAMPLES),
        level=decimal(SIGNIFICANCE, 2),
    )
    title = say("What {language} keeps, against the base", language=source)
    return Table("retention", title, note, tuple(columns), one_group(rows))


def _head(label: str, base: str) -> Cell:
    return Cell(label, label, sources=Sources((label, base)))


def _base_cell(found: Sequence[Retained], measure: str) -> Cell:
    known = next((one.base for one in found if one.measure == measure and one.base is not None), None)
    return estimate_cell(known, _bits if measure == BITS else percent)


def _bits(value: float) -> str:
    return decimal(value, 3)


def _bits_more(value: float) -> str:
    return signed(value, 3)


def _points_more(value: float) -> str:
    return signed(100 * value, 1)


def _cell(one: Retained | None) -> Cell:
    if one is None:
        return estimate_cell(None, str, planned=False)
    if one.paired is None or one.verdict is None:
        missing = one.value is None or one.base is None
        return estimate_cell(None, str) if missing else text_cell(say("other examples"), tone="quiet")
    shown = _bits_more if one.lower_is_better else _points_more
    return replace(estimate_cell(one.paired.difference, shown), tone=TONES.get(one.verdict.word, ""))


def tradeoffs(runs: Sequence[RunRecords], scores: Scores) -> dict[str, list[Tradeoff]]:
    """By target language: what each run gains there and loses in the source language, those on the front marked."""
    source = source_of(runs)
    found: dict[str, list[Tradeoff]] = {}
    for run in runs:
        base, target = reference_run(runs, run), str(run.settings.get("target", ""))
        if base is None or run.label == base.label or target in ("", source):
            continue
        gain, loss = _change(run, base, target, scores), _change(run, base, source, scores)
        if gain is not None and loss is not None:
            turned = Estimate(-gain.value, -gain.high, -gain.low)
            found.setdefault(target, []).append(Tradeoff(run.label, turned, loss))
    return {target: _fronted(of) for target, of in found.items()}


def _change(run: RunRecords, base: RunRecords, language: str, scores: Scores) -> Estimate | None:
    ours, theirs = scores.get((run.label, language)), scores.get((base.label, language))
    paired = compare_languages(ours, theirs) if ours and theirs else None
    return None if paired is None else paired.difference


def _fronted(of: Sequence[Tradeoff]) -> list[Tradeoff]:
    # A vocabulary alone, which gains nothing and loses nothing, is no way to a language.
    return [replace(one, on_front=one.gain.value > 0 and not any(_beats(other, one) for other in of)) for one in of]


def _beats(other: Tradeoff, one: Tradeoff) -> bool:
    ours, theirs = (other.gain.value, -other.loss.value), (one.gain.value, -one.loss.value)
    return ours != theirs and ours[0] >= theirs[0] and ours[1] >= theirs[1]


def tradeoff_figure(runs: Sequence[RunRecords], scores: Scores) -> Figure | None:
    """Loss in the source language against gain in the target language, a panel a target; None where none is known."""
    panels = [_panel(target, of, source_of(runs)) for target, of in tradeoffs(runs, scores).items() if len(of) > 1]
    if not panels:
        return None
    caption = (
        "Against the untouched base, over the same documents. Further to the right is a larger gain in the target "
        "language, further down a smaller loss in the source language; the line joins the runs that no other run "
        "beats in both (*). Where there are many runs, only those are named; the others are grey, and in the table. "
        "Whiskers are 95\u202f% intervals of the loss."
    )
    return Figure("tradeoff", "What is gained, and what it costs the source language", caption, tuple(panels))


def _panel(target: str, of: Sequence[Tradeoff], source: str) -> Markup:
    front = sorted((one for one in of if one.on_front), key=lambda one: one.gain.value)
    line = Series((say("front"),), tuple(Point(one.gain.value, one.loss.value) for one in front), Style(0))
    # The front is drawn first: its points lie under those of the runs.
    points = (_one(place, one, is_named=one.on_front or len(of) <= MOST_NAMED) for place, one in enumerate(of, start=1))
    series = [*([line] if len(front) > 1 else []), *points]
    gains = [one.gain.value for one in of]
    names = language_name(target), language_name(source)
    told = clauses(
        say(
            "{run}: {gain} gained, {loss} lost",
            run=one.run,
            gain=decimal(one.gain.value, 3),
            loss=decimal(one.loss.value, 3),
        )
        for one in of
    )
    return line_panel(
        LinePanel(
            identifier=f"tradeoff-{target}",
            title=say("{target} gained against {source} lost", target=names[0], source=names[1]),
            description=say(
                "{told}. On the front: {runs}.", told=told, runs=joined(one.run for one in front) or say("none")
            ),
            x_title=say("{language}: bits per byte gained", language=names[0]),
            y_title=say("{language}: bits per byte lost", language=names[1]),
            x_axis=linear_axis(min(0.0, *gains), max(gains), tick_text),
            series=series,
            markers=True,
        )
    )


def _one(place: int, one: Tradeoff, *, is_named: bool) -> Series:
    point = Point(one.gain.value, one.loss.value, one.loss.low, one.loss.high)
    name = tuple(f"{one.run}{' *' if one.on_front else ''}".split(", ")) if is_named else ()
    return Series(name, (point,), Style(place) if is_named else UNNAMED)
