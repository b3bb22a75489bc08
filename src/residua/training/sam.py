"""Sharpness-aware minimisation: descend by the gradient of the worst place nearby.

Foret et al., "Sharpness-Aware Minimization for Efficiently Improving Generalization", ICLR 2021,
algorithm 1. An update takes two passes over the same batch: the gradient g at the weights w, then
the one at ``w + rho g / |g|``, which the optimizer applies to w.

As in the authors' code, both passes draw the same dropout masks and see the same views, so that
the step up is one of the very loss that is measured there, and running statistics and whatever else
a method notes come from the first pass, at the weights themselves. Unlike there, |g| is that of the
whole batch, on however many ranks and in however many parts it is computed, and weight decay is
left to the optimizer.
"""

# torch's multi-tensor operations have no public names, though its own optimizers consist of them
# pyright: reportPrivateUsage=false, reportPrivateImportUsage=false

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

_SMALL = 1e-12
"""Keeps a gradient of zero from being divided by zero."""


@contextmanager
def worst_nearby(module: nn.Module, rho: float) -> Generator[None]:
    """Inside the ``with`` block the weights stand ``rho`` up along their gradient, and there are no
    gradients, ready for a second backward pass. Afterwards weights and buffers are to the bit what
    they were, and the gradients are those of the second pass.

    A gradient that is not finite makes weights inside the block that are not, and so the second
    gradient, by which a guard knows the update for a bad one.

    Args:
        module: After a backward pass whose gradients are complete: synchronised over ranks, not
            scaled. Parameters without a gradient, such as frozen ones, stay where they are.
        rho: Length of the step up, over all parameters together.
    """
    climbing: list[Tensor] = [
        parameter for parameter in module.parameters() if parameter.grad is not None
    ]
    weights = [parameter.detach().clone() for parameter in climbing]
    notes = {name: buffer.clone() for name, buffer in module.named_buffers()}
    _climb(climbing, rho)
    try:
        yield
    finally:
        _put_back(climbing, weights)
        _put_back(dict(module.named_buffers()).values(), notes.values())


@torch.no_grad()
def _climb(parameters: list[Tensor], rho: float) -> None:
    """``w + rho g / |g|``; nothing waits for the norm."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not gradients:
        return
    scale = rho / (get_total_norm(gradients) + _SMALL)
    torch._foreach_add_(parameters, torch._foreach_mul(gradients, scale))
    for parameter in parameters:
        parameter.grad = None


@torch.no_grad()
def _put_back(tensors: Iterable[Tensor], values: Iterable[Tensor]) -> None:
    """Values move, tensors stay: optimizers and compiled code hold on to them."""
    for tensor, value in zip(tensors, values, strict=True):
        tensor.copy_(value)
