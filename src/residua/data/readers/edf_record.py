"""One EDF or BDF file as a `Recording`, and its annotations, through the package pyedflib."""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from residua.data.recordings import FileRecording, Values, unique_names
from residua.errors import FormatError, MissingExtraError, UnreadableSampleError

EDF_SUFFIXES = (".edf", ".bdf")

# EDFlib has one list of open files for the whole process and refuses to open a file twice, so
# threads take turns; and no process may be forked while a file is in that list.
_turn = threading.Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_turn.acquire, after_in_parent=_turn.release, after_in_child=_turn.release
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EdfRecording(FileRecording):
    """A file, all channels at the rate of the fastest: lines between the values of slower ones.

    Attributes:
        counts: The file's own number of steps of each of them.
    """

    counts: tuple[int, ...]

    def picked(self, channels: Sequence[int]) -> Self:
        """See `residua.data.recordings.Recording`."""
        chosen = super(EdfRecording, self).picked(channels)  # slots: super() alone does not work
        return replace(chosen, counts=tuple(self.counts[i] for i in channels))

    def read(self, start: int, stop: int) -> Values:
        """See `residua.data.recordings.Recording`; physical units."""
        values = np.empty((len(self.channels), stop - start), dtype=np.float32)
        if start == stop:
            return values
        try:
            with _opened(self.path) as file:
                for slot, channel, count in zip(values, self.channels, self.counts, strict=True):
                    slot[:] = self._channel(file, channel, count, start, stop)
        except (OSError, ValueError) as error:
            raise UnreadableSampleError(
                f"cannot read steps {start} to {stop}", received=error, where=self.name
            ) from error
        return values

    def _channel(self, file: Any, channel: int, count: int, start: int, stop: int) -> Any:
        if count == self.steps:
            return file.readSignal(channel, start, stop - start)
        at = np.arange(start, stop) * (count / self.steps)
        first = int(at[0])
        values = file.readSignal(channel, first, min(int(at[-1]) + 2, count) - first)
        return np.interp(at, np.arange(first, first + len(values)), values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """An annotated stretch of a recording, in seconds from its start."""

    onset: float
    duration: float
    label: str


def open_edf_file(path: Path, name: str) -> EdfRecording:
    """Reads the header.

    Raises:
        MissingExtraError: The package pyedflib is not installed.
        FormatError: It is no EDF or BDF file, is truncated, discontinuous, or has no signals.
    """
    try:
        with _opened(path) as file:
            rates = [float(rate) for rate in file.getSampleFrequencies()]
            counts = [int(count) for count in file.getNSamples()]
            names = [str(label) for label in file.getSignalLabels()]
            units = [str(file.getPhysicalDimension(i)).strip() for i in range(len(names))]
    except OSError as error:
        reason = str(error).removeprefix(f"{path}: ")
        raise FormatError("this is no whole EDF file", received=reason, where=name) from error
    if not max(counts, default=0):
        raise FormatError("the file holds no signals", where=name)
    return EdfRecording(
        path=path.absolute(),
        name=name,
        rate=max(rates),
        channel_names=unique_names(names),
        units=tuple(units),
        steps=max(counts),
        channels=tuple(range(len(names))),
        counts=tuple(counts),
    )


def read_segments(path: Path) -> list[Segment]:
    """The annotations of an EDF+ or BDF+ file that last; none in a plain file."""
    with _opened(path, annotations=True) as file:
        onsets, durations, labels = file.readAnnotations()
    return [
        Segment(onset=float(onset), duration=float(duration), label=str(label).strip())
        for onset, duration, label in zip(onsets, durations, labels, strict=True)
    ]


@contextmanager
def _opened(path: Path, *, annotations: bool = False) -> Generator[Any]:
    try:
        pyedflib = importlib.import_module("pyedflib")
    except ImportError as error:
        raise MissingExtraError("pyedflib", "edf", "reading EDF files") from error
    mode = pyedflib.READ_ALL_ANNOTATIONS if annotations else pyedflib.DO_NOT_READ_ANNOTATIONS
    with _turn, pyedflib.EdfReader(str(path), annotations_mode=mode) as file:
        yield file
