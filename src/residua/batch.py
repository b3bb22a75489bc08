"""The types that travel: Schema, Sample, Batch.

Legend: b samples, c channels, h height, w width, t time, k classes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # torch is heavy; the command line reads schemas without it
    import numpy as np
    import numpy.typing as npt
    import torch


class Modality(StrEnum):
    IMAGE = "image"
    SIGNAL = "signal"
    SOUND = "sound"
    TEXT = "text"


class Task(StrEnum):
    CLASSIFICATION = "classification"
    MULTILABEL = "multilabel"
    REGRESSION = "regression"
    CTC = "ctc"


class Split(StrEnum):
    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"
    UNLABELLED = "unlabelled"
    """To learn from without labels; what labels there are, nobody who trains can see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """What the samples of a data set are, apart from their values.

    Attributes:
        modality: Kind of sample; fixes how many dimensions follow the channels.
        task: What is to be predicted.
        channels: Channels of a sample.
        classes: Class names; a label is a position in this tuple. For regression the names of the
            quantities, for CTC those of the tokens (without the blank).
        rate: Samples per second, for signals and sound.
        channel_names: One name a channel, where the source has them.
        units: One unit a channel (mV, km/h), where the source has them.
        offsets, scales: Of regression: mean and standard deviation of each quantity's training
            targets. The network gives ``(value - offset) / scale``. Empty before they are known.
    """

    modality: Modality
    task: Task = Task.CLASSIFICATION
    channels: int
    classes: tuple[str, ...] = ()
    rate: float | None = None
    channel_names: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    offsets: tuple[float, ...] = ()
    scales: tuple[float, ...] = ()

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    @property
    def num_outputs(self) -> int:
        """What the network gives: one number a class, and with CTC one more, first, for blank."""
        return self.num_classes + (self.task is Task.CTC)

    @property
    def rank(self) -> int:
        """Dimensions after the channels: 2 for pictures, 1 for what runs along time."""
        return 2 if self.modality is Modality.IMAGE else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One decoded sample.

    Attributes:
        id: 63-bit hash of ``key``; all randomness that concerns the sample derives from it.
        key: Where it comes from, unique in the data set and stable: ``train/cat/1.jpg``,
            ``part-0.parquet#17``.
        values: uint8 ``[c, h, w]`` for pictures, float32 ``[c, t]`` for signals and sound, uint8
            ``[1, t]`` for text.
        label: Class index, -1 without a label.
        aspect: Width over height of the source divided by that of ``values``; not 1 where
            the whole picture was squashed into a storage size.
    """

    id: int
    key: str
    values: npt.NDArray[np.generic]
    label: int = -1
    aspect: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Samples side by side.

    Attributes:
        inputs: ``[b, c, h, w]`` or ``[b, c, t]``: as loaded (uint8 pictures and text, float32
            signals and sound), float once they are views.
        targets: int64 ``[b]`` class indices, or float ``[b, k]`` class probabilities once mixed;
            float32 ``[b, k]`` for multi-label (0 or 1) and regression; int64 ``[b, s]`` tokens for
            CTC, from 0, padded with -1.
        ids: int64 ``[b]`` sample ids.
        aspects: float32 ``[b]``, see `Sample.aspect`; None where it is 1 for all.
        lengths: int64 ``[b]`` valid steps along the last axis; what lies behind them is padding, of
            any value. None where all are full.
        target_lengths: int64 ``[b]`` tokens of each target, for CTC.
        unlabelled: Samples to learn from without labels beside these (their targets are -1), for
            semi-supervised methods.
        repeats: int64 ``[b]`` how often the sample came before in this epoch (balanced sampling,
            repeated augmentation), so that each time draws differently; None where all are 0.
        groups: int64 ``[b]``, equal where samples are of one group (patient, speaker); None where
            the data names none.
    """

    inputs: torch.Tensor
    targets: torch.Tensor
    ids: torch.Tensor
    aspects: torch.Tensor | None = None
    lengths: torch.Tensor | None = None
    repeats: torch.Tensor | None = None
    target_lengths: torch.Tensor | None = None
    unlabelled: Batch | None = None
    groups: torch.Tensor | None = None

    def __len__(self) -> int:
        return self.inputs.shape[0]

    def to(self, device: torch.device) -> Batch:
        """The batch on ``device``; from pinned memory the copies do not block."""

        def move(tensor: torch.Tensor | None) -> torch.Tensor | None:
            return None if tensor is None else tensor.to(device, non_blocking=True)

        return replace(
            self,
            inputs=self.inputs.to(device, non_blocking=True),
            targets=self.targets.to(device, non_blocking=True),
            ids=self.ids.to(device, non_blocking=True),
            aspects=move(self.aspects),
            lengths=move(self.lengths),
            repeats=move(self.repeats),
            target_lengths=move(self.target_lengths),
            unlabelled=None if self.unlabelled is None else self.unlabelled.to(device),
            groups=move(self.groups),
        )
