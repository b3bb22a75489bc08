"""The residual network, for every row of `residua.networks.specs.resnet`.

Keys are torchvision's: ``conv1 bn1 layer1.0.conv1 ... layer1.0.downsample.0 ... fc``; a
pre-activation network has no ``bn1`` but a last ``norm``.
"""

from __future__ import annotations

from itertools import accumulate

from torch import nn

from residua.networks.blocks import Place, PlainBlock, block_type
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
from residua.networks.specs.resnet import ResNetSpec


class ResNet(Network):
    """Stem, stages of residual blocks, global average, linear classifier."""

    def __init__(self, spec: ResNetSpec) -> None:
        outputs = spec.widths[-1] * block_type(spec).expansion
        super().__init__(spec, num_features=outputs, feature_info=_feature_info(spec))
        rank, imagenet = spec.rank, spec.stem == "imagenet"
        kernel, stride = (7, 2) if imagenet else (3, 1)
        self.conv1 = conv(rank, spec.in_chans, spec.stem_width, kernel, stride=stride)
        self.bn1 = nn.Identity() if spec.preact else batch_norm(rank, spec.stem_width)
        self.relu = nn.Identity() if spec.preact else nn.ReLU(inplace=True)
        self.maxpool = max_pool(rank, 3, stride=2, padding=1) if imagenet else nn.Identity()
        self.layer_names = tuple(row.name for row in self.feature_info[1:])
        for name, layer in zip(self.layer_names, _layers(spec), strict=True):
            self.add_module(name, layer)
        self.norm = batch_norm(rank, outputs) if spec.preact else nn.Identity()
        self.last_relu = nn.ReLU(inplace=True) if spec.preact else nn.Identity()
        self.avgpool = global_average(rank)
        self.flatten = nn.Flatten()
        self.dropout = dropout(spec.drop_rate)
        self.fc = classifier(outputs, spec.num_classes)
        _initialise(self, spec)

    def stages(self) -> tuple[Stage, ...]:
        stem = (self.conv1, self.bn1, self.relu)
        layers: list[tuple[nn.Module, ...]]
        layers = [(self.get_submodule(name),) for name in self.layer_names]
        layers[0] = (self.maxpool, *layers[0])
        layers[-1] = (*layers[-1], self.norm, self.last_relu)
        head = (self.avgpool, self.flatten, self.dropout, self.fc)
        names = ("stem", *self.layer_names, "head")
        chain = zip(names, (stem, *layers, head), strict=True)
        return tuple(Stage(name=name, modules=modules) for name, modules in chain)


def _layers(spec: ResNetSpec) -> list[nn.Sequential]:
    """The stages. Stochastic depth grows linearly from the first block (rate / blocks) to the last
    (rate), as in Huang et al., 2016, equation 4."""
    block, total = block_type(spec), sum(spec.depths)
    starts = accumulate(spec.depths, initial=0)
    inputs, layers = spec.stem_width, list[nn.Sequential]()
    for start, depth, width in zip(starts, spec.depths, spec.widths, strict=False):
        blocks: list[nn.Module] = []
        for index in range(start, start + depth):
            place = Place(
                inputs=inputs,
                width=width,
                stride=2 if layers and not blocks else 1,
                drop_path=spec.drop_path_rate * (index + 1) / total,
                first=index == 0,
            )
            blocks.append(block(spec, place))
            inputs = width * block.expansion
        layers.append(nn.Sequential(*blocks))
    return layers


def _feature_info(spec: ResNetSpec) -> tuple[FeatureInfo, ...]:
    stem, first = (2, 4) if spec.stem == "imagenet" else (1, 1)
    rows = [FeatureInfo(name="stem", channels=spec.stem_width, reduction=stem)]
    for index, width in enumerate(spec.widths):
        channels = width * block_type(spec).expansion
        rows.append(
            FeatureInfo(name=f"layer{index + 1}", channels=channels, reduction=first * 2**index)
        )
    return tuple(rows)


def _initialise(network: ResNet, spec: ResNetSpec) -> None:
    """Kaiming's normal initialisation by fan-out (He et al., 2015), as torchvision and timm do."""
    if network.conv1.weight.is_meta:
        return
    for module in network.modules():
        if isinstance(module, Conv):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    if spec.zero_init:
        for module in network.modules():
            if isinstance(module, block_type(spec)) and not isinstance(module, PlainBlock):
                module.zero_init()
