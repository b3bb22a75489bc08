"""Which samples form which batch: a function of (seed, epoch, step), of ranks and nothing else.

Legend: n samples of the split.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch

from residua.errors import LabelError, UsageError
from residua.random import mix64, permutation

Int64s = npt.NDArray[np.int64]


def steps_per_epoch(n: int, batch_size: int) -> int:
    """The least number of batches of at most ``batch_size`` that hold ``n`` samples."""
    return -(-n // batch_size)


@dataclass(frozen=True, kw_only=True, eq=False)
class EpochPlan:
    """The batches of one epoch.

    Attributes:
        rows: int64 ``[n]`` rows of the table, in the order in which they are drawn.
        repeats: int64 ``[n]``, see `residua.batch.Batch`; None where each row comes once.
        steps: Number of batches.
        unit: Samples that stay together when a batch is divided among ranks and parts.
    """

    rows: Int64s
    repeats: Int64s | None
    steps: int
    unit: int = 1

    @cached_property
    def _bounds(self) -> Int64s:
        return np.arange(self.steps + 1, dtype=np.int64) * len(self.rows) // self.steps

    def batch(self, step: int) -> slice:
        """Where batch ``step`` lies in `rows`. Sizes differ by at most one: a small last batch
        would get a noisier gradient and noisier batch statistics than all others."""
        return slice(int(self._bounds[step]), int(self._bounds[step + 1]))


def epoch_plan(
    rows: Int64s,
    ids: Int64s,
    labels: Int64s,
    *,
    seed: int,
    epoch: int,
    batch_size: int,
    balance: bool = False,
    repeated: int = 1,
) -> EpochPlan:
    """The order of an epoch, drawn from the samples' ids.

    Args:
        rows: int64 ``[n]`` rows of the table.
        ids: int64 ``[n]`` their sample ids.
        labels: int64 ``[n]`` their classes; used only to balance them.
        seed: The run's seed.
        epoch: The epoch, from 0.
        batch_size: Samples of one update, at most.
        balance: Draw each class equally often instead of each sample once.
        repeated: Times that a sample comes in its batch. Batches keep their sizes and their number,
            so that an epoch has so many times fewer samples; so many epochs have all of them.

    Raises:
        LabelError: Samples without labels are to be balanced.
        UsageError: Samples are to be balanced and repeated at once.
    """
    steps = steps_per_epoch(len(rows), batch_size)
    if balance and repeated > 1:
        raise UsageError(
            "balanced sampling already decides how often samples come",
            expected="one of --balance sampling and --repeated",
            received=f"--repeated {repeated}",
            fix="Balance by weights: --balance loss",
        )
    if repeated > 1:
        return _repeated(rows, ids, seed=seed, epoch=epoch, steps=steps, times=repeated)
    if balance:
        return _balanced(rows, ids, labels, seed=seed, epoch=epoch, steps=steps)
    order = permutation(seed, epoch, torch.from_numpy(ids)).numpy()
    return EpochPlan(rows=rows[order], repeats=None, steps=steps)


def _balanced(
    rows: Int64s, ids: Int64s, labels: Int64s, *, seed: int, epoch: int, steps: int
) -> EpochPlan:
    """``n`` draws, as many of each class up to one. A class goes through its samples in the
    epoch's order, again and again until its share is full; ``repeats`` counts the rounds."""
    if labels.size and labels.min() < 0:
        raise LabelError("balanced sampling needs a label for every training sample")
    order = permutation(seed, epoch, torch.from_numpy(ids)).numpy()
    classes = np.unique(labels)
    # The remainder falls to other classes in each epoch, so that in the long run all are equal.
    classes = np.roll(classes, epoch)
    drawn: list[Int64s] = []
    rounds: list[Int64s] = []
    for position, label in enumerate(classes):
        members = order[labels[order] == label]
        share = (position + 1) * len(rows) // len(classes) - position * len(rows) // len(classes)
        draws = np.arange(share, dtype=np.int64)
        drawn.append(members[draws % len(members)])
        rounds.append(draws // len(members))
    where, repeats = np.concatenate(drawn), np.concatenate(rounds)
    distinct = mix64(torch.from_numpy(ids[where]) + mix64(torch.from_numpy(repeats)))
    mixed = permutation(seed, epoch, distinct).numpy()
    return EpochPlan(rows=rows[where[mixed]], repeats=repeats[mixed], steps=steps)


def _repeated(
    rows: Int64s, ids: Int64s, *, seed: int, epoch: int, steps: int, times: int
) -> EpochPlan:
    """Repeated augmentation (Hoffer et al., "Augment Your Batch", CVPR 2020; Berman et al.,
    "MultiGrain", 2019, section 3.1).

    A batch has all of its samples once, then all of them again, and so on: parts of it on several
    ranks hold different views of them, and a sample is mixed with others more than with itself.
    Each ``times`` epochs one order serves, of which each epoch takes its own stretch.
    """
    n = len(rows)
    order = permutation(seed, epoch // times, torch.from_numpy(ids)).numpy()
    order = np.roll(order, -(epoch % times * n // times))
    bounds = np.arange(steps + 1, dtype=np.int64) * n // steps
    sizes = np.diff(bounds)
    distinct = -(-sizes // times)
    # of each draw: how many samples its batch has, its number in the batch, its place in the order
    count = np.repeat(distinct, sizes)
    draw = np.arange(n, dtype=np.int64) - np.repeat(bounds[:-1], sizes)
    where = np.repeat(np.cumsum(distinct) - distinct, sizes) + draw % count
    repeats = draw // count
    return EpochPlan(rows=rows[order[where]], repeats=repeats, steps=steps)


def shard(count: int, *, rank: int, world: int, accumulate: int = 1) -> list[slice]:
    """The parts of a batch of ``count`` samples that ``rank`` computes, one a backward pass.

    All ranks together see each sample once; sizes differ by at most one.

    Raises:
        UsageError: Fewer samples than parts.
    """
    parts = world * accumulate
    if count < parts:
        raise UsageError(
            "a batch is too small to be divided",
            expected=f"at least {parts} samples ({world} ranks x {accumulate} accumulation steps)",
            received=count,
            fix="Choose a larger batch size, fewer ranks or less accumulation",
        )
    bounds = [part * count // parts for part in range(parts + 1)]
    mine = range(rank * accumulate, (rank + 1) * accumulate)
    return [slice(bounds[part], bounds[part + 1]) for part in mine]
