"""What is to be predicted: how often, how evenly, and whether the splits keep apart what belongs
together.

Legend: n samples, k classes, labels, quantities or tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from residua.batch import Split, Task
from residua.data.dataset import Dataset
from residua.data.findings import ClassCount, Finding, Quantity, Spread

FEW = 5
"""Training samples below which a class can hardly be learnt."""
IMBALANCE = 10.0
"""Largest over smallest class from which training should balance them."""
SMALL_TEST = 100
"""Test samples below which the interval of an accuracy is some 20 points wide."""
MANY_TORN = 0.1
"""Share of held-out samples whose group was trained on, from which their scores mean little."""


def _present(dataset: Dataset) -> list[Split]:
    return [split for split in Split if len(dataset.rows(split))]


def target_codes(dataset: Dataset) -> npt.NDArray[np.int64]:
    """int64 ``[n]``: equal where the targets are, -1 where there is none."""
    table = dataset.table
    if table.tokens is not None:
        codes = {tokens: code for code, tokens in enumerate(dict.fromkeys(table.tokens))}
        found = (codes[tokens] if tokens else -1 for tokens in table.tokens)
        return np.fromiter(found, np.int64, count=len(table))
    if table.values is not None:
        _, codes = np.unique(table.values, axis=0, return_inverse=True)
        known = np.isfinite(table.values).all(axis=1)
        return np.where(known, codes.reshape(-1), -1).astype(np.int64)
    return table.labels


def class_counts(dataset: Dataset) -> tuple[ClassCount, ...]:
    """Of each class, label or token; none for regression."""
    if dataset.schema.task is Task.REGRESSION:
        return ()
    counts = np.array([_counts(dataset, split) for split in _present(dataset)], dtype=np.int64)
    return tuple(
        ClassCount(name=name, counts=tuple(counts[:, i].tolist()) if len(counts) else ())
        for i, name in enumerate(dataset.schema.classes)
    )


def _counts(dataset: Dataset, split: Split) -> npt.NDArray[np.int64]:
    """``[k]``, without unlabelled samples."""
    table, rows, k = dataset.table, dataset.rows(split), dataset.schema.num_classes
    if table.tokens is not None:
        tokens = [token for row in rows.tolist() for token in table.tokens[row]]
        return np.bincount(np.array(tokens, dtype=np.int64), minlength=k)
    if table.values is not None:
        return (table.values[rows] > 0).sum(axis=0)
    labels = table.labels[rows]
    return np.bincount(labels[labels >= 0], minlength=k)


def quantities(dataset: Dataset) -> tuple[Quantity, ...]:
    """Of regression."""
    values = dataset.table.values
    if dataset.schema.task is not Task.REGRESSION or values is None:
        return ()
    splits = [values[dataset.rows(split)] for split in _present(dataset)]
    return tuple(
        Quantity(name=name, spreads=tuple(_spread(split[:, i]) for split in splits))
        for i, name in enumerate(dataset.schema.classes)
    )


def _spread(values: npt.NDArray[np.float32]) -> Spread:
    known = values[np.isfinite(values)].astype(np.float64)
    if not len(known):
        return Spread(n=0, mean=None, sd=None, least=None, largest=None)
    return Spread(
        n=len(known),
        mean=float(known.mean()),
        sd=float(known.std()),
        least=float(known.min()),
        largest=float(known.max()),
    )


def some(names: Sequence[str], at_most: int = 5) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - at_most:,} more" if len(names) > at_most else ""
    return ", ".join(names[:at_most]) + more


def share(part: int, whole: int) -> str:
    """``3 of 1,200 (0.25%)``"""
    return f"{part:,} of {whole:,} ({part / whole:.2%})"


def target_findings(dataset: Dataset) -> Iterator[Finding]:
    """What makes targets hard or impossible to learn, or scores hard to trust."""
    task, splits = dataset.schema.task, _present(dataset)
    names = dataset.schema.classes
    if task is Task.CLASSIFICATION and len(names) < 2:
        yield Finding(
            severity="error",
            code="one-class",
            message=f"a classifier needs at least two classes; there is only {some(names)}",
        )
    if Split.TRAIN not in splits:
        yield Finding(severity="error", code="no-training", message="there are no training samples")
    for split in splits:
        if task is not Task.REGRESSION and split is not Split.UNLABELLED:
            yield from _missing(dataset, split, _counts(dataset, split))
        if split is Split.TRAIN:
            yield from _training(dataset)
        if split is Split.TEST:
            yield from _small_test(dataset)


def _missing(dataset: Dataset, split: Split, counts: npt.NDArray[np.int64]) -> Iterator[Finding]:
    names, noun = dataset.schema.classes, _noun(dataset.schema.task)
    missing = [name for name, count in zip(names, counts, strict=True) if not count]
    if missing:
        yield Finding(
            severity="error" if split is Split.TRAIN else "warning",
            code="missing-class",
            message=f"{len(missing)} of {len(names)} {noun} have no {split} samples: "
            f"{some(missing)}",
        )


def _noun(task: Task) -> str:
    return {Task.MULTILABEL: "labels", Task.CTC: "tokens"}.get(task, "classes")


def _training(dataset: Dataset) -> Iterator[Finding]:
    if dataset.schema.task is Task.REGRESSION:
        yield from _constant_quantities(dataset)
        return
    counts = _counts(dataset, Split.TRAIN)
    names, noun = dataset.schema.classes, _noun(dataset.schema.task)
    few = [name for name, count in zip(names, counts, strict=True) if 0 < count < FEW]
    if few:
        yield Finding(
            severity="warning",
            code="few-samples",
            message=f"{len(few)} of {len(names)} {noun} have fewer than {FEW} training samples: "
            f"{some(few)}",
        )
    present = counts[counts > 0]
    if len(present) and present.max() >= IMBALANCE * present.min():
        largest, smallest = names[int(counts.argmax())], names[_smallest(counts)]
        advice = "; consider --balance loss or --balance sampling"
        yield Finding(
            severity="warning",
            code="imbalance",
            message=f"'{largest}' has {present.max() / present.min():.0f} times as many training "
            f"samples as '{smallest}' ({present.max():,} and {present.min():,})"
            + (advice if dataset.schema.task is Task.CLASSIFICATION else ""),
        )


def _smallest(counts: npt.NDArray[np.int64]) -> int:
    return int(np.where(counts > 0, counts, counts.max() + 1).argmin())


def _constant_quantities(dataset: Dataset) -> Iterator[Finding]:
    for quantity in quantities(dataset):
        spread = quantity.spreads[0]
        if spread.n and spread.least == spread.largest:
            yield Finding(
                severity="error",
                code="constant-target",
                message=f"'{quantity.name}' is {spread.least:g} in every training sample",
            )


def _small_test(dataset: Dataset) -> Iterator[Finding]:
    n = int((target_codes(dataset)[dataset.rows(Split.TEST)] >= 0).sum())
    if n >= SMALL_TEST:
        return
    uncertain = "its scores will be uncertain"
    if dataset.schema.task is Task.CLASSIFICATION:
        points = f"{98 / max(n, 1) ** 0.5:.0f} percentage points"
        uncertain = f"its accuracy will be uncertain by up to {points} either way"
    yield Finding(
        severity="info",
        code="small-test",
        message=f"the test split has {n} samples: {uncertain}",
    )


def torn_groups(dataset: Dataset) -> Iterator[Finding]:
    """Groups (a patient, a speaker) that lie in more than one split, by the source's own will."""
    groups = dataset.table.groups
    if groups is None:
        return
    earlier = {str(groups[row]) for row in dataset.rows(Split.UNLABELLED).tolist()}
    for split in _present(dataset):
        if split in (Split.TRAIN, Split.UNLABELLED):  # both are learnt from
            earlier.update(str(groups[row]) for row in dataset.rows(split).tolist())
            continue
        names = [str(groups[row]) for row in dataset.rows(split).tolist()]
        torn = sorted(earlier.intersection(names))
        if torn:
            concerned = sum(name in earlier for name in names)
            count = "1 group" if len(torn) == 1 else f"{len(torn):,} groups"
            yield Finding(
                severity="error" if concerned > MANY_TORN * len(names) else "warning",
                code="torn-groups",
                message=f"{count} of an earlier split, with {share(concerned, len(names))} "
                f"{split} samples: scores will be too high",
                keys=tuple((name,) for name in torn),
            )
        earlier.update(names)
