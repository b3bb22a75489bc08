"""One WFDB record as a `Recording`, and its annotations, through the package wfdb."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from residua.data.recordings import FileRecording, Values, unique_names
from residua.errors import FormatError, MissingExtraError, UnreadableSampleError


@dataclass(frozen=True, slots=True, kw_only=True)
class WfdbRecording(FileRecording):
    """A record, whose signals lie in files of their own; ``path`` is its header, without ending."""

    def read(self, start: int, stop: int) -> Values:
        """See `residua.data.recordings.Recording`; physical units."""
        if start == stop:
            return np.empty((len(self.channels), 0), dtype=np.float32)
        try:
            record = _wfdb().rdrecord(
                str(self.path), sampfrom=start, sampto=stop, channels=list(self.channels)
            )
        except Exception as error:  # wfdb raises whatever its parsing stumbles over
            raise UnreadableSampleError(
                f"cannot read steps {start} to {stop} of the record",
                received=_reason(error),
                where=self.name,
            ) from error
        return np.ascontiguousarray(record.p_signal.T, dtype=np.float32)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Annotations:
    """Marks along a record: steps int64 ``[n]``, and a symbol each."""

    steps: npt.NDArray[np.int64]
    symbols: list[str]


def open_record(path: Path, name: str) -> WfdbRecording:
    """Reads the header and the last step, so that a truncated file is noticed at once.

    Args:
        path: The header, with or without its ending.
        name: What to call the record.

    Raises:
        MissingExtraError: The package wfdb is not installed.
        FormatError: No header, one without signals or length, or one that is damaged.
        UnreadableSampleError: A signal file is missing or shorter than the header says.
    """
    stem = path.absolute().with_name(path.name.removesuffix(".hea"))
    header = _header(stem, name)
    if not header.n_sig or not header.sig_len:
        missing = "signals" if not header.n_sig else "steps"
        raise FormatError(f"the header names no {missing}", where=f"{stem}.hea")
    last = _last_step(stem, name, int(header.sig_len))
    names = [str(each or "") for each in last.sig_name]
    return WfdbRecording(
        path=stem,
        name=name,
        rate=float(header.fs),
        channel_names=unique_names(names),
        units=tuple(str(unit or "") for unit in last.units),
        steps=int(header.sig_len),
        channels=tuple(range(len(names))),
    )


def read_annotations(recording: WfdbRecording, annotator: str) -> Annotations:
    """All annotations of the file with the ending ``annotator``.

    Raises:
        FormatError: It is not there, or damaged.
    """
    file = recording.path.with_name(f"{recording.path.name}.{annotator}")
    try:
        found = _wfdb().rdann(str(recording.path), annotator)
    except Exception as error:  # see WfdbRecording.read
        missing = not file.is_file()
        what = "there is no annotation file" if missing else "the annotation file is damaged"
        received = None if missing else _reason(error)
        raise FormatError(what, received=received, where=file.name) from error
    return Annotations(
        steps=np.asarray(found.sample, dtype=np.int64), symbols=[str(s) for s in found.symbol or ()]
    )


def segments_of(path: Path) -> list[str]:
    """The names of the records that a multi-segment record is made of; none for any other."""
    try:
        header = _header(path, path.name)
    except FormatError:
        return []
    return [str(name) for name in getattr(header, "seg_name", None) or ()]


def _wfdb() -> Any:
    try:
        return importlib.import_module("wfdb")
    except ImportError as error:
        raise MissingExtraError("wfdb", "ecg", "reading WFDB records") from error


def _header(stem: Path, name: str) -> Any:
    wfdb = _wfdb()
    try:
        return wfdb.rdheader(str(stem))
    except FileNotFoundError as error:
        raise FormatError("there is no header", where=f"{name}.hea") from error
    except Exception as error:  # see WfdbRecording.read
        raise FormatError(
            "the header is no WFDB header", received=_reason(error), where=f"{name}.hea"
        ) from error


def _last_step(stem: Path, name: str, steps: int) -> Any:
    try:
        return _wfdb().rdrecord(str(stem), sampfrom=steps - 1, sampto=steps)
    except FileNotFoundError as error:
        file = Path(str(error.filename or "")).name or f"{name}.dat"
        raise UnreadableSampleError("the signal file is not there", where=file) from error
    except Exception as error:  # see WfdbRecording.read
        raise UnreadableSampleError(
            "the signal file is truncated or damaged",
            expected=f"{steps} steps, as its header says",
            where=name,
        ) from error


def _reason(error: Exception) -> str:
    return f"{error}" or type(error).__name__
