"""Published accuracy against multiply-adds, one panel a data set: what a network's work buys."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from residua.errors import UsageError
from residua.files import write_atomically
from residua.networks.catalog import FACTS, get_spec
from residua.report.groups import GROUPS, group_of
from residua.report.placing import Box, Disc, place_labels
from residua.report.plots import LIGHT, Theme, render, render_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FORMATS = (".png", ".svg")
_AREA = 3.2
"""Square points of a bubble for each million of parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A network with a published accuracy.

    Attributes:
        group: Title of its `residua.report.groups.Group`.
        data: What ``top1`` percent were measured on.
    """

    name: str
    group: str
    data: str
    macs: int
    parameters: int
    top1: float


def known_points(names: Iterable[str], macs: Callable[[str], int]) -> list[Point]:
    """A point for each network with a published accuracy; ``macs`` at its usual size, by name."""
    return [
        Point(
            name=name,
            group=group_of(get_spec(name)).title,
            data=FACTS[name].data,
            macs=macs(name),
            parameters=FACTS[name].parameters,
            top1=top1,
        )
        for name in names
        if (top1 := FACTS[name].top1) is not None
    ]


def check_plot(path: Path, names: Sequence[str]) -> None:
    """Raises a `UsageError` before any work if ``write_scatter`` could not draw or write."""
    if path.suffix.lower() not in _FORMATS:
        expected = " or ".join(_FORMATS)
        raise UsageError("unknown kind of picture", expected=expected, received=path.name)
    if all(FACTS[name].top1 is None for name in names):
        raise UsageError(
            "nothing to plot: no accuracy was published of these networks",
            received=", ".join(names),
        )


def write_scatter(path: Path, points: Sequence[Point]) -> None:
    """The plot as ``path`` says: ``.png`` or ``.svg``."""
    kind = render_svg if path.suffix.lower() == ".svg" else render
    write_atomically(path, kind(partial(scatter, points=points), LIGHT))


def scatter(theme: Theme, points: Sequence[Point]) -> Figure:
    """One panel for each data set: names do not collide, bubbles say parameters, marks groups."""
    from matplotlib.figure import Figure

    panels = _by_data(points)
    crowd = max(map(len, panels.values()))
    height = 4.2 if crowd < 12 else 7.2
    figure = Figure(figsize=(1.2 + 5.6 * len(panels), height), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    styles = _styles(theme, points)
    for ax, (data, members) in zip(axes, panels.items(), strict=True):
        _draw_panel(ax, theme, data, members, styles)
    _add_legends(figure, theme, styles)
    _fix_layout(figure)
    for ax, members in zip(axes, panels.values(), strict=True):
        _name_points(ax, theme, members, unit=figure.dpi / 72)
    return figure


def _by_data(points: Sequence[Point]) -> dict[str, list[Point]]:
    """ImageNet first, then what has most points."""
    names = {point.data for point in points}
    panels = {name: [p for p in points if p.data == name] for name in names}
    order = sorted(names, key=lambda name: (name != "ImageNet", -len(panels[name]), name))
    return {name: panels[name] for name in order}


@dataclass(frozen=True, slots=True)
class _Style:
    colour: str
    marker: str


_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f6d00")
_MARKERS = "osD^vPX<>ph"


def _styles(theme: Theme, points: Sequence[Point]) -> dict[str, _Style]:
    """A colour and a mark for each group that has points; the same for every plot."""
    titles = list(dict.fromkeys([g.title for g in GROUPS.values()] + [p.group for p in points]))
    shown = {point.group for point in points}
    return {
        title: _Style(_COLOURS[i % len(_COLOURS)], _MARKERS[i % len(_MARKERS)])
        for i, title in enumerate(titles)
        if title in shown
    }


def _draw_panel(
    ax: Axes, theme: Theme, data: str, points: Sequence[Point], styles: dict[str, _Style]
) -> None:
    ax.set_xscale("log")
    ax.set(title=f"{data}: published accuracy", xlabel="multiply-adds of a picture")
    ax.set_ylabel("top-1 accuracy [%]")
    for point in points:
        style, place = styles[point.group], (point.macs, point.top1)
        ax.scatter(*place, s=_area(point.parameters), color=style.colour, alpha=0.22, lw=0)
        ax.scatter(*place, s=16, color=style.colour, marker=style.marker, lw=0, zorder=3)
    low, high = min(p.macs for p in points), max(p.macs for p in points)
    ax.set_xlim(low / 2.2, high * 2.2)
    lows, highs = min(p.top1 for p in points), max(p.top1 for p in points)
    margin = max(0.5, 0.12 * (highs - lows))
    ax.set_ylim(lows - margin, highs + 1.4 * margin)  # most names are at the top
    _count_axis(ax)


def _area(parameters: int) -> float:
    return _AREA * parameters / 1e6


def _count_axis(ax: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(FuncFormatter(_count_text))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.tick_params(which="minor", length=0)


def _count_text(value: float, position: int | None = None) -> str:
    """``500 M``"""
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:g} {unit}"
    return f"{value:g}"


def _add_legends(figure: Figure, theme: Theme, styles: dict[str, _Style]) -> None:
    """Marks of the groups, and after them bubbles of three sizes."""
    from matplotlib.lines import Line2D

    def entry(label: str, marker: str, colour: str, size: float, alpha: float) -> Line2D:
        look: dict[str, Any] = {"marker": marker, "markersize": size, "color": colour}
        return Line2D([], [], ls="", mew=0, label=label, alpha=alpha, **look)

    marks = [entry(title, s.marker, s.colour, 4.5, 1.0) for title, s in styles.items()]
    bubbles = [
        entry(f"{n} M parameters", "o", theme.muted, math.sqrt(_area(n * 1_000_000)), 0.35)
        for n in (100, 10, 1)
    ]
    columns = 5 if figure.get_figwidth() > 8 else 2
    figure.legend(handles=marks, loc="outside lower left", ncols=columns, borderpad=0.8)
    figure.legend(handles=bubbles, loc="outside lower right", borderpad=0.8, labelspacing=0.7)


def _fix_layout(figure: Figure) -> None:
    """Settles where the axes lie, which names are placed by."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure).draw()
    figure.set_layout_engine("none")


