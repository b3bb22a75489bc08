"""What a network has learnt to see, as pixels and plots: filters and feature maps.

Legend: n filters or maps, c channels, h height, w width, k kernel size, s sizes of a map.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from residua.report.pictures import picture_png
from residua.report.samples import Clip, Floats, Picture, Pixels, Signal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from residua.evaluation.features import Filters
    from residua.report.contents import Response
    from residua.report.plots import Theme
    from residua.report.samples import Content

TILE = 56
"""Longest side of a stored map, in pixels; smaller ones are exact."""
_FILTER = 48
_COLUMNS = 16
_LINES = 8  # channels that can be told apart as lines of one plot
_STEPS = 160


def are_tiles(filters: Filters) -> bool:
    """Whether filters are shown as pictures: of two axes, of many channels, or of one weight."""
    _, channels, *kernel = filters.values.shape
    return len(kernel) == 2 or channels > _LINES or kernel[0] == 1


def filter_pictures(values: Floats) -> list[Pixels]:
    """uint8 ``[k, k, 3]`` of float ``[n, 3, k, k]``; the mean ``[k, k]`` of other channels; of
    filters with one axis ``[c, k]``.

    Each filter is scaled by its own largest absolute weight: zero is mid-grey, brighter adds,
    darker takes away.
    """
    if values.ndim == 3:
        return [_diverging(each) for each in values]
    colour = values.shape[1] == 3
    pictures = values.transpose(0, 2, 3, 1) if colour else values.mean(axis=1)
    return [_diverging(picture) for picture in pictures]


def map_pictures(values: Floats) -> list[Pixels]:
    """uint8 ``[h, w]`` of float ``[n, h, w]``, at most `TILE` long.

    Maps without negative values go from black, 0, to white, their own maximum; in others
    mid-grey is zero.
    """
    return [_reduced(_shaded(each)) for each in values]


def strip_pixels(values: Floats) -> Pixels:
    """uint8 ``[n, w]`` of float ``[n, t]``: maps along time, each with the shades of `map_pictures`
    and one pixel high, at most 160 wide."""
    rows = np.stack([_shaded(each) for each in values])
    if rows.shape[1] <= _STEPS:
        return rows
    image = Image.fromarray(rows).resize((_STEPS, len(rows)), Image.Resampling.BOX)
    return np.asarray(image)


def strips_png(values: Floats) -> bytes:
    return picture_png(strip_pixels(values))


def _shaded(values: Floats) -> Pixels:
    return _diverging(values) if values.min() < 0 else _rising(values)


def _diverging(values: Floats) -> Pixels:
    largest = float(np.abs(values).max())
    return np.rint(127.5 + 127.5 * values / (largest or 1.0)).astype(np.uint8)


def _rising(values: Floats) -> Pixels:
    return np.rint(255 * values / (float(values.max()) or 1.0)).astype(np.uint8)


def _reduced(pixels: Pixels) -> Pixels:
    image = Image.fromarray(pixels)
    if max(image.size) > TILE:
        image.thumbnail((TILE, TILE), Image.Resampling.BOX, reducing_gap=None)
    return np.asarray(image)


def filter_plot(theme: Theme, filters: Filters) -> Figure:
    """The filters as a sheet of pictures, or as lines where they have one axis."""
    if not are_tiles(filters):
        return _filter_lines(theme, filters)
    pictures = filter_pictures(filters.values)
    rows = [pictures[i : i + _COLUMNS] for i in range(0, len(pictures), _COLUMNS)]
    columns = max(map(len, rows))
    figure = _new_figure(0.5 + 0.5 * columns, 0.5 + 0.5 * len(rows))
    ax = figure.subplots()
    sheet = [_strip(row, theme, _FILTER, columns) for row in rows]
    ax.imshow(np.concatenate(sheet), interpolation="nearest")
    _bare(ax)
    ax.set_title(f"Filters of {filters.layer}")
    return figure


def _filter_lines(theme: Theme, filters: Filters) -> Figure:
    """A small plot for each filter, with one line for each channel."""
    columns = min(8, len(filters.values))
    rows = math.ceil(len(filters.values) / columns)
    figure = _new_figure(1.25 * columns, 0.4 + 0.8 * rows)
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True)
    figure.suptitle(f"Filters of {filters.layer}", fontsize=10, fontweight="bold")
    for ax in axes.flat[len(filters.values) :]:
        ax.set_visible(False)
    for ax, position, values in zip(axes.flat, filters.shown, filters.values, strict=False):
        ax.axhline(0, color=theme.muted, lw=0.6)
        for channel in values:
            ax.plot(channel, color=theme.first, lw=1.1, alpha=max(0.3, 1 / len(values)))
        largest = 1.05 * float(np.abs(values).max()) or 1.0
        ax.set_ylim(-largest, largest)
        _bare(ax)
        ax.set_title(str(position), fontsize=7, fontweight="normal", color=theme.muted, pad=2)
    return figure


def response_plot(theme: Theme, shown: Sequence[Response]) -> Figure:
    """A column for each sample: the picture, and below it a row of maps for each stage."""
    most = max(len(response.stages) for response in shown)
    figure = _new_figure(5 * len(shown), 1.2 + 0.75 * most)
    ratios = [1.5] + [1] * most
    axes = figure.subplots(1 + most, len(shown), squeeze=False, height_ratios=ratios)
    for column, response in zip(axes.T, shown, strict=True):
        for ax in column:
            _bare(ax)
        sample = response.sample
        _draw(column[0], sample.content, theme)
        answer = f"{sample.true}, answered {sample.predicted}"
        column[0].set_title(answer, loc="center", parse_math=False)
        for ax, stage in zip(column[1:], response.stages, strict=False):
            if stage.values.ndim == 2:
                ax.imshow(strip_pixels(stage.values), cmap="gray", aspect="auto", vmin=0, vmax=255)
            else:
                maps = map_pictures(stage.values)
                ax.imshow(_strip(maps, theme, TILE, len(maps)), interpolation="nearest")
            ax.set_ylabel(stage.stage, rotation=0, ha="right", va="center")
    return figure


def _draw(ax: Axes, content: Content, theme: Theme) -> None:
    if isinstance(content, Picture):
        ax.imshow(content.values, cmap="gray", interpolation="nearest", vmin=0, vmax=255)
    elif isinstance(content, Signal):
        for channel in content.values[:_LINES]:
            ax.plot(channel, color=theme.first, lw=0.9, alpha=0.7)
        ax.margins(x=0)
    elif isinstance(content, Clip):
        ax.imshow(content.bands, cmap="gray", aspect="auto", origin="lower")
    else:
        ax.text(0, 0.5, content.words[:60], parse_math=False)


def _strip(pictures: Sequence[Pixels], theme: Theme, side: int, columns: int) -> Pixels:
    """Pictures of one size side by side, each enlarged to about ``side``, with gaps between."""
    from matplotlib.colors import to_rgb

    factor = max(1, side // max(pictures[0].shape[:2]))
    h, w = (factor * length for length in pictures[0].shape[:2])
    gap = max(2, side // 12)
    background = [round(255 * value) for value in to_rgb(theme.background)]
    strip = np.empty((h + gap, columns * (w + gap), 3), dtype=np.uint8)
    strip[:] = background
    for i, picture in enumerate(pictures):
        large = picture.repeat(factor, axis=0).repeat(factor, axis=1)
        left = i * (w + gap)
        strip[:h, left : left + w] = large if large.ndim == 3 else large[..., None]
    return strip[:, :-gap]


def _bare(ax: Axes) -> None:
    ax.grid(visible=False)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def _new_figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")
