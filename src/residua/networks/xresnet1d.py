"""xresnet1d, for every row of `residua.networks.specs.xresnet1d`.

Keys: ``stem.0.conv stem.0.bn ... layer1.0.conv1 layer1.0.bn1 ... layer2.0.downsample.conv ...
norm1 hidden norm2 fc``.

Shapes: ``[b, c, t]``, b samples, c channels, t steps.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from residua.errors import InputShapeError
from residua.networks.inception import ConvBlock
from residua.networks.layers import (
    Conv,
    average_pool,
    batch_norm,
    classifier,
    conv,
    dropout,
    max_pool,
    stochastic_depth,
)
from residua.networks.network import FeatureInfo, Network, Stage
from residua.networks.specs.xresnet1d import XResNet1dSpec


class XBlock(nn.Module):
    """y = relu(F(x) + h(x)); h averages pairs of steps where F strides, then is a convolution of 1.

    F is two convolutions, or three (bottleneck). Shortcuts: He et al., 2019, arXiv:1812.01187,
    figure 2c ("ResNet-D").

    Shapes: ``[b, inputs, t]`` to ``[b, width * expansion, ceil(t / stride)]``.
    """

    def __init__(
        self, spec: XResNet1dSpec, inputs: int, *, stride: int = 1, drop_path: float = 0.0
    ) -> None:
        super().__init__()
        width, outputs = spec.width, spec.width * _expansion(spec)
        if spec.block == "basic":
            shapes = [(inputs, width, spec.kernel, stride), (width, outputs, spec.kernel, 1)]
        else:
            middle = (width, width, spec.kernel, stride)
            shapes = [(inputs, width, 1, 1), middle, (width, outputs, 1, 1)]
        for i, (before, after, kernel, step) in enumerate(shapes, start=1):
            self.add_module(f"conv{i}", conv(1, before, after, kernel, stride=step))
            self.add_module(f"bn{i}", batch_norm(1, after))
        self.depth = len(shapes)
        self.drop_path = stochastic_depth(drop_path)
        self.downsample = _shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for i in range(1, self.depth + 1):
            y = self.get_submodule(f"bn{i}")(self.get_submodule(f"conv{i}")(y))
            if i < self.depth:
                y = F.relu(y, inplace=True)
        return F.relu(self.drop_path(y) + self.downsample(x), inplace=True)


class MaximumAndAverage(nn.Module):
    """[max(x), mean(x)] over all steps: ``[b, c, t]`` to ``[b, 2 c, 1]``."""

    def __init__(self) -> None:
        super().__init__()
        self.maximum = nn.AdaptiveMaxPool1d(1)
        self.average = nn.AdaptiveAvgPool1d(1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.maximum(x), self.average(x)], 1)


class XResNet1d(Network):
    """Stem of three convolutions, four stages of one width, maximum and average, two linear layers.

    Strodthoff et al., 2020, arXiv:2004.13701, section II-C, as in the authors' code
    (helme/ecg_ptbxl_benchmarking, models/xresnet1d.py, after fastai's xresnet): kernels of 5, 64
    channels in every stage, the last norm of each block starts at 0. The head is that of their
    benchmark: maximum and average over time side by side, then twice batch norm, dropout and a
    linear layer, with 128 hidden units between. Weights: Kaiming's normal by fan-in, biases 0.
    Their networks see 2.5 s of 12 leads at 100 Hz; PTB-XL's 71 statements are the default.

    A batch of one sample cannot train, whatever its length: norms stand behind the average.
    """

    input_name = "stem.0.conv"

    def __init__(self, spec: XResNet1dSpec) -> None:
        outputs = spec.width * _expansion(spec)
        super().__init__(spec, num_features=spec.hidden or 2 * outputs, feature_info=_info(spec))
        before = (spec.in_chans, *spec.stem)
        self.stem = nn.Sequential(
            *(
                ConvBlock(conv(1, before[i], after, spec.kernel, stride=1 if i else 2), eps=1e-5)
                for i, after in enumerate(spec.stem)
            )
        )
        self.maxpool = max_pool(1, 3, stride=2, padding=1)
        for stage in range(len(spec.depths)):
            self.add_module(f"layer{stage + 1}", _layer(spec, stage))
        rate = spec.drop_rate or spec.dropout
        self.pool = MaximumAndAverage()
        self.flatten = nn.Flatten()
        self.norm1 = nn.BatchNorm1d(2 * outputs) if spec.hidden else nn.Identity()
        self.dropout1 = dropout(rate / 2) if spec.hidden else nn.Identity()
        self.hidden = nn.Linear(2 * outputs, spec.hidden) if spec.hidden else nn.Identity()
        self.relu = nn.ReLU(inplace=True) if spec.hidden else nn.Identity()
        self.norm2 = nn.BatchNorm1d(self.num_features)
        self.dropout2 = dropout(rate)
        self.fc = classifier(self.num_features, spec.num_classes)
        _initialise(self)

    def stages(self) -> tuple[Stage, ...]:
        chain = [Stage(name="stem", modules=(self.stem,))]
        for name in (row.name for row in self.feature_info[1:]):
            pool = (self.maxpool,) if len(chain) == 1 else ()
            chain.append(Stage(name=name, modules=(*pool, self.get_submodule(name))))
        hidden = (self.norm1, self.dropout1, self.hidden, self.relu)
        head = (self.pool, self.flatten, *hidden, self.norm2, self.dropout2, self.fc)
        return (*chain, Stage(name="head", modules=head))

    def check_input(self, x: Tensor) -> None:
        super().check_input(x)
        if x.shape[0] == 1 and self._normalises_batches():
            raise InputShapeError(
                "batch normalisation cannot learn from a batch of one value a channel",
                expected="two samples, since norms stand behind the global average",
                received=list(x.shape),
                fix="Use a larger batch size, or accumulate less",
            )


def _expansion(spec: XResNet1dSpec) -> int:
    return 1 if spec.block == "basic" else 4


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    layers = OrderedDict[str, nn.Module]()
    if stride > 1:
        layers["pool"] = average_pool(1, stride, stride=stride, ceil=True)
    if inputs != outputs:
        layers["conv"] = conv(1, inputs, outputs)
        layers["bn"] = batch_norm(1, outputs)
    return nn.Sequential(layers) if layers else nn.Identity()


def _layer(spec: XResNet1dSpec, stage: int) -> nn.Sequential:
    """One stage. Stochastic depth grows linearly over all blocks, as in other residual networks."""
    before, total = sum(spec.depths[:stage]), sum(spec.depths)
    outputs, blocks = spec.width * _expansion(spec), list[nn.Module]()
    for index in range(spec.depths[stage]):
        first = stage == 0 and index == 0
        block = XBlock(
            spec,
            spec.stem[-1] if first else outputs,
            stride=2 if stage and not index else 1,
            drop_path=spec.drop_path_rate * (before + index + 1) / total,
        )
        blocks.append(block)
    return nn.Sequential(*blocks)


def _info(spec: XResNet1dSpec) -> tuple[FeatureInfo, ...]:
    outputs = spec.width * _expansion(spec)
    return FeatureInfo(name="stem", channels=spec.stem[-1], reduction=2), *(
        FeatureInfo(name=f"layer{stage + 1}", channels=outputs, reduction=4 * 2**stage)
        for stage in range(len(spec.depths))
    )


def _initialise(network: XResNet1d) -> None:
    """Kaiming's normal by fan-in, biases 0, the last norm of each block 0."""
    for module in network.modules():
        if isinstance(module, Conv | nn.Linear) and not module.weight.is_meta:
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, XBlock):
            norm = module.get_submodule(f"bn{module.depth}")
            assert isinstance(norm, nn.BatchNorm1d)
            nn.init.zeros_(norm.weight)
