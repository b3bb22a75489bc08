"""What all estimators share: parameters, training in memory, answers, pickling.

Legend: n samples, k outputs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from residua.batch import Modality
from residua.checkpoint import Checkpoint
from residua.data.dataset import Dataset
from residua.recipes.presets import usual_recipe
from residua.recipes.recipe import Recipe
from residua.run.in_memory import Answering, fit
from residua.run.terminal import Terminal
from residua.sklearn.errors import InputError
from residua.sklearn.held import Held, unlabelled_data
from residua.training.record import EpochRecord


class NetworkEstimator(BaseEstimator, ABC):
    """A network with scikit-learn's interface.

    Parameters that are None are as the recipe has them; without a recipe, as
    `residua.recipes.presets.usual_recipe` has them. Sample weights are not supported.

    Args:
        network: A name of ``residua list networks``; auto goes by the data.
        epochs: Passes over the training data.
        updates: Make at least so many updates instead, whatever ``epochs`` says.
        batch_size: Samples of one update.
        lr: Peak learning rate.
        validation_fraction: Share of X that is held out to choose the best epoch (if the recipe
            keeps it) and to calibrate probabilities.
        random_state: Seed of weights, order, augmentation and validation split. None takes the
            recipe's, so that fits repeat themselves.
        device: auto, cpu, cuda ...; auto takes a GPU where there is one.
        threads: Threads of the processor while fitting and predicting; None changes
            nothing.
        recipe: A `residua.Recipe` for everything else.
        verbose: Show progress.

    Attributes:
        checkpoint_: The network with its preprocessing and labels; `residua.checkpoint.save` writes
            what the command line takes.
        history_: One `EpochRecord` an epoch.
        n_features_in_: Columns of X, where it was ``(n, t)``.
    """

    modality: ClassVar[Modality]

    checkpoint_: Checkpoint
    history_: tuple[EpochRecord, ...]

    def __init__(
        self,
        *,
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

    @abstractmethod
    def _samples(self, X: Any, *, fitting: bool) -> Sequence[Held]:
        """The samples of X.

        Raises:
            ValueError: X is not what the estimator takes.
        """

    @abstractmethod
    def _dataset(self, samples: Sequence[Held], y: Any, seed: int) -> Dataset:
        """What is learnt from; remembers what y is.

        Raises:
            ValueError: y is not what the estimator takes.
        """

    # ---- learning -------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any) -> Self:
        """Trains anew.

        Raises:
            ValueError: X or y is not what the estimator takes.
            ResiduaError: A parameter is out of its range, or training failed.
        """
        if y is None:
            name = type(self).__name__
            raise InputError(f"{name} requires y to be passed, but the target y is None")
        for name in ("n_features_in_", "feature_names_in_"):
            vars(self).pop(name, None)
        samples = self._samples(X, fitting=True)
        check_consistent_length(samples, y)
        if len(samples) < 2:
            raise InputError("too few samples", expected="at least 2", received="1 sample")
        recipe = self._full_recipe()
        dataset = self._dataset(samples, y, recipe.training.seed)
        fitted = fit(dataset, recipe, Terminal(quiet=not self.verbose, chart=False))
        self.checkpoint_, self.history_ = fitted.checkpoint, fitted.history
        self._answering = Answering(fitted.checkpoint)
        return self

    def _full_recipe(self) -> Recipe:
        """The recipe with the parameters in place of what it says."""
        base = self.recipe or usual_recipe(self.modality)
        training = base.training
        changes: dict[str, Any] = {
            name: value
            for name in ("epochs", "updates", "batch_size", "threads")
            if (value := getattr(self, name)) is not None
        }
        training = training.asked(
            epochs="epochs" in changes,
            updates="updates" in changes,
            batch_size="batch_size" in changes,
        )
        if self.lr is not None:
            changes["optimizer"] = replace(training.optimizer, lr=self.lr)
        if self.device != "auto":
            changes["device"] = self.device
        network = base.network.network if self.network == "auto" else self.network
        return replace(
            base,
            network=replace(base.network, network=network),
            training=replace(training, seed=self._seed(training.seed), **changes),
        )

    def _seed(self, usual: int) -> int:
        """An integer stands for itself; a generator is asked for one."""
        state = self.random_state
        if state is None:
            return usual
        if isinstance(state, int | np.integer):
            return int(state)
        return int(check_random_state(state).randint(2**31 - 1))

    # ---- answering ------------------------------------------------------------------------------

    def _outputs(self, X: Any) -> npt.NDArray[np.float64]:
        """``[n, k]``: what the network gives."""
        check_is_fitted(self)
        dataset = unlabelled_data(self._samples(X, fitting=False), self.checkpoint_.schema)
        found = self._answering.outputs(dataset, device=self.device, threads=self.threads)
        return found.astype(np.float64)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags
