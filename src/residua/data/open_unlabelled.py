"""Data to learn from without labels: beside labelled samples, or before there are any."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from residua.batch import Modality, Split
from residua.data.config import DataConfig
from residua.data.dataset import Dataset, Reader
from residua.data.few_labels import NONE_HIDDEN, HiddenLabels, hide_labels
from residua.data.joined import join_unlabelled
from residua.data.open import open_dataset, open_reader
from residua.data.readers.edf import has_edf
from residua.data.readers.idx import find_idx
from residua.data.readers.manifest import is_manifest
from residua.data.readers.parquet import find_parquet
from residua.data.readers.series_formats import has_series
from residua.data.readers.shared import shorten
from residua.data.readers.unlabelled import open_files, plain_kind
from residua.data.readers.wfdb import is_wfdb
from residua.data.retabled import without_labels
from residua.data.splits import assign_splits, limited
from residua.errors import FormatError, LabelError

_MANIFESTS = (".csv", ".tsv")


def open_with_few_labels(config: DataConfig) -> tuple[Dataset, HiddenLabels]:
    """What `open_dataset` gives, with `DataConfig.labels_per_class` and `DataConfig.unlabelled`.

    With either of them, training samples that have no label anyway become unlabelled ones;
    otherwise they are an error.

    Raises:
        As `open_dataset`, `residua.data.few_labels.hide_labels` and
        `residua.data.joined.join_unlabelled`.
    """
    few = config.labels_per_class is not None or config.unlabelled is not None
    return _joined(*_hidden(open_dataset(config, some_unlabelled=few), config), config)


def open_unlabelled_dataset(config: DataConfig) -> Dataset:
    """Data for pre-training: of `pretraining_dataset`, with what labels there are.

    A labelled data set keeps its splits, and its labels (`DataConfig.labels_per_class` of them),
    which serve to measure only. Of a folder of files without classes all are
    `Split.UNLABELLED`, but for the share of `DataConfig.validation_fraction`, by the hashes of
    their names.

    Raises:
        DataNotFoundError, UnknownNameError: There is no such data set.
        FormatError: It is neither a data set nor a folder with samples.
    """
    try:
        dataset = open_dataset(config, some_unlabelled=True)
    except (FormatError, LabelError):
        path = Path(config.path).expanduser()
        kind = plain_kind(path) if path.is_dir() and not _is_data_set(path) else None
        if kind is None:
            raise
        dataset = _without_classes(open_files(path, kind, strict=config.strict), config)
    else:
        dataset, _ = _hidden(dataset, config)
    return _joined(dataset, NONE_HIDDEN, config)[0]


def pretraining_dataset(dataset: Dataset) -> Dataset:
    """``dataset`` without a single label: what may be learnt from is `Split.TRAIN`.

    These are the rows of the train split and the unlabelled ones. The schema stays as it is.
    """
    assignment = {**dataset.assignment, Split.TRAIN: dataset.learning_rows}
    assignment.pop(Split.UNLABELLED, None)
    return replace(
        dataset,
        reader=without_labels(dataset.reader, keep_classes=True),
        assignment=assignment,
    )


def open_unlabelled(name: str, *, modality: Modality | None = None, strict: bool = False) -> Reader:
    """Samples whose labels, if they have any, are dropped.

    Args:
        name: A folder with files of one kind at any depth, without classes; or whatever else
            `open_reader` opens.
        modality: What kind of files of a folder are wanted; by default the commonest.
        strict: A file that cannot be used is an error; otherwise it is left out and told.

    Raises:
        DataNotFoundError, UnknownNameError: There is no such folder or data set.
        FormatError: There are no such files in it.
    """
    path = Path(name).expanduser()
    if not path.is_dir() or _is_data_set(path):
        return without_labels(open_reader(name, strict=strict, some_unlabelled=True))
    if kind := plain_kind(path, modality):
        return open_files(path, kind, strict=strict)
    if modality in (None, Modality.TEXT, Modality.SIGNAL) and any(path.iterdir()):
        return without_labels(open_reader(name, strict=strict))
    raise FormatError(
        "the folder has nothing to learn from",
        expected=f"files of modality {modality}" if modality else "pictures, sound clips or arrays",
        received=shorten(sorted(file.name for file in path.iterdir())) or "an empty folder",
        where=path,
    )


def _is_data_set(folder: Path) -> bool:
    """Whether files say what the samples are, beside them or around them."""
    tables = (file for file in folder.iterdir() if file.suffix.lower() in _MANIFESTS)
    return (
        find_idx(folder) is not None
        or bool(find_parquet(folder))
        or any(is_manifest(file) for file in tables)
        or is_wfdb(folder)
        or has_edf(folder)
        or has_series(folder)
    )


def _hidden(dataset: Dataset, config: DataConfig) -> tuple[Dataset, HiddenLabels]:
    if config.labels_per_class is None:
        return dataset, NONE_HIDDEN
    return hide_labels(dataset, per_class=config.labels_per_class, seed=config.label_seed)


def _joined(
    dataset: Dataset, hidden: HiddenLabels, config: DataConfig
) -> tuple[Dataset, HiddenLabels]:
    if config.unlabelled is None:
        return dataset, hidden
    modality = dataset.schema.modality
    reader = open_unlabelled(config.unlabelled, modality=modality, strict=config.strict)
    return join_unlabelled(dataset, reader), hidden


def _without_classes(reader: Reader, config: DataConfig) -> Dataset:
    assignment, official = assign_splits(
        reader.table,
        validation_fraction=config.validation_fraction,
        test_fraction=0.0,
        seed=config.split_seed,
    )
    rows = assignment.pop(Split.TRAIN, np.empty(0, dtype=np.int64))
    if config.limit is not None:
        rows = limited(reader.table, rows, per_class=config.limit, seed=config.split_seed)
    return Dataset(
        reader=reader, assignment={**assignment, Split.UNLABELLED: rows}, official=official
    )
