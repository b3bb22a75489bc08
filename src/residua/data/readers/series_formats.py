"""Which format files of series have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from residua.data.readers.arff import open_arff
from residua.data.readers.arrays import beside, find_array_files, open_arrays
from residua.data.readers.delimited import open_delimited
from residua.data.readers.pairs import SERIES_SUFFIXES, find_series, one_file
from residua.data.readers.series import SeriesFiles, SeriesReader
from residua.data.readers.ts import open_ts

_OPEN: dict[str, Callable[..., SeriesReader]] = {
    ".ts": open_ts,
    ".arff": open_arff,
    ".tsv": open_delimited,
    ".csv": open_delimited,
    ".npz": open_arrays,
    ".npy": open_arrays,
}


def is_series_file(path: Path) -> bool:
    """Whether the ending is one of those."""
    return path.suffix.lower() in _OPEN


def open_series_file(path: Path, *, strict: bool = False) -> SeriesReader:
    """A file alone; of .npy files, with the labels beside it."""
    files = one_file(path)
    if path.suffix.lower() == ".npy":
        parts = tuple((each, None) for each in beside(path))
        files = SeriesFiles(root=path.parent, name=path.stem, parts=parts)
    return _open(files, strict=strict)


def open_series_folder(
    folder: Path, problem: str | None = None, *, strict: bool = False
) -> SeriesReader | None:
    """The series of a folder (see `find_series`), or None if it has none."""
    files = find_series(folder, problem)
    if files is None and problem is None and (arrays := find_array_files(folder)):
        name = folder.resolve().name
        parts = tuple((path, None) for path in arrays)
        files = SeriesFiles(root=folder, name=name, parts=parts)
    return _open(files, strict=strict) if files else None


def has_problem(path: Path) -> bool:
    """Whether ``path`` is no file but what several are called by: ``folder/GunPoint``."""
    if not path.name or path.exists() or not path.parent.is_dir():
        return False
    return find_series(path.parent, path.name) is not None


def has_series(folder: Path) -> bool:
    """Whether files of ``folder`` have the ending of a format that holds nothing else."""
    only = set(SERIES_SUFFIXES) - {".csv", ".tsv"}
    return folder.is_dir() and any(file.suffix.lower() in only for file in folder.iterdir())


def _open(files: SeriesFiles, *, strict: bool) -> SeriesReader:
    return _OPEN[files.paths[0].suffix.lower()](files, strict=strict)
