"""VGG, for every row of `residua.networks.specs.vgg`.

Keys are torchvision's: ``features.0 ... classifier.0 classifier.3 classifier.6``.
"""

from __future__ import annotations

from torch import nn

from residua.networks.layers import (
    Conv,
    adaptive_average,
    batch_norm,
    classifier,
    conv,
    dropout,
    max_pool,
)
from residua.networks.network import FeatureInfo, Network, Stage
from residua.networks.specs.vgg import VGGSpec

POOL_SIZE = 7
"""Positions along each axis that the first linear layer sees; at 224x224 the map has as many."""


class VGG(Network):
    """Blocks of 3x3 convolutions, a 2x2 max pool behind each, three linear layers.

    Simonyan & Zisserman, 2015, table 1, columns A, B, D and E; the ``_bn`` networks have batch
    normalisation in front of each ReLU (Ioffe & Szegedy, 2015), which the paper does not. As in
    torchvision: weights of the convolutions from Kaiming's normal by fan-out (the paper started
    from its trained network A), of the linear layers from N(0, 0.01), biases 0; inputs of other
    sizes have their last map averaged to 7x7, where the paper slides the linear layers over it.
    ``drop_rate`` takes the place of ``dropout`` where it is not 0.
    """

    classifier_name = "classifier.6"
    input_name = "features.0"

    def __init__(self, spec: VGGSpec) -> None:
        rows = enumerate(spec.widths, start=1)
        info = tuple(
            FeatureInfo(name=f"block{i}", channels=width, reduction=2**i) for i, width in rows
        )
        least = info[-1].reduction
        super().__init__(spec, num_features=spec.hidden, feature_info=info, min_size=least)
        blocks = _blocks(spec)
        self.features = nn.Sequential(*(module for block in blocks for module in block))
        self.lengths = tuple(map(len, blocks))
        self.avgpool = adaptive_average(spec.rank, POOL_SIZE)
        self.flatten = nn.Flatten()
        self.classifier = _classifier(spec)
        for module in (*self.features, *self.classifier):
            _initialise(module)

    def stages(self) -> tuple[Stage, ...]:
        modules = iter(self.features)
        blocks = [
            Stage(name=row.name, modules=tuple(next(modules) for _ in range(length)))
            for row, length in zip(self.feature_info, self.lengths, strict=True)
        ]
        head = (self.avgpool, self.flatten, *self.classifier)
        return (*blocks, Stage(name="head", modules=head))

    def reset_classifier(self, num_classes: int) -> None:
        super().reset_classifier(num_classes)
        _initialise(self.get_classifier())

    def _one_pixel_size(self) -> int:
        return 0  # the last batch norm comes before the last pool


def _blocks(spec: VGGSpec) -> list[list[nn.Module]]:
    inputs, blocks = spec.in_chans, list[list[nn.Module]]()
    for depth, width in zip(spec.depths, spec.widths, strict=True):
        block: list[nn.Module] = []
        for _ in range(depth):
            block.append(conv(spec.rank, inputs, width, 3, bias=True))
            if spec.batch_norm:
                block.append(batch_norm(spec.rank, width))
            block.append(nn.ReLU(inplace=True))
            inputs = width
        blocks.append([*block, max_pool(spec.rank, 2, stride=2)])
    return blocks


def _classifier(spec: VGGSpec) -> nn.Sequential:
    rate = spec.drop_rate or spec.dropout
    return nn.Sequential(
        nn.Linear(spec.widths[-1] * POOL_SIZE**spec.rank, spec.hidden),
        nn.ReLU(inplace=True),
        dropout(rate),
        nn.Linear(spec.hidden, spec.hidden),
        nn.ReLU(inplace=True),
        dropout(rate),
        classifier(spec.hidden, spec.num_classes),
    )


def _initialise(module: nn.Module) -> None:
    if isinstance(module, Conv):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)
    else:
        return
    assert module.bias is not None
    nn.init.zeros_(module.bias)
