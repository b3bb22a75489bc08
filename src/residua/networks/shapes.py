"""Shapes of what operations give on the meta device, where torch's own rules are slow.

Torch writes these rules in Python. The first use of one imports torch's compiler and its algebra
system, which takes several seconds and has nothing to do; each use takes a millisecond.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._ops import OpOverload

_Sizes = list[int] | tuple[int, ...]


def call(func: OpOverload[..., Any], args: Sequence[object], kwargs: dict[str, object]) -> Any:
    """What ``func`` gives. What it refuses raises torch's own errors."""
    rule = _RULES.get(func)
    output = NotImplemented if rule is None or kwargs.keys() & _UNUSUAL else rule(*args)
    return func(*args, **kwargs) if output is NotImplemented else output


@contextmanager
def lstms_without_loops(network: nn.Module) -> Generator[None]:
    """Inside, the LSTM layers of ``network`` do as `_lstm` does, on the meta device.

    Their own loops over time would be thousands of operations.
    """
    layers = [part for part in network.modules() if isinstance(part, nn.LSTM)]
    layers = [each for each in layers if each.batch_first and each.bias and not each.proj_size]
    for layer in layers:
        layer.forward = partial(_lstm, layer)  # pyright: ignore[reportAttributeAccessIssue]
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _lstm(layer: nn.LSTM, x: Tensor) -> tuple[Tensor, None]:
    """What ``layer`` gives for ``[b, t, c]``, by as many multiply-adds.

    What autograd keeps is about what a fused kernel does: gates, cells and their tanh.
    """
    for i in range(layer.num_layers):
        ways = [f"l{i}{way}" for way in ("", "_reverse")[: 1 + layer.bidirectional]]
        x = torch.cat([_direction(layer, way, x) for way in ways], 2)
    return x, None


def _direction(layer: nn.LSTM, way: str, x: Tensor) -> Tensor:
    inputs, carried = (
        [getattr(layer, f"{kind}_{source}_{way}") for kind in ("weight", "bias")]
        for source in ("ih", "hh")
    )
    state = x.new_empty((*x.shape[:2], layer.hidden_size))
    gates = F.linear(x, *inputs) + F.linear(state, *carried)
    enter, forget, new, leave = gates.chunk(4, -1)
    cell = (enter.sigmoid() * new.tanh()).cumsum(1) * forget.sigmoid()
    return leave.sigmoid() * cell.tanh()


_UNUSUAL = {"alpha", "dtype", "layout", "device", "generator"}


def _like(x: Tensor) -> Tensor:
    return x.new_empty(x.shape) if x.is_meta else NotImplemented


def _itself(x: Tensor, *args: object) -> Tensor:
    return x if x.is_meta and x.is_floating_point() else NotImplemented


def _convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: _Sizes,
    padding: _Sizes,
    dilation: _Sizes,
    transposed: bool,
    output_padding: _Sizes,
    groups: int,
) -> Tensor:
    fits = x.ndim == weight.ndim and x.shape[1] == weight.shape[1] * groups
    if not fits or not x.is_meta or x.dtype != weight.dtype or transposed:
        return NotImplemented
    parts = x.shape[2:], weight.shape[2:], stride, padding, dilation
    sizes = [
        (size + 2 * pad - gap * (kernel - 1) - 1) // step + 1
        for size, kernel, step, pad, gap in zip(*parts, strict=True)
    ]
    if min(sizes) < 1:
        return NotImplemented
    return x.new_empty((x.shape[0], weight.shape[0], *sizes))


