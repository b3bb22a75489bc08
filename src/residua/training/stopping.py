"""Why training ends before its last epoch: a signal, or no progress."""

from __future__ import annotations

import math
import signal
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any, Self

from residua.training.meter import Scores


class StopRequest:
    """Remembers SIGINT or SIGTERM instead of breaking off, so that the step in progress ends and
    is saved. A second signal breaks off at once, as ever."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._remember)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        signal.signal(number, self._before[number])


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """The best validation so far, and how many epochs have passed since.

    Attributes:
        step: Updates done when it was reached.
        scores: What was reached; None before the first validation.
        stale: Epochs since.
    """

    step: int = 0
    scores: Scores | None = None
    stale: int = 0

    def after(self, step: int, scores: Scores, *, epochs: int = 1) -> Best:
        """The best once ``scores`` are known too, ``epochs`` after those before: by score, then by
        loss."""
        old = self.scores
        better = old is None or _merit(scores) > _merit(old)
        if better:
            return Best(step=step, scores=scores)
        return Best(step=self.step, scores=old, stale=self.stale + epochs)


def _merit(scores: Scores) -> tuple[float, float]:
    """A score that is not defined is worse than any."""
    return -math.inf if scores.score is None else scores.score, -scores.loss
