"""The chart of loss and accuracy that grows in the terminal while a network trains."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment

from residua.report.contents import EpochRecord
from residua.report.terminal import chart_lines, curve_chart
from residua.training.record import EpochRecord as Record

_LOWEST, _HIGHEST = 4, 12
"""Lines of a plot, without its title and axis."""
_NARROWEST = 40


def chart_point(record: Record) -> EpochRecord:
    """A line of metrics.jsonl as charts and reports take it."""
    validation = record.validation
    return EpochRecord(
        epoch=record.epoch,
        step=record.step,
        lr=record.lr,
        train_loss=record.train.loss,
        train_accuracy=record.train.score,
        validation_loss=None if validation is None else validation.loss,
        validation_accuracy=None if validation is None else validation.score,
        seconds=record.seconds,
        train_score=record.train.name,
        validation_score=record.train.name if validation is None else validation.name,
    )


class LiveChart:
    """A renderable that shows the epochs so far, from the second on.

    It takes at most half the height of the terminal, and nothing at all of one that is too small.
    It is drawn anew only when an epoch has ended or the terminal has changed its size.

    Args:
        records: Epochs before this process, when a run is resumed.
    """

    def __init__(self, records: Sequence[Record] = ()) -> None:
        self._points = [chart_point(record) for record in records]
        self._drawn_for = (0, 0, 0)
        self._lines: list[list[Segment]] = []

    def add(self, record: Record) -> None:
        self._points.append(chart_point(record))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        now = len(self._points), options.max_width, console.height
        if now != self._drawn_for:
            self._lines = self._draw(console, options)
            self._drawn_for = now
        for line in self._lines:
            yield from line
            yield Segment.line()

    def _draw(self, console: Console, options: ConsoleOptions) -> list[list[Segment]]:
        width = options.max_width
        height = min(_HIGHEST, _plot_height(width, console.height // 2))
        if len(self._points) < 2 or width < _NARROWEST or height < _LOWEST:
            return []
        chart = curve_chart(self._points, width, height)
        lines = console.render_lines(chart, options.update(height=None), pad=False)
        return [list(Segment.simplify(line)) for line in lines]


def _plot_height(width: int, room: int) -> int:
    """Lines of each plot, so that the whole chart takes at most ``room``."""
    return next((h for h in range(room, 0, -1) if chart_lines(width, h) <= room), 0)
