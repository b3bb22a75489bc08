"""Samples that occur more than once, and what that means for the scores.

Legend: n samples.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from residua.batch import Split, Task
from residua.data.audit_targets import share, target_codes
from residua.data.dataset import Dataset
from residua.data.duplicates import exact_groups, near_pairs
from residua.data.findings import Finding
from residua.data.fingerprints import Fingerprints, Words


def exact_copies(dataset: Dataset, prints: Fingerprints) -> Iterator[Finding]:
    """Each group of equal samples counts once, at its worst."""
    groups, codes, places = exact_groups(prints), target_codes(dataset), _places(dataset)
    splits, keys = list(Split), dataset.table.keys
    conflicting: list[tuple[str, ...]] = []
    by_splits: dict[tuple[Split, ...], list[tuple[str, ...]]] = {}
    for group in groups:
        rows: list[int] = group[np.argsort(places[group], kind="stable")].tolist()
        names = tuple(keys[row] for row in rows)
        known = codes[rows][codes[rows] >= 0]
        if len(np.unique(known)) > 1:
            conflicting.append(names)
        among = tuple(splits[place] for place in np.unique(places[rows]).tolist())
        by_splits.setdefault(among, []).append(names)
    words = prints.kind.words
    if conflicting:
        yield _conflict(dataset.schema.task, conflicting, words)
    for among, found in by_splits.items():
        yield _exact_finding(among, found, words)


def _places(dataset: Dataset) -> npt.NDArray[np.int64]:
    """int64 ``[n]``: the position of each row's split in `Split`."""
    places = np.zeros(len(dataset.table), dtype=np.int64)
    for i, split in enumerate(Split):
        places[dataset.rows(split)] = i
    return places


def _conflict(task: Task, found: list[tuple[str, ...]], words: Words) -> Finding:
    """Two measurements of one quantity may differ; two classes of one sample are a mistake."""
    where = "in several classes" if task is Task.CLASSIFICATION else "with several targets"
    return Finding(
        severity="warning" if task is Task.REGRESSION else "error",
        code="conflicting-labels",
        message=f"{_occur(len(found), words)} {where}, with the same {words.content}",
        keys=tuple(found),
    )


def _occur(count: int, words: Words) -> str:
    return f"{count:,} {words.one} occurs" if count == 1 else f"{count:,} {words.many} occur"


def _exact_finding(among: tuple[Split, ...], found: list[tuple[str, ...]], words: Words) -> Finding:
    occur = _occur(len(found), words)
    if set(among) <= {Split.TRAIN, Split.UNLABELLED} or len(among) == 1:
        message = f"{occur} more than once in the {' and '.join(among)} split"
        return Finding(severity="warning", code="duplicates", message=message, keys=tuple(found))
    return Finding(
        severity="error" if Split.TEST in among else "warning",
        code="leakage",
        message=f"{occur} with the same {words.content} in {' and '.join(among)}: scores will be"
        " too high",
        keys=tuple(found),
    )


def near_copies(
    dataset: Dataset, prints: Fingerprints, similarity: float | None
) -> Iterator[Finding]:
    """Exact duplicates are left to `exact_copies`."""
    if similarity is not None and similarity >= 1:
        return
    keys, codes = dataset.table.keys, target_codes(dataset)
    many, learnt = prints.kind.words.many, dataset.rows(Split.TRAIN)
    for split in (Split.VALIDATION, Split.TEST):
        held_out = dataset.rows(split)
        pairs, limit = near_pairs(dataset.reader, prints, held_out, learnt, similarity)
        digests = prints.digests
        pairs = [pair for pair in pairs if digests[pair.held_out] != digests[pair.training]]
        pairs.sort(key=lambda pair: -pair.similarity)
        if pairs:
            other = sum(int(codes[pair.held_out] != codes[pair.training]) for pair in pairs)
            earlier = "train" if split is Split.VALIDATION else "train and validation"
            yield Finding(
                severity="warning",
                code="near-duplicates",
                message=f"{share(len(pairs), len(held_out))} {split} {many} nearly are {many} "
                f"of {earlier} (correlation from {_digits(limit)})"
                + (f", {other:,} of them under another label" if other else ""),
                keys=tuple((keys[pair.held_out], keys[pair.training]) for pair in pairs),
            )
        learnt = np.sort(np.concatenate([learnt, held_out]))


def _digits(limit: float) -> str:
    """Four of them, or as many as tell it from 1."""
    return f"{limit:.4f}" if limit < 0.9995 else f"{limit:.6f}"
