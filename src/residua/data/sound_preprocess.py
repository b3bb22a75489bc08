"""The fixed way from a sound clip to the network's input: mono, one rate, a log-mel spectrogram.

Legend: b samples, c channels, t steps, m mel bands, f frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from residua.batch import Batch, Modality
from residua.data.config import Standardise
from residua.data.dataset import Raw
from residua.data.mel import log_mel, mel_filters
from residua.data.sound import MAX_VALUES, check_finite, decode_sound, resample
from residua.errors import FormatError, UnreadableSampleError, UsageError

SMALLEST_STD = 1e-2
"""Of a band, in the logarithm: 0.04 dB; what varies by less is constant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundPreprocess:
    """What every clip goes through before the network, at evaluation and in deployment.

    The channels' mean is resampled and kept as a waveform; its log-mel spectrogram is computed
    batch by batch on the device, after what augmentation does to waveforms.

    Attributes:
        rate: Steps per second of the kept waveform.
        length: Steps that are kept at most, from the middle; None for all.
        mels: Mel bands.
        window_ms, hop_ms: Length and distance of the (Hann) windows, in milliseconds; the Fourier
            transform has the next power of two.
        frequencies: Lowest and highest of the bands, in Hz.
        standardise: Whose mean and standard deviation each band is given: those of the training
            frames (``mean``, ``std``), of the clip's own frames, or none.
        mean, std: One a band, of log-mel values; empty unless ``standardise`` is "train".
        rank: 2 for ``[b, 1, m, f]``, a picture of bands and time; 1 for ``[b, m, f]``, bands as
            channels.
    """

    modality: ClassVar[Modality] = Modality.SOUND

    rate: float
    length: int | None = None
    mels: int = 64
    window_ms: float = 25.0
    hop_ms: float = 10.0
    frequencies: tuple[float, float]
    standardise: Standardise = "train"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    rank: int = 2

    def __post_init__(self) -> None:
        low, high = self.frequencies
        numbers = self.mels if self.standardise == "train" else 0
        self._require("rate", self.rate > 0, "above 0")
        self._require("length", self.length is None or self.length >= 1, ">= 1")
        self._require("rank", self.rank in (1, 2), "1 or 2")
        self._require("hop_ms", self.hop >= 1, f"1 step or more at {self.rate:g} Hz")
        self._require("window_ms", self.window >= self.hop, "hop_ms or more")
        self._require("frequencies", 0 <= low < high, "0 <= lowest < highest")
        self._require("frequencies", high <= self.rate / 2, f"at most half the rate {self.rate:g}")
        self._require("mean", len(self.mean) == numbers, f"{numbers} values")
        self._require("std", len(self.std) == numbers and min(self.std, default=1) > 0, "as mean")
        self._require("mels", self.mels >= 1, ">= 1")
        self._check_bands()

    def _require(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            received = getattr(self, name)
            raise UsageError(f"wrong {name} of sound", expected=expected, received=received)

    def _check_bands(self) -> None:
        """A band narrower than the transform's resolution holds nothing and would be constant."""
        empty = self._empty_bands(self.mels)
        if not empty:
            return
        fewer = next((n for n in range(self.mels - 1, 0, -1) if not self._empty_bands(n)), 1)
        raise UsageError(
            f"{empty} of {self.mels} mel bands would be empty",
            expected=f"at most {fewer} at {self.rate:g} Hz with windows of {self.window_ms:g} ms",
            fix=f"Set --mels {fewer}, or a longer --window-ms",
        )

    def _empty_bands(self, mels: int) -> int:
        filters = mel_filters(self.rate, self.transform, mels, *self.frequencies)
        return int(np.sum(filters.max(axis=1) == 0))

    @property
    def channels(self) -> int:
        """What the network sees."""
        return 1 if self.rank == 2 else self.mels

    @property
    def window(self) -> int:
        """Steps of a window."""
        return round(self.window_ms * self.rate / 1000)

    @property
    def hop(self) -> int:
        """Steps from frame to frame."""
        return round(self.hop_ms * self.rate / 1000)

    @property
    def transform(self) -> int:
        """Steps of the Fourier transform: the next power of two."""
        return 1 << max(1, (self.window - 1).bit_length())

    def on_host(self, raw: Raw, where: str) -> npt.NDArray[np.float32]:
        """float32 ``[1, t]``: mono, at `rate`, at most `length` steps.

        Args:
            raw: An encoded file, or a float32 waveform ``[c, t]`` at `rate`.
            where: The sample's key, for the error.

        Raises:
            UnreadableSampleError: See `residua.data.sound.decode_sound`.
        """
        if isinstance(raw, bytes):
            wave = decode_sound(raw, where=where)
            values, rate = wave.values, wave.rate
        else:
            values, rate = _as_waveform(raw, where), self.rate
            check_finite(values, rate, where=where)
        if values.shape[1] * self.rate / rate > MAX_VALUES:
            raise UnreadableSampleError(
                "the clip is too long at the rate of this data",
                expected=f"at most {MAX_VALUES:,} steps at {self.rate:g} Hz",
                received=f"{values.shape[1]:,} steps at {rate:g} Hz",
                where=where,
            )
        mono = values if len(values) == 1 else values.mean(axis=0, keepdims=True)
        return self._cut(resample(mono, rate, self.rate))

    def _cut(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        if self.length is None or values.shape[1] <= self.length:
            return values
        start = (values.shape[1] - self.length) // 2
        return np.ascontiguousarray(values[:, start : start + self.length])

    def on_device(self, batch: Batch) -> Batch:
        """The network's input: float32 ``[b, 1, m, f]``, or ``[b, m, f]`` at rank 1, of waveforms
        ``[b, 1, t]``; lengths count frames. The values of a clip do not depend on its padding."""
        lengths = batch.lengths
        waves = batch.inputs[:, 0].to(torch.float32)
        if lengths is not None:
            waves = waves.masked_fill(_behind(waves, lengths), 0.0)
            lengths = 1 + lengths // self.hop
        with torch.autocast(waves.device.type, enabled=False):
            views = self._standardised(self._log_mel(waves), lengths)
        return replace(batch, inputs=views[:, None] if self.rank == 2 else views, lengths=lengths)

    def _log_mel(self, waves: Tensor) -> Tensor:
        shape = (self.rate, self.window, self.transform, self.mels, self.frequencies)
        return log_mel(waves, *_window_and_filters(*shape, waves.device), self.hop)

    def _standardised(self, values: Tensor, lengths: Tensor | None) -> Tensor:
        """``[b, m, f]`` with mean 0 and deviation 1 in each band, as `standardise` says."""
        if self.standardise == "train":
            device = values.device
            return (values - _column(self.mean, device)) / _column(self.std, device)
        return _by_sample(values, lengths) if self.standardise == "sample" else values

    def identity(self) -> dict[str, Any]:
        """What the kept waveforms depend on."""
        return {"modality": "sound", "resampler": "soxr HQ", "rate": self.rate} | {
            "length": self.length
        }

    def describe(self) -> str:
        low, high = self.frequencies
        whose = {"train": "the training set", "sample": "each clip"}.get(self.standardise)
        return (
            f"mono at {self.rate:,g} Hz, {self.mels} log-mel bands from {low:,g} to {high:,g} Hz, "
            f"{self.window_ms:g} ms windows every {self.hop_ms:g} ms, "
            + (f"standardised by {whose}" if whose else "not standardised")
            + (f", at most {self.length / self.rate:.3g} s" if self.length else "")
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values, for ``json.dumps``."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> SoundPreprocess:
        """The inverse of `to_json`.

        Raises:
            FormatError: Values that are missing, unknown or of another kind.
        """
        try:
            return cls(**_typed(value))
        except (TypeError, ValueError, KeyError, UsageError) as error:
            raise FormatError(f"not a description of a preprocessing: {error}") from error


def _as_waveform(raw: npt.NDArray[Any], where: str) -> npt.NDArray[np.float32]:
    if raw.ndim != 2 or raw.dtype.kind != "f" or not raw.size:
        raise UnreadableSampleError(
            "not a waveform",
            expected="a sound file, or float values [channels, steps]",
            received=f"{raw.dtype} of shape {list(raw.shape)}",
            where=where,
        )
    return raw.astype(np.float32, copy=False)


def _behind(values: Tensor, lengths: Tensor) -> Tensor:
    """bool ``[b, t]``: padding."""
    return torch.arange(values.shape[-1], device=values.device) >= lengths[:, None]


def _by_sample(values: Tensor, lengths: Tensor | None) -> Tensor:
    """``[b, m, f]`` less the mean of each sample's and band's valid frames, over its deviation."""
    if lengths is None:
        lengths = torch.full((len(values),), values.shape[-1], device=values.device)
    padding, count = _behind(values, lengths)[:, None], lengths[:, None, None]
    exact = values.masked_fill(padding, 0.0).double()  # so that no padding shows in the sums
    mean = exact.sum(dim=-1, keepdim=True) / count
    centred = (exact - mean).masked_fill(padding, 0.0)
    std = (centred.square().sum(dim=-1, keepdim=True) / count).sqrt()
    return (centred / std.clamp(min=SMALLEST_STD)).float()


@lru_cache(maxsize=16)
def _window_and_filters(
    rate: float,
    window: int,
    transform: int,
    mels: int,
    frequencies: tuple[float, float],
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """Kept, because each new copy to a GPU would wait for it; of use outside inference mode too."""
    with torch.inference_mode(False):
        filters = torch.from_numpy(mel_filters(rate, transform, mels, *frequencies))
        return torch.hann_window(window, device=device), filters.to(device)


@lru_cache(maxsize=64)
def _column(values: tuple[float, ...], device: torch.device) -> Tensor:
    """float32 ``[m, 1]``, kept as above."""
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=torch.float32, device=device)[:, None]


def _typed(value: Mapping[str, Any]) -> dict[str, Any]:
    """Keyword arguments of `SoundPreprocess`: JSON knows lists, not tuples."""
    if value["standardise"] not in get_args(Standardise):
        raise ValueError(f"standardise {value['standardise']}")
    low, high = value["frequencies"]
    return dict(value) | {
        "rate": float(value["rate"]),
        "length": None if value["length"] is None else int(value["length"]),
        "mels": int(value["mels"]),
        "window_ms": float(value["window_ms"]),
        "hop_ms": float(value["hop_ms"]),
        "frequencies": (float(low), float(high)),
        "mean": tuple(float(x) for x in value["mean"]),
        "std": tuple(float(x) for x in value["std"]),
        "rank": int(value["rank"]),
    }
