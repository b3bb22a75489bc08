"""A path or a known name -> `Dataset`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from residua.batch import Modality, Split, Task
from residua.data.config import DataConfig
from residua.data.dataset import Dataset, Reader
from residua.data.readers.edf import has_edf, open_edf, whole_recordings
from residua.data.readers.edf_record import EDF_SUFFIXES
from residua.data.readers.folder import kind_of_files, open_folder
from residua.data.readers.idx import find_idx, idx_name, is_idx, open_idx
from residua.data.readers.known import KNOWN, find_known, open_known, plain_name
from residua.data.readers.locations import data_folder
from residua.data.readers.manifest import has_paths, is_manifest, open_manifest
from residua.data.readers.parquet import find_parquet, open_parquet
from residua.data.readers.series_formats import (
    has_problem,
    has_series,
    is_series_file,
    open_series_file,
    open_series_folder,
)
from residua.data.readers.shared import shorten
from residua.data.readers.wfdb import WFDB_SUFFIXES, is_wfdb, open_wfdb
from residua.data.splits import assign_splits, limited, set_apart
from residua.errors import DataNotFoundError, FormatError, LabelError, UnknownNameError, UsageError

LAYOUTS = (
    "CLASS/*.jpg (or .wav), or train/CLASS/*.jpg with test/CLASS/*.jpg; train-*.parquet; "
    "a CSV file with path,label[,split,group]; or train-images-idx3-ubyte[.gz]; "
    "series as NAME_TRAIN.ts and NAME_TEST.ts, or .arff, .tsv, .csv, .npz, .npy; "
    "a CSV file with text,label; WFDB records (.hea, .dat, .atr) or EDF files with annotations"
)
"""What a data set may look like, in one line."""

_MANIFESTS = (".csv", ".tsv")
_REMOTE = ("http:", "https:", "s3:", "gs:", "hf:")


def open_dataset(config: DataConfig, *, some_unlabelled: bool = False) -> Dataset:
    """Opens what ``config.path`` names, and draws the splits that the source does not name.

    A file or folder of that name comes first, then one below $RESIDUA_DATA, then a known name,
    which is downloaded if it must be. Names, labels and a few headers are read, never all pictures.

    Args:
        config: Which data, and how it is read.
        some_unlabelled: Samples without a label that are not for validation or test are taken as
            `Split.UNLABELLED`; otherwise they are an error.

    Raises:
        DataNotFoundError: There is nothing at the path, or a download failed.
        UnknownNameError: It is neither a path nor a name.
        FormatError: It has none of the known layouts, or a file in it is not what it should be.
        LabelError: Labels, classes and splits do not fit together.
        UsageError: A split fraction is not in [0, 1), or no data set was named.
    """
    reader = open_reader(config.path, strict=config.strict, some_unlabelled=some_unlabelled)
    assignment, official = assign_splits(
        reader.table,
        validation_fraction=config.validation_fraction,
        test_fraction=config.test_fraction,
        seed=config.split_seed,
    )
    if some_unlabelled and reader.schema.task is Task.CLASSIFICATION:
        assignment = set_apart(reader.table, assignment, official)
    if config.limit is not None:
        assignment[Split.TRAIN] = limited(
            reader.table,
            assignment.get(Split.TRAIN, np.empty(0, dtype=np.int64)),
            per_class=config.limit,
            seed=config.split_seed,
        )
    dataset = Dataset(reader=reader, assignment=assignment, official=official)
    _check_labels(dataset)
    return dataset


def open_reader(name: str, *, strict: bool = False, some_unlabelled: bool = False) -> Reader:
    """The source that a path or a known name means; see `open_dataset`."""
    if not name:
        raise UsageError("no data set was named", expected="a path or a known name")
    path = Path(name).expanduser()
    opened = partial(_open_path, strict=strict, some_unlabelled=some_unlabelled)
    try:
        if path.exists():
            return opened(path)
        if series := _open_problem(name, strict=strict):
            return series
        if found := _below_data_folder(name):
            return opened(found)
        if known := find_known(name):
            return open_known(known)
        if found := _series_below_data_folder(name):
            return opened(found)
    except OSError as error:
        raise DataNotFoundError(
            "the data set cannot be opened",
            received=error.strerror or error,
            where=error.filename or name,
        ) from error
    raise _not_found(name, path)


def _open_path(path: Path, *, strict: bool, some_unlabelled: bool = False) -> Reader:
    """By what the files are called; the first layout that fits is taken."""
    if path.is_file():
        return _open_file(path, strict=strict, some_unlabelled=some_unlabelled)
    if place := find_idx(path):
        known = find_known(idx_name(place))
        return open_idx(place, classes=known.classes if known else None)
    if find_parquet(path):
        return open_parquet(path)
    tables = sorted(file for file in path.iterdir() if file.suffix.lower() in _MANIFESTS)
    manifests = [file for file in tables if is_manifest(file)]
    if len(manifests) == 1:
        manifest = open_manifest(manifests[0], strict=strict, some_unlabelled=some_unlabelled)
        return _opened(manifest, path, strict=strict)
    if is_wfdb(path):
        return open_wfdb(path, strict=strict)
    if has_edf(path):
        return open_edf(path, strict=strict)
    if kind := kind_of_files(path):
        return _opened(open_folder(path, kind), path, strict=strict)
    if series := open_series_folder(path, strict=strict):
        return series
    raise FormatError(
        "the folder is no data set",
        expected=LAYOUTS,
        received=shorten(sorted(file.name for file in path.iterdir())) or "an empty folder",
        where=path,
        fix=_one_of(path),
    )


def _one_of(folder: Path) -> str:
    """What to do with a folder of folders of series."""
    sets = [each.name for each in sorted(folder.iterdir()) if has_series(each)]
    return f"Name one of its data sets: {shorten(sets)}" if sets else ""


def _open_file(path: Path, *, strict: bool, some_unlabelled: bool) -> Reader:
    if path.suffix.lower() == ".parquet":
        return open_parquet(path)
    if path.suffix.lower() in _MANIFESTS and has_paths(path):
        manifest = open_manifest(path, strict=strict, some_unlabelled=some_unlabelled)
        return _opened(manifest, path.parent, strict=strict)
    if path.suffix.lower() in WFDB_SUFFIXES:
        return open_wfdb(path.with_suffix(".hea"), strict=strict)
    if path.suffix.lower() in EDF_SUFFIXES:
        return open_edf(path, strict=strict)
    if is_series_file(path):
        return open_series_file(path, strict=strict)
    if is_idx(path):
        known = find_known(idx_name(path.parent))
        return open_idx(path, classes=known.classes if known else None)
    raise FormatError("the file is no data set", expected=LAYOUTS, received=path.name, where=path)


def _opened(reader: Reader, root: Path, *, strict: bool) -> Reader:
    """``reader``, or where its files are recordings, the reader of those."""
    if reader.schema.modality is not Modality.SIGNAL:
        return reader
    return whole_recordings(reader, root, strict=strict)


def _below_data_folder(name: str) -> Path | None:
    """$RESIDUA_DATA/name, also where a hyphen or capital is spelt otherwise."""
    folder = data_folder()
    if folder is None or not folder.is_dir():
        return None
    if (folder / name).exists():
        return folder / name
    same = (each for each in sorted(folder.iterdir()) if plain_name(each.name) == plain_name(name))
    return next(same, None) if plain_name(name) else None


def _open_problem(name: str, *, strict: bool) -> Reader | None:
    """One of several data sets in a folder: archive/JapaneseVowels_eq, without its _TRAIN.ts."""
    if find_known(name):
        return None
    folder = data_folder()
    path = Path(name).expanduser()
    for place in (path, folder / name) if folder else (path,):
        if has_problem(place):
            return open_series_folder(place.parent, place.name, strict=strict)
    return None


def _series_below_data_folder(name: str) -> Path | None:
    """$RESIDUA_DATA/ARCHIVE/name, if there is one such folder of series."""
    folder = data_folder()
    if folder is None or not folder.is_dir() or not plain_name(name):
        return None
    places = (
        place for archive in folder.iterdir() if archive.is_dir() for place in archive.iterdir()
    )
    same = [each for each in places if plain_name(each.name) == plain_name(name)]
    found = [each for each in same if has_series(each)]
    return found[0] if len(found) == 1 else None


def _not_found(name: str, path: Path) -> DataNotFoundError | UsageError:
    """A word is taken for a misspelt name, all else for a path."""
    folder = data_folder()
    if name.startswith(_REMOTE):
        return UsageError(
            "data sets are read from this machine",
            expected="a path or a known name",
            received=name,
            fix="Download it and give its folder",
        )
    if os.sep in name or name.startswith((".", "~")) or path.suffix:
        near = _near(path)
        return DataNotFoundError(
            "there is no such file or folder",
            received=name,
            where=path.parent.absolute(),
            fix=f"Did you mean {near}?" if near else "",
        )
    places = f"{Path.cwd()} and $RESIDUA_DATA ({folder or 'not set'})"
    names = [known.name for known in KNOWN]
    if folder and folder.is_dir():
        names += [each.name for each in folder.iterdir() if each.is_dir()]
    if near := _near(path):
        names.append(near)
    return UnknownNameError(f"data set, no file or folder in {places} either:", name, names)


def _near(path: Path) -> str | None:
    import difflib

    parent = path.parent
    names = [each.name for each in parent.iterdir()] if parent.is_dir() else []
    near = difflib.get_close_matches(path.name, names, n=1)
    return str(parent / near[0]) if near else None


def _check_labels(dataset: Dataset) -> None:
    """What would spoil every run: too few classes, samples without a label, classes never seen."""
    if dataset.schema.task is Task.CLASSIFICATION:
        _check_classes(dataset)
    elif dataset.schema.task is Task.CTC:
        _check_tokens(dataset)
    else:
        _check_values(dataset)


def _check_classes(dataset: Dataset) -> None:
    schema, labels = dataset.schema, dataset.table.labels
    if schema.num_classes < 2:
        raise LabelError(
            "fewer than two classes",
            received=f"only '{schema.classes[0]}'" if schema.classes else "no samples",
            where=dataset.name,
        )
    for split, rows in _labelled(dataset):
        _check_none_without(dataset, split, labels[rows] < 0, "label")
    missing = _missing_classes(schema.classes, labels[dataset.rows(Split.TRAIN)])
    if missing and len(dataset.rows(Split.TRAIN)):
        raise LabelError(
            "classes without training samples",
            received=shorten(missing),
            where=dataset.name,
            fix="Add samples, remove the classes, or draw other splits with another split seed",
        )


def _check_values(dataset: Dataset) -> None:
    """Of regression and multi-label classification."""
    values = dataset.table.values
    if values is None or not len(values) or not dataset.schema.classes:
        raise LabelError("there are no targets", received="no samples", where=dataset.name)
    for split, rows in _labelled(dataset):
        lacking = np.logical_not(np.isfinite(values[rows]).all(axis=1))
        _check_none_without(dataset, split, lacking, "target")


def _check_tokens(dataset: Dataset) -> None:
    tokens = dataset.table.tokens
    if not tokens or not dataset.schema.classes:
        raise LabelError("there are no transcripts", received="no tokens", where=dataset.name)
    for split, rows in _labelled(dataset):
        lacking = np.array([not tokens[int(row)] for row in rows])
        _check_none_without(dataset, split, lacking, "transcript")


def _labelled(dataset: Dataset) -> list[tuple[Split, npt.NDArray[np.int64]]]:
    """The splits whose samples need a target."""
    return [each for each in dataset.assignment.items() if each[0] is not Split.UNLABELLED]


def _check_none_without(
    dataset: Dataset, split: Split, lacking: npt.NDArray[np.bool_], what: str
) -> None:
    if lacking.any():
        raise LabelError(
            f"{lacking.sum()} of {len(lacking)} samples of split {split} have no {what}",
            expected=f"a {what} each",
            where=dataset.name,
        )


def _missing_classes(classes: Sequence[str], labels: np.ndarray) -> list[str]:
    counts = np.bincount(labels, minlength=len(classes))
    return [name for name, count in zip(classes, counts, strict=True) if not count]
