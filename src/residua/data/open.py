"""A path or a known name -> `Dataset`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from residua.batch import Split
from residua.data.config import DataConfig
from residua.data.dataset import Dataset, Reader
from residua.data.readers.folder import has_pictures, open_folder
from residua.data.readers.idx import find_idx, idx_name, is_idx, open_idx
from residua.data.readers.known import KNOWN, find_known, open_known, plain_name
from residua.data.readers.locations import data_folder
from residua.data.readers.manifest import is_manifest, open_manifest
from residua.data.readers.parquet import find_parquet, open_parquet
from residua.data.readers.shared import shorten
from residua.data.splits import assign_splits, limited
from residua.errors import DataNotFoundError, FormatError, LabelError, UnknownNameError, UsageError

LAYOUTS = (
    "CLASS/*.jpg, or train/CLASS/*.jpg with test/CLASS/*.jpg; train-*.parquet; "
    "a CSV file with path,label[,split,group]; or train-images-idx3-ubyte[.gz]"
)
"""What a data set may look like, in one line."""

_MANIFESTS = (".csv", ".tsv")
_REMOTE = ("http:", "https:", "s3:", "gs:", "hf:")


def open_dataset(config: DataConfig) -> Dataset:
    """Opens what ``config.path`` names, and draws the splits that the source does not name.

    A file or folder of that name comes first, then one below $RESIDUA_DATA, then a known name,
    which is downloaded if it must be. Names, labels and a few headers are read, never all pictures.

    Raises:
        DataNotFoundError: There is nothing at the path, or a download failed.
        UnknownNameError: It is neither a path nor a name.
        FormatError: It has none of the known layouts, or a file in it is not what it should be.
        LabelError: Labels, classes and splits do not fit together.
        UsageError: A split fraction is not in [0, 1), or no data set was named.
    """
    reader = open_reader(config.path, strict=config.strict)
    assignment, official = assign_splits(
        reader.table,
        validation_fraction=config.validation_fraction,
        test_fraction=config.test_fraction,
        seed=config.split_seed,
    )
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


def open_reader(name: str, *, strict: bool = False) -> Reader:
    """The source that a path or a known name means; see `open_dataset`."""
    if not name:
        raise UsageError("no data set was named", expected="a path or a known name")
    path = Path(name).expanduser()
    try:
        if found := path if path.exists() else _below_data_folder(name):
            return _open_path(found, strict=strict)
        if known := find_known(name):
            return open_known(known)
    except OSError as error:
        raise DataNotFoundError(
            "the data set cannot be opened",
            received=error.strerror or error,
            where=error.filename or name,
        ) from error
    raise _not_found(name, path)


def _open_path(path: Path, *, strict: bool) -> Reader:
    """By what the files are called; the first layout that fits is taken."""
    if path.is_file():
        return _open_file(path, strict=strict)
    if place := find_idx(path):
        known = find_known(idx_name(place))
        return open_idx(place, classes=known.classes if known else None)
    if find_parquet(path):
        return open_parquet(path)
    tables = sorted(file for file in path.iterdir() if file.suffix.lower() in _MANIFESTS)
    manifests = [file for file in tables if is_manifest(file)]
    if len(manifests) == 1:
        return open_manifest(manifests[0], strict=strict)
    if has_pictures(path):
        return open_folder(path)
    if len(tables) == 1:
        return open_manifest(tables[0], strict=strict)  # which says what is wrong with it
    raise FormatError(
        "the folder is no data set",
        expected=LAYOUTS,
        received=shorten(sorted(file.name for file in path.iterdir())) or "an empty folder",
        where=path,
    )


def _open_file(path: Path, *, strict: bool) -> Reader:
    if path.suffix.lower() == ".parquet":
        return open_parquet(path)
    if path.suffix.lower() in _MANIFESTS:
        return open_manifest(path, strict=strict)
    if is_idx(path):
        known = find_known(idx_name(path.parent))
        return open_idx(path, classes=known.classes if known else None)
    raise FormatError("the file is no data set", expected=LAYOUTS, received=path.name, where=path)


def _below_data_folder(name: str) -> Path | None:
    """$RESIDUA_DATA/name, also where a hyphen or capital is spelt otherwise."""
    folder = data_folder()
    if folder is None or not folder.is_dir():
        return None
    if (folder / name).exists():
        return folder / name
    same = (each for each in sorted(folder.iterdir()) if plain_name(each.name) == plain_name(name))
    return next(same, None) if plain_name(name) else None


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
    schema, labels = dataset.schema, dataset.table.labels
    if schema.num_classes < 2:
        raise LabelError(
            "fewer than two classes",
            received=shorten(schema.classes) or "no samples",
            where=dataset.name,
        )
    for split, rows in dataset.assignment.items():
        unknown = int(np.sum(labels[rows] < 0))
        if unknown:
            raise LabelError(
                f"{unknown} of {len(rows)} samples of split {split} have no label",
                expected="a label each",
                where=dataset.name,
            )
    missing = _missing_classes(schema.classes, labels[dataset.rows(Split.TRAIN)])
    if missing and len(dataset.rows(Split.TRAIN)):
        raise LabelError(
            "classes without training samples",
            received=shorten(missing),
            where=dataset.name,
            fix="Add samples, remove the classes, or draw other splits with another split seed",
        )


def _missing_classes(classes: Sequence[str], labels: np.ndarray) -> list[str]:
    counts = np.bincount(labels, minlength=len(classes))
    return [name for name, count in zip(classes, counts, strict=True) if not count]
