"""Which sample belongs to which split, as a pure function of (split seed, key or group).

Splits that the source names stay as they are. The others are drawn from the training samples, or
from all where the source names none: each sample (with groups: each group) has for each split a
fixed uniform number, the hash of its name under the seed, and belongs to the split if the number is
under the fraction. So a sample keeps its place whatever is added, removed or reordered, and every
class and every part of the data is held out in the same proportion, in expectation.

Small classes need more than expectation. Of a class of n samples (with groups: of the n groups
whose rarest class it is, and of all groups left over) training keeps at least one; and from n = 3
on, each drawn split has at least one, those with the lowest numbers. The price: while a class is so
small that this rule and not the threshold decides, an added sample may take another's place.

Legend: m units to draw from (samples, or groups).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from residua.batch import Split
from residua.data.dataset import Table
from residua.errors import LabelError, UsageError
from residua.files import hash64
from residua.random import Draws

_GUARANTEED_FROM = 3


def assign_splits(
    table: Table, *, validation_fraction: float, test_fraction: float, seed: int
) -> tuple[dict[Split, npt.NDArray[np.int64]], frozenset[Split]]:
    """The ascending rows of each split, and the splits that the source itself names.

    Every row is in exactly one split. A fraction of 0 draws no such split.

    Raises:
        UsageError: A fraction is not in [0, 1).
        LabelError: A group is torn: some of its rows have a named split, others none.
    """
    for name, value in (("validation", validation_fraction), ("test", test_fraction)):
        if not 0 <= value < 1:
            raise UsageError(
                f"the {name} fraction is no share", expected="0 <= share < 1", received=value
            )
    official = frozenset(split for split in table.splits if split is not None)
    _check_groups(table, official)
    places = np.array([_ORDER[split] for split in table.splits], dtype=np.int8)
    pool = np.flatnonzero(places == _ORDER[Split.TRAIN])
    fractions = {Split.TEST: test_fraction, Split.VALIDATION: validation_fraction}
    drawn = {s: f for s, f in fractions.items() if f > 0 and s not in official}
    if len(pool):
        places[pool] = _draw_all(table, pool, drawn, seed)
    assignment = {split: np.flatnonzero(places == _ORDER[split]) for split in Split}
    return {split: rows for split, rows in assignment.items() if len(rows)}, official


def limited(
    table: Table,
    rows: npt.NDArray[np.int64],
    *,
    per_class: int,
    seed: int,
    stream: str = "limit",
) -> npt.NDArray[np.int64]:
    """The ascending ``rows`` that remain where each class keeps at most ``per_class``.

    Those with the lowest hashes of their names under the seed: a larger limit adds samples and
    takes none away. Another ``stream`` chooses independently.
    """
    labels = table.labels[rows]
    order = np.lexsort((_uniform(table.ids[rows], stream, seed), labels))
    _, first, classes = np.unique(labels[order], return_index=True, return_inverse=True)
    rank = np.arange(len(rows)) - first[classes]
    return np.sort(rows[order[rank < per_class]])


def set_apart(
    table: Table, assignment: dict[Split, npt.NDArray[np.int64]], official: frozenset[Split]
) -> dict[Split, npt.NDArray[np.int64]]:
    """``assignment`` with the unlabelled rows of the train split, and of drawn splits, where they
    can be learnt from without labels.

    A group stays whole: an unlabelled row that was drawn with its group is left out. Splits that
    the source names stay as they are, but for training.
    """
    found = dict(assignment)
    unlabelled = [assignment.get(Split.UNLABELLED, np.empty(0, dtype=np.int64))]
    for split in (Split.TRAIN, Split.VALIDATION, Split.TEST):
        rows = assignment.get(split)
        if rows is None or (split is not Split.TRAIN and split in official):
            continue
        known = table.labels[rows] >= 0
        found[split] = rows[known]
        if split is Split.TRAIN or table.groups is None:
            unlabelled.append(rows[~known])
    found[Split.UNLABELLED] = np.sort(np.concatenate(unlabelled))
    return {split: rows for split, rows in found.items() if len(rows)}


_ORDER: dict[Split | None, int] = {None: 0, **{split: i for i, split in enumerate(Split)}}


def _check_groups(table: Table, official: frozenset[Split]) -> None:
    """Rows without a split may be drawn anywhere, so a group must not have both kinds."""
    if table.groups is None or not official or None not in table.splits:
        return
    named = dict(zip(table.groups, table.splits, strict=True))
    named |= {g: s for g, s in zip(table.groups, table.splits, strict=True) if s is not None}
    for row, (group, split) in enumerate(zip(table.groups, table.splits, strict=True)):
        if split is None and named[group] is not None:
            raise LabelError(
                f"group '{group}' has samples of split {named[group]} and samples without a split",
                expected="one split for the whole group",
                where=table.keys[row],
            )


def _draw_all(
    table: Table, pool: npt.NDArray[np.int64], drawn: dict[Split, float], seed: int
) -> npt.NDArray[np.int8]:
    """int8 ``[len(pool)]``: the place in ``_ORDER`` of each row of ``pool``."""
    units, unit_of_row, strata = _units(table, pool)
    places = np.full(len(units), _ORDER[Split.TRAIN], dtype=np.int8)
    sizes = np.bincount(strata)
    left = list(drawn)
    for split, fraction in drawn.items():
        left.remove(split)
        free = np.flatnonzero(places == _ORDER[Split.TRAIN])
        guaranteed = sizes >= _GUARANTEED_FROM
        kept = 1 + len(left) * guaranteed
        chosen = _draw(
            _uniform(units[free], f"split/{split}", seed),
            strata[free],
            fraction=fraction,
            at_least=guaranteed.astype(np.int64),
            at_most=np.maximum(np.bincount(strata[free], minlength=len(sizes)) - kept, 0),
        )
        places[free[chosen]] = _ORDER[split]
    return places[unit_of_row]


def _units(
    table: Table, pool: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Ids ``[m]`` of what is drawn, the unit of each row of ``pool``, the stratum ``[m]``."""
    if table.groups is None:
        _, strata = np.unique(table.labels[pool], return_inverse=True)
        return table.ids[pool], np.arange(len(pool)), strata
    groups = [table.groups[int(row)] for row in pool]
    names = {name: unit for unit, name in enumerate(dict.fromkeys(groups))}
    ids = np.array([hash64(name) for name in names], dtype=np.int64)
    unit_of_row = np.array([names[group] for group in groups], dtype=np.int64)
    return ids, unit_of_row, _rarest_class(table.labels[pool], unit_of_row, len(ids))


