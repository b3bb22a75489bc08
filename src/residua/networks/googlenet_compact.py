"""The small GoogLeNet of text books, for `CompactGoogLeNetSpec`.

Shapes: ``[b, c, *s]``, b samples, c channels, ``*s`` one or two spatial axes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from residua.networks.inception import EPS, Branches, chained
from residua.networks.layers import (
    Conv,
    batch_norm,
    classifier,
    conv,
    dropout,
    global_average,
    max_pool,
)
from residua.networks.network import FeatureInfo, Network, Stage
from residua.networks.specs.googlenet import CompactGoogLeNetSpec

STEM = 96
DOWNSAMPLES = (80, 96)
"""Channels of the convolution in each downsampling module."""

INCEPTIONS = (
    ((32, 32), (32, 48)),
    ((112, 48), (96, 64), (80, 80), (48, 96)),
    ((176, 160), (176, 160)),
)
"""#1x1 and #3x3 of the inception modules before, between and behind them."""


class ConvModule(nn.Module):
    """relu(norm(conv(x)) + bias). The norm has no scale: ReLU passes it on to the next weights."""

    def __init__(self, rank: int, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = conv(rank, inputs, outputs, kernel, stride=stride)
        self.bn = batch_norm(rank, outputs, EPS, affine=False)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        bias = self.bias.view(-1, *(1,) * (x.ndim - 2))
        return F.relu(self.bn(self.conv(x)) + bias, inplace=True)


class SmallInception(Branches):
    """[1x1(x), 3x3(x)]."""

    def __init__(self, rank: int, inputs: int, one: int, three: int) -> None:
        super().__init__(
            (ConvModule(rank, inputs, one, 1), ConvModule(rank, inputs, three, 3)), first=1
        )


class Downsample(Branches):
    """[3x3 stride 2(x), max pool 3x3 stride 2(x)]."""

    def __init__(self, rank: int, inputs: int, outputs: int) -> None:
        pool = max_pool(rank, 3, stride=2, padding=1)
        super().__init__((ConvModule(rank, inputs, outputs, 3, stride=2), pool), first=1)


class CompactGoogLeNet(Network):
    """3x3 stem, eight inception modules of two branches, global average, linear classifier.

    Zhang et al., 2017, Understanding Deep Learning Requires Rethinking Generalization,
    arXiv:1611.03530, appendix A, figure 3, "Inception (small)": CIFAR pictures cropped to 28x28,
    1,649,402 parameters (table 1), to which only norms without a scale add up. The paper averages
    7x7 windows at the end: here all positions, which is the same at 28. Strided layers round sizes
    up. Initialisation is Kaiming's normal by fan-out (the paper names none). ``drop_rate`` is
    dropout before the classifier, which the paper does not have.
    """

    input_name = "conv1.conv"

    def __init__(self, spec: CompactGoogLeNetSpec) -> None:
        rank, stem = spec.rank, spec.scaled(STEM)
        groups = [
            [(spec.scaled(one), spec.scaled(three)) for one, three in group] for group in INCEPTIONS
        ]
        outputs = [sum(group[-1]) for group in groups]
        super().__init__(
            spec,
            num_features=outputs[-1],
            feature_info=tuple(
                FeatureInfo(name=f"inception{i + 1}", channels=channels, reduction=2**i)
                for i, channels in enumerate(outputs)
            ),
        )
        self.conv1 = ConvModule(rank, spec.in_chans, stem, 3)
        inputs = stem
        for number, group in enumerate(groups, 1):
            if number > 1:
                width = spec.scaled(DOWNSAMPLES[number - 2])
                self.add_module(f"downsample{number}", Downsample(rank, inputs, width))
                inputs += width
            sizes = (inputs, *map(sum, group))
            modules = [
                SmallInception(rank, before, *widths)
                for before, widths in zip(sizes, group, strict=False)
            ]
            self.add_module(f"inception{number}", nn.Sequential(*modules))
            inputs = sizes[-1]
        self.avgpool = global_average(rank)
        self.flatten = nn.Flatten()
        self.dropout = dropout(spec.drop_rate)
        self.fc = classifier(inputs, spec.num_classes)
        _initialise(self)

    def stages(self) -> tuple[Stage, ...]:
        return chained(
            self,
            inception1="conv1 inception1",
            inception2="downsample2 inception2",
            inception3="downsample3 inception3",
            head="avgpool flatten dropout fc",
        )


def _initialise(network: CompactGoogLeNet) -> None:
    if network.conv1.conv.weight.is_meta:
        return
    for module in network.modules():
        if isinstance(module, Conv):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
