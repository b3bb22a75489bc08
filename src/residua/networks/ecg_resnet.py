"""The deep ECG ResNet, for every row of `residua.networks.specs.ecg_resnet`.

Keys: ``conv1 bn1 layer1.0.conv1 layer1.0.bn2 layer1.0.conv2 layer1.1.bn1 ... norm fc``; the first
block has no ``bn1``.

Shapes: ``[b, c, t]``, b samples, c channels, t steps.
"""

from __future__ import annotations

from torch import Tensor, nn

from residua.networks.blocks import PadShortcut
from residua.networks.inception import EPS
from residua.networks.initialise import initialise_as_keras
from residua.networks.layers import (
    batch_norm,
    classifier,
    conv,
    dropout,
    global_average,
    max_pool,
    stochastic_depth,
)
from residua.networks.network import FeatureInfo, Network, Stage
from residua.networks.specs.ecg_resnet import ECGResNetSpec


class ECGBlock(nn.Module):
    """y = F(x) + h(x); F is (norm, relu, convolution) twice, h a max pool and zeros for channels.

    The network's first block starts with its convolution, since the stem ends with norm and relu.

    Shapes: ``[b, inputs, t]`` to ``[b, width, ceil(t / stride)]``.
    """

    def __init__(
        self,
        inputs: int,
        width: int,
        kernel: int,
        *,
        stride: int = 1,
        first: bool = False,
        rate: float = 0.0,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        self.bn1 = nn.Identity() if first else batch_norm(1, inputs, EPS)
        self.relu1 = nn.Identity() if first else nn.ReLU(inplace=True)
        self.conv1 = conv(1, inputs, width, kernel, stride=stride, bias=True)
        self.bn2 = batch_norm(1, width, EPS)
        self.relu2 = nn.ReLU(inplace=True)
        self.dropout = dropout(rate)
        self.conv2 = conv(1, width, width, kernel, bias=True)
        self.drop_path = stochastic_depth(drop_path)
        pool = max_pool(1, stride, stride=stride, ceil=True) if stride > 1 else nn.Identity()
        pad = PadShortcut(inputs, width, 1) if inputs != width else nn.Identity()
        self.downsample = nn.Sequential(pool, pad) if stride > 1 or inputs != width else pool

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(self.relu1(self.bn1(x)))
        y = self.conv2(self.dropout(self.relu2(self.bn2(y))))
        return self.drop_path(y) + self.downsample(x)


class ECGResNet(Network):
    """Convolution, sixteen pre-activation blocks, global average, linear classifier.

    Rajpurkar et al., 2017, arXiv:1707.01836, section 3, and Hannun et al., 2019, Nature Medicine
    25, as in the authors' Keras code (awni/ecg, ecg/network.py): convolutions of 16 with biases, 32
    channels that double every fourth block, every second block halves the length, batch norm with
    eps 1e-3, dropout 0.2 inside blocks, weights by He. It differs in three ways. One answer a
    signal: a global average stands before the linear layer, which there is applied at every 256th
    step and labels 1.28 s at 200 Hz each. Any length works: pools of shortcuts round up, as the
    convolutions do; there lengths are multiples of 256. Running statistics move by a tenth a batch,
    where Keras's move by a hundredth.
    """

    def __init__(self, spec: ECGResNetSpec) -> None:
        super().__init__(spec, num_features=spec.widths[-1], feature_info=_info(spec))
        self.conv1 = conv(1, spec.in_chans, spec.widths[0], spec.kernel, bias=True)
        self.bn1 = batch_norm(1, spec.widths[0], EPS)
        self.relu = nn.ReLU(inplace=True)
        for stage in range(len(spec.depths)):
            self.add_module(f"layer{stage + 1}", _layer(spec, stage))
        self.norm = batch_norm(1, spec.widths[-1], EPS)
        self.last_relu = nn.ReLU(inplace=True)
        self.avgpool = global_average(1)
        self.flatten = nn.Flatten()
        self.dropout = dropout(spec.drop_rate)
        self.fc = classifier(spec.widths[-1], spec.num_classes)
        initialise_as_keras(self, he=True)

    def stages(self) -> tuple[Stage, ...]:
        names = [row.name for row in self.feature_info[1:]]
        layers = [(self.get_submodule(name),) for name in names]
        stem, last = (self.conv1, self.bn1, self.relu), (self.norm, self.last_relu)
        head = (self.avgpool, self.flatten, self.dropout, self.fc)
        chain = (stem, *layers[:-1], (*layers[-1], *last), head)
        return tuple(
            Stage(name=name, modules=modules)
            for name, modules in zip(("stem", *names, "head"), chain, strict=True)
        )


def _layer(spec: ECGResNetSpec, stage: int) -> nn.Sequential:
    """One stage. Stochastic depth grows linearly over all blocks, as in other residual networks."""
    before, width = sum(spec.depths[:stage]), spec.widths[stage]
    inputs, blocks = (spec.widths[0], *spec.widths)[stage], list[nn.Module]()
    for index in range(before, before + spec.depths[stage]):
        block = ECGBlock(
            inputs,
            width,
            spec.kernel,
            stride=_stride(index),
            first=index == 0,
            rate=spec.dropout,
            drop_path=spec.drop_path_rate * (index + 1) / sum(spec.depths),
        )
        blocks.append(block)
        inputs = width
    return nn.Sequential(*blocks)


def _stride(block: int) -> int:
    return 1 + block % 2


def _info(spec: ECGResNetSpec) -> tuple[FeatureInfo, ...]:
    rows = [FeatureInfo(name="stem", channels=spec.widths[0], reduction=1)]
    blocks = 0
    for stage, width in enumerate(spec.widths):
        blocks += spec.depths[stage]
        rows.append(
            FeatureInfo(name=f"layer{stage + 1}", channels=width, reduction=2 ** (blocks // 2))
        )
    return tuple(rows)
