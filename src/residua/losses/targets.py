"""Losses of targets that are numbers: labels that a sample has or has not, and quantities.

Targets that are NaN are not known and count nothing. Losses are computed in float32 or better and
are means over a sample's known targets, so that samples count alike.

Legend: b samples, k labels or quantities.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from residua.errors import UsageError


def binary_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """``[b]`` mean of ``-t log p - (1 - t) log(1 - p)`` with p = sigmoid(logit).

    Args:
        logits: ``[b, k]``, any floating type.
        targets: float ``[b, k]`` from 0 to 1; between them once mixed.

    Raises:
        UsageError: Shapes or types that do not fit.
    """
    known, exact = _checked(logits, targets)
    truth = targets.masked_fill(~known, 0.0).to(exact.dtype)
    losses = F.binary_cross_entropy_with_logits(exact, truth, reduction="none")
    return known_mean(losses, known)


def squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """``[b]`` mean of ``(output - t)^2``.

    Args:
        outputs: ``[b, k]``, any floating type.
        targets: float ``[b, k]`` in the same units.

    Raises:
        UsageError: Shapes or types that do not fit.
    """
    known, exact = _checked(outputs, targets)
    truth = targets.to(exact.dtype)
    return known_mean((exact - truth.masked_fill(~known, 0.0)).square(), known)


def known_mean(values: Tensor, known: Tensor) -> Tensor:
    """``[b]`` mean of the ``values`` ``[b, k]`` that are known; 0 where none is."""
    total = values.masked_fill(~known, 0.0).sum(1)
    return total / known.sum(1).clamp(min=1)


def _checked(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """bool ``[b, k]``: which targets are known; and the outputs in float32 or better."""
    if outputs.ndim != 2 or outputs.shape != targets.shape or not targets.is_floating_point():
        raise UsageError(
            "targets do not fit the network's outputs",
            expected=f"floats {list(outputs.shape)}",
            received=f"{targets.dtype} {list(targets.shape)}",
        )
    return ~targets.isnan(), outputs.to(torch.promote_types(outputs.dtype, torch.float32))
