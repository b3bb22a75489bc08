"""What is in a data set, and what is wrong with it.

Legend: n samples, k classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from residua.batch import Split
from residua.data.dataset import Dataset
from residua.data.duplicates import exact_groups, near_pairs
from residua.data.findings import SEVERITIES, Audit, ClassCount, Finding, PictureFacts, SplitCount
from residua.data.fingerprints import Fingerprints, take_fingerprints
from residua.data.storage import Progress

FEW = 5
"""Training samples below which a class can hardly be learnt."""
IMBALANCE = 10.0
"""Largest over smallest class from which training should balance them."""
SMALL_TEST = 100
"""Test samples below which the interval of an accuracy is some 20 points wide."""


def audit(
    dataset: Dataset,
    *,
    strict: bool = False,
    similarity: float | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Audit:
    """Decodes every picture once and looks for what spoils a run or its numbers.

    Memory grows by some 300 bytes a sample and not with the pictures.

    Args:
        dataset: With its splits.
        strict: Unreadable pictures are errors; otherwise training skips them.
        similarity: Correlation from which two pictures are near duplicates, 1 for none; by
            default it follows from the data set, see `residua.data.duplicates`.
        threads: For decoding; by default one a core.
        progress: Called with (done, total) pictures.
    """
    prints = take_fingerprints(dataset.reader, threads=threads, progress=progress)
    splits = tuple(split for split in Split if len(dataset.rows(split)))
    counts = _counts(dataset, splits)
    findings = [
        *_reading(dataset, prints, strict),
        *_classes(dataset, splits, counts),
        *_exact(dataset, prints),
        *_near(dataset, prints, similarity),
        *_pictures(dataset, prints),
    ]
    return Audit(
        name=dataset.name,
        n=len(dataset.table),
        channels=dataset.schema.channels,
        splits=tuple(
            SplitCount(name=split, official=split in dataset.official, n=len(dataset.rows(split)))
            for split in splits
        ),
        classes=tuple(
            ClassCount(name=name, counts=tuple(counts[:, i].tolist()))
            for i, name in enumerate(dataset.schema.classes)
        ),
        pictures=_facts(prints),
        findings=tuple(sorted(findings, key=lambda each: SEVERITIES.index(each.severity))),
    )


def _counts(dataset: Dataset, splits: Sequence[Split]) -> npt.NDArray[np.int64]:
    """``[splits, k]``, without unlabelled samples."""
    k = dataset.schema.num_classes
    labels = [dataset.table.labels[dataset.rows(split)] for split in splits]
    counts = [np.bincount(each[each >= 0], minlength=k) for each in labels]
    return np.array(counts, dtype=np.int64).reshape(len(splits), k)


def _facts(prints: Fingerprints) -> PictureFacts | None:
    sizes = prints.sizes[prints.readable]
    if not len(sizes):
        return None
    distinct, counts = np.unique(sizes, axis=0, return_counts=True)
    usual = int(counts.argmax())
    ranges = np.stack([sizes.min(axis=0), np.median(sizes, axis=0), sizes.max(axis=0)])
    heights, widths = ranges.astype(int).T.tolist()
    return PictureFacts(
        n=len(sizes),
        heights=(heights[0], heights[1], heights[2]),
        widths=(widths[0], widths[1], widths[2]),
        sizes=len(distinct),
        usual_size=(int(distinct[usual, 0]), int(distinct[usual, 1])),
        usual_n=int(counts[usual]),
        modes=prints.modes,
    )


def _some(names: Sequence[str], at_most: int = 5) -> str:
    more = f" and {len(names) - at_most:,} more" if len(names) > at_most else ""
    return ", ".join(names[:at_most]) + more


def _share(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,} ({part / whole:.2%})"


def _reading(dataset: Dataset, prints: Fingerprints, strict: bool) -> Iterator[Finding]:
    keys = dataset.table.keys
    for problem in dataset.reader.problems:
        yield Finding(
            severity="warning",
            code="left-out",
            message=f"{problem.key}: {problem.reason}",
            keys=((problem.key,),),
        )
    if not prints.readable.any():
        yield Finding(severity="error", code="nothing-readable", message="no picture can be read")
    for problem in prints.problems:
        yield Finding(
            severity="error" if strict else "warning",
            code="unreadable",
            message=problem.reason,
            keys=((problem.key,),),
        )
    unlabelled = np.flatnonzero(dataset.table.labels < 0).tolist()
    if unlabelled:
        yield Finding(
            severity="error",
            code="unlabelled",
            message=f"{_share(len(unlabelled), len(keys))} samples have no label",
            keys=tuple((keys[row],) for row in unlabelled),
        )


def _classes(
    dataset: Dataset, splits: Sequence[Split], counts: npt.NDArray[np.int64]
) -> Iterator[Finding]:
    names = dataset.schema.classes
    if len(names) < 2:
        yield Finding(
            severity="error",
            code="one-class",
            message=f"a classifier needs at least two classes; there is only {_some(names)}",
        )
    if Split.TRAIN not in splits:
        yield Finding(severity="error", code="no-training", message="there are no training samples")
    for split, row in zip(splits, counts, strict=True):
        missing = [name for name, count in zip(names, row, strict=True) if not count]
        if missing:
            yield Finding(
                severity="error" if split is Split.TRAIN else "warning",
                code="missing-class",
                message=f"{len(missing)} of {len(names)} classes have no {split} samples: "
                f"{_some(missing)}",
            )
        if split is Split.TRAIN:
            yield from _training_counts(names, row)
        if split is Split.TEST and row.sum() < SMALL_TEST:
            yield Finding(
                severity="info",
                code="small-test",
                message=f"the test split has {row.sum()} samples: its accuracy will be uncertain by"
                f" up to {98 / max(row.sum(), 1) ** 0.5:.0f} percentage points either way",
            )


def _training_counts(names: Sequence[str], counts: npt.NDArray[np.int64]) -> Iterator[Finding]:
    few = [name for name, count in zip(names, counts, strict=True) if 0 < count < FEW]
    if few:
        yield Finding(
            severity="warning",
            code="few-samples",
            message=f"{len(few)} of {len(names)} classes have fewer than {FEW} training samples: "
            f"{_some(few)}",
        )
    present = counts[counts > 0]
    if len(present) and present.max() >= IMBALANCE * present.min():
        largest, smallest = names[int(counts.argmax())], names[_smallest(counts)]
        yield Finding(
            severity="warning",
            code="imbalance",
            message=f"'{largest}' has {present.max() / present.min():.0f} times as many training "
            f"samples as '{smallest}' ({present.max():,} and {present.min():,}); consider "
            "--balance loss or --balance sampling",
        )


def _smallest(counts: npt.NDArray[np.int64]) -> int:
    return int(np.where(counts > 0, counts, counts.max() + 1).argmin())


def _places(dataset: Dataset) -> npt.NDArray[np.int64]:
    """int64 ``[n]``: the position of each row's split in `Split`."""
    places = np.zeros(len(dataset.table), dtype=np.int64)
    for i, split in enumerate(Split):
        places[dataset.rows(split)] = i
    return places


