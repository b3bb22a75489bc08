"""Signals and sound as small SVG drawings along time, which follow light, dark and print.

Units of a drawing are half CSS pixels, so that whole numbers suffice. Legend: c channels, t steps,
m mel bands, f frames.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from residua.report.heat import heat_strip, spectrogram_png
from residua.report.markup import Html, data_uri, element, join, plural
from residua.report.samples import Clip, Floats, Signal

WIDTH = 640
CHANNELS = 12
"""So many channels are drawn at most, the first ones."""

_GUTTER, _LINE, _AXIS = 92, 26, 34
_NAME = 8  # characters that fit beside a channel
_LETTER = 12  # about the width of one
_UNITS = ((0.001, "ms", 0.2), (1.0, "s", 300.0), (60.0, "min", 18_000.0), (3600.0, "h", math.inf))


class Box(NamedTuple):
    """Where something is drawn."""

    left: int
    top: int
    width: int
    height: int


def signal_element(signal: Signal, label: str) -> Html:
    """All channels below one another, each scaled to its own range, above one axis of time.

    Behind the lines the heat is a colour that is the stronger the more a moment counts.
    """
    values = signal.values[:CHANNELS]
    many = len(signal.values) > 1
    left, top = (_GUTTER, 0) if many else (0, _LINE)
    height = {1: 150, 2: 100, 3: 80}.get(len(values), 56)
    whole = Box(left, top, WIDTH - left, height * len(values))
    boxes = [whole._replace(top=top + i * height, height=height) for i in range(len(values))]
    parts = [_heat(signal.heat, whole)]
    if many:
        parts += [_channel_name(signal, i, box) for i, box in enumerate(boxes)]
    else:
        parts.append(_words(_range(signal), 0, _LINE - 8))
    parts += [line(channel, box) for channel, box in zip(values, boxes, strict=True)]
    parts.append(time_axis(whole, signal.values.shape[1], signal.rate))
    hidden = len(signal.values) - len(values)
    more = f"The first {len(values)} of {plural(len(signal.values), 'channels')}" if hidden else ""
    note = element("div", {"class": "soft"}, more) if hidden else ""
    return join((_drawing(parts, whole.top + whole.height + _AXIS, label), note))


def filter_drawing(values: Floats, label: str) -> Html:
    """Weights ``[c, k]``, a line a channel, around a rule at zero."""
    box = Box(0, 0, 180, 100)
    largest = float(np.abs(values).max()) or 1.0
    x = np.linspace(8, box.width - 8, values.shape[1]).round().astype(int)
    y = np.rint(box.height / 2 - values * (box.height / 2 - 8) / largest).astype(int)
    rule = element("path", {"class": "tick", "d": f"M0 {box.height // 2}h{box.width}"})
    known = np.ones(len(x), dtype=bool)
    lines = (element("path", {"d": _path(x, each, known)}) for each in y)
    title = element("title", None, label)
    size = {"viewBox": f"0 0 {box.width} {box.height}", "class": "series"}
    return element("svg", {**size, "role": "img", "aria-label": label}, title, rule, *lines)


def clip_drawing(clip: Clip, label: str) -> Html:
    """The waveform, where there is one, above the spectrogram and an axis of time."""
    parts: list[Html] = []
    bands = Box(0, 0, WIDTH, 150)
    if clip.wave is not None:
        wave = Box(0, 0, WIDTH, 80)
        bands = bands._replace(top=wave.height)
        strip = None if clip.heat is None else clip.heat.mean(axis=0)
        parts += [_heat(strip, wave), line(clip.wave, wave)]
    parts.append(_image(spectrogram_png(clip.bands, clip.heat), bands))
    parts.append(time_axis(bands, clip.bands.shape[1], clip.bands.shape[1] / clip.seconds))
    return _drawing(parts, bands.top + bands.height + _AXIS, label)


def line(values: Floats, box: Box) -> Html:
    """``[t]`` as a line from edge to edge of ``box``, broken where values are not finite.

    Of many steps it goes through the smallest and largest of each pixel.
    """
    at, shown = envelope(values, box.width // 2)
    finite = np.isfinite(shown)
    if not finite.any():
        return _words("no values", box.left + 8, box.top + box.height // 2 + 6)
    low, high = float(shown[finite].min()), float(shown[finite].max())
    span, margin = high - low, 6
    x = box.left + np.rint((at + 0.5) * (box.width / len(values))).astype(int)
    scale = (np.where(finite, shown, high) - low) / span if span else np.full(len(shown), 0.5)
    y = box.top + margin + np.rint((1 - scale) * (box.height - 2 * margin)).astype(int)
    return element("path", {"d": _path(x, y, finite)})


def envelope(values: Floats, columns: int) -> tuple[Floats, Floats]:
    """Positions and values of the points that a line of ``columns`` pixels needs.

    All ``[t]`` where there are at most two a column; else of each column the smallest and the
    largest, in the order in which they come, so that no peak is lost.
    """
    if len(values) <= 2 * columns:
        return np.arange(len(values), dtype=np.float32), values
    edges = np.linspace(0, len(values), columns + 1).astype(int)
    found: list[int] = []
    for start, stop in pairwise(edges.tolist()):
        part = values[start:stop]
        if np.isfinite(part).any():
            found += sorted({start + int(np.nanargmin(part)), start + int(np.nanargmax(part))})
        else:
            found.append(start)
    at = np.array(found)
    return at.astype(np.float32), values[at]


def _path(x: np.ndarray, y: np.ndarray, finite: np.ndarray) -> str:
    """Moves relative to the point before, which are short; ``M`` after each gap."""
    words: list[str] = []
    for i in range(len(x)):
        if not finite[i]:
            continue
        if not i or not finite[i - 1]:
            words.append(f"M{x[i]} {y[i]}l0 0")
        else:
            words.append(f"{x[i] - x[i - 1]} {y[i] - y[i - 1]}")
    return " ".join(words).replace(" M", "M")


def time_axis(box: Box, steps: int, rate: float | None) -> Html:
    """Ticks and numbers below ``box``: of seconds, or of steps where no rate is known."""
    factor, unit = 1.0, "steps"
    if rate is not None:
        scale, unit = next((s, name) for s, name, most in _UNITS if steps / rate < most)
        factor = rate * scale
    ticks = nice_ticks(steps / factor)
    bottom, free = box.top + box.height, WIDTH + 1.0  # from the right, where labels have room
    rule = element("path", {"class": "tick", "d": f"M{box.left} {bottom}h{box.width}"})
    parts = [rule]
    for tick in reversed(ticks):
        x = box.left + min(box.width, round((tick * factor + 0.5) * box.width / steps))
        parts.append(element("path", {"class": "tick", "d": f"M{x} {bottom}v6"}))
        words = f"{tick:g} {unit}" if tick == ticks[-1] else f"{tick:g}"
        half = _LETTER * len(words) / 2
        middle = min(max(x, box.left + half), WIDTH - half)
        if middle + half < free:
            parts.append(_words(words, round(middle), bottom + 26, "middle"))
            free = middle - half - _LETTER
    return join(parts)


def nice_ticks(end: float, most: int = 5) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten from 0 to ``end``, about ``most`` of them."""
    power = 10.0 ** math.floor(math.log10(end / most))
    step = next(power * n for n in (1, 2, 5, 10) if end / (power * n) <= most)
    return [round(i * step, 12) for i in range(math.floor(end / step + 1e-9) + 1)]


