"""What the training samples are on average: which of them are asked, and their mean and deviation.

Legend: c channels, t time.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from residua.data.dataset import Dataset
from residua.errors import UsageError
from residua.random import permutation

MOST = 5000
"""Samples that are measured; more would not change the digits that matter."""


def training_sample(dataset: Dataset, most: int = MOST) -> npt.NDArray[np.int64]:
    """Up to ``most`` training rows, in the order of their ids' hashes: a function of names alone.

    Raises:
        UsageError: The train split is empty.
    """
    rows = dataset.fitting_rows
    if not len(rows):
        raise UsageError("the train split is empty", where=dataset.name)
    order = permutation(0, 0, torch.from_numpy(dataset.table.ids[rows]))
    return rows[order[:most].numpy()]


class Moments:
    """Mean and standard deviation a channel, of values that come piece by piece.

    In float64, merged as in Chan, Golub & LeVeque, "Updating Formulae and a Pairwise Algorithm for
    Computing Sample Variances" (1979), so that an offset costs no digits. NaN does not count.

    Args:
        channels: c.
    """

    def __init__(self, channels: int) -> None:
        self.count = np.zeros(channels)
        self._mean = np.zeros(channels)
        self._squares = np.zeros(channels)  # sums of squared distances from the mean

    def add(self, values: npt.NDArray[np.float32]) -> None:
        """Takes in ``[c, t]``."""
        known = ~np.isnan(values)
        exact = np.where(known, values, 0).astype(np.float64)
        count = known.sum(axis=1).astype(np.float64)
        mean = exact.sum(axis=1) / np.maximum(count, 1)
        squares = np.square(np.where(known, exact - mean[:, None], 0)).sum(axis=1)
        total, gap = np.maximum(self.count + count, 1), mean - self._mean
        self._mean = self._mean + gap * count / total
        self._squares = self._squares + squares + gap**2 * self.count * count / total
        self.count = self.count + count

    @property
    def mean(self) -> tuple[float, ...]:
        """Of each channel; 0 where no value came."""
        return tuple(self._mean.tolist())

    @property
    def std(self) -> tuple[float, ...]:
        """Of each channel; 1 where all values are the same, so that they become 0."""
        std = np.sqrt(self._squares / np.maximum(self.count, 1))
        constant = std <= 1e-6 * np.maximum(np.abs(self._mean), np.finfo(np.float32).tiny)
        return tuple(np.where(constant, 1.0, std).tolist())
