"""Random erasing (Zhong et al., AAAI 2020).

Legend: b samples, c channels, h w size.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from residua.augment.where import apply_where
from residua.random import Draws

_TRIES = 10
_AREA = (0.02, 0.33)
_RATIO = (0.3, 3.3)


def erase(
    images: Tensor, draws: Draws, *, probability: float, fill: Literal["noise", "zero"]
) -> Tensor:
    """Overwrites one rectangle a sample, with ``probability``, with noise or black.

    The area is uniform in 2% to 33% of the picture, height over width log-uniform in 0.3 to 3.3.
    A rectangle that does not fit is drawn again, up to ten times; then the sample stays whole.

    Args:
        images: float ``[b, c, h, w]`` in [0, 1]; may be overwritten.
        draws: The samples' random numbers.
        probability: For each sample.
        fill: noise: uniform in [0, 1) for each pixel and channel (the authors' choice); zero.
    """
    inside, found = draw_rectangles(draws, *images.shape[-2:])
    chosen = draws.bernoulli("erase.whether", probability) & found

    def overwrite(images: Tensor, inside: Tensor, ids: Tensor) -> Tensor:
        if fill == "zero":
            return images.masked_fill(inside, 0.0)
        own = Draws(seed=draws.seed, epoch=draws.epoch, ids=ids)
        return torch.where(inside, own.uniform("erase.noise", *images.shape[1:]), images)

    return apply_where(chosen, images, overwrite, inside, draws.ids)


def draw_rectangles(draws: Draws, h: int, w: int) -> tuple[Tensor, Tensor]:
    """bool ``[b, 1, h, w]``, true inside the rectangle, and ``[b]``, whether there is one."""
    area = h * w * draws.uniform("erase.area", _TRIES, low=_AREA[0], high=_AREA[1])
    low, high = math.log(_RATIO[0]), math.log(_RATIO[1])
    ratio = draws.uniform("erase.ratio", _TRIES, low=low, high=high).exp()
    heights, widths = torch.sqrt(area * ratio).round(), torch.sqrt(area / ratio).round()
    fits = (heights >= 1) & (heights < h) & (widths >= 1) & (widths < w)
    first = fits.int().argmax(dim=1, keepdim=True)
    place = draws.uniform("erase.place", 2)
    rows = _interval(h, heights.gather(1, first)[:, 0], place[:, 0])
    columns = _interval(w, widths.gather(1, first)[:, 0], place[:, 1])
    return (rows[:, :, None] & columns[:, None, :])[:, None], fits.any(dim=1)


def _interval(length: int, extent: Tensor, place: Tensor) -> Tensor:
    """bool ``[b, length]``: true on ``extent`` pixels, at a share ``place`` of what is free."""
    free = length - extent
    start = torch.minimum((place * (free + 1)).floor(), free)[:, None]
    position = torch.arange(length, device=place.device)
    return (position >= start) & (position < start + extent[:, None])
