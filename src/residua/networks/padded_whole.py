"""Rules of functions that see all of a sample's steps: means, maxima, batch normalisation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from residua.errors import InputShapeError
from residua.networks.padded import Padded
from residua.networks.padded_norm import normalise
from residua.networks.padded_pool import (
    adaptive,
    average,
    largest_inside,
    lowered,
    mean_inside,
)
from residua.networks.padded_table import Sizes, Table, no_rule

RULES = Table()


@RULES.of("mean")
def _mean(
    func: Callable[..., Any], x: Padded, dim: Sizes | None = None, keepdim: bool = False
) -> Any:
    axes, over_steps = _axes(x, dim)
    if over_steps:
        return average(x.zeroed(), x.ends, axes, keepdim)
    return Padded(func(x.data, axes, keepdim), x.ends, zeroed=x.is_zeroed)


@RULES.of("sum")
def _total(
    func: Callable[..., Any], x: Padded, dim: Sizes | None = None, keepdim: bool = False
) -> Any:
    axes, over_steps = _axes(x, dim)
    if over_steps:
        return func(x.zeroed(), axes, keepdim)
    return Padded(func(x.data, axes, keepdim), x.ends, zeroed=x.is_zeroed)


@RULES.of("amax")
def _largest(
    func: Callable[..., Any], x: Padded, dim: Sizes | None = None, keepdim: bool = False
) -> Any:
    axes, over_steps = _axes(x, dim)
    if over_steps:
        return func(lowered(x.data, x.ends), axes, keepdim)
    return Padded(func(x.data, axes, keepdim), x.ends, zeroed=x.is_zeroed)


def _axes(x: Padded, dim: Sizes | None) -> tuple[tuple[int, ...], bool]:
    """The axes from 1 on that ``dim`` names, and whether steps are among them."""
    dims = tuple(range(x.ndim)) if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    axes = tuple(axis % x.ndim for axis in dims)
    if 0 in axes:
        raise no_rule("a sum or maximum over samples")
    return axes, x.ndim - 1 in axes


@RULES.of("adaptive_avg_pool1d adaptive_avg_pool2d")
def _adaptive_average(func: Callable[..., Any], x: Padded, output_size: Any) -> Any:
    sizes = _output_sizes(x, output_size)
    if sizes == (1,) * (x.ndim - 2):
        return average(x.zeroed(), x.ends, tuple(range(2, x.ndim)), True)
    data = x.data if x.ndim == 3 else F.adaptive_avg_pool2d(x.data, (sizes[0], None))
    if sizes[-1] is None:
        return Padded(data, x.ends, zeroed=x.is_zeroed)
    return adaptive(data, x.ends, sizes[-1], mean_inside)


@RULES.of("adaptive_max_pool1d adaptive_max_pool2d")
def _adaptive_max(
    func: Callable[..., Any], x: Padded, output_size: Any, return_indices: bool = False
) -> Any:
    if return_indices:
        raise no_rule("the indices of a max pool")
    sizes = _output_sizes(x, output_size)
    data = x.data if x.ndim == 3 else F.adaptive_max_pool2d(x.data, cast(Any, (sizes[0], None)))
    if sizes[-1] is None:
        return Padded(data, x.ends, zeroed=x.is_zeroed)
    return adaptive(data, x.ends, sizes[-1], largest_inside)


def _output_sizes(x: Padded, output_size: Any) -> tuple[int | None, ...]:
    given = output_size if isinstance(output_size, Sequence) else (output_size,) * (x.ndim - 2)
    return tuple(cast(Sequence[int | None], given))


@RULES.of("batch_norm")
def _batch_norm(
    func: Callable[..., Any],
    x: Padded,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Padded:
    """While training, the statistics are those of all samples' valid steps, put end to end."""
    if not training:
        normal = func(x.data, running_mean, running_var, weight, bias, False, momentum, eps)
        return Padded(normal, x.ends)
    _require_two(x)
    normal, found = normalise(x.data, x.valid, weight, bias, eps=eps)
    with torch.no_grad():
        if running_mean is not None:
            running_mean.lerp_(found.mean.to(running_mean.dtype), momentum)
        if running_var is not None:
            running_var.lerp_(found.unbiased.to(running_var.dtype), momentum)
    return Padded(normal, x.ends)


def _require_two(x: Padded) -> None:
    """As torch does for plain tensors, where lengths are known without waiting for the device."""
    host = x.ends.host
    if host is not None and int(host.sum()) * x.shape[2:-1].numel() < 2:
        raise InputShapeError(
            "batch normalisation cannot learn from a batch of one value a channel",
            received=x,
            fix="Use a larger batch size",
        )
