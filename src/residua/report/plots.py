"""The plots of a report as PNG: curves, confusion matrix, reliability.

Each is drawn for a theme, so that a page has one for light and one for dark. Colours are those of
Okabe and Ito (2008), told apart by the colour-blind; dashes tell the curves apart in grey print.

Legend: k classes.
"""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from residua.report.contents import score_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from residua.evaluation.results import Evaluation
    from residua.report.contents import EpochRecord

WRITTEN_CLASSES = 20
"""Up to this many classes a confusion matrix shows its numbers, and the class table keeps the
order of the classes."""
NAMED_CLASSES = 60
"""Up to this many classes the axes of a confusion matrix carry names, else positions."""
_DPI = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Theme:
    """Colours of a plot. ``first``: training, right answers; ``second``: validation, mistakes."""

    background: str
    text: str
    muted: str
    grid: str
    first: str
    second: str


LIGHT = Theme(
    background="#ffffff",
    text="#1a1d21",
    muted="#5c6670",
    grid="#e3e6e9",
    first="#0072b2",
    second="#d55e00",
)
DARK = Theme(
    background="#14171a",
    text="#e6e8ea",
    muted="#9aa4ae",
    grid="#2c3238",
    first="#56b4e9",
    second="#e69f00",
)


def _settings(theme: Theme) -> Any:  # keys are plain names before matplotlib 3.11
    return {
        "axes.edgecolor": theme.muted,
        "axes.facecolor": theme.background,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.labelcolor": theme.muted,
        "axes.labelsize": 9,
        "axes.linewidth": 0.7,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlecolor": theme.text,
        "axes.titlelocation": "left",
        "axes.titlesize": 10,
        "axes.titleweight": "bold",
        "figure.dpi": _DPI,
        "figure.facecolor": theme.background,
        "font.size": 9,
        "grid.color": theme.grid,
        "grid.linewidth": 0.7,
        "legend.fontsize": 9,
        "legend.frameon": False,
        "lines.solid_capstyle": "round",
        "text.color": theme.text,
        "xtick.color": theme.muted,
        "xtick.labelsize": 8.5,
        "ytick.color": theme.muted,
        "ytick.labelsize": 8.5,
    }


def render(draw: Callable[[Theme], Figure], theme: Theme) -> bytes:
    """PNG of the figure that ``draw`` makes, whatever style the user has set for matplotlib."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = io.BytesIO()
    with _styled(theme):
        # savefig would draw everything twice
        FigureCanvasAgg(draw(theme)).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def render_svg(draw: Callable[[Theme], Figure], theme: Theme) -> bytes:
    """The same as SVG, its text as outlines so that it looks the same everywhere."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    buffer = io.BytesIO()
    with _styled(theme) as settings:
        settings["svg.hashsalt"] = "residua"  # the same plot is the same file
        FigureCanvasSVG(draw(theme)).print_svg(buffer, metadata={"Date": None})
    return buffer.getvalue()


@contextmanager
def _styled(theme: Theme) -> Generator[Any]:
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_settings(theme))
        yield mpl.rcParams


def _new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def curves(
    theme: Theme,
    history: Sequence[EpochRecord],
    selected_epoch: int | None = None,
    stacked: bool = False,
) -> Figure:
    """Loss and accuracy of training and validation, and the learning rate, over the epochs.

    ``stacked`` puts the panels one above the other, for narrow screens.
    """
    figure = _new_figure(4.2, 6.6) if stacked else _new_figure(10.2, 4.4)
    panels = "L;A;R" if stacked else "LA;RR"
    ratios = [3, 3, 1.5] if stacked else [3, 1.3]
    axes = figure.subplot_mosaic(panels, height_ratios=ratios)
    epochs = [record.epoch for record in history]
    loss = [r.train_loss for r in history], [r.validation_loss for r in history]
    accuracy = [r.train_accuracy for r in history], [r.validation_accuracy for r in history]
    _two_curves(axes["L"], theme, epochs, *loss, legend="upper right")
    kind = score_of(history)
    axes["L"].set(title="Loss", ylabel="cross-entropy [nats]" if kind.percent else "loss")
    shares = (_percents(values) if kind.percent else values for values in accuracy)
    _two_curves(axes["A"], theme, epochs, *shares, legend="lower right")
    title = kind.title[:1].upper() + kind.title[1:]
    axes["A"].set(title=title, ylabel=kind.title + (" [%]" if kind.percent else ""))
    _curve(axes["R"], epochs, [r.lr for r in history], color=theme.muted)
    axes["R"].set(title="Learning rate", ylabel="rate")
    axes["R"].set_ylim(bottom=0)
    for panel in axes.values():
        _epoch_axis(panel, theme, epochs, selected_epoch)
    return figure


def _percents(shares: Sequence[float | None]) -> list[float | None]:
    return [None if share is None else 100 * share for share in shares]


def _curve(
    ax: Axes, epochs: Sequence[int], values: Sequence[float | None], *, color: str, **line: Any
) -> bool:
    """Draws what is known of ``values``; says whether anything was."""
    points = np.array([math.nan if v is None else v for v in values], dtype=np.float64)
    points[~np.isfinite(points)] = np.nan
    if np.isnan(points).all():
        return False
    marker = "o" if len(points) <= 12 else ""
    ax.plot(epochs, points, color=color, marker=marker, markersize=3, **line)
    return True


