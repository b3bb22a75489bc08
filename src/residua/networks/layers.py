"""The layers that networks are made of; ``rank`` chooses 1-D or 2-D ones here and nowhere else.

Shapes: b samples, c channels, ``*s`` one or two spatial axes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Conv = nn.Conv1d | nn.Conv2d
Norm = nn.BatchNorm1d | nn.BatchNorm2d


def conv(
    rank: int,
    inputs: int,
    outputs: int,
    kernel: int = 1,
    *,
    stride: int = 1,
    groups: int = 1,
    bias: bool = False,
) -> Conv:
    """A convolution padded so that stride 1 keeps the size; ``kernel`` is odd."""
    kind = nn.Conv1d if rank == 1 else nn.Conv2d
    layer = kind(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=bias)
    if stride > 1 and kernel > 1:
        layer.register_forward_pre_hook(_widened)
    return layer


def _widened(layer: nn.Module, inputs: tuple[Tensor]) -> Tensor | None:
    """One more column of the zeros that pad it anyway, where ``x`` has a single one.

    In bf16 on a processor the weight gradient of a strided convolution of a single column is left
    uninitialised where the kernel sees padding alone (seen in torch 2.15).
    """
    (x,) = inputs
    if x.shape[-1] > 1 or x.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        return None
    return F.pad(x, (0, 1))


def batch_norm(rank: int, channels: int, eps: float = 1e-5) -> Norm:
    """Batch normalisation (Ioffe & Szegedy, 2015)."""
    return nn.BatchNorm1d(channels, eps) if rank == 1 else nn.BatchNorm2d(channels, eps)


def max_pool(rank: int, kernel: int, *, stride: int, padding: int = 0) -> nn.Module:
    """The maximum over windows."""
    return (nn.MaxPool1d if rank == 1 else nn.MaxPool2d)(kernel, stride, padding)


def global_average(rank: int) -> nn.Module:
    """The mean over all positions: ``[b, c, *s]`` to ``[b, c, 1 (, 1)]``."""
    return nn.AdaptiveAvgPool1d(1) if rank == 1 else nn.AdaptiveAvgPool2d(1)


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
