"""A path -> `Recording`, by its ending."""

from __future__ import annotations

from pathlib import Path

from residua.data.readers.edf_record import EDF_SUFFIXES, open_edf_file
from residua.data.readers.wfdb_record import open_record
from residua.data.recording_files import open_array, open_sound, open_table
from residua.data.recordings import Recording
from residua.data.sound import SOUND_SUFFIXES
from residua.errors import DataNotFoundError, FormatError

_WFDB = (".hea", ".dat")
_TABLES = (".csv", ".tsv")


def open_recording(path: Path, *, rate: float | None = None) -> Recording:
    """Opens one recording, without reading its values (a table is read once, to find its lines).

    Args:
        path: A WFDB record (the header, the signal file, or the name that they share), an EDF, BDF,
            sound, .npy or CSV file.
        rate: Steps per second, for files that do not say it (.npy, CSV).

    Raises:
        DataNotFoundError: There is no such file.
        FormatError: It is of no such format, damaged or empty.
        UsageError: The rate is not known.
    """
    suffix = path.suffix.lower()
    stem = path.with_suffix("") if suffix in _WFDB else path
    if not path.is_file():
        if not stem.with_name(f"{stem.name}.hea").is_file():
            raise DataNotFoundError("there is no such recording", received=path)
        return open_record(path, path.name)
    if suffix in _WFDB:
        return open_record(stem, stem.name)
    if suffix in EDF_SUFFIXES:
        return open_edf_file(path, path.name)
    if suffix in SOUND_SUFFIXES:
        return open_sound(path)
    if suffix == ".npy":
        return open_array(path, rate)
    if suffix in _TABLES:
        return open_table(path, rate)
    raise FormatError(
        "not a recording",
        expected="a WFDB header, .edf, .bdf, .wav, .flac, .npy or .csv",
        received=path.name,
    )
