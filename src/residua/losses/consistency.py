"""What answers to unlabelled samples are compared with, and how much each comparison counts.

All is computed in float32 or better, whatever the logits come in. Only answers that are to learn
get gradients: pseudo-labels, confidences and a teacher's logits are for the caller to detach.

Legend: u unlabelled samples, k classes.
"""

from __future__ import annotations

import torch
from torch import Tensor

_SMALLEST = 1e-6
"""Added to class shares before one is divided by another, as in AdaMatch's published code."""

_LEAST_VARIANCE = 1e-8
"""Of confidences that are all the same, where a Gaussian has no width."""


def probabilities(logits: Tensor) -> Tensor:
    """``[u, k]`` softmax of ``logits``."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32)).softmax(dim=-1)


def aligned(guesses: Tensor, target: Tensor, mean: Tensor) -> Tensor:
    """Distribution alignment: guesses whose classes are as frequent as they should be.

    Each guess is multiplied by ``target / mean`` and divided by its sum (Berthelot et al.,
    "ReMixMatch", 2020, section 3.1; "AdaMatch", 2022, section 3).

    Args:
        guesses: ``[u, k]`` probabilities.
        target: ``[k]`` what the mean of guesses should be.
        mean: ``[k]`` what it is.

    Returns:
        ``[u, k]`` probabilities.
    """
    ratio = guesses * ((target + _SMALLEST) / (mean + _SMALLEST))
    return ratio / ratio.sum(dim=-1, keepdim=True)


def passing(confidence: Tensor, threshold: Tensor | float) -> Tensor:
    """``[u]``: 1 where ``confidence`` ``[u]`` is at least ``threshold``, else 0 (Sohn et al.,
    "FixMatch", 2020, equation 4)."""
    return (confidence >= threshold).to(confidence.dtype)


def truncated_gaussian(
    confidence: Tensor, mean: Tensor, variance: Tensor, *, sigmas: float = 2.0
) -> Tensor:
    """``[u]`` weights: 1 above ``mean``, below it ``exp(-(c - mean)^2 / (2 * (sd / sigmas)^2))``.

    Chen et al., "SoftMatch" (ICLR 2023), equation 6; ``sigmas`` makes the bell narrower (appendix,
    and 2 in the published code).

    Args:
        confidence: ``[u]``.
        mean, variance: Of confidences, without dimensions.
        sigmas: Standard deviations of the confidences in one of the bell.
    """
    below = (confidence - mean).clamp(max=0)
    return torch.exp(-(below * sigmas).square() / (2 * variance.clamp(min=_LEAST_VARIANCE)))


def squared_distance(logits: Tensor, teacher: Tensor) -> Tensor:
    """``[u]``: ``sum_k (softmax(logits)_k - softmax(teacher)_k)^2``.

    Tarvainen & Valpola, "Mean teachers are better role models" (2017), section 2.

    Args:
        logits, teacher: ``[u, k]``.
    """
    return (probabilities(logits) - probabilities(teacher)).square().sum(dim=-1)


def ramp_up(share: Tensor) -> Tensor:
    """``exp(-5 (1 - t)^2)``, from almost 0 to 1 as ``share`` t goes from 0 to 1, and 1 from there.

    Laine & Aila, "Temporal Ensembling for Semi-Supervised Learning" (2017), section 3.
    """
    return torch.exp(-5 * (1 - share.clamp(max=1)).square())
