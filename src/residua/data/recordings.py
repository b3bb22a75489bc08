"""Long recordings: read piece by piece, in memory that does not grow with their length.

Legend: c channels, n steps of a piece.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

from residua.errors import UnreadableSampleError, UsageError

Values = npt.NDArray[np.float32]

_BLOCK = 2**17
"""Steps that are read at once: opening a file costs about as much as reading so many."""


POSITION = "seconds from the event"
"""The name of a channel that says where in a window the event lies."""


class Recording(Protocol):
    """A signal of any length on disk. Holds no open file: safe in threads and other processes."""

    @property
    def name(self) -> str: ...

    @property
    def rate(self) -> float:
        """Steps per second."""
        ...

    @property
    def channel_names(self) -> tuple[str, ...]: ...

    @property
    def units(self) -> tuple[str, ...]:
        """One a channel, empty where it is not known."""
        ...

    @property
    def steps(self) -> int: ...

    def picked(self, channels: Sequence[int]) -> Self:
        """The same with these channels only, by position, in this order."""
        ...

    def read(self, start: int, stop: int) -> Values:
        """float32 ``[c, stop - start]`` for 0 <= start <= stop <= steps; NaN where there is none.

        Raises:
            UnreadableSampleError: The file is gone, damaged or shorter than its header says.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecording:
    """What recordings in one file have in common; a format adds ``read``.

    Attributes:
        path: The file, absolute.
        name: For messages.
        channels: Which of the file's channels, by position.
    """

    path: Path
    name: str
    rate: float
    channel_names: tuple[str, ...]
    units: tuple[str, ...]
    steps: int
    channels: tuple[int, ...]

    def picked(self, channels: Sequence[int]) -> Self:
        """See `Recording`."""
        return replace(
            self,
            channel_names=tuple(self.channel_names[i] for i in channels),
            units=tuple(self.units[i] for i in channels),
            channels=tuple(self.channels[i] for i in channels),
        )


def unique_names(names: Sequence[str]) -> tuple[str, ...]:
    """Channel names as files have them, made distinct: "EEG", "EEG 2"; those without, numbered."""
    found: list[str] = []
    for number, name in enumerate(names, start=1):
        name = name.strip() or f"channel {number}"
        times = sum(each == name or each.startswith(f"{name} ") for each in found)
        new = name if name not in found else f"{name} {times + 1}"
        found.append(new if new not in found else f"{name} ({number})")
    return tuple(found)


class Ahead:
    """Reads a recording in blocks: with starts that ascend, each step is read about once."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._first = 0
        self._block = np.empty((len(recording.channel_names), 0), dtype=np.float32)

    def read(self, start: int, stop: int) -> Values:
        """A copy of float32 ``[c, stop - start]``, NaN for what lies outside the recording."""
        low, high = max(start, 0), min(stop, self._recording.steps)
        values = np.full((len(self._block), stop - start), np.nan, dtype=np.float32)
        if low < high:
            values[:, low - start : high - start] = self._inside(low, high)
        return values

    def _inside(self, start: int, stop: int) -> Values:
        if start < self._first or stop > self._first + self._block.shape[1]:
            end = min(max(start + _BLOCK, stop), self._recording.steps)
            self._block = self._recording.read(start, end)
            self._first = start
        return self._block[:, start - self._first : stop - self._first]


def with_position(values: Values, rate: float, before: float, where: str) -> Values:
    """float32 ``[c + 1, n]``: the last channel counts the seconds from the event, which lies
    ``before`` seconds behind the first step.

    A network that averages over time cannot tell which of several beats in a window is meant;
    with its position as a channel it can (Liu et al., 2018, arXiv:1807.03247).

    Raises:
        UnreadableSampleError: There is not a single value beside the position.
    """
    if np.isnan(values).all():
        raise UnreadableSampleError("a signal without a single value", where=where)
    seconds = np.arange(values.shape[1]) / rate - before
    return np.concatenate([values, seconds[None].astype(np.float32)])


def read_padded(recording: Recording, start: int, stop: int) -> Values:
    """float32 ``[c, stop - start]``, NaN for what lies outside the recording."""
    low, high = max(start, 0), min(stop, recording.steps)
    values = np.full((len(recording.channel_names), stop - start), np.nan, dtype=np.float32)
    if low < high:
        values[:, low - start : high - start] = recording.read(low, high)
    return values


def window_starts(steps: int, *, length: int, step: int) -> Iterator[int]:
    """Ascending starts of windows of ``length`` that together cover all ``steps``.

    The last window ends where the recording ends, and so overlaps the one before it by more than
    the others do; a recording shorter than a window has one.

    Raises:
        UsageError: A length or step below 1, or a step that would leave gaps.
    """
    if not 1 <= step <= length:
        raise UsageError(
            "wrong windows", expected="1 <= step <= length", received=f"{step} and {length} steps"
        )
    last = max(steps - length, 0)
    yield from range(0, last, step)
    if steps > 0:
        yield last


def windows(recording: Recording, *, length: int, step: int) -> Iterator[tuple[int, Values]]:
    """Pairs (start, float32 ``[c, length]``) of ascending starts; see `window_starts`.

    Only a recording that is shorter than a window gives a shorter one.

    Raises:
        UsageError: A length or step below 1, or a step that would leave gaps.
        UnreadableSampleError: The recording cannot be read to its end.
    """
    ahead = Ahead(recording)
    for start in window_starts(recording.steps, length=length, step=step):
        yield start, ahead.read(start, min(start + length, recording.steps))
