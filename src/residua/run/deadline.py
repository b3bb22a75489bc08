"""A limit on the time of a command that can go on later."""

from __future__ import annotations

import _thread
import signal
import threading
import time
from types import TracebackType
from typing import Self

from residua.errors import InterruptedRunError, UsageError


class Deadline:
    """Stops what runs inside after so many minutes, as Ctrl-C would: the step in progress ends and
    is saved. For the main thread.

    Args:
        minutes: None for no limit.

    Raises:
        InterruptedRunError: On leaving, where time was up before a run could save by itself.
    """

    def __init__(self, minutes: float | None) -> None:
        if minutes is not None and not minutes > 0:
            raise UsageError("wrong minutes", expected="above 0", received=minutes)
        self._timer: threading.Timer | None = None
        self._end = float("inf")
        if minutes is not None:
            self._end = time.monotonic() + 60 * minutes
            self._timer = threading.Timer(60 * minutes, _thread.interrupt_main, [signal.SIGINT])
            self._timer.daemon = True

    def check(self) -> None:
        """Raises `InterruptedRunError` where time is up: between two runs."""
        if time.monotonic() >= self._end:
            raise _interrupted()

    def __enter__(self) -> Self:
        if self._timer is not None:
            self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if isinstance(error, KeyboardInterrupt) and time.monotonic() >= self._end:
            raise _interrupted() from None


def _interrupted() -> InterruptedRunError:
    return InterruptedRunError(signal.SIGINT, step=0, fix="Go on with the same command")
