"""Operations on those samples of a batch that drew them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def apply_where(
    chosen: Tensor, images: Tensor, operation: Callable[..., Tensor], *parameters: Tensor
) -> Tensor:
    """``operation(images, *parameters)`` where bool ``[b]`` ``chosen`` holds, else the images.

    Images and results are ``[b, c, h, w]``, parameters ``[b, ...]``. On the processor
    only the chosen images are computed, and written in their places. Elsewhere all are computed
    and those not chosen thrown away, because to count the chosen ones would make the host wait
    for the device.
    """
    if images.device.type == "cpu":
        return apply_to_chosen(chosen, images, operation, *parameters)
    return apply_to_all(chosen, images, operation, *parameters)


def apply_to_chosen(
    chosen: Tensor, images: Tensor, operation: Callable[..., Tensor], *parameters: Tensor
) -> Tensor:
    """`apply_where`, computing as little as possible; overwrites ``images``."""
    rows = chosen.nonzero()[:, 0]
    if len(rows):
        images[rows] = operation(images[rows], *(values[rows] for values in parameters))
    return images


def apply_to_all(
    chosen: Tensor, images: Tensor, operation: Callable[..., Tensor], *parameters: Tensor
) -> Tensor:
    """`apply_where` without waiting for the device."""
    return torch.where(chosen[:, None, None, None], operation(images, *parameters), images)
