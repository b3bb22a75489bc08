"""ResNet and FCN for time series, for every row of `residua.networks.specs.wang`.

Keys: ``block1.conv1 block1.bn1 ... block1.downsample.0 ... fc`` and ``block1.conv block1.bn ...``.

Shapes: ``[b, c, t]``, b samples, c channels, t steps.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from residua.networks.inception import EPS, ConvBlock
from residua.networks.initialise import initialise_as_keras
from residua.networks.layers import (
    batch_norm,
    classifier,
    conv,
    dropout,
    global_average,
    stochastic_depth,
)
from residua.networks.network import FeatureInfo, Network, Stage
from residua.networks.specs.wang import WangSpec


class WangBlock(nn.Module):
    """y = relu(F(x) + h(x)), F being three convolutions (section 2.3); nothing strides.

    h normalises, after a convolution of 1 where channels change. ``[b, inputs, t]`` to
    ``[b, width, t]``.
    """

    def __init__(
        self, inputs: int, width: int, kernels: tuple[int, ...], *, drop_path: float = 0.0
    ) -> None:
        super().__init__()
        for i, kernel in enumerate(kernels, start=1):
            layer = conv(1, inputs if i == 1 else width, width, kernel, bias=True)
            self.add_module(f"conv{i}", layer)
            self.add_module(f"bn{i}", batch_norm(1, width, EPS))
        self.depth = len(kernels)
        self.drop_path = stochastic_depth(drop_path)
        project = [conv(1, inputs, width, bias=True)] if inputs != width else []
        self.downsample = nn.Sequential(*project, batch_norm(1, width, EPS))

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for i in range(1, self.depth + 1):
            y = self.get_submodule(f"bn{i}")(self.get_submodule(f"conv{i}")(y))
            if i < self.depth:
                y = F.relu(y, inplace=True)
        return F.relu(self.drop_path(y) + self.downsample(x), inplace=True)


class WangNet(Network):
    """Blocks that keep the length, global average, linear classifier.

    Wang, Yan & Oates, 2016, arXiv:1611.06455: `resnet1d_wang` section 2.3 (figure 1c), `fcn_wang`
    section 2.2 (figure 1b). As in the authors' Keras code convolutions have biases, even kernels
    pad one more zero behind than in front, batch norm has eps 1e-3, and where channels do not
    change the shortcut still normalises. That code also normalises the input of the very first
    convolution; the paper and all copies of it do not, nor does this. Running statistics move by
    a tenth a batch, where Keras's move by a hundredth. ``drop_rate`` is a dropout before the
    classifier, where the paper has none.
    """

    def __init__(self, spec: WangSpec) -> None:
        info = tuple(
            FeatureInfo(name=f"block{i}", channels=width, reduction=1)
            for i, width in enumerate(spec.widths, start=1)
        )
        super().__init__(spec, num_features=spec.widths[-1], feature_info=info)
        self.input_name = "block1.conv1" if spec.residual else "block1.conv"
        for row, block in zip(info, _blocks(spec), strict=True):
            self.add_module(row.name, block)
        self.avgpool = global_average(1)
        self.flatten = nn.Flatten()
        self.dropout = dropout(spec.drop_rate)
        self.fc = classifier(spec.widths[-1], spec.num_classes)
        initialise_as_keras(self)

    def stages(self) -> tuple[Stage, ...]:
        names = [row.name for row in self.feature_info]
        blocks = [Stage(name=name, modules=(self.get_submodule(name),)) for name in names]
        head = (self.avgpool, self.flatten, self.dropout, self.fc)
        return (*blocks, Stage(name="head", modules=head))


def _blocks(spec: WangSpec) -> list[nn.Module]:
    inputs, blocks = spec.in_chans, list[nn.Module]()
    for i, width in enumerate(spec.widths):
        if spec.residual:
            rate = spec.drop_path_rate * (i + 1) / len(spec.widths)
            blocks.append(WangBlock(inputs, width, spec.kernels, drop_path=rate))
        else:
            blocks.append(ConvBlock(conv(1, inputs, width, spec.kernels[i], bias=True)))
        inputs = width
    return blocks
