"""What inception networks are made of: normalised convolutions, branches side by side, chains.

Shapes: ``[b, c, *s]``, b samples, c channels, ``*s`` one or two spatial axes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from residua.networks.layers import Conv, batch_norm, conv
from residua.networks.network import Network, Stage

EPS = 1e-3
"""Added to variances by batch norms of these families."""


class ConvBlock(nn.Module):
    """relu(norm(conv(x))); keys ``conv`` and ``bn``, as in torchvision and timm."""

    def __init__(self, layer: Conv, *, norm: bool = True, eps: float = EPS) -> None:
        super().__init__()
        rank = layer.weight.ndim - 2
        self.conv = layer
        self.bn = batch_norm(rank, layer.out_channels, eps) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


def conv_block(
    rank: int,
    inputs: int,
    outputs: int,
    kernel: int = 1,
    *,
    stride: int = 1,
    padding: int | None = None,
    norm: bool = True,
) -> ConvBlock:
    """A convolution and ReLU with batch norm between, or with a bias where ``norm`` is false."""
    layer = conv(rank, inputs, outputs, kernel, stride=stride, padding=padding, bias=not norm)
    return ConvBlock(layer, norm=norm)


class Branches(nn.Module):
    """[f_0(x), f_1(x), ...], one behind the other along the channels.

    Args:
        branches: They keep sizes alike; kept as ``branch0``, ``branch1``, ...
        first: The number of the first.
    """

    def __init__(self, branches: Sequence[nn.Module], *, first: int = 0) -> None:
        super().__init__()
        for number, branch in enumerate(branches, first):
            self.add_module(f"branch{number}", branch)
        self.branch_names = tuple(self._modules)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.get_submodule(name)(x) for name in self.branch_names], 1)


def chained(network: Network, **stages: str) -> tuple[Stage, ...]:
    """Stages from the names of their modules, in order; those that ``network`` lacks are no part of
    it: ``chained(self, stem="conv1 maxpool1", head="avgpool flatten fc")``."""
    children = dict(network.named_children())
    return tuple(
        Stage(name=name, modules=tuple(children[m] for m in modules.split() if m in children))
        for name, modules in stages.items()
    )