def _batch_norm(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor | None,
    variance: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """The output, and the statistics that backward takes: means and inverse deviations."""
    if training or mean is None or not x.is_meta:
        return NotImplemented
    if x.shape[1:2] != mean.shape or x.dtype != mean.dtype:
        return NotImplemented
    return _like(x), _like(mean), _like(mean)


def _max_pool(
    x: Tensor,
    kernel: _Sizes,
    stride: _Sizes = (),
    padding: _Sizes = (0,),
    dilation: _Sizes = (1, 1),
    ceil_mode: bool = False,
) -> tuple[Tensor, Tensor]:
    """The maxima, and where they are."""
    sizes = _pooled(x, kernel, stride, padding, dilation, ceil_mode)
    if sizes is None:
        return NotImplemented
    return x.new_empty(sizes), x.new_empty(sizes, dtype=torch.int64)


def _average_pool(
    x: Tensor,
    kernel: _Sizes,
    stride: _Sizes = (),
    padding: _Sizes = (0,),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    sizes = _pooled(x, kernel, stride, padding, (1,) * len(kernel), ceil_mode)
    return NotImplemented if sizes is None else x.new_empty(sizes)


def _pooled(
    x: Tensor,
    kernel: _Sizes,
    stride: _Sizes,
    padding: _Sizes,
    dilation: _Sizes,
    ceil_mode: bool,
) -> list[int] | None:
    """The shape after pooling; None where the arguments are not the usual ones."""
    rank = x.ndim - 2
    stride, padding = (each * rank if len(each) == 1 else each for each in (stride, padding))
    lengths = {len(kernel), len(stride), len(padding), len(dilation), rank}
    if len(lengths) > 1 or not x.is_meta:
        return None
    if any(2 * pad > k for pad, k in zip(padding, kernel, strict=True)):
        return None
    sizes = list(x.shape[:2])
    for size, k, step, pad, gap in zip(x.shape[2:], kernel, stride, padding, dilation, strict=True):
        room = size + 2 * pad - gap * (k - 1) - 1
        out = (room + step - 1 if ceil_mode else room) // step + 1
        sizes.append(out - 1 if ceil_mode and (out - 1) * step >= size + pad else out)
    return sizes if min(sizes) >= 1 else None


def _elementwise(x: Tensor, y: Tensor | float = 1.0) -> Tensor:
    """Sums, products, powers and functions of floats."""
    if not x.is_meta or not x.is_floating_point():
        return NotImplemented
    if not isinstance(y, Tensor):
        return _like(x)
    if x.dtype != y.dtype or x.ndim < y.ndim or not y.is_meta:
        return NotImplemented
    sizes = list(zip(x.shape, (1,) * (x.ndim - y.ndim) + tuple(y.shape), strict=True))
    if not all(n == m or 1 in (n, m) for n, m in sizes):
        return NotImplemented
    return x.new_empty([m if n == 1 else n for n, m in sizes])


def _clamped(x: Tensor, low: float = -1.0, high: float = 1.0) -> Tensor:
    return _elementwise(x)


def _glu(x: Tensor, dim: int = -1) -> Tensor:
    if not x.is_meta or not x.is_floating_point() or x.shape[dim] % 2:
        return NotImplemented
    sizes = list(x.shape)
    sizes[dim] //= 2
    return x.new_empty(sizes)


def _cat(parts: Sequence[Tensor], dim: int = 0) -> Tensor:
    first = parts[0]
    alike = all(p.is_meta and p.dtype == first.dtype and p.ndim == first.ndim for p in parts)
    if dim < 0 or dim >= first.ndim or not alike:
        return NotImplemented
    rest = {(*part.shape[:dim], *part.shape[dim + 1 :]) for part in parts}
    if len(rest) > 1:
        return NotImplemented
    length = sum(part.shape[dim] for part in parts)
    return first.new_empty((*first.shape[:dim], length, *first.shape[dim + 1 :]))


def _mean(x: Tensor, dims: Sequence[int], keepdim: bool = False) -> Tensor:
    if not x.is_meta or not x.is_floating_point():
        return NotImplemented
    reduced = {dim % x.ndim for dim in dims}
    sizes = [1 if i in reduced else n for i, n in enumerate(x.shape) if keepdim or i not in reduced]
    return x.new_empty(sizes)


def _addmm(bias: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    fits = x.ndim == weight.ndim == 2 and x.shape[1] == weight.shape[0] and x.is_meta
    if not fits or bias.shape != weight.shape[1:] or len({x.dtype, weight.dtype, bias.dtype}) > 1:
        return NotImplemented
    return x.new_empty((x.shape[0], weight.shape[1]))


def _mm(x: Tensor, weight: Tensor) -> Tensor:
    fits = x.ndim == weight.ndim == 2 and x.shape[1] == weight.shape[0] and x.is_meta
    if not fits or x.dtype != weight.dtype:
        return NotImplemented
    return x.new_empty((x.shape[0], weight.shape[1]))


def _cumsum(x: Tensor, dim: int) -> Tensor:
    return _elementwise(x) if -x.ndim <= dim < x.ndim else NotImplemented


def _adaptive_average(x: Tensor, size: _Sizes) -> Tensor:
    if x.ndim != 4 or not x.is_meta or len(size) != 2:
        return NotImplemented
    return x.new_empty((*x.shape[:2], *size))


_ATEN = torch.ops.aten
_RULES: dict[OpOverload[..., Any], Callable[..., Any]] = {
    _ATEN.convolution.default: _convolution,
    _ATEN.native_batch_norm.default: _batch_norm,
    _ATEN.max_pool2d_with_indices.default: _max_pool,
    _ATEN.avg_pool2d.default: _average_pool,
    _ATEN.avg_pool3d.default: _average_pool,
    _ATEN._adaptive_avg_pool2d.default: _adaptive_average,
    _ATEN.mean.dim: _mean,
    _ATEN.addmm.default: _addmm,
    _ATEN.mm.default: _mm,
    _ATEN.cat.default: _cat,
    _ATEN.add.Tensor: _elementwise,
    _ATEN.mul.Tensor: _elementwise,
    _ATEN.div.Tensor: _elementwise,
    _ATEN.pow.Tensor_Scalar: _elementwise,
    _ATEN.empty_like.default: _like,
    _ATEN.sigmoid.default: _elementwise,
    _ATEN.hardtanh.default: _clamped,
    _ATEN.relu.default: _elementwise,
    _ATEN.tanh.default: _elementwise,
    _ATEN.glu.default: _glu,
    _ATEN.cumsum.default: _cumsum,
    _ATEN.amax.default: _mean,
    _ATEN.bernoulli_.float: _itself,
    _ATEN.div_.Scalar: _itself,
}
