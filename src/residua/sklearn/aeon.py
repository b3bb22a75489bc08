"""The signal classifier for aeon, the toolkit for time series (https://www.aeon-toolkit.org).

    from residua.sklearn.aeon import AeonSignalClassifier

Needs the package aeon: ``pip install 'residua[aeon]'``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from residua.errors import MissingExtraError
from residua.recipes.recipe import Recipe
from residua.sklearn.classifiers import SignalClassifier

try:
    from aeon.classification.base import BaseClassifier
except ImportError as error:
    raise MissingExtraError("aeon", "aeon", "AeonSignalClassifier") from error


class AeonSignalClassifier(BaseClassifier):
    """`SignalClassifier` with aeon's interface: one or many channels, equal or unequal lengths,
    missing values.

    aeon's fit_predict cross-validates, which trains as many networks as there are folds.

    Args:
        network, epochs, updates, batch_size, lr, validation_fraction, random_state, device,
            threads, recipe, verbose: See `residua.sklearn.base.NetworkEstimator`.

    Attributes:
        model_: The fitted `SignalClassifier`.
    """

    _tags = {  # noqa: RUF012 (aeon reads it so)
        "X_inner_type": ["np-list", "numpy3D"],
        "algorithm_type": "deeplearning",
        "capability:multivariate": True,
        "capability:unequal_length": True,
        "capability:missing_values": True,
    }

    def __init__(
        self,
        network: str = "auto",
        epochs: int | None = None,
        updates: int | None = None,
        batch_size: int | None = None,
        lr: float | None = None,
        validation_fraction: float = 0.0,
        random_state: int | np.random.RandomState | None = None,
        device: str = "auto",
        threads: int | None = None,
        recipe: Recipe | None = None,
        verbose: bool = False,
    ) -> None:
        self.network = network
        self.epochs = epochs
        self.updates = updates
        self.batch_size = batch_size
        self.lr = lr
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.device = device
        self.threads = threads
        self.recipe = recipe
        self.verbose = verbose
        super().__init__()

    def _fit(self, X: Any, y: Any) -> None:
        model = SignalClassifier(**self.get_params(deep=False))
        self.model_ = model.fit(list(X), y)

    def _predict(self, X: Any) -> npt.NDArray[Any]:
        return self.model_.predict(list(X))

    def _predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        return self.model_.predict_proba(list(X))

    @classmethod
    def _get_test_params(cls, parameter_set: str = "default") -> dict[str, Any]:
        """What aeon's checks construct: a small network, trained briefly."""
        del parameter_set
        return {"network": "resnet1d_wang", "epochs": 2, "batch_size": 8}
