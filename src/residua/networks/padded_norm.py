"""Batch normalisation whose statistics are those of valid positions alone, of one or all ranks.

Ioffe & Szegedy, "Batch Normalization", 2015, algorithm 1.

Legend: b samples, c channels, ``*s`` spatial axes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

Total = Callable[[Tensor], Tensor]
"""Sums a tensor over all ranks; must not change what it is given."""


class Statistics(NamedTuple):
    """``[c]`` means and unbiased variances, for the running statistics."""

    mean: Tensor
    unbiased: Tensor


def normalise(
    data: Tensor,
    valid: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    *,
    eps: float,
    total: Total = torch.clone,
) -> tuple[Tensor, Statistics]:
    """(x - mean) / sqrt(variance + eps) * weight + bias.

    Args:
        data: ``[b, c, *s]``.
        valid: ``[b, 1 ..., t]`` of at least float32, 1 where values count and 0 where they do not
            (but are finite); None where all do.
        weight: ``[c]``, or None for ones.
        bias: ``[c]``, or None for zeros.
        eps: Added to the variance.
        total: Sums over ranks.
    """
    found = _Normalise.apply(data, weight, bias, valid, eps, total)
    normal, mean, variance, count = cast(tuple[Tensor, ...], found)
    unbiased = variance * count / (count - 1).clamp(min=1)
    return normal, Statistics(mean, unbiased)


class _Normalise(torch.autograd.Function):
    """Keeps its input and the statistics for backward, and no masked copy."""

    @staticmethod
    def forward(
        ctx: Any,
        data: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        valid: Tensor | None,
        eps: float,
        total: Total,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        x = _zeroed(data.to(torch.promote_types(data.dtype, torch.float32)), valid)
        sums = total(torch.cat([x.sum(_axes(x)), _count(x, valid)]))
        count = sums[-1]
        mean = sums[:-1] / count
        # a second pass: the difference of two large sums would lose the variance's digits
        variance = total(_centred(data, mean, valid).square_().sum(_axes(x))) / count
        ctx.save_for_backward(data, weight, valid, mean, variance, count)
        ctx.eps, ctx.total = eps, total
        ctx.mark_non_differentiable(mean, variance, count)
        return F.batch_norm(data, mean, variance, weight, bias, eps=eps), mean, variance, count

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *gradients: Tensor
    ) -> tuple[Tensor | None, ...]:
        data, weight, valid, mean, variance, count = ctx.saved_tensors
        given = _zeroed(gradients[0].contiguous(), valid)
        scale = torch.ones_like(mean) if weight is None else weight
        # as if the statistics were constants: given * scale / deviation, and sums for the others
        gradient, slope, shift = torch.ops.aten.native_batch_norm_backward(
            given, data, scale, mean, variance, None, None, False, ctx.eps, [True, True, True]
        )
        through = ctx.total(torch.stack([shift, slope]).to(mean.dtype)) / count
        inverse = torch.rsqrt(variance + ctx.eps)
        factors = through * (inverse * scale)
        exact = gradient.to(mean.dtype).sub_(factors[0].view(_shape(data)))
        centred = data.to(mean.dtype) - mean.view(_shape(data))
        exact.addcmul_(centred, (factors[1] * inverse).view(_shape(data)), value=-1)
        if valid is not None:
            exact.mul_(valid)
        affine = (
            (None, None) if weight is None else (slope.to(weight.dtype), shift.to(weight.dtype))
        )
        return exact.to(data.dtype), *affine, None, None, None


def _axes(data: Tensor) -> list[int]:
    return [0, *range(2, data.ndim)]


def _shape(data: Tensor) -> list[int]:
    return [1, -1, *(1,) * (data.ndim - 2)]


def _zeroed(x: Tensor, valid: Tensor | None) -> Tensor:
    return x if valid is None else x * valid.to(x.dtype)


def _centred(data: Tensor, mean: Tensor, valid: Tensor | None) -> Tensor:
    centred = data.to(mean.dtype) - mean.view(_shape(data))
    return centred if valid is None else centred.mul_(valid)


def _count(x: Tensor, valid: Tensor | None) -> Tensor:
    """``[1]``: positions a channel that count."""
    if valid is None:
        return torch.full((1,), x.numel() // x.shape[1], dtype=x.dtype, device=x.device)
    return (valid.sum() * x.shape[2:-1].numel()).view(1)
