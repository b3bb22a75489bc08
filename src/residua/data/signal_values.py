"""What is done to one signal on the host: checked, filled, resampled, cut.

Legend: c channels, t time.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from residua.data.config import Missing
from residua.data.dataset import Raw
from residua.errors import UnreadableSampleError

Signal = npt.NDArray[np.float32]
"""``[c, t]``, NaN where a value is missing."""

_WHOLE = 1000  # the most that the denominator of a ratio of rates is
_CROSSINGS = 32  # zero crossings of the filter on each side


def checked(raw: Raw, channels: int, where: str) -> Signal:
    """``raw`` if it is a signal of which something is known.

    Raises:
        UnreadableSampleError: It has another shape, no step, an infinite value, or only NaN.
    """

    def refuse(what: str, expected: str, received: str) -> NoReturn:
        raise UnreadableSampleError(what, expected=expected, received=received, where=where)

    if isinstance(raw, bytes):
        refuse("not a signal", "an array of channels by steps", f"{len(raw)} bytes")
    if raw.ndim != 2:
        refuse("not a signal", "an array of channels by steps", f"shape {list(raw.shape)}")
    values = np.asarray(raw, dtype=np.float32)
    if len(values) != channels:
        refuse("wrong number of channels", str(channels), str(len(values)))
    if values.shape[1] == 0:
        refuse("an empty signal", ">= 1 step", "0")
    if (infinite := np.isinf(values)).any():
        refuse("an infinite value", "finite ones", _first(infinite))
    if np.isnan(values).all():
        refuse("a signal without a single value", "numbers", "NaN everywhere")
    return values


def _first(found: npt.NDArray[np.bool_]) -> str:
    """How many there are, and where the first of them is."""
    channel, step = np.argwhere(found)[0].tolist()
    return f"{int(found.sum())}, first at channel {channel}, step {step}"


def filled(values: Signal, missing: Missing, where: str) -> Signal:
    """Without NaN, but for channels that have nothing else.

    Raises:
        UnreadableSampleError: With ``missing="refuse"``, if there is a NaN.
    """
    lacking = np.isnan(values)
    if not lacking.any():
        return values
    if missing == "refuse":
        raise UnreadableSampleError(
            "missing values",
            expected="none",
            received=_first(lacking),
            where=where,
            fix="Fill them with: --missing interpolate",
        )
    values, steps = values.copy(), np.arange(values.shape[1])
    for row, gaps in zip(values, lacking, strict=True):
        if not gaps.all():
            known = ~gaps
            between = np.interp(steps[gaps], steps[known], row[known])
            row[gaps] = 0.0 if missing == "zero" else between
    return values


def resampled(values: Signal, source: float, rate: float, where: str) -> Signal:
    """``[c, ceil(t * rate / source)]``, by a polyphase filter that lets no alias through.

    The line through first and last value passes unchanged, so that an offset rings at no end.
    The ratio of the rates is taken as that of two whole numbers, the smaller one at most 1,000.

    Raises:
        UnreadableSampleError: ``source`` is no rate.
    """
    if source == rate:
        return values
    if not (math.isfinite(source) and source > 0):
        raise UnreadableSampleError(
            "not a sampling rate", expected="samples per second", received=source, where=where
        )
    ratio = _ratio(source, rate)
    return np.stack([_polyphase(row, ratio) for row in values.astype(np.float64)]).astype(
        np.float32
    )


def _polyphase(row: npt.NDArray[np.float64], ratio: Fraction) -> npt.NDArray[np.float64]:
    from scipy.signal import resample_poly

    up, down = ratio.numerator, ratio.denominator
    slope = (row[-1] - row[0]) / max(len(row) - 1, 1)
    level = row - (row[0] + slope * np.arange(len(row)))
    moved: npt.NDArray[np.float64] = resample_poly(level, up, down, window=_filter(max(up, down)))
    return moved + row[0] + slope * (down / up) * np.arange(len(moved))


@lru_cache(maxsize=16)
def _filter(rate: int) -> npt.NDArray[np.float64]:
    """Low pass at ``1 / rate`` of half the rate: flat to 0.01%, and -80 dB 8% above its edge.

    `scipy.signal.resample_poly`'s own has ripples of 0.2%.
    """
    reach = _CROSSINGS * rate
    taps = np.sinc(np.arange(-reach, reach + 1) / rate) * np.kaiser(2 * reach + 1, 8.0)
    return taps / taps.sum()


def _ratio(source: float, rate: float) -> Fraction:
    """``rate / source``. What is limited lies below 1, so that it never becomes 0 or infinite."""
    if rate > source:
        return 1 / _ratio(rate, source)
    exact = Fraction(rate) / Fraction(source)
    close = exact.limit_denominator(_WHOLE)
    return close if close else Fraction(1, round(1 / exact))


def centre(values: Signal, length: int | None) -> Signal:
    """The middle ``length`` steps; one more is cut at the end where the rest is odd."""
    if length is None or values.shape[1] <= length:
        return values
    start = (values.shape[1] - length) // 2
    return np.ascontiguousarray(values[:, start : start + length])
