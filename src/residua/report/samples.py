"""Samples as a report shows them: plain values, without torch.

Legend: h height, w width, c channels, t steps, m mel bands, f frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """Pixels.

    Attributes:
        values: uint8 ``[h, w]`` or ``[h, w, 3]``.
        seen: uint8 ``[h', w']`` or ``[h', w', 3]``: what the network saw of it; None without heat.
        heat: float32 ``[h', w']`` from 0 to 1: what made the network answer as it did.
    """

    values: Pixels
    seen: Pixels | None = None
    heat: Floats | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Signal:
    """Values along time.

    Attributes:
        values: float32 ``[c, t]``; NaN where there is none.
        rate: Samples per second; None where nobody knows.
        names: One a channel, or none.
        units: One a channel, or none.
        heat: float32 ``[t]`` from 0 to 1: what made the network answer as it did.
    """

    values: Floats
    rate: float | None = None
    names: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    heat: Floats | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recording:
    """Sound as it was recorded, to be played.

    Attributes:
        values: float32 ``[c, t]``, from -1 to 1.
        rate: Samples per second.
        seconds: Length of the whole, of which this may be the beginning.
    """

    values: Floats
    rate: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clip:
    """Sound.

    Attributes:
        bands: float32 ``[m, f]``: its log-mel spectrogram as the network sees it.
        seconds: How long it is.
        wave: float32 ``[t]``; None where only the spectrogram is known.
        recording: To be played; None for what cannot.
        heat: float32 ``[m, f]`` from 0 to 1: what made the network answer as it did.
    """

    bands: Floats
    seconds: float
    wave: Floats | None = None
    recording: Recording | None = None
    heat: Floats | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Text:
    """Characters.

    Attributes:
        words: The beginning of the text.
        more: Whether it goes on.
        heat: float32, one a character, from 0 to 1: what made the network answer as it did.
    """

    words: str
    more: bool = False
    heat: Floats | None = None


Content: TypeAlias = Picture | Signal | Clip | Text


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shown:
    """A sample to look at.

    Attributes:
        content: The sample itself.
        key: Where it comes from, see `residua.batch.Sample.key`.
        true: Its class, or whatever the right answer is, in words; empty where unknown.
        predicted: The network's answer in words; None for a sample that was not predicted.
        probability: Probability of ``predicted``; None where there is no such thing.
        top: The most likely classes and their probabilities, most likely first; the page
            draws the first three.
    """

    content: Content
    key: str
    true: str = ""
    predicted: str | None = None
    probability: float | None = None
    top: tuple[tuple[str, float], ...] = ()
