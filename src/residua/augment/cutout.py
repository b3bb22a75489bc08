"""Cutout (DeVries & Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout",
arXiv 1708.04552).

Legend: b samples, c channels, h w size.
"""

from __future__ import annotations

import torch
from torch import Tensor

from residua.random import Draws


def cutout(images: Tensor, draws: Draws, *, probability: float, size: float) -> Tensor:
    """A black square around a pixel that is drawn evenly from all; it may reach over the border,
    which the authors find important: some pictures keep most of what they show.

    Args:
        images: float ``[b, c, h, w]``.
        draws: The samples' random numbers.
        probability: For each sample.
        size: Side of the square, as a share of the shorter side; 1 pixel at least.
    """
    h, w = images.shape[-2:]
    side = max(1, round(size * min(h, w)))
    rows = _interval(h, side, draws.integers("cutout.row", h))
    columns = _interval(w, side, draws.integers("cutout.column", w))
    inside = rows[:, None, :, None] & columns[:, None, None, :]
    chosen = draws.bernoulli("cutout.whether", probability)
    return images.masked_fill(inside & chosen[:, None, None, None], 0.0)


def _interval(length: int, side: int, centre: Tensor) -> Tensor:
    """bool ``[b, length]``: true on ``side`` pixels around ``centre``."""
    start = (centre - side // 2)[:, None]
    position = torch.arange(length, device=centre.device)
    return (position >= start) & (position < start + side)
