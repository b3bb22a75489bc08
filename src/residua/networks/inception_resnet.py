"""Inception-ResNet, for every row of `residua.networks.specs.inception_resnet`.

Keys are timm's: ``conv2d_1a.conv conv2d_1a.bn ... mixed_5b.branch0 ... repeat.0.branch1.0 ...
repeat.0.conv2d ... classif``; v1 has a ``conv2d_4b`` in place of ``mixed_5b``, and neither
``block8`` nor ``conv2d_7b``.

Shapes: ``[b, c, *s]``, b samples, c channels, ``*s`` one or two spatial axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from residua.networks.inception import Branches, ConvBlock, chained, conv_block
from residua.networks.layers import (
    average_pool,
    classifier,
    conv,
    dropout,
    factorised_conv,
    global_average,
    max_pool,
    stochastic_depth,
)
from residua.networks.network import FeatureInfo, Network, Stage
from residua.networks.specs.inception_resnet import InceptionResNetSpec

Chain = tuple[int, ...]
"""Channels after each convolution of a branch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Widths:
    """Channels of a version's blocks: a chain a branch, poolings left out.

    Attributes:
        a, b, c: Residual blocks at 35x35, 17x17 and 8x8.
        reduction_a, reduction_b: What lies between them.
    """

    a: tuple[Chain, ...]
    reduction_a: tuple[Chain, ...]
    b: tuple[Chain, ...]
    reduction_b: tuple[Chain, ...]
    c: tuple[Chain, ...]


V1 = Widths(
    a=((32,), (32, 32), (32, 32, 32)),  # figure 10
    reduction_a=((384,), (192, 192, 256)),  # figure 7, table 1
    b=((128,), (128, 128, 128)),  # figure 11
    reduction_b=((256, 384), (256, 256), (256, 256, 256)),  # figure 12
    c=((192,), (192, 192, 192)),  # figure 13
)
V2 = Widths(
    a=((32,), (32, 32), (32, 48, 64)),  # figure 16
    reduction_a=((384,), (256, 256, 384)),  # figure 7, table 1
    b=((192,), (128, 160, 192)),  # figure 17
    reduction_b=((256, 384), (256, 288), (256, 288, 320)),  # figure 18
    c=((192,), (192, 224, 256)),  # figure 19
)


class Residual(Branches):
    """relu(x + scale * 1x1([f_0(x), f_1(x), ...])); the 1x1 has a bias and no norm.

    Attributes:
        group: 0, 1, 2: at 35x35, 17x17, 8x8.
        kernel: k of 1xk and kx1 in branches of three convolutions; None for 3x3 and 3x3.

    Args:
        spec: The network's.
        place: Of the block among all blocks, from 0.
        channels: Of x.
    """

    group: ClassVar[int]
    kernel: ClassVar[int | None] = None

    def __init__(self, spec: InceptionResNetSpec, place: int, channels: int) -> None:
        widths = _widths(spec)
        chains = (widths.a, widths.b, widths.c)[self.group]
        super().__init__([self._branch(spec.rank, channels, chain) for chain in chains])
        total = sum(spec.depths)
        bare = spec.version == "v2" and place == total - 1
        self.scale = 1.0 if bare else spec.scales[self.group]
        self.conv2d = conv(spec.rank, _ends(chains), channels, bias=True)
        self.drop_path = stochastic_depth(spec.drop_path_rate * (place + 1) / total)
        self.relu = nn.Identity() if bare else nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2d(super().forward(x))
        return self.relu(self.drop_path(y * self.scale) + x)

    def extra_repr(self) -> str:
        return f"scale={self.scale:g}"

    def _branch(self, rank: int, channels: int, chain: Chain) -> nn.Module:
        if self.kernel is None or len(chain) == 1:
            return _branch(rank, channels, chain)
        return _factorised_branch(rank, channels, chain, self.kernel)


class BlockA(Residual):
    """1x1; 1x1, 3x3; 1x1, 3x3, 3x3 (figures 10 and 16)."""

    group = 0


