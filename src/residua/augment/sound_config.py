"""What can be said about the augmentation of sound. Free of torch, as `config.py` is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from residua.errors import UsageError

_Range = tyro.conf.arg(metavar="LOW HIGH")


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundAugmentConfig:
    """Random changes of the training clips; validation and test never see them.

    The defaults are light versions of what is usual for spoken commands: shifts by up to a tenth
    (Berg, O'Connor & Cruz, "Keyword Transformer", 2021: 100 ms of 1 s), two masks of up to a fifth
    along either axis (Majumdar & Ginsburg, "MatchboxNet", 2020: 25 frames of 128, 15 bands of 64),
    and a gain that microphones differ by.
    """

    gain_db: Annotated[tuple[float, float], _Range] = (-6.0, 6.0)
    """Range of the change of loudness, in dB; 0 0 is off."""
    sound_shift: float = 0.1
    """Largest shift in time, either way, as a share of the clip; silence comes in."""
    snr: Annotated[tuple[float, float] | None, _Range] = None
    """Range of the signal-to-noise ratio, in dB, at which noise is added to each clip; by default
    none is. 10 to 40 is usual."""
    noise_colour: Literal["white", "pink"] = "white"
    """white: all frequencies alike; pink: all octaves alike, as in rooms and outdoors."""
    speed: Annotated[tuple[float, float], _Range] = (1.0, 1.0)
    """Range of the factor by which a clip runs faster and higher; 1 1 is off. 0.9 to 1.1 is usual
    (Ko et al., 2015)."""
    background: float = 0.0
    """Largest share of the power that another clip of the batch has in the mixture; targets stay
    those of the first (Niizumi et al., "BYOL for Audio", 2021: 0.4). Shares are uniform from 0."""
    time_crop: Annotated[tuple[float, float], _Range] = (1.0, 1.0)
    """Range of the share of a clip's frames that a window at a random place has, which is resized
    to the length of the clip; above 1 the clip shrinks, and its mean stands beside it. 1 1 is off.
    0.6 to 1.5 is usual (Niizumi et al., 2021)."""
    frequency_crop: Annotated[tuple[float, float], _Range] = (1.0, 1.0)
    """The same of the mel bands. 0.6 to 1 is usual."""
    crop_swap: bool = False
    """Stretch what is cropped to the length of another clip of the batch, so that no clip is known
    by its length. For pre-training: two views of a clip are found by their length otherwise."""
    time_masks: int = 2
    """Segments of the spectrogram that are masked (SpecAugment, Park et al., 2019)."""
    time_mask_width: float = 0.2
    """Largest width of each of them, as a share of the clip's frames; widths are uniform from 0."""
    frequency_masks: int = 2
    """Groups of neighbouring mel bands that are masked (SpecAugment)."""
    frequency_mask_width: float = 0.2
    """Largest width of each of them, as a share of the bands; widths are uniform from 0."""

    @property
    def crops(self) -> bool:
        """Whether spectrograms are cropped or stretched."""
        whole = (1.0, 1.0)
        return self.crop_swap or (self.time_crop, self.frequency_crop) != (whole, whole)

    def __post_init__(self) -> None:
        for name in ("gain_db", "snr", "speed", "time_crop", "frequency_crop"):
            low, high = getattr(self, name) or (0.0, 0.0)
            self._require(name, low <= high, "lowest <= highest")
        self._require("gain_db", max(map(abs, self.gain_db)) <= 100, "-100 to 100 dB")
        self._require("snr", max(map(abs, self.snr or (0.0,))) <= 100, "-100 to 100 dB")
        self._require("speed", self.speed[0] >= 0.5 and self.speed[1] <= 2, "0.5 to 2")
        self._require("sound_shift", 0 <= self.sound_shift < 1, "0 or more, below 1")
        self._require("background", 0 <= self.background < 1, "0 or more, below 1")
        for name in ("time_crop", "frequency_crop"):
            low, high = getattr(self, name)
            self._require(name, low > 0 and high <= 2, "above 0, at most 2")
        for name in ("time_masks", "frequency_masks"):
            self._require(name, 0 <= getattr(self, name) <= 100, "0 to 100")
        for name in ("time_mask_width", "frequency_mask_width"):
            self._require(name, 0 <= getattr(self, name) < 1, "0 or more, below 1")

    def _require(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            received = getattr(self, name)
            raise UsageError(f"bad augmentation: {name}", expected=expected, received=received)
