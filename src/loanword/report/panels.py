"""Two kinds of drawing: lines against an axis, labelled at their ends; and bars with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from loanword.report.axes import Axis, linear_axis, spread, tick_text
from loanword.report.saying import listed, say
from loanword.report.statistics import Estimate
from loanword.report.svg import (
    Element,
    Style,
    add,
    drawing,
    marker,
    markup,
    path,
    shortened,
    text_width,
    whisker,
)
from loanword.report.wording import MISSING, percent

WIDTH = 420.0
LINE_UNITS = 15.0
LABEL_GAP = 8.0
MARKER_ROOM = 7.0
TALLEST_LABEL = 3
# Units over which equal budgets of all series are spread.
WIDEST_OFFSET = 12.0


@dataclass(frozen=True)
class Point:
    """One place of a series, with its interval where it has one; one that is predicted is drawn hollow."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    is_predicted: bool = False


@dataclass(frozen=True)
class Series:
    """Points joined by a line; `name` is set at its end, one line each part; a law has no name."""

    name: tuple[str, ...]
    points: tuple[Point, ...]
    style: Style
    is_joined: bool = True
    is_law: bool = False

    @property
    def label(self) -> str:
        return listed(self.name)


@dataclass(frozen=True)
class LinePanel:
    """What a panel of lines shows; the y axis reaches around all points and intervals."""

    identifier: str
    title: str
    description: str
    x_title: str
    y_title: str
    x_axis: Axis
    series: Sequence[Series]
    markers: bool


@dataclass(frozen=True)
class Frame:
    """The rectangle that the data fill."""

    left: float
    top: float
    right: float
    bottom: float

    def x(self, place: float) -> float:
        return self.left + place * (self.right - self.left)

    def y(self, place: float) -> float:
        return self.bottom - place * (self.bottom - self.top)


def line_panel(panel: LinePanel) -> Markup:
    """A drawing of lines with their names at their right ends; no two names overlap."""
    named = [series for series in panel.series if series.name]
    labels = [_label_lines(series.name) for series in named]
    room = max((text_width(line) for lines in labels for line in lines), default=0.0) + 30
    block = LINE_UNITS * max((len(lines) for lines in labels), default=1) + LABEL_GAP
    height = max(330.0, block * len(labels) + 90)
    root = drawing(panel.identifier, WIDTH, height, panel.title, panel.description)
    y_axis = _y_axis(panel.series)
    left = 14 + max(text_width(text) for _, text in y_axis.ticks)
    frame = Frame(left, 40, WIDTH - room, height - 50)
    _draw_axes(root, frame, panel, y_axis)
    # One offset a series, so that intervals of equal budgets stand side by side.
    apart = [series for series in panel.series if not series.is_law] if panel.markers else []
    offset = min(3.0, WIDEST_OFFSET / max(1, len(apart)))
    for series in panel.series:
        shift = (apart.index(series) - (len(apart) - 1) / 2) * offset if series in apart else 0.0
        _draw_series(root, frame, panel, y_axis, series, shift)
    _draw_labels(root, frame, panel, y_axis, named, labels, block)
    return markup(root)


def _y_axis(series: Sequence[Series]) -> Axis:
    values = [value for one in series for point in one.points for value in (point.low, point.y, point.high)]
    known = [value for value in values if value is not None]
    return linear_axis(min(known), max(known), tick_text)


def _draw_axes(root: Element, frame: Frame, panel: LinePanel, y_axis: Axis) -> None:
    for value, text in y_axis.ticks:
        y = frame.y(y_axis.place(value))
        add(root, "line", x1=frame.left, y1=y, x2=frame.right, y2=y, class_="grid")
        add(root, "text", text, x=frame.left - 8, y=y + 4.5, text_anchor="end", class_="tick")
    add(root, "line", x1=frame.left, y1=frame.bottom, x2=frame.right, y2=frame.bottom, class_="axis")
    free = -1.0
    for value, text in panel.x_axis.ticks:
        x = frame.x(panel.x_axis.place(value))
        add(root, "line", x1=x, y1=frame.bottom, x2=x, y2=frame.bottom + 5, class_="axis")
        # A tick whose label would touch the one before keeps its mark and goes without.
        if x - text_width(text) / 2 > free:
            add(root, "text", text, x=x, y=frame.bottom + 20, text_anchor="middle", class_="tick")
            free = x + text_width(text) / 2 + 6
    if panel.x_axis.broken_at is not None:
        x = frame.x(panel.x_axis.broken_at)
        add(root, "rect", x=x - 3, y=frame.bottom - 3, width=6, height=6, class_="paper")
        for offset in (-3, 3):
            slash = f"M{x + offset - 2:.1f} {frame.bottom + 5:.1f} L{x + offset + 2:.1f} {frame.bottom - 5:.1f}"
            add(root, "path", d=slash, class_="axis")
    add(root, "text", panel.y_title, x=0, y=18, class_="name")
    centre = (frame.left + frame.right) / 2
    add(root, "text", panel.x_title, x=centre, y=frame.bottom + 42, text_anchor="middle", class_="name")


