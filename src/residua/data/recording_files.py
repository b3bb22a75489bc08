"""Recordings in files that are no medical formats: sound, NumPy arrays, CSV tables.

Legend: c channels, t steps.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from residua.data.recordings import FileRecording, Values, unique_names
from residua.errors import FormatError, UnreadableSampleError, UsageError

_EVERY = 4096
"""Lines of a table between two places that are remembered."""

_BLANKS = ["", "NaN", "nan", "NA", "N/A", "null", "?"]
_TIMES = ("time", "seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundRecording(FileRecording):
    """A file that soundfile reads: wav, flac, ogg, mp3; values from -1 to 1."""

    def read(self, start: int, stop: int) -> Values:
        """See `residua.data.recordings.Recording`."""
        import soundfile

        try:
            values, _ = soundfile.read(
                self.path, start=start, stop=stop, dtype="float32", always_2d=True
            )
        except (soundfile.LibsndfileError, OSError) as error:
            raise UnreadableSampleError(
                "cannot read the file", received=error, where=self.name
            ) from error
        asked = np.asarray(values, dtype=np.float32).T[list(self.channels)]
        return _whole(asked, start, stop, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayRecording(FileRecording):
    """A .npy file, ``[t]``, ``[c, t]`` or ``[t, c]``: time is the longer axis."""

    def read(self, start: int, stop: int) -> Values:
        """See `residua.data.recordings.Recording`."""
        array = _channels_first(_mapped(self.path, self.name))
        # A copy: mapped pages count as this process's memory for as long as they are referred to.
        return np.array(array[list(self.channels), start:stop], dtype=np.float32)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TableRecording(FileRecording):
    """A CSV file: one line a step, one column a channel, NaN where a cell is empty.

    Attributes:
        columns: All column names, of which ``channels`` are the channels.
        places: int64, where every 4,096th step begins in the file.
    """

    columns: tuple[str, ...]
    delimiter: str
    places: npt.NDArray[np.int64]

    def read(self, start: int, stop: int) -> Values:
        """See `residua.data.recordings.Recording`."""
        first, behind = start // _EVERY, -(-stop // _EVERY)
        with self.path.open("rb") as file:
            file.seek(int(self.places[first]))
            end = self.places[behind] if behind < len(self.places) else None
            text = file.read(-1 if end is None else int(end - self.places[first]))
        values = _parse(text, self.columns, self.channels, self.delimiter, self.name)
        asked = values[:, start - first * _EVERY :][:, : stop - start].astype(np.float32)
        return _whole(asked, start, stop, self.name)


def open_sound(path: Path) -> SoundRecording:
    """Reads the header.

    Raises:
        FormatError: It is no sound file, or an empty one.
    """
    import soundfile

    try:
        info = soundfile.info(str(path))
    except (soundfile.LibsndfileError, OSError) as error:
        raise FormatError("this is no sound file", received=error, where=path) from error
    _require_steps(info.frames, path)
    return SoundRecording(
        path=path.absolute(),
        name=path.name,
        rate=float(info.samplerate),
        channel_names=unique_names([""] * info.channels),
        units=("",) * info.channels,
        steps=int(info.frames),
        channels=tuple(range(info.channels)),
    )


def open_array(path: Path, rate: float | None) -> ArrayRecording:
    """Reads the header of a .npy file.

    Raises:
        FormatError: It is no array of numbers with one or two axes, or an empty one.
        UsageError: No rate is given.
    """
    array = _channels_first(_mapped(path, path.name))
    if array.dtype.kind not in "fiu":
        raise FormatError("not an array of numbers", received=array.dtype, where=path)
    channels, steps = array.shape
    _require_steps(steps, path)
    return ArrayRecording(
        path=path.absolute(),
        name=path.name,
        rate=_given(rate, path),
        channel_names=unique_names([""] * channels),
        units=("",) * channels,
        steps=steps,
        channels=tuple(range(channels)),
    )


def open_table(path: Path, rate: float | None) -> TableRecording:
    """Reads a CSV file once, to learn where its lines are.

    The first line may hold names. A first column called ``time`` or ``seconds`` is no channel; it
    says the rate if none is given.

    Raises:
        FormatError: It is empty, or its first lines are no table of numbers.
        UsageError: No rate is given, and no column says it.
    """
    with path.open("rb") as file:
        first = file.readline().decode("utf-8-sig", "replace").rstrip("\r\n")
    delimiter = max(",;\t", key=first.count)
    cells = [cell.strip().strip('"') for cell in first.split(delimiter)]
    named = not all(_is_number(cell) for cell in cells)
    places, steps = _lines(path, skip=named)
    _require_steps(steps, path)
    columns = unique_names(cells if named else [""] * len(cells))
    timed = named and columns[0].lower() in _TIMES and len(columns) > 1
    if timed and rate is None:
        rate = _rate(path, int(places[0]), columns, delimiter)
    channels = tuple(range(int(timed), len(columns)))
    return TableRecording(
        path=path.absolute(),
        name=path.name,
        rate=_given(rate, path),
        channel_names=columns[int(timed) :],
        units=("",) * len(channels),
        steps=steps,
        channels=channels,
        columns=columns,
        delimiter=delimiter,
        places=places,
    )


def _whole(values: Values, start: int, stop: int, name: str) -> Values:
    if values.shape[1] != stop - start:
        raise UnreadableSampleError(
            "the file ends early",
            expected=f"{stop - start} steps",
            received=values.shape[1],
            where=f"{name}, from step {start}",
        )
    return np.ascontiguousarray(values)


def _require_steps(steps: int, path: Path) -> None:
    if steps < 1:
        raise FormatError("an empty recording", expected="at least one step", where=path)


def _given(rate: float | None, path: Path) -> float:
    if rate is None or not (np.isfinite(rate) and rate > 0):
        raise UsageError(
            "the sampling rate is not known", expected="steps per second", received=rate, where=path
        )
    return float(rate)


def _mapped(path: Path, name: str) -> npt.NDArray[Any]:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise FormatError("this is no whole .npy file", received=error, where=name) from error
    if array.ndim not in (1, 2):
        raise FormatError("not a signal", expected="1 or 2 axes", received=array.ndim, where=name)
    return array


def _channels_first(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if array.ndim == 1:
        return array[None]
    return array.T if array.shape[0] > array.shape[1] else array


def _is_number(cell: str) -> bool:
    if cell in _BLANKS:
        return True
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _lines(path: Path, *, skip: bool) -> tuple[npt.NDArray[np.int64], int]:
    """Where every 4,096th line begins, and how many there are; without the first if ``skip``."""
    kept: list[npt.NDArray[np.int64]] = []
    line, offset, last = -int(skip), 0, b"\n"
    if not skip:
        kept.append(np.zeros(1, dtype=np.int64))
    with path.open("rb") as file:
        while chunk := file.read(2**22):
            begins = np.flatnonzero(np.frombuffer(chunk, dtype=np.uint8) == ord("\n")) + 1 + offset
            numbers = line + 1 + np.arange(len(begins))
            kept.append(begins[numbers % _EVERY == 0])
            line, offset, last = line + len(begins), offset + len(chunk), chunk[-1:]
    return np.concatenate(kept), max(line + (last != b"\n"), 0)


def _parse(
    text: bytes, columns: Sequence[str], channels: Sequence[int], delimiter: str, name: str
) -> npt.NDArray[np.float64]:
    """float64 ``[c, lines]``; one thread, as this may run in many."""
    import pyarrow as pa
    import pyarrow.csv as pc

    wanted = [columns[i] for i in channels]
    try:
        table = pc.read_csv(
            io.BytesIO(text),
            pc.ReadOptions(column_names=list(columns), use_threads=False),
            pc.ParseOptions(delimiter=delimiter),
            pc.ConvertOptions(
                column_types=dict.fromkeys(wanted, pa.float64()),
                include_columns=wanted,
                null_values=_BLANKS,
            ),
        )
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        raise UnreadableSampleError(
            "the table cannot be read", received=error, where=name
        ) from error
    found = (table[column].to_numpy(zero_copy_only=False) for column in wanted)
    return np.stack([column.astype(np.float64) for column in found])


def _rate(path: Path, start: int, columns: Sequence[str], delimiter: str) -> float | None:
    """From the times of the first lines, in seconds."""
    with path.open("rb") as file:
        file.seek(start)
        text = b"".join(file.readline() for _ in range(1000))
    try:
        times = _parse(text, columns, [0], delimiter, path.name)[0]
    except UnreadableSampleError:
        return None
    steps = np.diff(times)
    return float(len(steps) / steps.sum()) if len(steps) and (steps > 0).all() else None
