"""The reader of everything that runs along time and is stored as numbers or characters.

Each format says how a file becomes cases (`residua.data.readers.targets`) and a `Source` of their
values. Small files are parsed once and their values kept; of large ones the place of each sample
is kept.

Legend: n samples, c channels, t steps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from residua.batch import Schema, Split
from residua.data.dataset import Problem, Raw, Table
from residua.data.readers.shared import files_identity
from residua.errors import DataError, FormatError, UnreadableSampleError

Signal = npt.NDArray[np.float32]
"""``[c, t]``, NaN where a value is missing."""
Text = npt.NDArray[np.uint8]
"""``[t]``, UTF-8."""

HELD = 256 << 20
"""Bytes of files above which values are not kept in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesFiles:
    """Files of one data set, with the official split of each."""

    root: Path
    name: str
    parts: tuple[tuple[Path, Split | None], ...]

    @property
    def paths(self) -> list[Path]:
        return [path for path, _ in self.parts]

    @property
    def names(self) -> list[str]:
        return [path.relative_to(self.root).as_posix() for path in self.paths]

    def are_small(self) -> bool:
        """Whether their values are kept in memory."""
        return sum(path.stat().st_size for path in self.paths) <= HELD


class Source(Protocol):
    """Values by row of the table."""

    def values(self, row: int) -> Signal | Text:
        """Raises `UnreadableSampleError` without a place: the reader adds it."""
        ...

    def select(self, rows: npt.NDArray[np.int64]) -> Source:
        """The same without the other rows."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Held:
    """Values in memory, end to end.

    Attributes:
        flat: All values.
        starts: int64 ``[n + 1]`` where each sample begins, and the end.
        channels: c, or None for text.
    """

    flat: npt.NDArray[np.float32] | npt.NDArray[np.uint8]
    starts: npt.NDArray[np.int64]
    channels: int | None

    def values(self, row: int) -> Signal | Text:
        values = self.flat[self.starts[row] : self.starts[row + 1]].copy()
        if self.channels is None:
            return cast("Text", values)
        return cast("Signal", values.reshape(self.channels, -1))

    def select(self, rows: npt.NDArray[np.int64]) -> Held:
        if len(rows) == len(self.starts) - 1:
            return self
        return held([self.values(int(row)) for row in rows])


def held(samples: Sequence[Signal | Text]) -> Held:
    """Keeps ``samples``, which have the same number of channels."""
    dtype = samples[0].dtype if samples else np.float32
    starts = np.zeros(len(samples) + 1, dtype=np.int64)
    np.cumsum([each.size for each in samples], out=starts[1:])
    flat = np.empty(starts[-1], dtype=dtype)
    for start, each in zip(starts, samples, strict=False):
        flat[start : start + each.size] = each.ravel()
    signal = samples and samples[0].ndim == 2
    return Held(flat=flat, starts=starts, channels=samples[0].shape[0] if signal else None)


@dataclass(frozen=True, kw_only=True, eq=False)
class SeriesReader:
    """Signals, float32 ``[c, t]``, or texts, uint8 ``[t]``."""

    kind: str
    files: SeriesFiles
    schema: Schema
    table: Table
    problems: Sequence[Problem]
    source: Source

    @property
    def name(self) -> str:
        return self.files.name

    def identity(self) -> str:
        return files_identity(self.kind, self.files.root, self.files.names)

    def read(self, row: int) -> Raw:
        try:
            return self.source.values(int(row))
        except UnreadableSampleError as error:
            raise placed(error, self.table.keys[row]) from error
        except OSError as error:
            what, received = "cannot read the file", error.strerror or error
            where = self.table.keys[row]
            raise UnreadableSampleError(what, received=received, where=where) from error

    def scan(self, rows: Sequence[int]) -> Iterator[tuple[int, Raw | DataError]]:
        for row in map(int, rows):
            try:
                yield row, self.read(row)
            except DataError as error:
                yield row, error


def placed(error: UnreadableSampleError, where: str) -> UnreadableSampleError:
    """The same error with its place."""
    return UnreadableSampleError(
        error.what, expected=error.expected, received=error.received, where=where
    )


class Findings:
    """Collects samples that are left out; with ``strict`` the first one is an error."""

    def __init__(self, *, strict: bool) -> None:
        self.strict = strict
        self.problems: list[Problem] = []

    def leave_out(self, error: UnreadableSampleError, key: str) -> None:
        if self.strict:
            raise placed(error, key)
        self.problems.append(Problem(key=key, reason=f"left out: {error}"))

    def check_any(self, count: int, where: Path, what: str = "series") -> None:
        """Raises `FormatError` if nothing was read."""
        if count:
            return
        if self.problems:
            first = self.problems[0]
            raise FormatError(
                f"none of the {len(self.problems)} {what} can be read",
                received=f"{first.key}: {first.reason.removeprefix('left out: ')}",
                where=where,
            )
        raise FormatError(f"there are no {what}", received="nothing behind the header", where=where)


def usual(counts: Sequence[int]) -> int:
    """The number of channels that most samples have."""
    return Counter(counts).most_common(1)[0][0] if counts else 0


def numbers(cells: Sequence[str]) -> Signal:
    """float32 ``[t]``; empty cells, ``?`` and the like are NaN.

    Raises:
        UnreadableSampleError: A cell is no number, or infinite.
    """
    try:
        if "_" in "".join(cells):  # which Python takes for digits
            raise ValueError
        values = np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:
        values = np.array([_number(cell, step) for step, cell in enumerate(cells)], np.float64)
    return single(values)


def single(values: npt.NDArray[np.generic]) -> Signal:
    """float32 of the same shape.

    Raises:
        UnreadableSampleError: A value is infinite, or becomes so.
    """
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    infinite = np.isinf(narrow)
    if infinite.any():
        place = tuple(int(i) for i in np.argwhere(infinite)[0])
        raise UnreadableSampleError(
            "a value is infinite or beyond 32 bits", received=f"{values[place]} at step {place[-1]}"
        )
    return narrow


_MISSING = frozenset({"", "?", "na", "n/a", "nan", "null", "none"})


def is_missing(cell: str) -> bool:
    return cell.strip().lower() in _MISSING


def is_number(cell: str) -> bool:
    """Whether the cell holds a number or says that it is missing."""
    try:
        float(cell)
    except ValueError:
        return is_missing(cell)
    return "_" not in cell


def _number(cell: str, step: int) -> float:
    if is_missing(cell):
        return float("nan")
    if not is_number(cell):
        shown = cell.strip() if len(cell) <= 30 else cell.strip()[:30] + "..."
        raise UnreadableSampleError("a value is no number", received=f"'{shown}' at step {step}")
    return float(cell)


def trimmed(values: Signal) -> Signal:
    """Without the steps at the end where every channel is missing: formats with a fixed number of
    cells fill short series so. What is missing altogether stays as it is."""
    present = np.flatnonzero(~np.isnan(values).all(axis=0))
    return values[:, : present[-1] + 1] if len(present) else values
