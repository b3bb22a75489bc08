"""The answers that all scores come from, and what a classifier's evaluation found. Plain numbers
and small arrays, so that it travels as JSON.

Legend: n samples, k classes, t steps, m bins.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from residua.batch import Task
from residua.errors import FormatError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predictions:
    """The network's answers to one split.

    Attributes:
        keys: ``n`` sample names, see `residua.batch.Sample.key`.
        rows: int64 ``[n]`` rows of the data set's table.
        labels: int64 ``[n]`` true classes, -1 where unknown and for other tasks.
        logits: float32 ``[n, k]``, what the network gives; for CTC ``[n, k, t]``.
        seconds: Time in the network and the loading of its inputs.
        device: The hardware in words, such as ``cpu, 2 threads, bf16``.
        values: float32 ``[n, k]`` targets of multi-label classification (0 or 1) and regression (in
            the data's units), NaN where unknown; None for other tasks.
        tokens: ``n`` sequences of tokens, the targets of CTC; None for other tasks.
        lengths: int64 ``[n]`` steps of each sample's logits, for CTC.
    """

    keys: tuple[str, ...]
    rows: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    logits: npt.NDArray[np.float32]
    seconds: float
    device: str
    values: npt.NDArray[np.float32] | None = None
    tokens: tuple[tuple[int, ...], ...] | None = None
    lengths: npt.NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """The one number that stands for a split.

    Attributes:
        name: What it is: ``accuracy``, ``R2``.
        value: NaN where it is not defined.
        interval: 95% interval.
        percent: Whether it is a share that people read in percent.
        higher_is_better: Else lower is.
    """

    name: str
    value: float
    interval: tuple[float, float]
    percent: bool = True
    higher_is_better: bool = True

    @property
    def text(self) -> str:
        """``93.1% [92.0, 94.1]``, or ``0.931 [0.920, 0.941]``."""
        low, high = self.interval
        if self.percent:
            return f"{self.value:.1%} [{100 * low:.1f}, {100 * high:.1f}]"
        return f"{self.value:.3f} [{low:.3f}, {high:.3f}]"


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
    """Scores of one split of a classification. Rates are shares of 1.

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

    task: ClassVar[Task] = Task.CLASSIFICATION

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

    @property
    def headline(self) -> Headline:
        return Headline(name="accuracy", value=self.accuracy, interval=self.accuracy_ci95)

    def short(self) -> dict[str, Any]:
        """What a summary says."""
        names = ("loss", "accuracy", "accuracy_ci95", "n", "macro_f1", "top5", "calibration_error")
        return {name: getattr(self, name) for name in names}

    def to_json(self) -> dict[str, Any]:
        """What `json.dumps` takes and `from_json` turns back into an equal value."""
        value = dataclasses.asdict(dataclasses.replace(self, confusion=()))
        confusion = [list(row) for row in self.confusion]
        return {"task": self.task.value} | value | {"confusion": confusion}

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
            plain = {name: item for name, item in value.items() if name != "task"}
            return cls(**(plain | nested))
        except (KeyError, TypeError) as error:
            raise FormatError("these are not the scores of an evaluation", received=error) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """The answer to one input of the user's.

    Attributes:
        path: The input as it was given or found.
        task: What was asked; the fields of other tasks are empty.
        label: Classification: the most likely class.
        probability: That of ``label``, after temperature scaling where one was fitted, or of
            ``tokens``.
        top: Up to five (class, probability) pairs, most likely first; also for multi-label.
        labels: Multi-label: (class, probability) pairs of all that are likelier than not, most
            likely first.
        values: Regression: (quantity, value) pairs in the data's units.
        tokens: CTC: what was said.
        text: The same as one text.
        error: Why there is no answer; the other fields are then empty.
    """

    path: str
    task: Task = Task.CLASSIFICATION
    label: str = ""
    probability: float = 0.0
    top: tuple[tuple[str, float], ...] = ()
    labels: tuple[tuple[str, float], ...] = ()
    values: tuple[tuple[str, float], ...] = ()
    tokens: tuple[str, ...] = ()
    text: str = ""
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """What says something for its task, for `json.dumps`."""
        names = _SAID[self.task]
        found = {name: getattr(self, name) for name in names}
        if self.task is Task.REGRESSION:
            found["values"] = dict(self.values)
        return {"path": self.path, **found, "error": self.error}

    @property
    def line(self) -> str:
        """The answer as cells between tabs."""
        match self.task:
            case Task.CLASSIFICATION:
                return f"{self.label}\t{self.probability:.4f}"
            case Task.MULTILABEL:
                return "\t".join(f"{name}={share:.4f}" for name, share in self.labels) or "-"
            case Task.REGRESSION:
                return "\t".join(f"{name}={value:.6g}" for name, value in self.values)
            case Task.CTC:
                return f"{self.text}\t{self.probability:.4f}"


_SAID = {
    Task.CLASSIFICATION: ("label", "probability", "top"),
    Task.MULTILABEL: ("labels", "top"),
    Task.REGRESSION: ("values",),
    Task.CTC: ("text", "tokens", "probability"),
}
"""The fields of a `Prediction` by task."""
