"""Accuracy against the number of labels, one curve an arm, with intervals over the seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from residua.files import write_atomically
from residua.report.plots import DARK, LIGHT, Theme, render, render_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME = "curve"
"""Of the files, with the theme and the ending after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """What was measured at one number of labels. Shares from 0 to 1.

    Attributes:
        labels: Of each class; None is all of them, drawn as a line across.
        mean: Over the seeds.
        low, high: Its interval; None of one seed.
    """

    labels: int | None
    mean: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One arm."""

    name: str
    points: tuple[CurvePoint, ...]


def write_label_curve(folder: Path, curves: Sequence[Curve], *, data: str, note: str = "") -> None:
    """Writes ``curve.png``, ``curve.svg`` and the same for dark pages, ``curve-dark.*``.

    Args:
        folder: Where to.
        curves: In the order of the legend; those without points are left out.
        data: Name of the data set.
        note: Stands below the title, such as what is missing.
    """
    draw = partial(label_curve, curves=curves, data=data, note=note)
    for theme, suffix in ((LIGHT, ""), (DARK, "-dark")):
        write_atomically(folder / f"{NAME}{suffix}.png", render(draw, theme))
        write_atomically(folder / f"{NAME}{suffix}.svg", render_svg(draw, theme))


def label_curve(theme: Theme, curves: Sequence[Curve], *, data: str, note: str = "") -> Figure:
    """Means as lines, intervals as bands, along a logarithmic axis of labels."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.4, 4.8), layout="constrained")
    ax = figure.subplots()
    drawn = [curve for curve in curves if curve.points]
    for curve, style in zip(drawn, _styles(theme, drawn), strict=True):
        _draw_across(ax, curve, style)
        _draw_curve(ax, curve, style)
    _label_axis(ax, sorted({p.labels for c in drawn for p in c.points if p.labels is not None}))
    ax.set_ylabel("accuracy on the test split [%]")
    ax.set_title(f"{data}: accuracy against labels", parse_math=False, pad=20 if note else 6)
    if note:
        ax.text(0, 1.02, note, transform=ax.transAxes, fontsize=8, color=theme.muted, wrap=True)
    if drawn:
        figure.legend(loc="outside right upper", handlelength=2.6)
    else:
        ax.text(0.5, 0.5, "not measured", ha="center", color=theme.muted, transform=ax.transAxes)
    return figure


@dataclass(frozen=True, slots=True)
class _Style:
    colour: str
    marker: str
    dash: Any


_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (4, 1.2, 1, 1.2)))
_MARKERS = "osD^vX"


def _styles(theme: Theme, curves: Sequence[Curve]) -> list[_Style]:
    """Colour, mark and dash of each curve: told apart in grey print too."""
    colours = (theme.first, theme.second, "#009e73", "#cc79a7", theme.muted, theme.text)
    return [
        _Style(
            colours[number % len(colours)],
            _MARKERS[number % len(_MARKERS)],
            _DASHES[number % len(_DASHES)],
        )
        for number in range(len(curves))
    ]


def _draw_curve(ax: Axes, curve: Curve, style: _Style) -> None:
    points = [point for point in curve.points if point.labels is not None]
    if not points:
        return
    labels = [float(point.labels or 0) for point in points]
    means = [100 * point.mean for point in points]
    look: dict[str, Any] = {"color": style.colour, "ls": style.dash, "marker": style.marker}
    ax.plot(labels, means, label=curve.name, lw=1.7, markersize=4.5, zorder=3, **look)
    known = [p for p in points if p.low is not None and p.high is not None]
    if len(known) == 1:  # a band of one point has no width
        _draw_bar(ax, known[0], style)
    elif known:
        ax.fill_between(
            [float(p.labels or 0) for p in known],
            [_percent(p.low) for p in known],
            [_percent(p.high) for p in known],
            color=style.colour,
            alpha=0.15,
            lw=0,
        )


def _draw_bar(ax: Axes, point: CurvePoint, style: _Style) -> None:
    ends = [_percent(point.low), _percent(point.high)]
    ax.plot([float(point.labels or 0)] * 2, ends, color=style.colour, lw=1.2)


def _draw_across(ax: Axes, curve: Curve, style: _Style) -> None:
    """What all labels give: a level, whatever the axis says."""
    for point in curve.points:
        if point.labels is not None:
            continue
        look: dict[str, Any] = {"color": style.colour, "ls": style.dash}
        ax.axhline(100 * point.mean, label=f"{curve.name} (all labels)", lw=1.3, **look)
        if point.low is not None and point.high is not None:
            ax.axhspan(
                _percent(point.low), _percent(point.high), color=style.colour, alpha=0.1, lw=0
            )


def _percent(share: float | None) -> float:
    """An interval's end, inside of what an accuracy can be."""
    return 100 * min(1.0, max(0.0, share or 0.0))


def _label_axis(ax: Axes, labels: Sequence[int]) -> None:
    """Logarithmic, with a tick at each number that was measured."""
    from matplotlib.ticker import FixedLocator, NullLocator

    ax.set_xlabel("labels of each class")
    ax.set_xscale("log")
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_locator(FixedLocator(labels))
    ax.set_xticks(labels, [f"{number:,}" for number in labels])
    if labels:
        ax.set_xlim(labels[0] / 1.25, labels[-1] * 1.25)
