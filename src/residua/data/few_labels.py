"""Data sets of which only few samples keep their labels.

What is hidden is no longer in the data set: its labels are -1 in the table that everything
downstream reads. They come beside it, for those who measure how right guesses were.

Legend: h hidden labels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from residua.batch import Split, Task
from residua.data.dataset import Dataset
from residua.data.retabled import RetabledReader
from residua.data.splits import limited
from residua.errors import LabelError, UsageError

Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HiddenLabels:
    """Labels that exist and that nobody who trains can see.

    Attributes:
        ids: int64 ``[h]`` sample ids, ascending.
        labels: int64 ``[h]`` classes.
    """

    ids: Int64s
    labels: Int64s

    def __len__(self) -> int:
        return len(self.ids)


NONE_HIDDEN = HiddenLabels(ids=np.empty(0, dtype=np.int64), labels=np.empty(0, dtype=np.int64))
"""Where all labels are seen."""


def hide_labels(dataset: Dataset, *, per_class: int, seed: int) -> tuple[Dataset, HiddenLabels]:
    """``dataset`` with ``per_class`` labelled training samples a class, and what was hidden.

    The other training samples move to `Split.UNLABELLED`. Which keep their labels is a function of
    (seed, sample id): a larger number adds labels and takes none away. The preprocessing is fitted
    to all of them, as samples need no label for it, so that it does not depend on ``per_class``.

    Raises:
        UsageError: The task is not classification.
        LabelError: A class has fewer labelled training samples than are asked for.
    """
    return hide_all_but(dataset, choose_labelled(dataset, per_class=per_class, seed=seed))


def choose_labelled(dataset: Dataset, *, per_class: int, seed: int) -> Int64s:
    """The ascending rows that keep their labels, see `hide_labels`."""
    if dataset.schema.task is not Task.CLASSIFICATION:
        raise UsageError(
            "only labels of classes can be hidden",
            expected="a classification data set",
            received=dataset.schema.task.value,
            where=dataset.name,
            fix="Leave out --labels-per-class",
        )
    rows = dataset.rows(Split.TRAIN)
    _check_enough(dataset, dataset.table.labels[rows], per_class)
    return limited(dataset.table, rows, per_class=per_class, seed=seed, stream="labels")


def hide_all_but(dataset: Dataset, labelled: Int64s) -> tuple[Dataset, HiddenLabels]:
    """``dataset`` with no labels in training but those of the ascending rows ``labelled``."""
    table, train = dataset.table, dataset.rows(Split.TRAIN)
    hidden = np.setdiff1d(train, labelled)
    unlabelled = np.union1d(dataset.rows(Split.UNLABELLED), hidden)
    order = np.argsort(table.ids[hidden])
    kept = table.labels.copy()
    kept[unlabelled] = -1
    assignment = {**dataset.assignment, Split.TRAIN: labelled, Split.UNLABELLED: unlabelled}
    reader = RetabledReader(
        source=dataset.reader, schema=dataset.schema, table=replace(table, labels=kept)
    )
    seen = replace(
        dataset,
        reader=reader,
        assignment={split: rows for split, rows in assignment.items() if len(rows)},
        fitted=dataset.fitting_rows,
    )
    return seen, HiddenLabels(ids=table.ids[hidden][order], labels=table.labels[hidden][order])


def _check_enough(dataset: Dataset, labels: Int64s, per_class: int) -> None:
    counts = np.bincount(labels[labels >= 0], minlength=dataset.schema.num_classes)
    few = int(counts.argmin())
    if counts[few] < per_class:
        raise LabelError(
            f"class '{dataset.schema.classes[few]}' has too few training samples",
            expected=f"at least {per_class}, the labels per class asked for",
            received=int(counts[few]),
            where=dataset.name,
            fix=f"Ask for at most {counts[few]}" if counts[few] else "Add samples of it",
        )
