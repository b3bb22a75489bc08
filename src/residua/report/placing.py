"""Where names go in a plot of points, so that they cover neither points nor one another.

Lengths are in any unit that is the same on both axes; y grows upwards.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_ANGLES = (0, 180, 90, 270, 45, 315, 135, 225, 22, 338, 158, 202, 68, 112, 248, 292)
"""Degrees around a point, the best first."""


@dataclass(frozen=True, slots=True)
class Disc:
    """A point as it is drawn."""

    x: float
    y: float
    radius: float


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle."""

    left: float
    bottom: float
    right: float
    top: float

    def overlaps(self, other: Box) -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.bottom < other.top
            and other.bottom < self.top
        )

    def contains(self, other: Box) -> bool:
        return (
            self.left <= other.left
            and self.bottom <= other.bottom
            and self.right >= other.right
            and self.top >= other.top
        )

    def touches(self, disc: Disc) -> bool:
        return self.distance(disc.x, disc.y) < disc.radius

    def distance(self, x: float, y: float) -> float:
        """From the nearest place of the box; 0 inside."""
        return math.hypot(x - self.nearest(x, y)[0], y - self.nearest(x, y)[1])

    def nearest(self, x: float, y: float) -> tuple[float, float]:
        """The place of the box that is nearest to (x, y)."""
        return min(max(x, self.left), self.right), min(max(y, self.bottom), self.top)

    def is_crossed(self, start: tuple[float, float], end: tuple[float, float]) -> bool:
        """Whether the straight line between two places enters the box (Liang & Barsky, 1984)."""
        (x, y), (dx, dy) = start, (end[0] - start[0], end[1] - start[1])
        enter, leave = 0.0, 1.0
        edges = (
            (-dx, x - self.left),
            (dx, self.right - x),
            (-dy, y - self.bottom),
            (dy, self.top - y),
        )
        for slope, room in edges:
            if slope == 0:
                if room <= 0:
                    return False
            elif slope < 0:
                enter = max(enter, room / slope)
            else:
                leave = min(leave, room / slope)
        return enter < leave


Line = tuple[tuple[float, float], tuple[float, float]]


def place_labels(
    discs: Sequence[Disc], sizes: Sequence[tuple[float, float]], bounds: Box, *, gap: float
) -> list[Box | None]:
    """A box for each disc's label of (width, height), near its disc and inside ``bounds``.

    Boxes overlap neither discs nor each other, and the lines from discs to their boxes cross no
    box; where it can be, they cross neither each other nor the middle of other discs. Each is put
    where it is nearest to its disc, in several orders, of which the best one counts. None is a
    label that fits nowhere.
    """
    best: list[Box | None] = []
    least = math.inf, math.inf
    for order in _orders(discs):
        placed = _placed_in(order, discs, sizes, bounds, gap)
        pairs = [(box, disc) for box, disc in zip(placed, discs, strict=True) if box is not None]
        cost = len(discs) - len(pairs), sum(box.distance(d.x, d.y) - d.radius for box, d in pairs)
        if cost < least:
            best, least = placed, cost
    return best


def _orders(discs: Sequence[Disc]) -> Iterator[list[int]]:
    """Those first that have many others near, on a coarse scale or a fine one; then by place."""
    everyone = range(len(discs))
    spans = [max(values) - min(values) for values in zip(*((d.x, d.y) for d in discs), strict=True)]

    def neighbours(index: int, reach: float) -> int:
        own = discs[index]
        return sum(math.hypot(own.x - d.x, own.y - d.y) < reach for d in discs)

    for share in (0.05, 0.1, 0.2):
        reach = share * max(spans, default=0.0)
        yield sorted(everyone, key=lambda i, r=reach: neighbours(i, r), reverse=True)
    for places in ([d.x for d in discs], [d.y for d in discs]):
        yield sorted(everyone, key=places.__getitem__)
        yield sorted(everyone, key=places.__getitem__, reverse=True)


def _placed_in(
    order: Sequence[int],
    discs: Sequence[Disc],
    sizes: Sequence[tuple[float, float]],
    bounds: Box,
    gap: float,
) -> list[Box | None]:
    placed: list[Box | None] = [None] * len(discs)
    boxes: list[Box] = []
    lines: list[Line] = []
    for tidy in (True, False):  # rather an untidy line than no label
        for index in order:
            disc = discs[index]
            for box in () if placed[index] else _candidates(disc, sizes[index], gap):
                line = (disc.x, disc.y), box.nearest(disc.x, disc.y)
                if not bounds.contains(box) or not _is_free(box, line, discs, boxes, lines):
                    continue
                if tidy and _is_untidy(line, disc, discs, lines):
                    continue
                placed[index] = box
                boxes.append(box)
                lines.append(line)
                break
    return placed


def _is_free(
    box: Box, line: Line, discs: Sequence[Disc], boxes: Sequence[Box], lines: Sequence[Line]
) -> bool:
    return not (
        any(box.overlaps(other) or other.is_crossed(*line) for other in boxes)
        or any(box.touches(other) for other in discs)
        or any(box.is_crossed(*other) for other in lines)
    )


def _is_untidy(line: Line, disc: Disc, discs: Sequence[Disc], lines: Sequence[Line]) -> bool:
    crossing = any(_cross(line, other) for other in lines)
    return crossing or any(_hits(line, other) for other in discs if other != disc)


def _cross(first: Line, second: Line) -> bool:
    """Whether two straight lines have a place in common; sharing an end counts when they cross."""

    def side(line: Line, place: tuple[float, float]) -> float:
        (x, y), (u, v) = line
        return (u - x) * (place[1] - y) - (v - y) * (place[0] - x)

    return (
        side(first, second[0]) * side(first, second[1]) < 0
        and side(second, first[0]) * side(second, first[1]) < 0
    )


def _hits(line: Line, disc: Disc) -> bool:
    """Whether the line comes near the centre of ``disc``, unless it starts within."""
    start, end = line
    if math.dist(start, (disc.x, disc.y)) < disc.radius:
        return False
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = dx * dx + dy * dy
    along = ((disc.x - start[0]) * dx + (disc.y - start[1]) * dy) / length if length else 0.0
    if along <= 0:
        return False
    x, y = start[0] + min(along, 1.0) * dx, start[1] + min(along, 1.0) * dy
    return math.hypot(disc.x - x, disc.y - y) < disc.radius / 3


def _candidates(disc: Disc, size: tuple[float, float], gap: float) -> Iterator[Box]:
    """Boxes around the disc, the nearest first."""
    width, height = size
    for step in range(32):
        reach = disc.radius + gap * (0.6 + 0.7 * step)
        for angle in _ANGLES:
            across, up = math.cos(math.radians(angle)), math.sin(math.radians(angle))
            x = disc.x + across * (reach + width / 2)
            y = disc.y + up * (reach + height / 2)
            yield Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