class BlockB(Residual):
    """1x1; 1x1, 1x7, 7x1 (figures 11 and 17)."""

    group, kernel = 1, 7


class BlockC(Residual):
    """1x1; 1x1, 1x3, 3x1 (figures 13 and 19)."""

    group, kernel = 2, 3


class InceptionResNet(Network):
    """Stem, residual blocks at three resolutions, global average, linear classifier.

    Szegedy et al., 2017, Inception-v4, Inception-ResNet and the Impact of Residual Connections on
    Learning, arXiv:1602.07261, section 3.2. `inception_resnet_v1` is that of figures 7 and 10 to
    15. `inception_resnet_v2` is what its authors published with weights, and timm has; it differs
    from the paper (figures 3, 7 and 15 to 19) by v1's stem up to 71x71 with an inception module
    behind it, 10-20-10 blocks instead of 5-10-5, 320, 1088 and 2080 channels between them instead
    of 384, 1152 and 2144, a last block without scale and ReLU, and a 1x1 convolution to 1536 before
    the average. Of the scales the paper says 0.1 to 0.3 (section 3.3); these are the code's, for v1
    too. Stem and reductions do not pad, so inputs have at least 75 pixels. Dropout before the
    classifier is 0.2 (keep 0.8). Initialisation is torch's own, as in timm; the paper names none.
    At rank 1 a pair of 1xk and kx1 convolutions is one of k, with the pair's output channels.
    """

    input_name = "conv2d_1a.conv"
    classifier_name = "classif"

    def __init__(self, spec: InceptionResNetSpec) -> None:
        rank, scaled, widths = spec.rank, spec.scaled, _widths(spec)
        v2 = spec.version == "v2"
        stem1, stem2 = scaled(64), scaled(192)
        a = sum(map(scaled, (96, 64, 96, 64))) if v2 else scaled(256)
        b = a + _ends(widths.reduction_a)
        c = b + _ends(widths.reduction_b)
        outputs = scaled(1536) if v2 else c
        super().__init__(
            spec,
            num_features=outputs,
            feature_info=(
                FeatureInfo(name="stem1", channels=stem1, reduction=2),
                FeatureInfo(name="stem2", channels=stem2, reduction=4),
                FeatureInfo(name="inception_a", channels=a, reduction=8),
                FeatureInfo(name="inception_b", channels=b, reduction=16),
                FeatureInfo(name="inception_c", channels=outputs, reduction=32),
            ),
            min_size=_smallest_input(1),
        )
        self.conv2d_1a = conv_block(rank, spec.in_chans, scaled(32), 3, stride=2, padding=0)
        self.conv2d_2a = conv_block(rank, scaled(32), scaled(32), 3, padding=0)
        self.conv2d_2b = conv_block(rank, scaled(32), stem1, 3)
        self.maxpool_3a = max_pool(rank, 3, stride=2)
        self.conv2d_3b = conv_block(rank, stem1, scaled(80))
        self.conv2d_4a = conv_block(rank, scaled(80), stem2, 3, padding=0)
        if v2:
            self.maxpool_5a = max_pool(rank, 3, stride=2)
            self.mixed_5b = _mixed_5b(spec, stem2)
        else:
            self.conv2d_4b = conv_block(rank, stem2, a, 3, stride=2, padding=0)
        deep_a, deep_b, deep_c = spec.depths
        place = iter(range(sum(spec.depths)))
        self.repeat = nn.Sequential(*(BlockA(spec, next(place), a) for _ in range(deep_a)))
        self.mixed_6a = _reduction(rank, a, widths.reduction_a)
        self.repeat_1 = nn.Sequential(*(BlockB(spec, next(place), b) for _ in range(deep_b)))
        self.mixed_7a = _reduction(rank, b, widths.reduction_b)
        deep_c -= 1 if v2 else 0
        self.repeat_2 = nn.Sequential(*(BlockC(spec, next(place), c) for _ in range(deep_c)))
        if v2:
            self.block8 = BlockC(spec, next(place), c)
            self.conv2d_7b = conv_block(rank, c, outputs)
        self.avgpool = global_average(rank)
        self.flatten = nn.Flatten()
        self.dropout = dropout(spec.drop_rate or spec.dropout)
        self.classif = classifier(outputs, spec.num_classes)

    def stages(self) -> tuple[Stage, ...]:
        return chained(
            self,  # each version lacks a few of these
            stem1="conv2d_1a conv2d_2a conv2d_2b",
            stem2="maxpool_3a conv2d_3b conv2d_4a",
            inception_a="maxpool_5a mixed_5b conv2d_4b repeat",
            inception_b="mixed_6a repeat_1",
            inception_c="mixed_7a repeat_2 block8 conv2d_7b",
            head="avgpool flatten dropout classif",
        )

    def _one_pixel_size(self) -> int:
        return _smallest_input(2) - 1