def _draw_series(root: Element, frame: Frame, panel: LinePanel, y_axis: Axis, series: Series, shift: float) -> None:
    places = [(frame.x(panel.x_axis.place(point.x)) + shift, frame.y(y_axis.place(point.y))) for point in series.points]
    group = add(root, "g")
    if series.is_joined:
        path(group, places, series.style, thin=not panel.markers or series.is_law)
    for point, (x, y) in zip(series.points, places, strict=True):
        if point.low is not None and point.high is not None:
            top, bottom = frame.y(y_axis.place(point.high)), frame.y(y_axis.place(point.low))
            whisker(group, (x, top), (x, bottom), series.style.colour)
        if panel.markers and not series.is_law:
            marker(group, x, y, series.style, hollow=point.is_predicted)


def _draw_labels(
    root: Element,
    frame: Frame,
    panel: LinePanel,
    y_axis: Axis,
    named: Sequence[Series],
    labels: Sequence[Sequence[str]],
    block: float,
) -> None:
    ends = [frame.y(y_axis.place(series.points[-1].y)) for series in named]
    places = spread(ends, block, frame.top, max(frame.bottom, frame.top + block * (len(ends) - 1)))
    for series, lines, end, place in zip(named, labels, ends, places, strict=True):
        x = frame.x(panel.x_axis.place(series.points[-1].x)) + MARKER_ROOM
        start = frame.right + 20
        leader = f"M{x:.1f} {end:.1f} L{max(x, frame.right + 4):.1f} {end:.1f} L{start - 3:.1f} {place:.1f}"
        add(root, "path", d=leader, class_=f"leader {series.style.colour}")
        first = place - LINE_UNITS * (len(lines) - 1) / 2 + 4.5
        for index, line in enumerate(lines):
            y = first + index * LINE_UNITS
            add(root, "text", line, x=start, y=y, class_=f"label {series.style.colour}")


def _label_lines(name: Sequence[str]) -> list[str]:
    return [shortened(part, WIDTH * 0.34) for part in name[:TALLEST_LABEL]]


@dataclass(frozen=True)
class Bar:
    """One accuracy with its interval; `estimate` is None where it is missing."""

    label: str
    estimate: Estimate | None


def bar_panel(
    identifier: str, name: str, title: str, description: str, bars: Sequence[Bar], chance: float | None
) -> Markup:
    """A drawing of horizontal bars, each under its label, with a line at the level of guessing."""
    row, top = 44.0, 58.0
    height = top + row * len(bars) + 50
    root = drawing(identifier, WIDTH, height, title, description)
    frame = Frame(1, top, WIDTH - 26, height - 50)
    add(root, "text", name, x=0, y=16, class_="heading")
    highest = max([bar.estimate.high for bar in bars if bar.estimate] + [chance or 0.0, 0.1])
    axis = linear_axis(0.0, highest, lambda value, _: percent(value, 0))
    for value, text in axis.ticks:
        x = frame.x(axis.place(value))
        add(root, "line", x1=x, y1=frame.top, x2=x, y2=frame.bottom, class_="grid")
        anchor = "start" if value == 0 else "middle"
        add(root, "text", text, x=x, y=frame.bottom + 20, text_anchor=anchor, class_="tick")
    for place, bar in enumerate(bars):
        _draw_bar(root, frame, axis, bar, frame.top + place * row)
    if chance is not None:
        x = frame.x(axis.place(chance))
        add(root, "line", x1=x, y1=frame.top - 6, x2=x, y2=frame.bottom, class_="chance")
        anchor = "start" if x < WIDTH * 0.75 else "end"
        add(
            root,
            "text",
            say("guessing, {share}", share=percent(chance, 0)),
            x=x,
            y=frame.top - 14,
            text_anchor=anchor,
            class_="tick",
        )
    centre = (frame.left + frame.right) / 2
    add(root, "text", say("score"), x=centre, y=height - 6, text_anchor="middle", class_="name")
    return markup(root)


def _draw_bar(root: Element, frame: Frame, axis: Axis, bar: Bar, top: float) -> None:
    add(root, "text", shortened(bar.label, WIDTH - 110), x=frame.left, y=top + 15, class_="label halo")
    if bar.estimate is None:
        add(root, "text", MISSING, x=frame.left, y=top + 34, class_="tick halo")
        return
    end, y = frame.x(axis.place(bar.estimate.value)), top + 29
    add(root, "rect", x=frame.left, y=y - 7, width=max(end - frame.left, 0.5), height=14, rx=1.5, class_="bar")
    low, high = frame.x(axis.place(bar.estimate.low)), frame.x(axis.place(bar.estimate.high))
    whisker(root, (low, y), (high, y), "ink")
    for x in (low, high):
        whisker(root, (x, y - 4), (x, y + 4), "ink")
    text = percent(bar.estimate.value)
    x = high + 8
    fits = x + text_width(text) < WIDTH
    place = x if fits else frame.right
    add(
        root,
        "text",
        text,
        x=place,
        y=y + 4.5 if fits else top + 15,
        text_anchor="" if fits else "end",
        class_="value halo",
    )
