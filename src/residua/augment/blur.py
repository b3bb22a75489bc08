"""Gaussian blur, with one width a sample.

Legend: b samples, c channels, h w size, r radius of the kernel.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_SIDES = 20


def gaussian_blur(images: Tensor, sigma: Tensor) -> Tensor:
    """``images`` under a square Gaussian kernel whose side is a tenth of theirs.

    Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations" (ICML
    2020), appendix A. The kernel is odd, 3 pixels at least, and of weight 1; behind the border the
    picture is reflected.

    Args:
        images: float ``[b, c, h, w]``.
        sigma: float ``[b]``, standard deviations in pixels, above 0.
    """
    shorter = min(images.shape[-2:])
    r = min(max(1, shorter // _SIDES), shorter - 1)
    if r == 0:
        return images
    distance = torch.arange(r + 1, dtype=torch.float32, device=images.device)
    weights = torch.exp(-0.5 * (distance / sigma[:, None]).square())
    # The kernel is symmetric: its middle counts once, all other distances twice.
    weights = weights / (2 * weights.sum(dim=1, keepdim=True) - weights[:, :1])
    return _blurred(_blurred(images, weights, dim=2), weights, dim=3)


def _blurred(images: Tensor, weights: Tensor, *, dim: int) -> Tensor:
    """Along one axis, with ``[b, r + 1]`` weights of the distances 0 to r.

    A sum of shifted pictures: a sample's result is the same to the bit in any batch, which that
    of a convolution is not.
    """
    r, n = weights.shape[1] - 1, images.shape[dim]
    padded = F.pad(images, (0, 0, r, r) if dim == 2 else (r, r, 0, 0), mode="reflect")
    result = images * _each(weights[:, 0])
    for d in range(1, r + 1):
        pair = padded.narrow(dim, r - d, n) + padded.narrow(dim, r + d, n)
        result.addcmul_(pair, _each(weights[:, d]))
    return result


def _each(weights: Tensor) -> Tensor:
    return weights[:, None, None, None]
