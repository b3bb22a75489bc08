"""The marks that a diagram is made of: boxes, words, lines, as SVG elements.

Light colours are attributes of the elements and the dark ones rules of a style sheet, because slide
programs read the former alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from residua.report.markup import Html, element, join

Point = tuple[float, float]
Line = Literal["identity", "projection", "dense", "auxiliary"]


@dataclass(frozen=True, slots=True)
class Paint:
    """Fill and stroke, light and dark."""

    fill: str
    stroke: str
    dark_fill: str
    dark_stroke: str


PAINTS: dict[str, Paint] = {
    "paper": Paint("#ffffff", "none", "#14171a", "none"),
    "group": Paint("#f6f7f8", "#d5dade", "#1c2024", "#333b42"),
    "card": Paint("#ffffff", "#aab3bb", "#14171a", "#59636c"),
    "join": Paint("#ffffff", "#5c6670", "#14171a", "#9aa4ae"),
    "end": Paint("#ffffff", "#5c6670", "#14171a", "#9aa4ae"),
    "conv": Paint("#d9ebf7", "#0072b2", "#0f3550", "#56b4e9"),
    "pool": Paint("#fbe3cf", "#c25500", "#4a2a0c", "#e69f00"),
    "linear": Paint("#d3efe5", "#00795a", "#0b3a2d", "#2fbf93"),
    "gate": Paint("#f4deec", "#a8508a", "#43203a", "#d98fc0"),
    "other": Paint("#eceef0", "#7a848d", "#2a3036", "#8b959e"),
}
INK, SOFT = ("#1a1d21", "#e6e8ea"), ("#5c6670", "#9aa4ae")
LINES: dict[Line, tuple[str, str, str]] = {
    "identity": ("#0072b2", "#56b4e9", ""),
    "projection": ("#c25500", "#e69f00", "6 3"),
    "dense": ("#a8508a", "#d98fc0", "2 3"),
    "auxiliary": ("#5c6670", "#9aa4ae", "8 3 2 3"),
}
_RADIUS = 7
FONT = "system-ui, -apple-system, 'Segoe UI', 'Noto Sans', 'DejaVu Sans', Arial, sans-serif"

_NARROW = dict.fromkeys("fijltrI.,:;|'()[]·/ -", 0.42) | dict.fromkeys("mwMW×→+−%", 0.98)


def text_width(words: str, size: float = 12, *, bold: bool = False) -> float:
    """Pixels that ``words`` take at most, in the wider ones of the usual system fonts."""
    units = sum(_NARROW.get(c, 0.76 if c.isupper() else 0.64) for c in words)
    return units * size * (1.12 if bold else 1)


def n(value: float) -> str:
    """A coordinate, rounded to a tenth."""
    return f"{value:.1f}".removesuffix(".0")


class Canvas:
    """Collects marks; later ones lie above earlier ones.

    Args:
        links: Whether blocks lead to the element of a page that has their id.
    """

    def __init__(self, *, links: bool = False) -> None:
        self.marks: list[Html] = []
        self.links = links

    def block(self, inner: Canvas, identity: str, words: str) -> None:
        """Adds the marks of a block."""
        marks = inner.markup()
        link = {"href": f"#{identity}", "aria-label": words}
        self.marks.append(element("a", link, marks) if self.links else marks)

    def rectangle(self, x: float, y: float, w: float, h: float, paint: str, r: float = 6) -> None:
        colours = PAINTS[paint]
        place = {"x": n(x), "y": n(y), "width": n(w), "height": n(h), "rx": n(r)}
        colour = {"class": f"d-{paint}", "fill": colours.fill, "stroke": colours.stroke}
        self.marks.append(element("rect", {**place, **colour}))

    def text(
        self,
        x: float,
        y: float,
        words: str,
        size: float = 12,
        *,
        bold: bool = False,
        soft: bool = False,
        anchor: Literal["start", "middle", "end"] = "start",
    ) -> None:
        attributes = {
            "x": n(x),
            "y": n(y),
            "class": "d-soft" if soft else "d-ink",
            "fill": (SOFT if soft else INK)[0],
        }
        if size != 12:
            attributes["font-size"] = n(size)
        if bold:
            attributes["font-weight"] = "600"
        if anchor != "start":
            attributes["text-anchor"] = anchor
        self.marks.append(element("text", attributes, words))

    def cell(self, x: float, y: float, w: float, h: float, words: str, kind: str) -> None:
        self.rectangle(x, y, w, h, kind, 5)
        self.text(x + w / 2, y + h / 2 + 4.2, words, anchor="middle")

    def card(self, x: float, y: float, w: float, h: float) -> None:
        self.rectangle(x, y, w, h, "card", 9)

    def group(self, x: float, y: float, w: float, h: float, name: str) -> None:
        self.rectangle(x, y, w, h, "group", 12)
        self.text(x + 14, y + 19, name, 13, bold=True)

    def end(self, x: float, y: float, w: float, h: float, name: str, shape: str) -> None:
        self.rectangle(x, y, w, h, "end", h / 2)
        self.text(x + w / 2, y + h / 2 - 3, name, 11, soft=True, anchor="middle")
        self.text(x + w / 2, y + h / 2 + 12, shape, anchor="middle")

    def label(self, x: float, y: float, words: str) -> None:
        """Words on a line, which they interrupt."""
        w = text_width(words, 11) + 8
        self.rectangle(x - w / 2, y - 9, w, 18, "paper", 4)
        self.text(x, y + 4, words, 11, anchor="middle")

    def join(self, x: float, y: float, w: float, h: float, words: str) -> None:
        self.rectangle(x, y, w, h, "join", 9)
        self.text(x + w / 2, y + h / 2 + 4, words, 11, anchor="middle")

    def junction(self, x: float, y: float, r: float, words: str) -> None:
        self.rectangle(x - r, y - r, 2 * r, 2 * r, "join", r)
        self.text(x, y + 5, words, 14, anchor="middle")

    def dot(self, x: float, y: float) -> None:
        place = {"cx": n(x), "cy": n(y), "r": "2.2", "class": "d-dot", "fill": SOFT[0]}
        self.marks.append(element("circle", place))

    def flow(self, points: Sequence[Point], *, arrow: bool = True) -> None:
        self._line(points, "d-flow", SOFT[0], "1.4", "", arrow)

    def shortcut(self, points: Sequence[Point], kind: Line, *, arrow: bool = True) -> None:
        colour, _, dashes = LINES[kind]
        self._line(points, f"d-{kind}", colour, "1.8", dashes, arrow)

    def _line(
        self, points: Sequence[Point], name: str, colour: str, w: str, dashes: str, arrow: bool
    ) -> None:
        attributes = {"d": rounded(points), "class": name, "fill": "none", "stroke": colour}
        attributes["stroke-width"] = w
        if dashes:
            attributes["stroke-dasharray"] = dashes
        self.marks.append(element("path", attributes))
        if arrow:
            self._head(points[-2], points[-1], name, colour)

    def _head(self, before: Point, tip: Point, name: str, colour: str) -> None:
        """A triangle: slide programs do not know markers."""
        (x0, y0), (x, y) = before, tip
        length = max(abs(x - x0) + abs(y - y0), 1e-6)
        dx, dy = (x - x0) / length, (y - y0) / length
        base = x - 7 * dx, y - 7 * dy
        corners = (
            tip,
            (base[0] - 3.6 * dy, base[1] + 3.6 * dx),
            (base[0] + 3.6 * dy, base[1] - 3.6 * dx),
        )
        points = " ".join(f"{n(a)},{n(b)}" for a, b in corners)
        self.marks.append(
            element("polygon", {"points": points, "class": f"{name}-head", "fill": colour})
        )

    def markup(self) -> Html:
        return join(self.marks)


def rounded(points: Sequence[Point]) -> str:
    """A path along ``points``, through horizontal and vertical lines, with round corners."""
    path = [f"M{n(points[0][0])} {n(points[0][1])}"]
    for (x0, y0), (x, y), (x1, y1) in zip(points, points[1:], points[2:], strict=False):
        before, after = abs(x - x0) + abs(y - y0), abs(x1 - x) + abs(y1 - y)
        r = min(_RADIUS, before / 2, after / 2)
        ax, ay = (x0 - x) / before * r if before else 0, (y0 - y) / before * r if before else 0
        bx, by = (x1 - x) / after * r if after else 0, (y1 - y) / after * r if after else 0
        path.append(f"L{n(x + ax)} {n(y + ay)}Q{n(x)} {n(y)} {n(x + bx)} {n(y + by)}")
    path.append(f"L{n(points[-1][0])} {n(points[-1][1])}")
    return "".join(path)
