"""Changes of pixels where they are: policies, colours, blur, and what is cut out.

Pictures are float ``[b, c, h, w]`` in [0, 1] and may be overwritten.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from residua.augment import colour, cutout, erasing, policies
from residua.augment.augmix import augmix
from residua.augment.blur import gaussian_blur
from residua.augment.config import AugmentConfig
from residua.augment.where import apply_where
from residua.random import Draws

_CACHED_VALUES = 2**20
_SIGMA = (0.1, 2.0)


def recolours(config: AugmentConfig) -> bool:
    """Whether `recolour` does anything."""
    drops = config.erasing > 0 or config.square_cutout > 0
    return config.policy != "none" or _changes_colours(config) or drops


def recolour(views: Tensor, draws: Draws, config: AugmentConfig) -> Tensor:
    """In this order: policy, jitter, grayscale, blur, solarize, erasing, cutout."""
    views = _by_policy(views, draws, config)
    if _changes_colours(config):
        views = _in_parts(views, draws, config)
    if config.erasing > 0:
        probability, fill = config.erasing, config.erasing_fill
        views = erasing.erase(views, draws, probability=probability, fill=fill)
    if config.square_cutout > 0:
        probability, size = config.square_cutout, config.square_size
        views = cutout.cutout(views, draws, probability=probability, size=size)
    return views


def _changes_colours(config: AugmentConfig) -> bool:
    jitters = any(config.jitter) and config.jitter_probability > 0
    return jitters or max(config.grayscale, config.blur, config.solarize) > 0


def _by_policy(views: Tensor, draws: Draws, config: AugmentConfig) -> Tensor:
    match config.policy:
        case "none":
            return views
        case "trivial":
            return policies.trivial_augment(views, draws)
        case "rand":
            count, magnitude = config.rand_count, config.rand_magnitude
            return policies.rand_augment(views, draws, count=count, magnitude=magnitude)
        case "augmix":
            return augmix(views, draws)


def _in_parts(views: Tensor, draws: Draws, config: AugmentConfig) -> Tensor:
    """`_colours`; on the processor in parts that fit its cache, which halves the time."""
    on_cpu = views.device.type == "cpu"
    n = max(1, _CACHED_VALUES // math.prod(views.shape[1:])) if on_cpu else max(1, len(views))
    parts = zip(views.split(n), draws.ids.split(n), strict=True)
    return torch.cat([_colours(part, replace(draws, ids=ids), config) for part, ids in parts])


def _colours(images: Tensor, draws: Draws, config: AugmentConfig) -> Tensor:
    def jitter(images: Tensor, ids: Tensor) -> Tensor:
        return colour.jitter(images, replace(draws, ids=ids), config.jitter)

    def blur(images: Tensor, ids: Tensor) -> Tensor:
        own = replace(draws, ids=ids)
        return gaussian_blur(images, own.uniform("blur.sigma", low=_SIGMA[0], high=_SIGMA[1]))

    def solarize(images: Tensor, ids: Tensor) -> Tensor:
        return colour.solarize(images, torch.full_like(ids, 0.5, dtype=torch.float32))

    def grayscale(images: Tensor, ids: Tensor) -> Tensor:
        del ids
        return colour.grayscale(images)

    if any(config.jitter):
        images = _sometimes(images, draws, "jitter.whether", config.jitter_probability, jitter)
    images = _sometimes(images, draws, "grayscale", config.grayscale, grayscale)
    images = _sometimes(images, draws, "blur", config.blur, blur)
    return _sometimes(images, draws, "solarize", config.solarize, solarize)


def _sometimes(
    images: Tensor,
    draws: Draws,
    stream: str,
    probability: float,
    operation: Callable[[Tensor, Tensor], Tensor],
) -> Tensor:
    """``operation(images, ids)`` of those samples that draw it."""
    if probability == 0:
        return images
    if probability == 1:
        return operation(images, draws.ids)
    return apply_where(draws.bernoulli(stream, probability), images, operation, draws.ids)
