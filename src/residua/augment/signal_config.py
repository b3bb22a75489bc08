"""What can be said about the augmentation of signals. Free of torch, as `config.py` is."""

from __future__ import annotations

from dataclasses import dataclass

from residua.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalAugmentConfig:
    """Random changes of the training signals; validation and test never see them.

    All are off: which of them help and which harm differs from data set to data set (Iwana &
    Uchida, PLOS ONE 2021), and none is harmless for all signals as a flip is for most pictures.
    """

    slice: float = 0.0
    """Largest share of the steps that is cut off; a window at a random place stays, unscaled (Le
    Guennec et al., 2016). 0.1 keeps 90% or more."""
    slice_stretch: bool = False
    """Stretch that window back to the length of the whole, as its authors do: it runs slower."""
    slice_swap: bool = False
    """Stretch it to the length of another signal of the batch instead, so that none is known by its
    length. For pre-training: two views of a signal are found by their length otherwise."""
    time_warp: float = 0.0
    """How unevenly time runs: standard deviation of the logarithm of its speed, which changes
    smoothly (Um et al., 2017). 0.2 is usual."""
    time_warp_knots: int = 4
    """Places, besides both ends, at which time_warp draws a speed."""
    magnitude: float = 0.0
    """Standard deviation of the factor, 1 on average, that scales each channel (Um et al., 2017).
    0.1 is usual."""
    noise: float = 0.0
    """Standard deviation of added Gaussian noise, where 1 is that of the standardised signal (Um et
    al., 2017). 0.03 is usual."""
    channel_dropout: float = 0.0
    """Probability of a channel to become 0; one stays at least."""
    cutout: float = 0.0
    """Probability that a segment becomes 0, in all channels at once (DeVries & Taylor, 2017)."""
    cutout_width: float = 0.2
    """Largest width of that segment, as a share of the steps."""

    def __post_init__(self) -> None:
        self._require("slice", 0 <= self.slice < 1, "0 or more, below 1")
        for name in ("time_warp", "magnitude", "noise"):
            self._require(name, getattr(self, name) >= 0, "0 or more")
        self._require("time_warp", self.time_warp <= 2, "0 to 2")
        self._require("time_warp_knots", 0 <= self.time_warp_knots <= 1000, "0 to 1000")
        self._require("channel_dropout", 0 <= self.channel_dropout < 1, "0 or more, below 1")
        self._require("cutout", 0 <= self.cutout <= 1, "a probability from 0 to 1")
        self._require("cutout_width", 0 < self.cutout_width < 1, "a share between 0 and 1")

    def _require(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            received = getattr(self, name)
            raise UsageError(f"bad augmentation: {name}", expected=expected, received=received)
