"""Quantities from signals.

Legend: n samples, k quantities.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from sklearn.base import RegressorMixin

from residua.batch import Modality, Schema, Task
from residua.data.dataset import Dataset
from residua.evaluation.regression import in_units
from residua.sklearn.base import NetworkEstimator
from residua.sklearn.held import Held, training_data
from residua.sklearn.signals import channels_of, read_signals, takes_signals
from residua.sklearn.targets import read_quantities


class SignalRegressor(RegressorMixin, NetworkEstimator):
    """Tells one or several quantities from a signal.

    X is as for `SignalClassifier`; y is ``(n,)`` or ``(n, k)``, in any unit: it is standardised
    inside. A quantity must not be the same in all samples.
    """

    modality: ClassVar[Modality] = Modality.SIGNAL

    def _samples(self, X: Any, *, fitting: bool) -> Sequence[Held]:
        channels = None if fitting else self.checkpoint_.schema.channels
        return read_signals(self, X, channels=channels)

    def _dataset(self, samples: Sequence[Held], y: Any, seed: int) -> Dataset:
        targets = read_quantities(y)
        self._is_column = targets.ndim == 1
        values = targets.reshape(len(targets), -1)
        schema = Schema(
            modality=self.modality,
            task=Task.REGRESSION,
            channels=channels_of(samples),
            classes=tuple(f"y{number}" for number in range(values.shape[1])),
        )
        return training_data(
            samples,
            schema,
            values=values.astype(np.float32),
            validation_fraction=self.validation_fraction,
            seed=seed,
        )

    def predict(self, X: Any) -> npt.NDArray[np.float64]:
        """``[n]`` or ``[n, k]``, as y was, in its unit."""
        found = in_units(self._outputs(X), self.checkpoint_.schema)
        return found[:, 0] if self._is_column else found

    def __sklearn_tags__(self) -> Any:
        tags = takes_signals(super().__sklearn_tags__())
        tags.target_tags.multi_output = True
        return tags
