"""The fixed way from a signal to the network's input, and the choice of one that fits the data.

Legend: b samples, c channels, t time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar, get_args

import numpy as np
import torch
from torch import Tensor

from residua.batch import Batch, Modality
from residua.data.config import Missing, SeriesConfig, Standardise
from residua.data.dataset import Dataset, Raw
from residua.data.measure import Moments, training_sample
from residua.data.signal_values import Signal, centre, checked, filled, resampled
from residua.errors import DataError, FormatError, UnreadableSampleError, UsageError

_ROUNDING = 1e-6  # a standard deviation of this share of the largest value is float32's own noise


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalPreprocess:
    """What every signal goes through before the network, at evaluation and in deployment.

    On the host: missing values filled, resampled, cut. On the device: standardised.

    Attributes:
        channels: c.
        rate: Samples per second that the network sees; None where nobody knows.
        source_rate: Samples per second of a signal that comes without its own rate.
        length: Steps that are kept at most, from the middle; None keeps all.
        standardise: Subtract the mean and divide by the standard deviation, a channel at a time:
            those of the sample itself, those of the training split, or not at all.
        missing: What NaN becomes: a line between its neighbours (at the ends the nearest value), 0
            in the unit of the data, or an error. A channel without any value is one of zeros
            after standardisation, unless missing values are refused.
        mean, std: One a channel with ``standardise="train"``, else empty.
    """

    modality: ClassVar[Modality] = Modality.SIGNAL
    rank: ClassVar[int] = 1

    channels: int
    rate: float | None = None
    source_rate: float | None = None
    length: int | None = None
    standardise: Standardise = "sample"
    missing: Missing = "interpolate"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        self._require("channels", self.channels >= 1, ">= 1")
        self._require("rate", self.rate is None or _is_rate(self.rate), "above 0")
        self._require(
            "source_rate",
            self.source_rate is None or (_is_rate(self.source_rate) and self.rate is not None),
            "above 0, beside a rate",
        )
        self._require("length", self.length is None or self.length >= 1, ">= 1")
        wanted = self.channels if self.standardise == "train" else 0
        self._require("mean", _are_finite(self.mean, wanted), f"{wanted} finite values")
        self._require("std", _are_finite(self.std, wanted), f"{wanted} finite values")
        self._require("std", min(self.std, default=1.0) > 0, "above 0")

    def _require(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            received = getattr(self, name)
            raise UsageError(f"bad preprocessing: {name}", expected=expected, received=received)

    def on_host(self, raw: Raw, where: str, rate: float | None = None) -> Signal:
        """float32 ``[c, t]``, as long as it is; NaN only in channels without any value.

        Args:
            raw: float32 ``[c, t]``, NaN where a value is missing.
            where: The sample's name, for errors.
            rate: Its samples per second; by default `source_rate`, else `rate`.

        Raises:
            UnreadableSampleError: No such signal, without a step, with other channels, with
                infinite values or none at all, or with missing ones that are refused.
        """
        values = filled(checked(raw, self.channels, where), self.missing, where)
        source = self.source_rate if rate is None else rate
        if self.rate is not None and source is not None:
            values = resampled(values, source, self.rate, where)
        return centre(values, self.length)

    def on_device(self, batch: Batch) -> Batch:
        """The network's input: standardised float32 ``[b, c, t]``, 0 behind ``batch.lengths``."""
        inputs, valid = batch.inputs.to(torch.float32), _valid(batch)
        if self.standardise == "sample":
            inputs = standardised(inputs, valid)
        elif self.standardise == "train":
            mean, std = _constants(self.mean, inputs.device), _constants(self.std, inputs.device)
            inputs = inputs.sub(mean).div_(std)
        unknown = inputs.isnan() if valid is None else inputs.isnan() | ~valid
        return replace(batch, inputs=inputs.masked_fill(unknown, 0.0))

    def identity(self) -> dict[str, Any]:
        """What the stored values depend on: not what happens on the device."""
        values = self.to_json()
        for name in ("standardise", "mean", "std"):
            del values[name]
        return values

    def describe(self) -> str:
        rate = "" if self.rate is None else f" at {self.rate:g} Hz"
        length = "" if self.length is None else f", up to {self.length} steps"
        scale = {"sample": "each by its own", "train": "by the training split's", "none": ""}
        scaled = f", standardised {scale[self.standardise]} mean and deviation"
        noun = "channel" if self.channels == 1 else "channels"
        return f"{self.channels} {noun}{rate}{length}{scaled if scale[self.standardise] else ''}"

    def to_json(self) -> dict[str, Any]:
        """Plain values, for ``json.dumps``."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> SignalPreprocess:
        """The inverse of `to_json`.

        Raises:
            FormatError: Values that are missing, unknown or of another kind.
        """
        try:
            return cls(**_typed(value))
        except (TypeError, ValueError, KeyError, UsageError) as error:
            raise FormatError(f"not a description of a preprocessing: {error}") from error


def _typed(value: Mapping[str, Any]) -> dict[str, Any]:
    """Keyword arguments of `SignalPreprocess`: JSON knows lists, not tuples."""
    if value["standardise"] not in get_args(Standardise) or value["missing"] not in get_args(
        Missing
    ):
        raise ValueError(f"standardise {value['standardise']}, missing {value['missing']}")
    return dict(value) | {
        "channels": int(value["channels"]),
        "rate": _optional(float, value["rate"]),
        "source_rate": _optional(float, value["source_rate"]),
        "length": _optional(int, value["length"]),
        "mean": tuple(float(x) for x in value["mean"]),
        "std": tuple(float(x) for x in value["std"]),
    }


def _optional(kind: type[Any], value: Any) -> Any:
    return None if value is None else kind(value)


def _are_finite(values: tuple[float, ...], count: int) -> bool:
    return len(values) == count and all(map(math.isfinite, values))


def _is_rate(value: float) -> bool:
    return math.isfinite(value) and value > 0


def _valid(batch: Batch) -> Tensor | None:
    """bool ``[b, 1, t]``, false on padding; None where there is none."""
    if batch.lengths is None:
        return None
    steps = torch.arange(batch.inputs.shape[-1], device=batch.inputs.device)
    return steps < batch.lengths[:, None, None]


@lru_cache(maxsize=64)
def _constants(values: tuple[float, ...], device: torch.device) -> Tensor:
    """float32 ``[c, 1]``. Kept, because each new copy to a GPU would wait for it."""
    return torch.tensor(values, dtype=torch.float32, device=device)[:, None]


def standardised(inputs: Tensor, valid: Tensor | None = None) -> Tensor:
    """Mean 0 and standard deviation 1 over the valid steps, for each sample and channel.

    A channel whose values differ by no more than float32's rounding is constant and becomes 0.

    Args:
        inputs: float32 ``[b, c, t]``.
        valid: bool ``[b, 1, t]``; None where all steps are.

    Returns:
        float32 ``[b, c, t]``, 0 on padding.
    """
    if not inputs.numel():
        return inputs
    inputs = inputs if valid is None else inputs.masked_fill(~valid, 0.0)
    n = inputs.shape[-1] if valid is None else valid.sum(dim=-1, keepdim=True).clamp(min=1)
    peak = inputs.abs().amax(dim=-1, keepdim=True)
    # Divided first, so that no square overflows or vanishes, whatever the unit.
    scaled = inputs / torch.where(peak > 0, peak, 1.0)
    for _ in range(2):  # the second time takes away what rounding left of a large offset
        scaled = scaled - scaled.sum(dim=-1, keepdim=True) / n
        scaled = scaled if valid is None else scaled.masked_fill(~valid, 0.0)
    std = (scaled.square().sum(dim=-1, keepdim=True) / n).sqrt()
    return scaled / torch.where(std > _ROUNDING, std, math.inf)


def choose_signal(dataset: Dataset, config: SeriesConfig) -> SignalPreprocess:
    """The preprocessing of a run that starts from nothing.

    The rate is ``config.rate``, by default the data's. With ``config.standardise="train"``, mean
    and standard deviation are those of up to 5,000 training signals after resampling and cutting,
    chosen by the hash of their names; by default each sample is standardised by its own.

    Args:
        dataset: The data set; its schema says the rate of all samples.
        config: Rate, length, standardisation and missing values that the user asks for.

    Raises:
        UsageError: A rate is wanted, and the data has none; the train split is empty.
        UnreadableSampleError: Not one of the training signals can be read.
    """
    schema = dataset.schema
    if config.rate is not None and schema.rate is None:
        raise UsageError(
            "cannot resample signals of unknown rate",
            expected="a data set that states its rate",
            received=f"rate {config.rate:g}",
            where=dataset.name,
            fix="Leave out --rate",
        )
    blank = SignalPreprocess(
        channels=schema.channels,
        rate=schema.rate if config.rate is None else config.rate,
        source_rate=schema.rate,
        length=config.length,
        standardise="none",
        missing=config.missing,
    )
    standardise = config.standardise or ("sample" if dataset.schema.channels == 1 else "train")
    if standardise != "train":
        return replace(blank, standardise=standardise)
    moments = _measured(dataset, blank)
    return replace(blank, standardise="train", mean=moments.mean, std=moments.std)


def _measured(dataset: Dataset, preprocess: SignalPreprocess) -> Moments:
    """Mean and deviation of training signals. Those that cannot be read have no say."""
    moments, keys = Moments(preprocess.channels), dataset.table.keys
    rows = np.sort(training_sample(dataset))
    for row, raw in dataset.reader.scan(rows.tolist()):
        if isinstance(raw, DataError):
            continue
        try:
            moments.add(preprocess.on_host(raw, keys[row]))
        except UnreadableSampleError:
            continue
    if not moments.count.any():
        raise UnreadableSampleError(
            "not one of the training signals can be read",
            received=f"{len(rows)} unreadable samples",
            where=dataset.name,
            fix="Look at them with: residua check",
        )
    return moments