def _exact(dataset: Dataset, prints: Fingerprints) -> Iterator[Finding]:
    """Each group of equal pictures counts once, at its worst."""
    groups, labels, places = exact_groups(prints), dataset.table.labels, _places(dataset)
    splits, keys = list(Split), dataset.table.keys
    conflicting: list[tuple[str, ...]] = []
    by_splits: dict[tuple[Split, ...], list[tuple[str, ...]]] = {}
    for group in groups:
        rows: list[int] = group[np.argsort(places[group], kind="stable")].tolist()
        names = tuple(keys[row] for row in rows)
        known = labels[rows][labels[rows] >= 0]
        if len(np.unique(known)) > 1:
            conflicting.append(names)
        among = tuple(splits[place] for place in np.unique(places[rows]).tolist())
        by_splits.setdefault(among, []).append(names)
    if conflicting:
        yield Finding(
            severity="error",
            code="conflicting-labels",
            message=f"{len(conflicting):,} {_plural(len(conflicting))} in several classes, with the"
            " same pixels",
            keys=tuple(conflicting),
        )
    for among, found in by_splits.items():
        yield _exact_finding(among, found)


def _plural(count: int) -> str:
    return "picture occurs" if count == 1 else "pictures occur"


def _exact_finding(among: tuple[Split, ...], found: list[tuple[str, ...]]) -> Finding:
    count = f"{len(found):,} {_plural(len(found))}"
    if len(among) == 1:
        message = f"{count} more than once in the {among[0]} split"
        return Finding(severity="warning", code="duplicates", message=message, keys=tuple(found))
    return Finding(
        severity="error" if Split.TEST in among else "warning",
        code="leakage",
        message=f"{count} with the same pixels in {' and '.join(among)}: scores will be too high",
        keys=tuple(found),
    )


def _near(dataset: Dataset, prints: Fingerprints, similarity: float | None) -> Iterator[Finding]:
    """Exact duplicates are left to `_exact`."""
    if similarity is not None and similarity >= 1:
        return
    keys, labels = dataset.table.keys, dataset.table.labels
    learnt = dataset.rows(Split.TRAIN)
    for split in (Split.VALIDATION, Split.TEST):
        held_out = dataset.rows(split)
        pairs, limit = near_pairs(dataset.reader, prints, held_out, learnt, similarity)
        digests = prints.digests
        pairs = [pair for pair in pairs if digests[pair.held_out] != digests[pair.training]]
        pairs.sort(key=lambda pair: -pair.similarity)
        if pairs:
            other = sum(int(labels[pair.held_out] != labels[pair.training]) for pair in pairs)
            earlier = "train" if split is Split.VALIDATION else "train and validation"
            yield Finding(
                severity="warning",
                code="near-duplicates",
                message=f"{_share(len(pairs), len(held_out))} {split} pictures nearly are pictures "
                f"of {earlier} (correlation from {limit:.4f})"
                + (f", {other:,} of them under another label" if other else ""),
                keys=tuple((keys[pair.held_out], keys[pair.training]) for pair in pairs),
            )
        learnt = np.sort(np.concatenate([learnt, held_out]))


def _pictures(dataset: Dataset, prints: Fingerprints) -> Iterator[Finding]:
    modes = prints.modes
    if len(modes) > 1:
        counts = ", ".join(f"{count:,} {mode}" for mode, count in modes.items())
        form = "grey" if dataset.schema.channels == 1 else "colour"
        yield Finding(
            severity="info",
            code="mixed-modes",
            message=f"pictures of several kinds ({counts}) are all read as {form}",
        )
