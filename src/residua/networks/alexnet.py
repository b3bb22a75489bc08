"""AlexNet, for every row of `residua.networks.specs.alexnet`.

Keys are torchvision's: ``features.0 features.3 ... classifier.6``.
"""

from __future__ import annotations

from torch import nn

from residua.networks.layers import (
    Conv,
    adaptive_average,
    classifier,
    conv,
    dropout,
    max_pool,
    response_norm,
)
from residua.networks.network import FeatureInfo, Network, Stage
from residua.networks.specs.alexnet import AlexNetSpec

POOL_SIZE = 6
"""Positions along each axis that the first linear layer sees; at 224x224 the map has as many."""


class AlexNet(Network):
    """Five convolutions, three overlapping max pools, three linear layers.

    ``alexnet_2012`` is Krizhevsky et al., 2012, sections 3 to 5, its two GPUs as two groups;
    ``alexnet_2012_1tower`` is the same without groups. The first layer pads by 2, so that 224x224
    gives the paper's 55x55x96, then 27x27x256 and so on to 6x6x256. Dropout scales while training,
    not at inference. ``alexnet`` is torchvision's: the one tower of Krizhevsky, 2014, with 256
    instead of 384 channels in the fourth convolution, no response normalisation and dropout before
    the hidden linear layers. For inputs of other sizes the last map is averaged to 6x6.
    ``drop_rate`` takes the place of ``dropout`` where it is not 0.
    """

    classifier_name = "classifier.6"
    input_name = "features.0"

    def __init__(self, spec: AlexNetSpec) -> None:
        rows = zip(spec.widths, (8, 16, 16, 16, 32), strict=True)
        info = (
            FeatureInfo(name=f"conv{i}", channels=channels, reduction=reduction)
            for i, (channels, reduction) in enumerate(rows, start=1)
        )
        super().__init__(spec, num_features=spec.hidden, feature_info=tuple(info), min_size=63)
        layers = _layers(spec)
        self.features = nn.Sequential(*(module for layer in layers for module in layer))
        self.lengths = tuple(map(len, layers))
        self.avgpool = adaptive_average(spec.rank, POOL_SIZE)
        self.flatten = nn.Flatten()
        self.classifier = _classifier(spec)
        if spec.init == "normal":
            self._initialise()

    def stages(self) -> tuple[Stage, ...]:
        modules = iter(self.features)
        stages = [
            Stage(name=row.name, modules=tuple(next(modules) for _ in range(length)))
            for row, length in zip(self.feature_info, self.lengths, strict=True)
        ]
        head = (self.avgpool, self.flatten, *self.classifier)
        return (*stages, Stage(name="head", modules=head))

    def reset_classifier(self, num_classes: int) -> None:
        super().reset_classifier(num_classes)
        assert isinstance(self.spec, AlexNetSpec)
        fresh = self.get_classifier()
        if isinstance(fresh, nn.Linear) and self.spec.init == "normal":
            _draw(fresh, bias=0.0)

    def _initialise(self) -> None:
        """Krizhevsky et al., 2012, section 5: a bias of 1 gives the ReLUs positive inputs."""
        convs = [module for module in self.features if isinstance(module, Conv)]
        for layer, bias in zip(convs, (0.0, 1.0, 0.0, 1.0, 1.0), strict=True):
            _draw(layer, bias=bias)
        linears = [module for module in self.classifier if isinstance(module, nn.Linear)]
        for layer, bias in zip(linears, (1.0, 1.0, 0.0), strict=False):  # no third for 0 classes
            _draw(layer, bias=bias)


def _layers(spec: AlexNetSpec) -> tuple[list[nn.Module], ...]:
    """Each convolution and what follows it."""
    rank, widths, groups = spec.rank, spec.widths, spec.groups

    def norm() -> list[nn.Module]:
        # The paper's constants, section 3.3.
        return [response_norm(5, k=2.0, alpha=1e-4, beta=0.75)] if spec.response_norm else []

    def relu() -> nn.Module:
        return nn.ReLU(inplace=True)

    def pool() -> nn.Module:
        return max_pool(rank, 3, stride=2)

    first = conv(rank, spec.in_chans, widths[0], 11, stride=4, padding=2, bias=True)
    second = conv(rank, widths[0], widths[1], 5, groups=groups[1], bias=True)
    third = conv(rank, widths[1], widths[2], 3, groups=groups[2], bias=True)
    fourth = conv(rank, widths[2], widths[3], 3, groups=groups[3], bias=True)
    fifth = conv(rank, widths[3], widths[4], 3, groups=groups[4], bias=True)
    return (
        [first, relu(), *norm(), pool()],
        [second, relu(), *norm(), pool()],
        [third, relu()],
        [fourth, relu()],
        [fifth, relu(), pool()],
    )


def _classifier(spec: AlexNetSpec) -> nn.Sequential:
    inputs = spec.widths[-1] * POOL_SIZE**spec.rank
    rate = spec.drop_rate or spec.dropout
    first, second = nn.Linear(inputs, spec.hidden), nn.Linear(spec.hidden, spec.hidden)
    relus = nn.ReLU(inplace=True), nn.ReLU(inplace=True)
    drops = dropout(rate), dropout(rate)
    last = classifier(spec.hidden, spec.num_classes)
    if spec.dropout_at == "inputs":
        return nn.Sequential(drops[0], first, relus[0], drops[1], second, relus[1], last)
    return nn.Sequential(first, relus[0], drops[0], second, relus[1], drops[1], last)


def _draw(layer: Conv | nn.Linear, *, bias: float) -> None:
    """Weights from N(0, 0.01)."""
    assert layer.bias is not None
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.constant_(layer.bias, bias)
