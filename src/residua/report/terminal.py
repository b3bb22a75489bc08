"""Loss and score as a chart of braille dots, for the terminal while a network trains.

Legend: a cell is one character; it holds 2 x 4 dots in braille, one in ASCII.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from residua.report.contents import score_of

if TYPE_CHECKING:
    from residua.report.contents import EpochRecord

_TRAINING, _VALIDATION = "blue", "yellow"
_SIDE_BY_SIDE = 64
_LABEL = 6
_NARROWEST, _LOWEST = 20, 2
_BRAILLE = 0x2800
_BITS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""The bit of each dot of a braille sign, by column and row from the top."""

Points = list[tuple[float, float]]


def curve_chart(
    history: Sequence[EpochRecord], width: int | None = None, height: int = 8
) -> RenderableType:
    """Loss and score over the epochs, side by side where there is room.

    Args:
        history: The records so far; missing and non-finite values are left out.
        width: Characters; by default what the console has.
        height: Lines of each plot, without its title and axis.
    """
    return _Chart(history=tuple(history), width=width, height=max(height, _LOWEST))


def chart_lines(width: int, height: int) -> int:
    """Lines that `curve_chart` takes: two plots beside or above one another, each with its title
    and axis."""
    return (1 if width >= _SIDE_BY_SIDE else 2) * (max(height, _LOWEST) + 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Curve:
    name: str
    style: str
    points: Points


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chart:
    history: tuple[EpochRecord, ...]
    width: int | None
    height: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = min(self.width or options.max_width, options.max_width)
        panels = _loss(self.history), _score(self.history)
        beside = width >= _SIDE_BY_SIDE
        each = max(_NARROWEST, (width - 3) // 2 if beside else width)
        drawn = [_panel(*panel, each, self.height, options.ascii_only) for panel in panels]
        grid = Table.grid(padding=(0, 3, 0, 0) if beside else 0, pad_edge=False)
        if beside:
            grid.add_row(*drawn)
        else:
            for panel in drawn:
                grid.add_row(panel)
        yield grid


def _curves(training: Points, validation: Points) -> list[_Curve]:
    curves = [
        _Curve(name="train", style=_TRAINING, points=training),
        _Curve(name="val", style=_VALIDATION, points=validation),
    ]
    return [curve for curve in curves if curve.points]


def _points(history: Sequence[EpochRecord], values: Sequence[float | None]) -> Points:
    pairs = zip(history, values, strict=True)
    return [(r.epoch, v) for r, v in pairs if v is not None and math.isfinite(v)]


def _loss(history: Sequence[EpochRecord]) -> tuple[str, list[_Curve], int]:
    training = _points(history, [r.train_loss for r in history])
    return "loss", _curves(training, _points(history, [r.validation_loss for r in history])), 3


def _score(history: Sequence[EpochRecord]) -> tuple[str, list[_Curve], int]:
    kind = score_of(history)
    factor, digits = (100, 1) if kind.percent else (1, 3)

    def scaled(values: Sequence[float | None]) -> Points:
        return [(epoch, factor * share) for epoch, share in _points(history, values)]

    training = scaled([r.train_accuracy for r in history])
    validation = scaled([r.validation_accuracy for r in history])
    return kind.title + (" %" if kind.percent else ""), _curves(training, validation), digits


def _panel(
    title: str, curves: Sequence[_Curve], digits: int, width: int, height: int, ascii_only: bool
) -> Text:
    """Title with the last values, the plot with its two bounds, the epochs below."""
    head = Text(title, style="bold", no_wrap=True, end="")
    for curve in curves:
        head.append(f"  {curve.name} {curve.points[-1][1]:.{digits}f}", style=curve.style)
    head.truncate(width)
    every = [point for curve in curves for point in curve.points]
    if not every:
        return Text.assemble(head, "\n", ("nothing measured yet", "dim"))
    frame = _Frame.around(every, width - _LABEL - 1, height, ascii_only)
    lines = [head]
    for row, cells in enumerate(_cells(curves, frame)):
        bound = {0: frame.high, height - 1: frame.low}.get(row)
        label = "" if bound is None else f"{bound:.{frame.digits}f}"[:_LABEL]
        edge = "|" if ascii_only else "▏"
        lines.append(Text.assemble((f"{label:>{_LABEL}}{edge}", "dim"), cells))
    lines.append(Text(_epoch_axis(frame), style="dim"))
    return Text("\n", no_wrap=True).join(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """What the plot spans, and how many dots it has. ``columns`` and ``rows`` count cells."""

    first: float
    last: float
    low: float
    high: float
    columns: int
    rows: int
    ascii_only: bool

    @classmethod
    def around(cls, points: Points, columns: int, rows: int, ascii_only: bool) -> _Frame:
        epochs, values = zip(*points, strict=True)
        low, high = min(values), max(values)
        slack = 0.0 if high > low else max(abs(high), 1.0) * 0.05
        return cls(
            first=min(epochs),
            last=max(epochs),
            low=low - slack,
            high=high + slack,
            columns=columns,
            rows=rows,
            ascii_only=ascii_only,
        )

    @property
    def digits(self) -> int:
        """Decimals with which the two bounds read differently."""
        return min(3, max(0, 1 - math.floor(math.log10(self.high - self.low))))

    @property
    def dots(self) -> tuple[int, int]:
        """Dots across and down."""
        return (self.columns, self.rows) if self.ascii_only else (2 * self.columns, 4 * self.rows)


def _epoch_axis(frame: _Frame) -> str:
    first, last = f"{frame.first:.0f}", f"{frame.last:.0f}"
    if frame.first == frame.last:
        return f"{'':{_LABEL + 1}}epoch {first}"
    inner = f"{first}{'epoch':^{max(5, frame.columns - len(first) - len(last))}}{last}"
    return f"{'':{_LABEL + 1}}{inner}"


def _dots(points: Points, frame: _Frame) -> list[tuple[int, int]]:
    """(column, row) of every dot of a curve: straight lines from one point to the next."""
    across, down = frame.dots
    span = frame.last - frame.first

    def dot(epoch: float, value: float) -> tuple[int, int]:
        x = (epoch - frame.first) / span if span else 0.0
        y = (frame.high - value) / (frame.high - frame.low)
        return round(x * (across - 1)), round(y * (down - 1))

    corners = [dot(*point) for point in points]
    dots = corners[:1]
    for (x0, y0), (x1, y1) in pairwise(corners):
        steps = max(abs(x1 - x0), abs(y1 - y0))
        dots += [
            (x0 + round((x1 - x0) * i / steps), y0 + round((y1 - y0) * i / steps))
            for i in range(1, steps + 1)
        ]
    return dots


def _cells(curves: Sequence[_Curve], frame: _Frame) -> list[Text]:
    """The lines of the plot. Where curves share a cell it has the colour of the later one."""
    signs = [[0] * frame.columns for _ in range(frame.rows)]
    styles = [[""] * frame.columns for _ in range(frame.rows)]
    for curve in curves:
        for column, row in _dots(curve.points, frame):
            x, y = (column, row) if frame.ascii_only else (column // 2, row // 4)
            ink = ord(curve.name[0]) if frame.ascii_only else _BITS[column % 2][row % 4]
            signs[y][x] = ink if frame.ascii_only else signs[y][x] | ink
            styles[y][x] = curve.style
    base = 0 if frame.ascii_only else _BRAILLE

    def line(row: int) -> Text:
        cells = zip(signs[row], styles[row], strict=True)
        return Text.assemble(*((chr(base + s) if s else " ", style) for s, style in cells))

    return [line(row) for row in range(frame.rows)]
