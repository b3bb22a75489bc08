"""What can be said about augmentation. Free of torch, so that the command line stays quick."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from residua.batch import Task
from residua.errors import UsageError

_PROBABILITIES = (
    "flip",
    "jitter_probability",
    "grayscale",
    "blur",
    "solarize",
    "erasing",
    "square_cutout",
    "mix_probability",
    "cutmix_share",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentConfig:
    """Random changes of the training pictures; validation and test never see them."""

    crop: Literal["auto", "none", "pad", "resized"] = "auto"
    """pad: shift after zero padding (He et al., 2016); resized: random area and aspect ratio
    (Szegedy et al., 2015); auto: pad up to 64 pixels, resized above."""
    padding: int | None = None
    """Pixels of padding on each side for crop=pad; by default an eighth of the shorter side: 4 of
    32."""
    scale: tuple[float, float] = (0.25, 1.0)
    """Range of the area that crop=resized keeps."""
    ratio: tuple[float, float] = (0.75, 1.3333333333333333)
    """Range of the aspect ratio of crop=resized."""
    flip: float | None = None
    """Probability of a horizontal flip; by default 0.5, and 0 for the known data sets of
    characters, which a mirror spoils."""
    jitter: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    """Strength of brightness, contrast, saturation and hue changes."""
    jitter_probability: float = 1.0
    """Probability that a picture's colours change by jitter at all."""
    grayscale: float = 0.0
    """Probability that a picture loses its colours. Like jitter's saturation and hue it leaves
    pictures that are not RGB as they are."""
    blur: float = 0.0
    """Probability of a Gaussian blur of standard deviation 0.1 to 2, cut off at a twentieth of the
    shorter side (Chen et al., "SimCLR", 2020, appendix A): 3 pixels of 28 or 32, 23 of 224."""
    solarize: float = 0.0
    """Probability that the brighter half of the range is inverted (Grill et al., "BYOL", 2020)."""
    policy: Literal["none", "trivial", "rand", "augmix"] = "none"
    """TrivialAugment-wide (Müller & Hutter, 2021), RandAugment (Cubuk et al., 2020) or AugMix
    (Hendrycks et al., 2020; without its consistency loss)."""
    rand_count: int = 2
    """Operations in a row of RandAugment."""
    rand_magnitude: float = 9.0
    """Magnitude of RandAugment, 0 to 30 (torchvision's 31 bins)."""
    erasing: float = 0.0
    """Probability of erasing a random rectangle (Zhong et al., 2020)."""
    erasing_fill: Literal["noise", "zero"] = "noise"
    """What erased pixels become: noise of their own each, or black."""
    square_cutout: float = 0.0
    """Probability that a square around a random pixel becomes black; what lies beyond the border
    is lost (Cutout, DeVries & Taylor, 2017)."""
    square_size: float = 0.5
    """Side of that square, as a share of the picture's shorter side: 16 of 32 pixels."""
    mixup: float = 0.0
    """Alpha of Mixup (Zhang et al., 2018); 0 is off."""
    cutmix: float = 0.0
    """Alpha of CutMix (Yun et al., 2019); 0 is off. With both on, each batch's sample draws one."""
    mix_probability: float = 1.0
    """Probability that a sample is mixed at all, when mixup or cutmix is on."""
    cutmix_share: float = 0.5
    """Probability of CutMix where both are on."""

    def __post_init__(self) -> None:
        for name in _PROBABILITIES:
            self._require(name, 0 <= (getattr(self, name) or 0) <= 1, "a probability from 0 to 1")
        for name in ("padding", "mixup", "cutmix"):
            self._require(name, (getattr(self, name) or 0) >= 0, "0 or more")
        (smallest, largest), (narrowest, widest) = self.scale, self.ratio
        self._require("scale", 0 < smallest <= largest <= 1, "0 < smallest <= largest <= 1")
        self._require("ratio", 0 < narrowest <= widest, "0 < smallest <= largest")
        self._require("jitter", min(self.jitter) >= 0, "four strengths of 0 or more")
        self._require("jitter", self.jitter[3] <= 0.5, "a hue of at most 0.5, half a turn")
        self._require("square_size", 0 < self.square_size <= 1, "a share above 0, at most 1")
        self._require("rand_count", self.rand_count >= 1, "1 or more")
        self._require("rand_magnitude", 0 <= self.rand_magnitude <= 30, "0 to 30")

    @property
    def mixes(self) -> bool:
        """Whether samples are mixed with one another."""
        return self.mixup > 0 or self.cutmix > 0

    def check_task(self, task: Task) -> None:
        """Raises `UsageError` where samples would be mixed whose targets cannot be."""
        if self.mixes and task is Task.CTC:
            name = "mixup" if self.mixup > 0 else "cutmix"
            raise UsageError(
                f"{name} cannot mix sequences of tokens",
                expected="0 where a transcription is learnt",
                received=f"{name} {getattr(self, name):g}",
                fix=f"Leave out --{name}",
            )

    def _require(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            received = getattr(self, name)
            raise UsageError(f"bad augmentation: {name}", expected=expected, received=received)
