"""Rules of functions whose windows slide along the steps: convolutions, pools, padding, slices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from residua.networks.padded import Padded
from residua.networks.padded_ends import Windows
from residua.networks.padded_pool import filled, lowered, overcounted, zeroed
from residua.networks.padded_table import Sizes, Table, last, no_rule

RULES = Table()


@RULES.of("conv1d conv2d")
def _convolution(
    func: Callable[..., Any],
    x: Padded,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Padded:
    """Zeros behind a sample's end are what the layer itself would pad it with."""
    kernel, gap = weight.shape[-1], last(dilation)
    if isinstance(padding, str):
        zeros = gap * (kernel - 1) if padding == "same" else 0
        windows = Windows(kernel, last(stride), zeros // 2, zeros - zeros // 2, gap)
    else:
        zeros = last(padding)
        windows = Windows(kernel, last(stride), zeros, zeros, gap)
    pointwise = kernel == 1 and not zeros
    data = x.data if pointwise else x.zeroed()
    made = func(data, weight, bias, stride, padding, dilation, groups)
    return Padded(made, x.ends.windows(windows), zeroed=pointwise and bias is None and x.is_zeroed)


@RULES.of("max_pool1d max_pool2d")
def _max_pool(
    func: Callable[..., Any],
    x: Padded,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Padded:
    if return_indices:
        raise no_rule("the indices of a max pool")
    windows = _pool_windows(kernel_size, stride, padding, last(dilation), ceil_mode)
    ends = x.ends.windows(windows)
    # not minus infinity, as zero times that would be no number and spoil gradients
    data = lowered(x.data, x.ends, torch.finfo(x.dtype).max / 2)
    pooled = func(data, kernel_size, stride, padding, dilation, ceil_mode)
    return Padded(zeroed(pooled, ends), ends, zeroed=True)


@RULES.of("avg_pool1d avg_pool2d")
def _average_pool(
    func: Callable[..., Any],
    x: Padded,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Padded:
    windows = _pool_windows(kernel_size, stride, padding, 1, ceil_mode)
    divisor = () if divisor_override is None else (divisor_override,)
    args = (kernel_size, stride or kernel_size, padding, ceil_mode, count_include_pad, *divisor)
    pooled, ends = func(x.zeroed(), *args), x.ends.windows(windows)
    if not divisor and (ceil_mode or (windows.before and not count_include_pad)):
        exact = torch.promote_types(pooled.dtype, torch.float32)
        factor = overcounted(
            windows, x.ends, x.shape[-1], include_pad=count_include_pad, dtype=exact
        )
        factor = factor.view(-1, *(1,) * (x.ndim - 2), pooled.shape[-1])
        pooled = (pooled * factor).to(pooled.dtype)
    return Padded(pooled, ends)


def _pool_windows(
    kernel: Sizes, stride: Sizes | None, padding: Sizes, gap: int, ceil: bool
) -> Windows:
    zeros = last(padding)
    return Windows(last(kernel), last(stride or kernel), zeros, zeros, gap, ceil)


@RULES.of("pad")
def _pad(
    func: Callable[..., Any],
    x: Padded,
    pad: Sequence[int],
    mode: str = "constant",
    value: float | None = None,
) -> Padded:
    before, after = pad[:2]
    if not before and not after:
        keeps_zeros = x.is_zeroed and mode == "constant" and not value
        return Padded(func(x.data, pad, mode, value), x.ends, zeroed=keeps_zeros)
    if mode != "constant":
        raise no_rule("padding along steps other than by a constant")
    data = filled(x.data, x.ends, value) if value else x.zeroed()
    ends = x.ends.longer(before + after)
    return Padded(func(data, pad, mode, value), ends, zeroed=not value and after >= 0)


@RULES.of("__getitem__")
def _sliced(func: Callable[..., Any], x: Padded, key: Any) -> Padded:
    """Slices of the middle axes, and steps along the last."""
    keys = _all_axes(key, x.ndim)
    if not all(isinstance(part, slice) for part in keys) or keys[0] != slice(None):
        raise no_rule("an index other than slices of channels and steps")
    steps = cast(slice, keys[-1])
    start, step = steps.start or 0, steps.step or 1
    if start < 0 or (steps.stop is not None and steps.stop >= 0):
        raise no_rule("a slice of steps that starts at the end or stops at a place")
    stop = steps.stop or 0
    ends = x.ends.windows(Windows(1, step, before=-start, after=stop))
    return Padded(func(x.data, tuple(keys)), ends, zeroed=x.is_zeroed and not stop)


def _all_axes(key: Any, ndim: int) -> list[Any]:
    """``key`` with a part for each axis."""
    keys: list[Any] = list(cast(tuple[Any, ...], key)) if isinstance(key, tuple) else [key]
    place = next((i for i, part in enumerate(keys) if part is Ellipsis), len(keys))
    rest = keys[place + 1 :]
    return [*keys[:place], *[slice(None)] * (ndim - place - len(rest)), *rest]
