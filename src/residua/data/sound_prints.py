"""What `residua.data.fingerprints` takes of a sound clip.

Legend: t steps, m bands, f frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from residua.data.dataset import Raw
from residua.data.fingerprints import Print, Thumbnails, Words, digest
from residua.data.mel import mel_filters
from residua.data.series_prints import FACTS, area_means, compact
from residua.data.sound import Waveform, check_finite, decode_sound
from residua.errors import UnreadableSampleError

_BANDS, _COLUMNS = 16, 16
_FINE_BANDS, _FINE_COLUMNS = 32, 64
_LOWEST, _HIGHEST = 60.0, 4000.0  # Hz
_MOST_FRAMES = 2048
_WINDOW, _HOP = 0.025, 0.010  # seconds
_QUIET = 1e-5  # of the loudest band's power: what is softer does not count
_SILENT = 1e-4  # of full scale: -80 dB
_FULL = 0.98  # from which a clip's largest value may be where its recorder stopped
_IN_A_ROW = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundPrints:
    """Length, rate, whether it is silent or clipped, and 16 log-mel bands in 16 parts of its time.

    Clips of all rates are compared by what they have below 4 kHz.
    """

    words: ClassVar[Words] = Words(one="clip", many="clips", content="sound")
    facts: ClassVar[np.dtype[np.void]] = FACTS
    highest: ClassVar[float] = 0.998
    rivals: ClassVar[int] = 2

    rate: float

    def blank(self, n: int, *, fine: bool = False) -> npt.NDArray[np.float16]:
        d = _FINE_BANDS * _FINE_COLUMNS if fine else _BANDS * _COLUMNS
        return np.zeros((n, d), dtype=np.float16)

    def take(self, raw: Raw, where: str) -> Print:
        wave = self._decoded(raw, where)
        values = wave.values
        silent = is_silent(values)
        return Print(
            digest=digest(f"{values.shape} {wave.rate:g} ", values.tobytes()),
            thumbnail=self._thumbnail(wave, _BANDS, _COLUMNS),
            facts=(values.shape[1], wave.rate, 0, int(silent), silent, _is_clipped(values)),
        )

    def fine(self, raw: Raw, where: str) -> npt.NDArray[np.float16]:
        return self._thumbnail(self._decoded(raw, where), _FINE_BANDS, _FINE_COLUMNS)

    def shows_something(self, thumbnails: Thumbnails) -> npt.NDArray[np.bool_]:
        return np.asarray(thumbnails.any(axis=1))

    def _decoded(self, raw: Raw, where: str) -> Waveform:
        if isinstance(raw, bytes):
            return decode_sound(raw, where=where)
        values = raw.astype(np.float32, copy=False)
        if values.ndim != 2 or not values.size:
            raise UnreadableSampleError("a clip of no length", where=where)
        check_finite(values, self.rate, where=where)
        return Waveform(values=values, rate=self.rate)

    def _thumbnail(self, wave: Waveform, bands: int, columns: int) -> npt.NDArray[np.float16]:
        mono = wave.values.mean(axis=0)
        mono = mono - mono.mean()
        highest = min(_HIGHEST, self.rate / 2)
        powers = _band_powers(mono, wave.rate, bands, highest)
        if is_silent(mono[None]) or not powers.any():
            return np.zeros(bands * columns, dtype=np.float16)
        logs = np.log(powers + _QUIET * powers.max())
        means = area_means(logs, columns)
        return compact(means - means.mean())


def is_silent(values: npt.NDArray[np.float32]) -> bool:
    """Whether all channels of ``[c, t]`` stay within -80 dB of their means."""
    return bool(np.abs(values - values.mean(axis=1, keepdims=True)).max() < _SILENT)


def _is_clipped(values: npt.NDArray[np.float32]) -> bool:
    """Whether a channel stays at its largest value, near full scale, for three steps in a row."""
    peak = float(np.abs(values).max())
    if peak < _FULL or values.shape[1] < _IN_A_ROW:
        return False
    at = np.abs(values) >= peak * (1 - 1e-4)
    return bool((at[:, :-2] & at[:, 1:-1] & at[:, 2:]).any())


def _band_powers(
    mono: npt.NDArray[np.float32], rate: float, bands: int, highest: float
) -> npt.NDArray[np.float64]:
    """``[m, f]``, at most some 2,000 frames of any clip."""
    size = max(round(_WINDOW * rate), 2)
    transform = 1 << (size - 1).bit_length()
    hop = max(round(_HOP * rate), -(-len(mono) // _MOST_FRAMES), 1)
    padded = np.pad(mono, transform // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, transform)[::hop]
    spectrum = np.fft.rfft(frames * np.hanning(transform).astype(np.float32), axis=1)
    return _filters(rate, transform, bands, highest) @ np.square(np.abs(spectrum)).T.astype(float)


@lru_cache(maxsize=16)
def _filters(rate: float, transform: int, bands: int, highest: float) -> npt.NDArray[np.float64]:
    return mel_filters(rate, transform, bands, min(_LOWEST, highest / 2), highest)
