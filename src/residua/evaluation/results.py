"""What an evaluation found. Plain numbers and small arrays, so that it travels as JSON.

Legend: n samples, k classes, m bins.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predictions:
    """The network's answers to one split.

    Attributes:
        keys: ``n`` sample names, see `residua.batch.Sample.key`.
        rows: int64 ``[n]`` rows of the data set's table.
        labels: int64 ``[n]`` true classes, -1 where unknown.
        logits: float32 ``[n, k]``.
        seconds: Time in the network and the loading of its inputs.
        device: The hardware in words, such as ``cpu, 2 threads, bf16``.
    """

    keys: tuple[str, ...]
    rows: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    logits: npt.NDArray[np.float32]
    seconds: float
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScores:
    """One row of the per-class table."""

    name: str
    n: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """Samples whose top probability lies in (low, high]."""

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Scores of one split. Rates are shares of 1.

    Attributes:
        accuracy_ci95: Wilson's score interval of the accuracy.
        top5: Accuracy within the five most likely classes; None with five classes or fewer.
        macro_precision, macro_recall, macro_f1: Means over classes that occur in the split.
        calibration_error: Expected calibration error, 15 equal bins (Guo et al., 2017).
        temperature: The divisor of the logits that validation chose; None without validation.
        calibrated_error: The calibration error after that division.
        confusion: ``k`` rows (true) of ``k`` counts (predicted).
        samples_per_second: Loading and network together.
    """

    split: str
    n: int
    loss: float
    accuracy: float
    accuracy_ci95: tuple[float, float]
    top5: float | None
    macro_precision: float
    macro_recall: float
    macro_f1: float
    calibration_error: float
    temperature: float | None
    calibrated_error: float | None
    reliability: tuple[ReliabilityBin, ...]
    classes: tuple[ClassScores, ...]
    confusion: tuple[tuple[int, ...], ...]
    samples_per_second: float
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """The answer to one input of the user's.

    Attributes:
        path: The input as it was given or found.
        label: The most likely class.
        probability: Its probability, after temperature scaling where one was fitted.
        top: Up to five (class, probability) pairs, most likely first.
        error: Why there is no answer; the other fields are then empty.
    """

    path: str
    label: str = ""
    probability: float = 0.0
    top: tuple[tuple[str, float], ...] = ()
    error: str | None = None
