"""Classifiers of signals and pictures.

Legend: n samples, c channels, t steps, h height, w width, k classes.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin

from residua.batch import Modality, Schema
from residua.data.dataset import Dataset
from residua.data.readers.shared import count_channels, spaced
from residua.evaluation.metrics import log_softmax
from residua.sklearn.base import NetworkEstimator
from residua.sklearn.held import Held, training_data
from residua.sklearn.pictures import read_pictures
from residua.sklearn.signals import channels_of, read_signals, takes_signals
from residua.sklearn.targets import read_classes


class NetworkClassifier(ClassifierMixin, NetworkEstimator):
    """What classifiers share.

    Attributes:
        classes_: ``[k]``, sorted, of the type that y had.
    """

    classes_: npt.NDArray[Any]

    @abstractmethod
    def _channels(self, samples: Sequence[Held]) -> int:
        """Channels that all of the samples have."""

    def _dataset(self, samples: Sequence[Held], y: Any, seed: int) -> Dataset:
        self.classes_, labels = read_classes(y)
        schema = Schema(
            modality=self.modality,
            channels=self._channels(samples),
            classes=tuple(str(name) for name in self.classes_),
        )
        return training_data(
            samples,
            schema,
            labels=labels,
            validation_fraction=self.validation_fraction,
            seed=seed,
        )

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """``[n, k]`` probabilities in the order of `classes_`, calibrated if some of X was held out
        for validation."""
        return np.exp(log_softmax(self._outputs(X) / (self.checkpoint_.temperature or 1.0)))

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """``[n]`` the most likely class of each."""
        likeliest = self._outputs(X).argmax(axis=1)
        return self.classes_[likeliest]


class SignalClassifier(NetworkClassifier):
    """Classifies signals: sensors, ECG, spectra, anything that runs along time.

    X is ``(n, t)``, ``(n, c, t)``, or a list of arrays ``(t,)`` or ``(c, t)`` of unequal lengths;
    NaN is a missing value, and at the end of all channels the end of the series. Each series is
    standardised by its own mean and deviation unless the recipe says otherwise.
    """

    modality: ClassVar[Modality] = Modality.SIGNAL

    def _samples(self, X: Any, *, fitting: bool) -> Sequence[Held]:
        channels = None if fitting else self.checkpoint_.schema.channels
        return read_signals(self, X, channels=channels)

    def _channels(self, samples: Sequence[Held]) -> int:
        return channels_of(samples)

    def __sklearn_tags__(self) -> Any:
        return takes_signals(super().__sklearn_tags__())


class ImageClassifier(NetworkClassifier):
    """Classifies pictures.

    X is ``(n, h, w)``, ``(n, h, w, 1)`` or ``(n, h, w, 3)``, or a list of such pictures of any
    sizes, of Pillow's pictures, or of paths. Whole numbers go from 0 to 255, floats from 0 to 1.
    """

    modality: ClassVar[Modality] = Modality.IMAGE

    def _samples(self, X: Any, *, fitting: bool) -> Sequence[Held]:
        del fitting  # pictures of any size and colour can be answered for
        return read_pictures(X)

    def _channels(self, samples: Sequence[Held]) -> int:
        return count_channels(samples[row] for row in spaced(len(samples)))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        return tags