def _name_points(ax: Axes, theme: Theme, points: Sequence[Point], *, unit: float) -> None:
    """Names beside their points, with a thin line where they are further off.

    ``unit``: pixels a typographic point.
    """
    texts = [
        ax.text(p.macs, p.top1, p.name, fontsize=7, color=theme.text, ha="center", va="center")
        for p in points
    ]
    extents = [text.get_window_extent() for text in texts]
    sizes = [(extent.width + unit, extent.height) for extent in extents]
    discs = [_disc(ax, point, unit) for point in points]
    frame = ax.get_window_extent()
    bounds = Box(frame.x0, frame.y0, frame.x1, frame.y1)
    boxes = place_labels(discs, sizes, bounds, gap=3 * unit)
    to_data = ax.transData.inverted().transform
    for text, disc, box in zip(texts, discs, boxes, strict=True):
        if box is None:
            text.remove()
            continue
        x, y = to_data(((box.left + box.right) / 2, (box.bottom + box.top) / 2))
        text.set_position((float(x), float(y)))
        end = box.nearest(disc.x, disc.y)
        if math.dist(end, (disc.x, disc.y)) > disc.radius + 4 * unit:
            xs, ys = zip(*to_data([(disc.x, disc.y), end]), strict=True)
            ax.plot(xs, ys, color=theme.muted, lw=0.5, zorder=1, scalex=False, scaley=False)


def _disc(ax: Axes, point: Point, unit: float) -> Disc:
    x, y = ax.transData.transform((point.macs, point.top1))
    radius = max(2.4, math.sqrt(_area(point.parameters) / math.pi))
    return Disc(float(x), float(y), radius * unit)
