"""Residual blocks. Each `forward` is the equation of its paper: y = h(x) + F(x).

h is the shortcut (`downsample`, the name that checkpoints know), F the residual function. What a
network does without (gate, shortcut, dropout) is `nn.Identity`.

Shapes: ``[b, inputs, *s]`` to ``[b, width * expansion, *ceil(s / stride)]``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from residua.networks.layers import batch_norm, conv, dropout, stochastic_depth
from residua.networks.specs.resnet import ResNetSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a block stands in its network.

    Attributes:
        inputs: Channels that come in.
        width: The stage's width; the block's output has ``width * expansion`` channels.
        stride: Of the whole block.
        drop_path: Rate of its stochastic depth.
        first: The first block of the network.
    """

    inputs: int
    width: int
    stride: int = 1
    drop_path: float = 0.0
    first: bool = False


class PadShortcut(nn.Module):
    """Shortcut A (He et al., 2016a, section 3.3): subsample, pad channels with zeros."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.extra = outputs - inputs
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        s = self.stride
        x = x[:, :, ::s] if x.ndim == 3 else x[:, :, ::s, ::s]
        return F.pad(x, (0, 0) * (x.ndim - 2) + (0, self.extra))


class SqueezeExcitation(nn.Module):
    """x * sigmoid(W2 relu(W1 mean(x))) (Hu et al., 2018, section 3); keys as in timm."""

    def __init__(self, rank: int, channels: int, reduction: int) -> None:
        super().__init__()
        hidden = max(8, int(channels / reduction + 4) // 8 * 8)  # to the nearest multiple of 8
        self.fc1 = conv(rank, channels, hidden, bias=True)
        self.fc2 = conv(rank, hidden, channels, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        z = x.mean(tuple(range(2, x.ndim)), keepdim=True)
        z = F.relu(self.fc1(z), inplace=True)
        return x * self.fc2(z).sigmoid()


class SeparableConv(nn.Module):
    """One filter a channel, then a 1x1 convolution, nothing between (Chollet, 2017, section 3)."""

    def __init__(self, rank: int, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.depthwise = conv(rank, inputs, inputs, kernel, groups=inputs)
        self.pointwise = conv(rank, inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x))


def make_gate(spec: ResNetSpec, channels: int) -> nn.Module:
    if spec.gate == "none":
        return nn.Identity()
    return SqueezeExcitation(spec.rank, channels, spec.gate_reduction)


def make_shortcut(spec: ResNetSpec, place: Place, outputs: int) -> nn.Module:
    """h(x): the identity wherever shapes allow it."""
    if place.stride == 1 and place.inputs == outputs:
        return nn.Identity()
    if spec.shortcut == "A":
        return PadShortcut(place.inputs, outputs, place.stride)
    project = conv(spec.rank, place.inputs, outputs, stride=place.stride)
    if spec.preact:
        return nn.Sequential(project)
    return nn.Sequential(project, batch_norm(spec.rank, outputs))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions (He et al., 2016a, figure 5 left)."""

    expansion: ClassVar[int] = 1

    def __init__(self, spec: ResNetSpec, place: Place) -> None:
        super().__init__()
        rank, width, kernel = spec.rank, place.width, spec.kernel
        shortcut = make_shortcut(spec, place, width)  # drawn first, kept last: as torchvision
        self.conv1 = conv(rank, place.inputs, width, kernel, stride=place.stride)
        self.bn1 = batch_norm(rank, width)
        self.conv2 = conv(rank, width, width, kernel)
        self.bn2 = batch_norm(rank, width)
        self.se = make_gate(spec, width)
        self.drop_path = stochastic_depth(place.drop_path)
        self.downsample = shortcut

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.se(self.bn2(self.conv2(y)))
        return F.relu(self.drop_path(y) + self.downsample(x), inplace=True)

    def zero_init(self) -> None:
        nn.init.zeros_(self.bn2.weight)


class PlainBlock(nn.Module):
    """Two 3x3 convolutions and no shortcut: y = F(x) (He et al., 2016a, section 4.2)."""

    expansion: ClassVar[int] = 1

    def __init__(self, spec: ResNetSpec, place: Place) -> None:
        super().__init__()
        rank, width, kernel = spec.rank, place.width, spec.kernel
        self.conv1 = conv(rank, place.inputs, width, kernel, stride=place.stride)
        self.bn1 = batch_norm(rank, width)
        self.conv2 = conv(rank, width, width, kernel)
        self.bn2 = batch_norm(rank, width)
        self.se = make_gate(spec, width)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.se(self.bn2(self.conv2(y))), inplace=True)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 (He et al., 2016a, figure 5 right); grouped, it is ResNeXt's (Xie, 2017)."""

    expansion: ClassVar[int] = 4

    def __init__(self, spec: ResNetSpec, place: Place) -> None:
        super().__init__()
        rank, outputs = spec.rank, place.width * self.expansion
        inner = int(place.width * spec.width_per_group / 64) * spec.groups
        s1, s2 = (place.stride, 1) if spec.stride_in == "1x1" else (1, place.stride)
        shortcut = make_shortcut(spec, place, outputs)
        self.conv1 = conv(rank, place.inputs, inner, stride=s1)
        self.bn1 = batch_norm(rank, inner)
        self.conv2 = conv(rank, inner, inner, spec.kernel, stride=s2, groups=spec.groups)
        self.bn2 = batch_norm(rank, inner)
        self.conv3 = conv(rank, inner, outputs)
        self.bn3 = batch_norm(rank, outputs)
        self.se = make_gate(spec, outputs)
        self.drop_path = stochastic_depth(place.drop_path)
        self.downsample = shortcut

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.se(self.bn3(self.conv3(y)))
        return F.relu(self.drop_path(y) + self.downsample(x), inplace=True)

    def zero_init(self) -> None:
        nn.init.zeros_(self.bn3.weight)


