"""Views for learning with few labels or none: which changes, how strong. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from residua.augment.config import AugmentConfig
from residua.augment.signal_config import SignalAugmentConfig
from residua.augment.sound_config import SoundAugmentConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewConfigs:
    """One view of samples of any modality; only the part for that of the data is read."""

    augment: AugmentConfig = field(default_factory=AugmentConfig)
    signal: SignalAugmentConfig = field(default_factory=SignalAugmentConfig)
    sound: SoundAugmentConfig = field(default_factory=SoundAugmentConfig)


def contrastive_views(
    method: Literal["simclr", "byol", "vicreg"],
    *,
    small: bool,
    channels: int = 3,
    flip: float | None = None,
) -> tuple[ViewConfigs, ViewConfigs]:
    """The two views of a sample whose embeddings are to agree.

    Up to 64 pixels they are those with which solo-learn (scripts/pretrain/cifar) reaches the
    published figures on CIFAR-10, without blur; above they are the papers': Chen et al., 2020,
    appendix A (simclr), Grill et al., 2020, appendix B, table 6 (byol), which Bardes et al., 2022
    follow (vicreg).

    Args:
        method: simclr jitters colours twice as much as the others; of byol (and vicreg above 64
            pixels) one view is blurred and the other solarized.
        small: Pictures up to 64 pixels a side.
        channels: Of the pictures. Fewer than three have no hue and no saturation. Large ones change
            in brightness and contrast half as much, and their crops keep a fifth at least. Small
            ones have views of their own, the same for all methods: crops that keep most of the
            outline, by which they are known, and brightness, contrast, blur and solarization that
            leave little of their texture (docs/few-labels.md).
        flip: `AugmentConfig.flip` of the recipe: 0 where a mirror spoils the classes.
    """
    first, second = _pictures(method, small=small)
    if channels < 3:
        first, second = _SMALL_GREY if small else map(_without_colours, (first, second))
    return tuple[ViewConfigs, ViewConfigs](
        ViewConfigs(
            augment=replace(each, flip=flip),
            signal=_CONTRASTIVE_SIGNAL,
            sound=_CONTRASTIVE_SOUND,
        )
        for each in (first, second)
    )


_SIMCLR = AugmentConfig(
    crop="resized",
    scale=(0.08, 1.0),
    jitter=(0.8, 0.8, 0.8, 0.2),
    jitter_probability=0.8,
    grayscale=0.2,
)
_BYOL = replace(_SIMCLR, jitter=(0.4, 0.4, 0.2, 0.1))

_OUTLINE = AugmentConfig(
    crop="resized", scale=(0.6, 1.0), jitter=(0.8, 0.8, 0.0, 0.0), jitter_probability=0.8
)
_SMALL_GREY = replace(_OUTLINE, blur=0.5, solarize=0.2), _OUTLINE

_CONTRASTIVE_SIGNAL = SignalAugmentConfig(
    slice=0.4, slice_swap=True, magnitude=0.2, noise=0.1, cutout=0.5, cutout_width=0.3
)
"""Crop and resize in time, scaling, jitter, time-out. A signal's length says nothing."""

_CONTRASTIVE_SOUND = SoundAugmentConfig(
    time_crop=(0.8, 1.25),
    frequency_crop=(0.8, 1.2),
    crop_swap=True,
    time_masks=0,
    frequency_masks=0,
)
"""A resized crop as in Niizumi et al., "BYOL for Audio", 2021, narrower since clips here are whole
words and calls, and without another clip behind it; of a length that says nothing; and a little
shift and gain. See docs/few-labels.md for what each is worth."""


def _pictures(method: str, *, small: bool) -> tuple[AugmentConfig, AugmentConfig]:
    match method, small:
        case "simclr", _:
            both = _SIMCLR if small else replace(_SIMCLR, blur=0.5)
            return both, both
        case "vicreg", True:
            both = replace(_BYOL, scale=(0.2, 1.0), solarize=0.1)
            return both, both
        case _, True:
            return _BYOL, replace(_BYOL, solarize=0.2)
        case _:
            return replace(_BYOL, blur=1.0), replace(_BYOL, blur=0.1, solarize=0.2)


def _without_colours(config: AugmentConfig) -> AugmentConfig:
    brightness, contrast = (min(strength, 0.4) for strength in config.jitter[:2])
    return replace(
        config,
        scale=(max(0.2, config.scale[0]), config.scale[1]),
        jitter=(brightness, contrast, 0.0, 0.0),
        grayscale=0.0,
    )


def weak_views(usual: ViewConfigs) -> ViewConfigs:
    """Views that leave a sample what it is: those of labelled samples, and those by which
    pseudo-labels are made.

    Pictures keep the crop and the flip of ``usual`` (FixMatch's weak views, Sohn et al., 2020,
    2.2), sound its shift and gain. Signals keep what was asked for, else lose a tenth of their
    steps at most (a small shift) and get a little noise. Nothing is mixed.
    """
    augment, signal, sound = usual.augment, usual.signal, usual.sound
    return ViewConfigs(
        augment=AugmentConfig(
            crop=augment.crop,
            padding=augment.padding,
            scale=augment.scale,
            ratio=augment.ratio,
            flip=augment.flip,
        ),
        signal=_WEAK_SIGNAL if signal == SignalAugmentConfig() else signal,
        sound=SoundAugmentConfig(
            gain_db=sound.gain_db, sound_shift=sound.sound_shift, time_masks=0, frequency_masks=0
        ),
    )


_WEAK_SIGNAL = SignalAugmentConfig(slice=0.1, noise=0.03)


def strong_views(weak: ViewConfigs) -> ViewConfigs:
    """Views under which a sample is hard to recognise: ``weak`` with more on top.

    Pictures: RandAugment (two operations) and Cutout of half a side (Sohn et al., 2020, 2.2 and
    appendix D). The magnitude is 10 of 30 for all where theirs is drawn: shifts by up to 4 pixels
    of 28, turns by 10 degrees, after which a small grey picture shows what it is by its outline,
    as it has no colours to be known by. Signals: scaling, uneven speed, noise, cut-out. Sound: wide
    masks, speed, noise.
    """
    return ViewConfigs(
        augment=replace(
            weak.augment,
            policy="rand",
            rand_count=2,
            rand_magnitude=10.0,
            square_cutout=1.0,
            square_size=0.5,
        ),
        signal=replace(
            weak.signal,
            time_warp=0.2,
            magnitude=0.2,
            noise=0.1,
            cutout=1.0,
            cutout_width=0.3,
        ),
        sound=replace(
            weak.sound,
            snr=(5.0, 30.0),
            speed=(0.9, 1.1),
            time_masks=2,
            time_mask_width=0.3,
            frequency_masks=2,
            frequency_mask_width=0.3,
        ),
    )