def _rarest_class(
    labels: npt.NDArray[np.int64], unit_of_row: npt.NDArray[np.int64], units: int
) -> npt.NDArray[np.int64]:
    """Int64 ``[units]``: of the classes that a group has, the one with the fewest samples in all.

    Groups of a class that is the rarest of too few to be shared out are one stratum together.
    """
    _, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    by_falling_count = np.argsort(-counts[classes], kind="stable")
    found = np.zeros(units, dtype=np.int64)
    found[unit_of_row[by_falling_count]] = classes[by_falling_count]  # the last one stays
    few = np.bincount(found)[found] < _GUARANTEED_FROM
    return np.where(few, len(counts), found)


def _uniform(ids: npt.NDArray[np.int64], stream: str, seed: int) -> npt.NDArray[np.float64]:
    """Float64 in [0, 1), one an id: the 64 bits of ``Draws`` as a fraction."""
    bits = Draws(seed=seed, epoch=0, ids=torch.from_numpy(ids)).bits(stream)
    high = bits.numpy().view(np.uint64) >> np.uint64(11)
    return high.astype(np.float64) * 2.0**-53


def _draw(
    uniform: npt.NDArray[np.float64],
    strata: npt.NDArray[np.int64],
    *,
    fraction: float,
    at_least: npt.NDArray[np.int64],
    at_most: npt.NDArray[np.int64],
) -> npt.NDArray[np.bool_]:
    """Of each stratum, the units with the lowest numbers: those under ``fraction``, but at least
    and at most so many. All ``[m]``, the limits by stratum."""
    order = np.lexsort((uniform, strata))
    sorted_strata = strata[order]
    first = np.searchsorted(sorted_strata, np.arange(len(at_least)))
    rank = np.empty(len(strata), dtype=np.int64)
    rank[order] = np.arange(len(strata)) - first[sorted_strata]
    wanted = np.bincount(strata[uniform < fraction], minlength=len(at_least))
    return rank < np.minimum(np.maximum(wanted, at_least), at_most)[strata]
