"""Drawings as SVG elements: built as a tree, so that every label is escaped, and coloured by the page's variables.

Lengths are in the drawing's own units; a drawing is about as many units wide as it has pixels on a wide screen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from markupsafe import Markup

from loanword.report.saying import Interface

Element = ElementTree.Element

FONT_UNITS = 13.0
# A circle, a square, a triangle ...: each series has a marker and a dash besides its colour.
NUM_COLOURS = 6
DASHES = ("", "7 4", "2 4", "9 3 2 3")


@dataclass(frozen=True)
class Style:
    """How a series looks; the page's style sheet holds the colours of `series-1` to `series-6`."""

    index: int

    @property
    def colour(self) -> str:
        return f"series-{self.index % NUM_COLOURS + 1}"

    @property
    def dash(self) -> str:
        return DASHES[(self.index // NUM_COLOURS) % len(DASHES)]


def drawing(identifier: str, width: float, height: float, title: str, description: str) -> Element:
    """An empty drawing that a screen reader announces by its title and description."""
    root = ElementTree.Element(
        "svg",
        {
            "viewBox": f"0 0 {number(width)} {number(height)}",
            "role": "img",
            "aria-labelledby": f"{identifier}-title {identifier}-desc",
            "class": "figure",
        },
    )
    add(root, "title", title, id=f"{identifier}-title")
    add(root, "desc", description, id=f"{identifier}-desc")
    return root


def add(parent: Element, tag: str, text: str = "", **attributes: str | float) -> Element:
    """Adds one element; underscores in attribute names stand for hyphens, a trailing one is dropped."""
    named = {name.rstrip("_").replace("_", "-"): _attribute(value) for name, value in attributes.items()}
    element = ElementTree.SubElement(parent, tag, {name: value for name, value in named.items() if value})
    element.text = text or None
    return element


def path(parent: Element, points: Sequence[tuple[float, float]], style: Style, *, thin: bool = False) -> None:
    """Adds a line through points."""
    commands = " ".join(f"{'L' if place else 'M'}{number(x)} {number(y)}" for place, (x, y) in enumerate(points))
    kind = "curve" if thin else "line"
    add(parent, "path", d=commands, class_=f"{kind} {style.colour}", stroke_dasharray=style.dash)


def marker(parent: Element, x: float, y: float, style: Style, size: float = 4.5, *, hollow: bool = False) -> None:
    """Adds the marker of a series, centred on a point."""
    shape = style.index % NUM_COLOURS
    kind = f"{'hollow' if hollow else 'marker'} {style.colour}"
    if shape == 0:
        add(parent, "circle", cx=x, cy=y, r=size, class_=kind)
        return
    corners = {
        1: [(-1, -1), (1, -1), (1, 1), (-1, 1)],
        2: [(0, -1.25), (1.15, 0.85), (-1.15, 0.85)],
        3: [(0, -1.35), (1.35, 0), (0, 1.35), (-1.35, 0)],
        4: [(0, 1.25), (1.15, -0.85), (-1.15, -0.85)],
        5: [(-0.6, -1.1), (0.6, -1.1), (1.2, 0), (0.6, 1.1), (-0.6, 1.1), (-1.2, 0)],
    }[shape]
    around = " ".join(f"{number(x + size * dx)},{number(y + size * dy)}" for dx, dy in corners)
    add(parent, "polygon", points=around, class_=kind)


def whisker(parent: Element, start: tuple[float, float], end: tuple[float, float], colour: str) -> None:
    """Adds an interval: a line between two points."""
    add(parent, "line", x1=start[0], y1=start[1], x2=end[0], y2=end[1], class_=f"whisker {colour}")


def text_width(text: str, font_units: float = FONT_UNITS) -> float:
    """About how wide a text is set; Chinese, Japanese and Korean characters are square."""
    return font_units * sum(1.0 if ord(char) >= 0x2E80 else 0.3 if char in "\u202f.,:;il|' " else 0.56 for char in text)


def shortened(text: str, width: float) -> str:
    """A text cut, with an ellipsis, to what fits."""
    if text_width(text) <= width:
        return text
    while text and text_width(text + "\u2026") > width:
        text = text[:-1]
    return text.rstrip() + "\u2026"


def number(value: float) -> str:
    """A coordinate with at most two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


class Drawing(Markup):
    """A drawing as it stands in the page, in English; its elements can be said in other languages."""

    root: Element


def markup(root: Element) -> Drawing:
    """The drawing as it stands in the page."""
    # Every text and attribute has gone through ElementTree, which escapes it.
    found = Drawing(ElementTree.tostring(root, encoding="unicode"))
    found.root = root
    return found


def drawn(drawing: Markup, spoken: Interface) -> Markup:
    """A drawing with the texts that are ours in another language."""
    if spoken.code == "en" or not isinstance(drawing, Drawing):
        return drawing
    return markup(_said(drawing.root, spoken))


def _said(element: Element, spoken: Interface) -> Element:
    found = ElementTree.Element(element.tag, element.attrib)
    found.text = None if element.text is None else spoken.words(element.text)
    found.extend(_said(child, spoken) for child in element)
    return found


def _attribute(value: str | float) -> str:
    return value if isinstance(value, str) else number(value)
