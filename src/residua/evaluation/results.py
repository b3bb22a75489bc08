"""What an evaluation found. Plain numbers and small arrays, so that it travels as JSON.

Legend: n samples, k classes, m bins.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from residua.errors import FormatError


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
    """Samples whose top probability lies in (low, high]; all 0 where there are none."""

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

    def to_json(self) -> dict[str, Any]:
        """What `json.dumps` takes and `from_json` turns back into an equal value."""
        value = dataclasses.asdict(dataclasses.replace(self, confusion=()))
        return value | {"confusion": [list(row) for row in self.confusion]}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """The inverse of `to_json`, after a trip through JSON or not.

        Raises:
            FormatError: ``value`` lacks a field, or has one too many.
        """
        try:
            nested: dict[str, Any] = {
                "accuracy_ci95": tuple(value["accuracy_ci95"]),
                "reliability": tuple(ReliabilityBin(**row) for row in value["reliability"]),
                "classes": tuple(ClassScores(**row) for row in value["classes"]),
                "confusion": tuple(tuple(row) for row in value["confusion"]),
            }
            return cls(**(value | nested))
        except (KeyError, TypeError) as error:
            raise FormatError("these are not the scores of an evaluation", received=error) from None


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
