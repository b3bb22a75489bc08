"""What the terminal shows while a network trains."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Protocol, Self

import torch
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from residua.training.meter import Meter
from residua.training.record import EpochRecord, peak_memory

_SECONDS_BETWEEN_READS = 0.5
_REFRESHES_A_SECOND = 4


class Observer(Protocol):
    """Whoever watches a run; the loop calls it and knows no more of it."""

    def start(self, *, total_steps: int, done: int) -> None: ...

    def step(self, epoch: int, step: int, samples: int, meter: Meter) -> None: ...

    def epoch(self, record: EpochRecord) -> None: ...


class Silent:
    """Watches nothing: for ranks that do not print, and for Python callers who ask for quiet."""

    def start(self, *, total_steps: int, done: int) -> None: ...

    def step(self, epoch: int, step: int, samples: int, meter: Meter) -> None: ...

    def epoch(self, record: EpochRecord) -> None: ...


class _Bar(Progress):
    """A progress bar that stays under ``above``."""

    above: RenderableType | None = None

    def get_renderables(self) -> Iterable[RenderableType]:
        if self.above is not None:
            yield self.above
        yield from super().get_renderables()


class Display:
    """A line for each epoch, and under them a bar with loss, score, speed, time left, memory.

    Sums are read from the device twice a second at most, so that watching costs nothing. Where
    the output is not a terminal, only the epoch lines appear.

    Args:
        console: Where to.
        epochs: Of the whole run.
        device: Whose memory is shown.
        chart: Shown between the lines and the bar, and left behind at the end.
    """

    def __init__(
        self,
        console: Console,
        *,
        epochs: int,
        device: torch.device,
        chart: RenderableType | None = None,
    ) -> None:
        self.console = console
        self.epochs = epochs
        self.device = device
        self._chart = chart
        self._progress = _Bar(
            TextColumn("epoch {task.fields[epoch]:>3}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TextColumn("{task.fields[facts]}"),
            TimeRemainingColumn(compact=True),
            console=console,
            refresh_per_second=_REFRESHES_A_SECOND,
            transient=True,
            redirect_stderr=sys.stderr.isatty(),  # a log of the errors stays one
            disable=not console.is_terminal,
        )
        self._progress.above = chart
        self._task: TaskID | None = None
        self._read = 0.0
        self._seen = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()
        if self._chart is not None:
            self.console.print(self._chart)

    def start(self, *, total_steps: int, done: int) -> None:
        self._task = self._progress.add_task(
            "", total=total_steps, completed=done, epoch="", facts=""
        )
        self._read = time.monotonic()

    def step(self, epoch: int, step: int, samples: int, meter: Meter) -> None:
        self._seen += samples
        elapsed = time.monotonic() - self._read
        if elapsed < _SECONDS_BETWEEN_READS or self._task is None:
            return
        scores = meter.scores()
        facts = (
            f"loss {scores.loss:.3f}  {scores.text}  {self._seen / elapsed:,.0f}/s  "
            f"{peak_memory(self.device) / 2**30:.1f} GiB"
        )
        self._progress.update(self._task, completed=step, epoch=epoch + 1, facts=facts)
        self._read, self._seen = time.monotonic(), 0

    def epoch(self, record: EpochRecord) -> None:
        width = self.console.width if self.console.is_terminal else None
        line = epoch_line(record, self.epochs, width)
        self.console.print(line, highlight=False, soft_wrap=True)
        self._read, self._seen = time.monotonic(), 0


def epoch_line(record: EpochRecord, epochs: int, width: int | None = None) -> str:
    """What an epoch measured; facts at the end that ``width`` has no room for are left out."""
    facts = [
        f"epoch {record.epoch:>3}/{epochs}  lr {record.lr:.2g}  "
        f"train loss {record.train.loss:.3f} {record.train.text}"
    ]
    if record.validation is not None:
        scores = record.validation
        facts[0] += f"  val loss {scores.loss:.3f} {scores.text}"
    facts += [
        f"{record.samples_per_second:,.0f}/s",
        f"{record.seconds:.1f} s",
        f"{record.peak_memory_bytes / 2**30:.1f} GiB",
    ]
    while width is not None and len(facts) > 1 and len("  ".join(facts)) > width:
        facts.pop()
    return "  ".join(facts)
