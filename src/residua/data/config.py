"""What can be said about a data set. Free of torch, so that the command line stays quick."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from residua.errors import UsageError

Fit = Literal["crop", "squash", "pad"]
CacheMode = Literal["auto", "always", "never"]

Standardise = Literal["sample", "train", "none"]
Missing = Literal["interpolate", "zero", "refuse"]

_LARGEST = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class DataConfig:
    """Which data, and how it is read."""

    path: Annotated[str, tyro.conf.Suppress] = ""
    """A folder or file, or a known name such as fashion-mnist."""
    size: Annotated[tuple[int, int] | None, tyro.conf.arg(metavar="H W")] = None
    """Height and width that the network sees; by default that of small pictures that all have one
    size (up to 64 pixels), else 224 224."""
    channels: int | None = None
    """1 or 3; by default what the pictures have."""
    fit: Fit = "crop"
    """How a picture of another shape fills the size: cut the overhang, squash, or pad."""
    normalise: bool = True
    """Subtract the mean of the training pictures and divide by their standard deviation; otherwise
    values stay from 0 to 1."""
    limit: int | None = None
    """At most so many training samples of each class, for a quick trial; validation and test stay
    whole."""
    labels_per_class: int | None = None
    """Use the labels of so many training samples of each class; the others stay in the data without
    labels, for --method and for pre-training. A larger number adds labels and takes none away."""
    label_seed: int = 0
    """Another seed chooses others to have labels."""
    unlabelled: str | None = None
    """More samples to learn from without labels: a folder (of any depth), or another data set whose
    labels are not read."""
    validation_fraction: float = 0.1
    """Share of the training data that is held out where there is no official validation split."""
    test_fraction: float = 0.1
    """Share that is held out for the final test where there is no official test split."""
    split_seed: int = 0
    """Another seed gives another split."""
    strict: bool = False
    """Stop at the first unreadable file instead of naming and skipping it."""
    workers: int | None = None
    """Processes that decode while the network trains (streaming only); by default one a core,
    at most 8."""
    cache: CacheMode = "auto"
    """Decode once into a cache on disk, or decode anew each epoch; auto caches what takes at most
    a quarter of the free disk."""

    def check(self) -> None:
        """Raises `UsageError` for the first value that is out of its range."""
        sides = self.size or (1, 1)
        self._require("size", min(sides) >= 1 and max(sides) <= _LARGEST, f"1 to {_LARGEST} pixels")
        self._require("channels", self.channels in (None, 1, 3), "1 (grey) or 3 (colour)")
        self._require("limit", self.limit is None or self.limit >= 1, ">= 1")
        few = self.labels_per_class
        self._require("labels_per_class", few is None or few >= 1, ">= 1")
        self._require("workers", (self.workers or 0) >= 0, ">= 0")

    def _require(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise UsageError(f"wrong {name}", expected=expected, received=getattr(self, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesConfig:
    """How signals, sound and text become the network's input. Pictures have none of it."""

    rate: float | None = None
    """Samples per second to which all are resampled; by default what most of the data has."""
    length: int | None = None
    """Steps that the network sees at most: what is longer is cut, evenly on both sides; what is
    shorter is padded, and the padding changes no answer. By default all of it."""
    standardise: Standardise | None = None
    """Subtract mean and divide by standard deviation: each sample's own (sample), those of the
    training split (train), or not at all; by default sample for signals of one channel, train for
    sound and for several channels, whose levels may tell something."""
    missing: Missing = "interpolate"
    """What missing values become: a line between their neighbours, zero, or an error."""
    mels: int = 64
    """Mel bands of sound."""
    window_ms: float = 25.0
    """Length of a window of sound, in milliseconds."""
    hop_ms: float = 10.0
    """Distance of windows of sound, in milliseconds."""
    frequencies: tuple[float, float] | None = None
    """Lowest and highest frequency of the mel bands, in Hz; by default from 20 to half the rate."""

    def check(self) -> None:
        """Raises `UsageError` for the first value that is out of its range."""
        self._require("rate", self.rate is None or self.rate > 0, "above 0")
        self._require("length", self.length is None or self.length >= 1, ">= 1")
        self._require("mels", 1 <= self.mels <= 512, "1 to 512")
        self._require("window_ms", self.window_ms > 0, "above 0")
        self._require("hop_ms", 0 < self.hop_ms <= self.window_ms, "above 0, at most window_ms")
        low, high = self.frequencies or (0.0, 1.0)
        self._require("frequencies", 0 <= low < high, "0 <= lowest < highest")

    def _require(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise UsageError(f"wrong {name}", expected=expected, received=getattr(self, name))
