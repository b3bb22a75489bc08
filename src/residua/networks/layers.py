"""The layers that networks are made of; ``rank`` chooses 1-D or 2-D ones here and nowhere else.

Shapes: b samples, c channels, ``*s`` one or two spatial axes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Conv = nn.Conv1d | nn.Conv2d
Norm = nn.BatchNorm1d | nn.BatchNorm2d


class SameConv1d(nn.Conv1d):
    """A convolution of an even kernel k that pads k - 1 zeros, one more behind than in front.

    As in Keras (``padding="same"``): ``[b, c, n]`` to ``[b, outputs, ceil(n / stride)]``.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, stride: int, groups: int, bias: bool
    ) -> None:
        zeros = kernel // 2 - 1
        super().__init__(inputs, outputs, kernel, stride, zeros, groups=groups, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(F.pad(input, (0, 1)))


def conv(
    rank: int,
    inputs: int,
    outputs: int,
    kernel: int = 1,
    *,
    stride: int = 1,
    groups: int = 1,
    bias: bool = False,
    padding: int | None = None,
) -> Conv:
    """A convolution, by default padded so that the size is divided by the stride and rounded up.

    For that ``kernel`` is odd; at rank 1 it may be even, and then `SameConv1d` is what it makes.
    """
    if rank == 1 and kernel % 2 == 0 and padding is None:
        layer = SameConv1d(inputs, outputs, kernel, stride=stride, groups=groups, bias=bias)
        if stride > 1:
            layer.register_forward_pre_hook(_widened)
        return layer
    kind = nn.Conv1d if rank == 1 else nn.Conv2d
    zeros = kernel // 2 if padding is None else padding
    layer = kind(inputs, outputs, kernel, stride, zeros, groups=groups, bias=bias)
    if stride > 1 and kernel > 1 and padding is None:
        layer.register_forward_pre_hook(_widened)
    return layer


def banded_conv(
    rank: int, inputs: int, outputs: int, kernel: tuple[int, int], *, stride: tuple[int, int]
) -> Conv:
    """A convolution over frequency and time, both given in this order and padded by half a kernel.

    At rank 1, without frequency, it is the one along time.
    """
    (tall, long), along = kernel, stride[1]
    if rank == 1:
        return conv(1, inputs, outputs, long, stride=along)
    layer = TallConv(inputs, outputs, kernel, stride, (tall // 2, long // 2), bias=False)
    if along > 1:
        layer.register_forward_pre_hook(_widened)
    return layer


class TallConv(nn.Conv2d):
    """On a processor the zeros above and below are put there first, where the input is less tall
    than the kernel.

    Else torch's weight gradient writes beside its memory (seen in torch 2.15, float32: kernel
    41x11, stride 2, padding 20x5, heights 19 to 22).
    """

    def forward(self, input: Tensor) -> Tensor:
        tall, long = self.kernel_size
        if input.shape[2] >= tall or input.device.type != "cpu":
            return super().forward(input)
        padded = F.pad(input, (0, 0, tall // 2, tall // 2))
        return F.conv2d(padded, self.weight, self.bias, self.stride, (0, long // 2))


def factorised_conv(
    rank: int, inputs: int, inner: int, outputs: int, kernel: int
) -> tuple[Conv, ...]:
    """A 1xk and a kx1 convolution in place of a kxk one (Szegedy et al., arXiv:1512.00567, 3.2).

    With a single axis there is nothing to factorise: one convolution of k, without ``inner``.
    """
    if rank == 1:
        return (conv(1, inputs, outputs, kernel),)
    half = kernel // 2
    return (
        nn.Conv2d(inputs, inner, (1, kernel), padding=(0, half), bias=False),
        nn.Conv2d(inner, outputs, (kernel, 1), padding=(half, 0), bias=False),
    )


def _widened(layer: nn.Module, inputs: tuple[Tensor]) -> Tensor | None:
    """One more column of the zeros that pad it anyway, where ``x`` has a single one.

    In bf16 on a processor the weight gradient of a strided convolution of a single column is left
    uninitialised where the kernel sees padding alone (seen in torch 2.15).
    """
    (x,) = inputs
    if x.shape[-1] > 1 or x.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        return None
    return F.pad(x, (0, 1))


def batch_norm(rank: int, channels: int, eps: float = 1e-5, *, affine: bool = True) -> Norm:
    """Batch normalisation (Ioffe & Szegedy, 2015); ``affine``: with learnt scale and shift."""
    return (nn.BatchNorm1d if rank == 1 else nn.BatchNorm2d)(channels, eps, affine=affine)


def max_pool(
    rank: int, kernel: int, *, stride: int, padding: int = 0, ceil: bool = False
) -> nn.Module:
    """The maximum over windows; ``ceil`` lets the last one reach over the edge."""
    kind = nn.MaxPool1d if rank == 1 else nn.MaxPool2d
    return kind(kernel, stride, padding, ceil_mode=ceil)


def average_pool(
    rank: int, kernel: int, *, stride: int, padding: int = 0, ceil: bool = False
) -> nn.Module:
    """The mean over windows, padding not counted; positions that fill none are left out.

    With ``ceil`` the last window may reach over the edge; it is the mean of what it covers.
    """
    kind = nn.AvgPool1d if rank == 1 else nn.AvgPool2d
    return kind(kernel, stride, padding, ceil_mode=ceil, count_include_pad=False)


def adaptive_average(rank: int, size: int) -> nn.Module:
    """The mean over ``size`` windows an axis: floor(i n / size) to ceil((i + 1) n / size)."""
    return (nn.AdaptiveAvgPool1d if rank == 1 else nn.AdaptiveAvgPool2d)(size)


def global_average(rank: int) -> nn.Module:
    """The mean over all positions: ``[b, c, *s]`` to ``[b, c, 1 (, 1)]``."""
    return nn.AdaptiveAvgPool1d(1) if rank == 1 else nn.AdaptiveAvgPool2d(1)


def response_norm(size: int, *, k: float, alpha: float, beta: float) -> nn.Module:
    """b_i = a_i / (k + alpha * sum over the ``size`` channels around i of a_j^2)^beta.

    Krizhevsky et al., 2012, section 3.3. torch's layer (and Caffe's) has the mean where the paper
    has the sum, hence ``size * alpha``.
    """
    return nn.LocalResponseNorm(size, size * alpha, beta, k)


def dropout(rate: float) -> nn.Module:
    """Dropout, or nothing at rate 0."""
    return nn.Dropout(rate) if rate else nn.Identity()


class StochasticDepth(nn.Module):
    """Drops the whole residual of a sample while training (Huang et al., 2016, section 3).

    What is kept is scaled by 1 / (1 - rate), so that nothing changes at inference.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, residual: Tensor) -> Tensor:
        if not self.training:
            return residual
        keep = 1.0 - self.rate
        shape = (residual.shape[0], *(1,) * (residual.ndim - 1))
        mask = torch.empty(shape, dtype=residual.dtype, device=residual.device).bernoulli_(keep)
        return residual * (mask / keep)

    def extra_repr(self) -> str:
        return f"rate={self.rate:.4g}"


def stochastic_depth(rate: float) -> nn.Module:
    """Stochastic depth, or nothing at rate 0."""
    return StochasticDepth(rate) if rate else nn.Identity()


def classifier(features: int, num_classes: int) -> nn.Module:
    """A linear layer, or nothing for 0 classes."""
    return nn.Linear(features, num_classes) if num_classes else nn.Identity()
