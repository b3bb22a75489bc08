"""What `residua.data.fingerprints` takes of a signal or a text.

Legend: c channels, t steps, m samples, d numbers of a thumbnail.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from residua.data.dataset import Raw
from residua.data.fingerprints import Print, Thumbnails, Words, digest
from residua.data.signal_values import Signal, checked, filled
from residua.data.text_preprocess import TextPreprocess

FACTS = np.dtype(
    [
        ("length", np.int64),  # steps, or bytes of text
        ("rate", np.float64),  # steps per second, 0 where nobody knows
        ("missing", np.int64),  # values that are NaN
        ("flat", np.uint64),  # bit i: channel i is constant (of the first 64)
        ("constant", np.bool_),  # all channels are
        ("clipped", np.bool_),  # sound that stays at full scale
    ]
)
"""Of signals, sound and text alike."""

_MOST_CHANNELS = 16  # of a thumbnail, evenly spaced
_STEPS, _FEWEST_STEPS = 64, 16
_FINER = 8
_ROUNDING = 1e-6  # of the largest value: what varies by less is float32's own noise
_BITS = 64
_BUCKETS, _FINE_BUCKETS = 128, 1024  # powers of two, for the hashed sequences of texts


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalPrints:
    """Length, missing values, constant channels, and the course in 64 steps or more.

    A thumbnail holds up to 16 channels, each standardised, averaged over equal parts of its length.
    """

    words: ClassVar[Words] = Words(one="series", many="series", content="values")
    facts: ClassVar[np.dtype[np.void]] = FACTS
    highest: ClassVar[float] = 0.99999
    rivals: ClassVar[int] = 2

    channels: int
    rate: float

    @property
    def _shown(self) -> int:
        return min(self.channels, _MOST_CHANNELS)

    @property
    def _steps(self) -> int:
        return max(_STEPS // self._shown, _FEWEST_STEPS)

    def blank(self, n: int, *, fine: bool = False) -> npt.NDArray[np.float16]:
        steps = self._steps * (_FINER if fine else 1)
        return np.zeros((n, self._shown * steps), dtype=np.float16)

    def take(self, raw: Raw, where: str) -> Print:
        values = checked(raw, self.channels, where)
        lacking = np.isnan(values)
        known = np.where(lacking, np.float32(np.nan), values + np.float32(0))  # one NaN, one zero
        scaled = _standardised(filled(values, "interpolate", where))
        flat = (scaled == 0).all(axis=1)
        bits = np.packbits(flat[:_BITS], bitorder="little").tobytes()
        return Print(
            digest=digest(f"{values.shape} ", known.tobytes()),
            thumbnail=self._thumbnail(scaled, self._steps),
            facts=(
                values.shape[1],
                self.rate,
                int(lacking.sum()),
                int.from_bytes(bits, "little"),
                bool(flat.all()),
                False,
            ),
        )

    def fine(self, raw: Raw, where: str) -> npt.NDArray[np.float16]:
        scaled = _standardised(filled(checked(raw, self.channels, where), "interpolate", where))
        return self._thumbnail(scaled, self._steps * _FINER)

    def _thumbnail(self, scaled: npt.NDArray[np.float64], steps: int) -> npt.NDArray[np.float16]:
        rows = np.linspace(0, self.channels - 1, self._shown).round().astype(np.int64)
        return compact(area_means(scaled[rows], steps))

    def shows_something(self, thumbnails: Thumbnails) -> npt.NDArray[np.bool_]:
        return np.asarray(thumbnails.any(axis=1))


def _standardised(values: Signal) -> npt.NDArray[np.float64]:
    """``[c, t]`` of mean 0 and deviation 1; constant channels and those without a value are 0."""
    exact = np.nan_to_num(values.astype(np.float64))
    centred = exact - exact.mean(axis=1, keepdims=True)
    std = centred.std(axis=1, keepdims=True)
    return np.where(varies(values)[:, None], centred / np.where(std > 0, std, 1.0), 0.0)


def varies(values: Signal) -> npt.NDArray[np.bool_]:
    """bool ``[c]``: which channels of ``[c, t]`` change by more than rounding; NaN counts as 0."""
    exact = np.nan_to_num(values.astype(np.float64))
    return exact.std(axis=1) > _ROUNDING * np.abs(exact).max(axis=1)


def area_means(values: npt.NDArray[np.float64], steps: int) -> npt.NDArray[np.float64]:
    """``[c, steps]``: means over ``steps`` equal parts of ``[c, t]``, whatever t."""
    t = values.shape[1]
    sums = np.zeros((len(values), t + 1))
    np.cumsum(values, axis=1, out=sums[:, 1:])
    edges = np.linspace(0, t, steps + 1)
    below = np.minimum(edges.astype(np.int64), t - 1)
    return np.diff(sums[:, below] + (edges - below) * values[:, below], axis=1) * (steps / t)


def compact(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float16]:
    """``[d]``, the largest one 1, so that half precision loses only the 11th bit."""
    peak = np.abs(values).max(initial=0.0)
    return (values / peak if peak > 0 else values).astype(np.float16).reshape(-1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPrints:
    """Length in bytes, and how often sequences of four bytes occur, hashed."""

    words: ClassVar[Words] = Words(one="text", many="texts", content="bytes")
    facts: ClassVar[np.dtype[np.void]] = FACTS
    highest: ClassVar[float] = 0.998
    rivals: ClassVar[int] = 2

    def blank(self, n: int, *, fine: bool = False) -> npt.NDArray[np.float16]:
        return np.zeros((n, _FINE_BUCKETS if fine else _BUCKETS), dtype=np.float16)

    def take(self, raw: Raw, where: str) -> Print:
        text = _text(raw, where)
        return Print(
            digest=digest("", text.tobytes()),
            thumbnail=_sequences(text, _BUCKETS),
            facts=(len(text), 0.0, 0, 0, False, False),
        )

    def fine(self, raw: Raw, where: str) -> npt.NDArray[np.float16]:
        return _sequences(_text(raw, where), _FINE_BUCKETS)

    def shows_something(self, thumbnails: Thumbnails) -> npt.NDArray[np.bool_]:
        return np.asarray(thumbnails.any(axis=1))


def _text(raw: Raw, where: str) -> npt.NDArray[np.uint8]:
    whole = TextPreprocess(length=max(len(raw), 1))
    return whole.on_host(raw, where)[0]


def _sequences(text: npt.NDArray[np.uint8], buckets: int) -> npt.NDArray[np.float16]:
    """Square roots of counts, of lower case without what is no letter or digit in ASCII."""
    lower = np.where((text >= ord("A")) & (text <= ord("Z")), text + 32, text)
    kept = lower[
        ((lower >= ord("a")) & (lower <= ord("z"))) | ((lower >= 48) & (lower < 58)) | (lower > 127)
    ]
    codes = (kept if len(kept) else lower).astype(np.uint32)
    codes = np.concatenate([codes, np.zeros(max(4 - len(codes), 0), dtype=np.uint32)])
    fours = codes[:-3] | codes[1:-2] << 8 | codes[2:-1] << 16 | codes[3:] << 24
    places = (fours * np.uint32(2654435761)) >> np.uint32(33 - buckets.bit_length())
    return compact(np.sqrt(np.bincount(places, minlength=buckets)))
