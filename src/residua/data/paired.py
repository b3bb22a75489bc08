"""Labelled batches, each with its unlabelled samples, as functions of (seed, epoch, step).

Legend: n samples of one kind, b labelled samples of an update, r unlabelled samples for each.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import replace

import numpy as np
import torch

from residua.batch import Batch
from residua.data.dataset import Problem
from residua.data.loader import Loader, Step, with_samples
from residua.data.rows import Rows
from residua.data.sampling import EpochPlan, steps_per_epoch
from residua.errors import UsageError
from residua.random import permutation


class PairedLoader:
    """The batches of two splits, side by side; to the loop it is one `Loader`.

    An update has exactly ``b`` labelled and ``r * b`` unlabelled samples, of which each part on
    each rank has ``r`` unlabelled ones for each labelled one. Both kinds come in passes, each a
    permutation of all samples, one behind the other without regard to updates and epochs: so no
    batch is short, however few samples there are, and after any number of updates no sample was
    seen more than once more often than another. An epoch has as many updates as a pass over the
    unlabelled samples needs. `Step.total` counts labelled samples.

    Args:
        labelled: Batches of the train split; its batch size is ``b``.
        unlabelled: Batches of the samples without labels, for the same ranks and parts.
        ratio: r.

    Raises:
        UsageError: The classes are balanced by sampling, which knows no passes.
    """

    def __init__(self, labelled: Loader, unlabelled: Loader, *, ratio: int) -> None:
        if labelled.balance:
            raise UsageError(
                "samples cannot be drawn by class beside unlabelled ones",
                received="--balance sampling",
                fix="Take --balance none or --balance loss",
            )
        self._labelled = labelled
        self._unlabelled = unlabelled
        self._ratio = ratio
        self.batch_size = labelled.batch_size
        self.steps_per_epoch = steps_per_epoch(unlabelled.num_samples, ratio * self.batch_size)

    @property
    def num_samples(self) -> int:
        """Labelled samples, unreadable ones included."""
        return self._labelled.num_samples

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The unreadable samples met so far, each once."""
        return (*self._labelled.problems, *self._unlabelled.problems)

    def epoch(self, epoch: int, start_step: int = 0) -> Generator[Step]:
        """This rank's share of each update of an epoch.

        A part without a readable sample of either kind is left out as a whole.

        Args:
            epoch: The epoch, from 0.
            start_step: The first update that is wanted; those before cost nothing.

        Raises:
            UsageError: Batches too small to be shared.
            UnreadableSampleError: With ``strict``; or nothing of an update can be read.
        """
        plans = (
            self._plan(self._labelled, epoch, 1),
            self._plan(self._unlabelled, epoch, self._ratio),
        )
        with (
            closing(self._labelled.shares(plans[0], start_step)) as ones,
            closing(self._unlabelled.shares(plans[1], start_step)) as others,
        ):
            for step, (one, other) in enumerate(zip(ones, others, strict=True), start_step):
                pairs = zip(one.parts, other.parts, strict=True)
                parts = tuple(_paired(*pair) for pair in pairs if len(pair[0]) and len(pair[1]))
                yield Step(parts=with_samples(parts, epoch, step), total=one.total)

    def _plan(self, loader: Loader, epoch: int, unit: int) -> EpochPlan:
        return passes(
            loader.rows,
            loader.ids,
            seed=loader.seed,
            epoch=epoch,
            steps=self.steps_per_epoch,
            unit=unit,
            batch_size=self.batch_size,
        )


def _paired(labelled: Batch, unlabelled: Batch) -> Batch:
    return replace(labelled, unlabelled=unlabelled)


def passes(
    rows: Rows, ids: Rows, *, seed: int, epoch: int, steps: int, batch_size: int, unit: int = 1
) -> EpochPlan:
    """The batches of one epoch out of an endless row of passes over all samples.

    Args:
        rows: int64 ``[n]`` rows of the table.
        ids: int64 ``[n]`` their sample ids.
        seed: The run's seed; pass c is the permutation by (seed, c).
        epoch: The epoch, from 0. It goes on where the one before has ended.
        steps: Updates of an epoch.
        batch_size: Units of one update, exactly.
        unit: Samples of a unit, see `EpochPlan`.
    """
    n, count = len(rows), steps * batch_size * unit
    start = epoch * count
    first, last = start // n, (start + count - 1) // n
    tensor = torch.from_numpy(ids)
    orders = [permutation(seed, number, tensor).numpy() for number in range(first, last + 1)]
    drawn = np.concatenate(orders)[start - first * n :][:count]
    repeats = occurrences(drawn)
    return EpochPlan(
        rows=rows[drawn], repeats=repeats if repeats.any() else None, steps=steps, unit=unit
    )


def occurrences(values: Rows) -> Rows:
    """int64, as many: how often each of ``values`` came before."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    found = np.empty(len(values), dtype=np.int64)
    found[order] = np.arange(len(values)) - np.searchsorted(ordered, ordered)
    return found