def _channel_name(signal: Signal, channel: int, box: Box) -> Html:
    name = signal.names[channel] if signal.names else str(channel + 1)
    unit = signal.units[channel] if signal.units else ""
    words = name if len(name) <= _NAME else name[: _NAME - 1] + "…"
    below = _words(unit[:_NAME], 0, box.top + 48) if unit else ""
    title = element("title", None, f"{name} {_extremes(signal.values[channel])} {unit}".strip())
    return element("g", None, title, _words(words, 0, box.top + 24), below)


def _range(signal: Signal) -> str:
    words = (*signal.names[:1], _extremes(signal.values[0]), *signal.units[:1])
    return " ".join(filter(None, words))


def _extremes(values: Floats) -> str:
    known = values[np.isfinite(values)]
    return f"{known.min():.3g} to {known.max():.3g}".replace("-", "−") if len(known) else ""


def _heat(heat: Floats | None, box: Box) -> Html:
    return Html("") if heat is None else _image(heat_strip(heat), box)


def _image(png: bytes, box: Box) -> Html:
    sides = zip(("x", "y", "width", "height"), (box.left, *box[1:]), strict=True)
    place = {side: str(value) for side, value in sides}
    return element("image", {"href": data_uri(png), **place, "preserveAspectRatio": "none"})


def _words(words: str, x: int, y: int, anchor: str = "start") -> Html:
    return element("text", {"x": str(x), "y": str(y), "text-anchor": anchor}, words)


def _drawing(parts: Sequence[Html], height: int, label: str) -> Html:
    size = {"viewBox": f"0 0 {WIDTH} {height}", "class": "series"}
    return element("svg", {**size, "role": "img", "aria-label": label}, *parts)