def _two_curves(
    ax: Axes,
    theme: Theme,
    epochs: Sequence[int],
    train: Sequence[float | None],
    validation: Sequence[float | None],
    legend: Literal["upper right", "lower right"],
) -> None:
    drawn = _curve(ax, epochs, train, color=theme.first, lw=1.3, ls=(0, (4, 1.6)), label="training")
    drawn |= _curve(ax, epochs, validation, color=theme.second, lw=1.8, label="validation")
    if drawn:
        ax.legend(handlelength=2.4, loc=legend)
    else:
        ax.text(0.5, 0.5, "not measured", ha="center", color=theme.muted, transform=ax.transAxes)


def _epoch_axis(ax: Axes, theme: Theme, epochs: Sequence[int], selected_epoch: int | None) -> None:
    from matplotlib.ticker import MaxNLocator

    first, last = (epochs[0], epochs[-1]) if epochs else (1, 1)
    margin = max(0.5, 0.02 * (last - first))
    ax.set_xlabel("epoch")
    ax.set_xlim(first - margin, last + margin)
    ax.xaxis.set_major_locator(
        MaxNLocator(integer=True, nbins=8, steps=[1, 2, 5, 10], min_n_ticks=1)
    )
    if selected_epoch is not None:
        ax.axvline(selected_epoch, color=theme.muted, lw=0.9, ls=":", zorder=1)


def reliability(theme: Theme, evaluation: Evaluation) -> Figure:
    """Accuracy against confidence, and below how many samples each bin holds."""
    figure = _new_figure(4.2, 4.6)
    top, bottom = figure.subplots(2, 1, height_ratios=[3.2, 1], sharex=True)
    bins = [b for b in evaluation.reliability if b.n]
    left = [b.low for b in evaluation.reliability]
    widths = [b.high - b.low for b in evaluation.reliability]
    top.plot([0, 1], [0, 1], color=theme.muted, lw=1, ls=(0, (4, 3)), label="perfect")
    top.plot(
        [b.confidence for b in bins],
        [b.accuracy for b in bins],
        color=theme.first,
        lw=1.6,
        marker="o",
        markersize=4,
        label="measured",
    )
    for b in bins:
        top.plot([b.confidence] * 2, [b.confidence, b.accuracy], color=theme.second, lw=1.2)
    top.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="accuracy [share]", title="Reliability")
    top.legend(loc="upper left")
    counts = [b.n for b in evaluation.reliability]
    bottom.bar(left, counts, width=widths, align="edge", color=theme.first, alpha=0.7, lw=0)
    bottom.set_yscale("symlog", linthresh=10)
    bottom.set(xlabel="confidence: probability of the answer", ylabel="samples")
    return figure


def cell_strength(confusion: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """float ``[k, k]`` in [0, 1]: how strongly each cell of a confusion matrix is coloured.

    The square root of its share of the row, so that rare mistakes are seen.
    """
    totals = confusion.sum(axis=1, keepdims=True)
    return np.sqrt(confusion / np.maximum(totals, 1))


def confusion_matrix(theme: Theme, evaluation: Evaluation, classes: Sequence[str]) -> Figure:
    """True classes down, predicted ones across; right answers and mistakes differ in colour."""
    counts = np.asarray(evaluation.confusion, dtype=np.int64)
    k = len(classes)
    written = k <= WRITTEN_CLASSES
    side = min(8.4, 2.6 + 0.42 * k) if written else 6.7
    figure = _new_figure(side, side)
    ax = figure.subplots()
    ax.grid(visible=False)
    strength = cell_strength(counts)
    ax.imshow(_cell_colours(theme, strength), interpolation="nearest")
    ax.spines[:].set_visible(True)
    ax.set(xlabel="predicted class", ylabel="true class", title="Confusion matrix")
    _class_axis(ax, classes)
    if written:
        _write_counts(ax, theme, counts, strength)
    return figure


def _cell_colours(theme: Theme, strength: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """float ``[k, k, 3]``: from the background to ``first`` on the diagonal, ``second`` off it."""
    from matplotlib.colors import to_rgb

    background, right, wrong = (
        np.array(to_rgb(c)) for c in (theme.background, theme.first, theme.second)
    )
    diagonal = np.eye(len(strength), dtype=bool)
    full = np.where(diagonal[..., None], right, wrong)
    return background + strength[..., None] * (full - background)


def _write_counts(
    ax: Axes, theme: Theme, counts: np.ndarray[Any, Any], strength: np.ndarray[Any, Any]
) -> None:
    size = 9 if len(counts) <= 12 else 6.5
    for (row, column), n in np.ndenumerate(counts):
        if n:
            color = theme.background if strength[row, column] > 0.6 else theme.text
            ax.text(column, row, f"{n:,}", ha="center", va="center", fontsize=size, color=color)


def _class_axis(ax: Axes, classes: Sequence[str]) -> None:
    """Names at the ticks; of many classes only some, by position."""
    k = len(classes)
    if k > NAMED_CLASSES:
        return
    names = _printable(classes)
    size = 8.5 if k <= 30 else 6
    ax.set_xticks(range(k), names, rotation=90, fontsize=size, parse_math=False)
    ax.set_yticks(range(k), names, fontsize=size, parse_math=False)
    ax.tick_params(length=0)


def _printable(classes: Sequence[str]) -> list[str]:
    """Short names; those that the font cannot write become ``class 7``."""
    from matplotlib.font_manager import findfont, get_font

    signs = get_font(findfont("DejaVu Sans")).get_charmap()
    return [
        textwrap.shorten(name, 24, placeholder="…") or f"class {i}"
        if all(ord(sign) in signs for sign in name)
        else f"class {i}"
        for i, name in enumerate(classes)
    ]


def inches(png: bytes) -> tuple[float, float]:
    """(width, height) of a rendered plot, from its header."""
    width, height = (int.from_bytes(png[start : start + 4], "big") for start in (16, 20))
    return width / _DPI, height / _DPI
