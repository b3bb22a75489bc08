"""What can be said about augmentation. Free of torch, so that the command line stays quick."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentConfig:
    """Random changes of the training pictures; validation and test never see them."""

    crop: Literal["auto", "none", "pad", "resized"] = "auto"
    """pad: shift after zero padding (He et al., 2016); resized: random area and aspect ratio
    (Szegedy et al., 2015); auto: pad up to 64 pixels, resized above."""
    padding: int = 4
    """Pixels of padding on each side for crop=pad."""
    scale: tuple[float, float] = (0.25, 1.0)
    """Range of the area that crop=resized keeps."""
    ratio: tuple[float, float] = (0.75, 1.3333333333333333)
    """Range of the aspect ratio of crop=resized."""
    flip: float = 0.5
    """Probability of a horizontal flip; 0 where left and right matter (digits, text)."""
    jitter: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    """Strength of brightness, contrast, saturation and hue changes."""
    policy: Literal["none", "trivial", "rand"] = "none"
    """TrivialAugment-wide (Müller & Hutter, 2021) or RandAugment (Cubuk et al., 2020)."""
    rand_count: int = 2
    """Operations in a row of RandAugment."""
    rand_magnitude: float = 9.0
    """Magnitude of RandAugment, 0 to 30 (torchvision's 31 bins)."""
    erasing: float = 0.0
    """Probability of erasing a random rectangle (Zhong et al., 2020)."""
    mixup: float = 0.0
    """Alpha of Mixup (Zhang et al., 2018); 0 is off."""
    cutmix: float = 0.0
    """Alpha of CutMix (Yun et al., 2019); 0 is off. With both on, each batch's sample draws one."""
    mix_probability: float = 1.0
    """Probability that a sample is mixed at all, when mixup or cutmix is on."""
    cutmix_share: float = 0.5
    """Probability of CutMix where both are on."""