def _widths(spec: InceptionResNetSpec) -> Widths:
    """The version's widths, times the spec's own."""

    def scaled(chains: tuple[Chain, ...]) -> tuple[Chain, ...]:
        return tuple(tuple(map(spec.scaled, chain)) for chain in chains)

    of = V1 if spec.version == "v1" else V2
    return Widths(
        a=scaled(of.a),
        reduction_a=scaled(of.reduction_a),
        b=scaled(of.b),
        reduction_b=scaled(of.reduction_b),
        c=scaled(of.c),
    )


def _ends(chains: tuple[Chain, ...]) -> int:
    """Channels of all branches together."""
    return sum(chain[-1] for chain in chains)


def _branch(rank: int, inputs: int, widths: Chain, *, stride: int = 1) -> nn.Module:
    """1x1, then 3x3 each; with stride 2 the last is 3x3, strides and does not pad."""
    blocks: list[ConvBlock] = []
    for number, outputs in enumerate(widths, 1):
        if stride == 2 and number == len(widths):
            blocks.append(conv_block(rank, inputs, outputs, 3, stride=2, padding=0))
        else:
            blocks.append(conv_block(rank, inputs, outputs, 3 if number > 1 else 1))
        inputs = outputs
    return blocks[0] if len(blocks) == 1 else nn.Sequential(*blocks)


def _factorised_branch(rank: int, inputs: int, widths: Chain, kernel: int) -> nn.Module:
    """1x1, 1xk, kx1."""
    first, inner, last = widths
    one = conv_block(rank, inputs, first)
    pair = factorised_conv(rank, first, inner, last, kernel)
    return nn.Sequential(one, *map(ConvBlock, pair))


def _reduction(rank: int, inputs: int, chains: tuple[Chain, ...]) -> Branches:
    """Halves the resolution; the last branch is a max pool (figures 7, 12 and 18)."""
    branches = [_branch(rank, inputs, chain, stride=2) for chain in chains]
    return Branches((*branches, max_pool(rank, 3, stride=2)))


def _mixed_5b(spec: InceptionResNetSpec, inputs: int) -> Branches:
    """The inception module before v2's residual blocks, which the paper does not have."""
    rank, scaled = spec.rank, spec.scaled
    return Branches(
        (
            conv_block(rank, inputs, scaled(96)),
            nn.Sequential(
                conv_block(rank, inputs, scaled(48)), conv_block(rank, scaled(48), scaled(64), 5)
            ),
            _branch(rank, inputs, (scaled(64), scaled(96), scaled(96))),
            nn.Sequential(
                average_pool(rank, 3, stride=1, padding=1), conv_block(rank, inputs, scaled(64))
            ),
        )
    )


def _smallest_input(pixels: int) -> int:
    """The smallest input whose last feature map has this size: going back, each unpadded layer of
    3 and stride 2 doubles and adds 1, each of stride 1 adds 2."""
    after_4a = 2 * (2 * (2 * pixels + 1) + 1) + 1
    after_2a = 2 * (after_4a + 2) + 1
    return 2 * (after_2a + 2) + 1
