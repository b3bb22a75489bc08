"""Draws the plots of a report and puts them into the page, for light and dark, wide and narrow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from residua.evaluation.results import Evaluation
from residua.report import filters, plots
from residua.report.markup import Html, data_uri, element, number, percent, plural
from residua.report.plots import DARK, LIGHT, Theme, render

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from residua.report.contents import ReportContents

_CSS_PIXELS_PER_INCH = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A plot, drawn.

    Attributes:
        name: Its file is ``plots/<name>.png``.
        alt: What it shows, in words.
        png: The light variant.
        draw: Draws it in a theme.
        draw_narrow: Draws it for narrow screens; None where one form serves all.
    """

    name: str
    alt: str
    png: bytes
    draw: Callable[[Theme], Figure]
    draw_narrow: Callable[[Theme], Figure] | None = None


def draw_plots(contents: ReportContents) -> dict[str, Plot]:
    """The plots that ``contents`` has numbers for, by name."""
    made: list[Plot] = []
    if contents.history:
        made.append(_curves(contents))
    scores = contents.headline
    if isinstance(scores, Evaluation) and scores.n:
        draw = partial(plots.confusion_matrix, evaluation=scores, classes=contents.classes)
        alt = f"Confusion matrix of {plural(len(contents.classes), 'classes')}"
        made.append(Plot(name="confusion", alt=alt, png=render(draw, LIGHT), draw=draw))
        draw = partial(plots.reliability, evaluation=scores)
        alt = f"Accuracy against confidence; expected error {percent(scores.calibration_error)}"
        made.append(Plot(name="reliability", alt=alt, png=render(draw, LIGHT), draw=draw))
    if contents.filters is not None:
        draw = partial(filters.filter_plot, filters=contents.filters)
        alt = f"Filters of {contents.filters.layer}"
        made.append(Plot(name="filters", alt=alt, png=render(draw, LIGHT), draw=draw))
    if contents.responses:
        draw = partial(filters.response_plot, shown=contents.responses)
        alt = f"Feature maps of {plural(len(contents.responses), contents.noun)}"
        made.append(Plot(name="features", alt=alt, png=render(draw, LIGHT), draw=draw))
    return {plot.name: plot for plot in made}


def _curves(contents: ReportContents) -> Plot:
    last, kind = contents.history[-1], contents.score
    alt = (
        f"Loss and {kind.title} until epoch {last.epoch}; there training loss "
        f"{number(last.train_loss)}, validation loss {number(last.validation_loss)}, "
        f"validation {kind.title} "
        + (percent if kind.percent else number)(last.validation_accuracy)
    )
    draw = partial(plots.curves, history=contents.history, selected_epoch=contents.selected_epoch)
    narrow = partial(draw, stacked=True)
    return Plot(name="curves", alt=alt, png=render(draw, LIGHT), draw=draw, draw_narrow=narrow)


def plot_element(plot: Plot) -> Html:
    dark, narrow = "(prefers-color-scheme: dark)", "screen and (max-width: 40rem)"
    sources: list[tuple[str, bytes]] = []
    if plot.draw_narrow:
        sources.append((f"{narrow} and {dark}", render(plot.draw_narrow, DARK)))
        sources.append((narrow, render(plot.draw_narrow, LIGHT)))
    sources.append((f"screen and {dark}", render(plot.draw, DARK)))
    width, height = (round(side * _CSS_PIXELS_PER_INCH) for side in plots.inches(plot.png))
    image = element(
        "img",
        {
            "src": data_uri(plot.png),
            "alt": plot.alt,
            "width": str(width),
            "height": str(height),
        },
    )
    variants = (
        element("source", {"media": media, "srcset": data_uri(png)}) for media, png in sources
    )
    return element("figure", {"class": "plot"}, element("picture", None, *variants, image))