class SeparableBlock(nn.Module):
    """A 3x3 convolution, then two separable 3x3 ones, each normalised."""

    expansion: ClassVar[int] = 1

    def __init__(self, spec: ResNetSpec, place: Place) -> None:
        super().__init__()
        rank, width, kernel = spec.rank, place.width, spec.kernel
        self.conv1 = conv(rank, place.inputs, width, kernel, stride=place.stride)
        self.bn1 = batch_norm(rank, width)
        self.conv2 = SeparableConv(rank, width, width, kernel)
        self.bn2 = batch_norm(rank, width)
        self.conv3 = SeparableConv(rank, width, width, kernel)
        self.bn3 = batch_norm(rank, width)
        self.se = make_gate(spec, width)
        self.drop_path = stochastic_depth(place.drop_path)
        self.downsample = make_shortcut(spec, place, width)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.se(self.bn3(self.conv3(y)))
        return F.relu(self.drop_path(y) + self.downsample(x), inplace=True)

    def zero_init(self) -> None:
        nn.init.zeros_(self.bn3.weight)


class PreActBasic(nn.Module):
    """Norm and activation first (He et al., 2016b, figure 4e); with dropout it is the wide block
    (Zagoruyko & Komodakis, 2016, figure 1d)."""

    expansion: ClassVar[int] = 1

    def __init__(self, spec: ResNetSpec, place: Place) -> None:
        super().__init__()
        rank, width, kernel = spec.rank, place.width, spec.kernel
        self.bn1 = batch_norm(rank, place.inputs)
        self.conv1 = conv(rank, place.inputs, width, kernel, stride=place.stride)
        self.bn2 = batch_norm(rank, width)
        self.dropout = dropout(spec.dropout)
        self.conv2 = conv(rank, width, width, kernel)
        self.se = make_gate(spec, width)
        self.drop_path = stochastic_depth(place.drop_path)
        self.downsample = make_shortcut(spec, place, width)
        self.shared = _shares_activation(spec, place, self.downsample)

    def forward(self, x: Tensor) -> Tensor:
        a = F.relu(self.bn1(x), inplace=True)
        y = self.conv1(a)
        y = self.conv2(self.dropout(F.relu(self.bn2(y), inplace=True)))
        return self.drop_path(self.se(y)) + self.downsample(a if self.shared else x)

    def zero_init(self) -> None:
        nn.init.zeros_(self.conv2.weight)


class PreActBottleneck(nn.Module):
    """The pre-activation bottleneck (He et al., 2016b, figure 4e and appendix)."""

    expansion: ClassVar[int] = 4

    def __init__(self, spec: ResNetSpec, place: Place) -> None:
        super().__init__()
        rank, outputs = spec.rank, place.width * self.expansion
        inner = int(place.width * spec.width_per_group / 64) * spec.groups
        s1, s2 = (place.stride, 1) if spec.stride_in == "1x1" else (1, place.stride)
        self.bn1 = batch_norm(rank, place.inputs)
        self.conv1 = conv(rank, place.inputs, inner, stride=s1)
        self.bn2 = batch_norm(rank, inner)
        self.conv2 = conv(rank, inner, inner, spec.kernel, stride=s2, groups=spec.groups)
        self.bn3 = batch_norm(rank, inner)
        self.dropout = dropout(spec.dropout)
        self.conv3 = conv(rank, inner, outputs)
        self.se = make_gate(spec, outputs)
        self.drop_path = stochastic_depth(place.drop_path)
        self.downsample = make_shortcut(spec, place, outputs)
        self.shared = _shares_activation(spec, place, self.downsample)

    def forward(self, x: Tensor) -> Tensor:
        a = F.relu(self.bn1(x), inplace=True)
        y = self.conv1(a)
        y = self.conv2(F.relu(self.bn2(y), inplace=True))
        y = self.conv3(self.dropout(F.relu(self.bn3(y), inplace=True)))
        return self.drop_path(self.se(y)) + self.downsample(a if self.shared else x)

    def zero_init(self) -> None:
        nn.init.zeros_(self.conv3.weight)


def _shares_activation(spec: ResNetSpec, place: Place, shortcut: nn.Module) -> bool:
    """Whether a pre-activation block's shortcut starts after the first activation."""
    return not isinstance(shortcut, nn.Identity) or (place.first and spec.activate_first)


Block = BasicBlock | PlainBlock | Bottleneck | SeparableBlock | PreActBasic | PreActBottleneck


def block_type(spec: ResNetSpec) -> type[Block]:
    """The class of the blocks of ``spec``."""
    match spec.block:
        case "basic":
            return BasicBlock
        case "plain":
            return PlainBlock
        case "bottleneck":
            return Bottleneck
        case "separable":
            return SeparableBlock
        case "preact_basic":
            return PreActBasic
        case "preact_bottleneck":
            return PreActBottleneck
