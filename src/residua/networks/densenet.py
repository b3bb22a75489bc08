"""The densely connected network, for every row of `residua.networks.specs.densenet`.

Keys are torchvision's: ``features.conv0 features.norm0 features.denseblock1.denselayer1.norm1 ...
features.transition1.norm ... features.norm5 classifier``. `DenseBlock` and `Transition` stand
alone too.

Shapes: ``[b, c, *s]``, b samples, c channels, ``*s`` one or two spatial axes.
"""

from __future__ import annotations

import re
from collections import OrderedDict

import torch
from torch import Tensor, nn

from residua.networks.layers import (
    Conv,
    average_pool,
    batch_norm,
    classifier,
    conv,
    dropout,
    global_average,
    max_pool,
)
from residua.networks.network import FeatureInfo, Network, Stage
from residua.networks.recompute import Recompute, recomputed
from residua.networks.specs.densenet import DenseNetSpec


class DenseLayer(nn.Module):
    """H(x): the new maps that a dense block adds to all before (Huang et al., 2017, section 3).

    conv3x3(relu(norm(x))), or conv3x3(relu(norm(conv1x1(relu(norm(x)))))) with a bottleneck.

    Shapes: maps of together ``inputs`` channels ``[b, c_i, *s]`` to ``[b, growth, *s]``.
    """

    def __init__(
        self, inputs: int, growth: int, *, bottleneck: int, drop_rate: float, rank: int
    ) -> None:
        super().__init__()
        inner = bottleneck * growth
        self.norm1 = batch_norm(rank, inputs)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = conv(rank, inputs, inner) if inner else conv(rank, inputs, growth, 3)
        self.dropout1 = dropout(drop_rate) if inner else nn.Identity()
        self.norm2 = batch_norm(rank, inner) if inner else nn.Identity()
        self.relu2 = nn.ReLU(inplace=True) if inner else nn.Identity()
        self.conv2 = conv(rank, inner, growth, 3) if inner else nn.Identity()
        self.dropout2 = dropout(drop_rate)

    def forward(self, *maps: Tensor, recompute: bool = False) -> Tensor:
        if recompute:
            y = recomputed(self.first_conv, (self.norm1,), *maps)
        else:
            y = self.first_conv(*maps)
        return self.dropout2(self.conv2(self.relu2(self.norm2(self.dropout1(y)))))

    def first_conv(self, *maps: Tensor) -> Tensor:
        """As far as the first convolution, which is not computed again: its inputs are enough."""
        x = maps[0] if len(maps) == 1 else torch.cat(maps, 1)
        return self.conv1(self.relu1(self.norm1(x)))


class DenseBlock(nn.Sequential):
    """x_l = H_l([x_0, x_1, ..., x_(l-1)]) for each layer l (Huang et al., 2017, equation 2).

    Shapes: ``[b, inputs, *s]`` to ``[b, inputs + layers * growth, *s]``: the input, then what each
    layer added.

    Attributes:
        outputs: inputs + layers * growth.
        recompute: While training, compute concatenations, norms and activations of the layers
            again in the backward pass. What is kept then grows with the layers, not with their
            square (Pleiss et al., 2017, arXiv:1707.06990); gradients and statistics stay the same.
    """

    def __init__(
        self,
        inputs: int,
        *,
        layers: int,
        growth: int = 32,
        bottleneck: int = 4,
        drop_rate: float = 0.0,
        rank: int = 2,
    ) -> None:
        """A block by itself, with fresh weights (torch's initialisation).

        Args:
            inputs: Channels that come in.
            layers: How many.
            growth: Channels that each adds (k).
            bottleneck: A 1x1 convolution to bottleneck * growth channels comes first; 0: none.
            drop_rate: Dropout after each convolution.
            rank: 2 for pictures, 1 for signals.
        """
        super().__init__()
        self.outputs = inputs + layers * growth
        self.recompute = False
        for index in range(layers):
            layer = DenseLayer(
                inputs + index * growth,
                growth,
                bottleneck=bottleneck,
                drop_rate=drop_rate,
                rank=rank,
            )
            self.add_module(f"denselayer{index + 1}", layer)

    def forward(self, input: Tensor) -> Tensor:
        if self.recompute and self.training:
            return self._forward_recomputed(input)
        x = input
        for layer in self:
            x = torch.cat((x, layer(x)), 1)
        return x

    def _forward_recomputed(self, x: Tensor) -> Tensor:
        """Keeps what each layer adds once, and no concatenation (Pleiss et al., 2017)."""
        maps = [x]
        for layer in self:
            maps.append(layer(*maps, recompute=True))
        return torch.cat(maps, 1)


class Transition(nn.Module):
    """pool(conv1x1(relu(norm(x)))) between dense blocks (Huang et al., 2017, section 3).

    Shapes: ``[b, inputs, *s]`` to ``[b, outputs, *floor(s / 2)]``.
    """

    def __init__(self, inputs: int, outputs: int, *, drop_rate: float = 0.0, rank: int = 2) -> None:
        """See `DenseBlock`."""
        super().__init__()
        self.norm = batch_norm(rank, inputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv = conv(rank, inputs, outputs)
        self.dropout = dropout(drop_rate)
        self.pool = average_pool(rank, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.dropout(self.conv(self.relu(self.norm(x)))))


class DenseNet(Network):
    """Stem, dense blocks with transitions between them, norm, global average, linear classifier.

    Huang et al., 2017, Densely Connected Convolutional Networks, arXiv:1608.06993, section 3,
    tables 1 and 2. Layers, names and initialisation (Kaiming's normal by fan-in) are torchvision's;
    the authors' code draws by fan-out. The spec's ``dropout`` follows every convolution but the
    stem's, as in the paper; torchvision's only the 3x3 ones. ``drop_rate`` is dropout before the
    classifier, which neither has. Poolings between blocks round down.
    """

    classifier_name = "classifier"
    input_name = "features.conv0"
    recomputes_layers = True

    def __init__(self, spec: DenseNetSpec) -> None:
        outputs = spec.widths[-1]
        super().__init__(
            spec,
            num_features=outputs,
            feature_info=_feature_info(spec),
            min_size=_smallest_input(spec, 1),
        )
        self.two_pixels = _smallest_input(spec, 2)
        self.features = _features(spec)
        self.avgpool = global_average(spec.rank)
        self.flatten = nn.Flatten()
        self.dropout = dropout(spec.drop_rate)
        self.classifier = classifier(outputs, spec.num_classes)
        _initialise(self)

    def stages(self) -> tuple[Stage, ...]:
        modules = tuple(self.features)
        stem, pairs, last = modules[:3], modules[3:-2], modules[-2:]
        blocks = list[tuple[nn.Module, ...]](zip(pairs[::2], pairs[1::2], strict=True))
        blocks[-1] = (*blocks[-1], *last)
        head = (self.avgpool, self.flatten, self.dropout, self.classifier)
        names = (*(row.name for row in self.feature_info), "head")
        chain = zip(names, (stem, *blocks, head), strict=True)
        return tuple(Stage(name=name, modules=modules) for name, modules in chain)

    def translate_key(self, key: str) -> str:
        return _OLD_NAME.sub(r"\1\2", key)

    def use_checkpointing(self, what: Recompute = "stages") -> None:
        super().use_checkpointing(what)
        for module in self.features:
            if isinstance(module, DenseBlock):
                module.recompute = what == "layers"

    def _one_pixel_size(self) -> int:
        return self.two_pixels - 1


_OLD_NAME = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")
"""``norm.1.weight`` for ``norm1.weight``: files from before torch refused dots in names."""


def _features(spec: DenseNetSpec) -> nn.Sequential:
    """Four modules of the stem (some of them nothing), blocks and transitions in turn, the end."""
    rank, imagenet = spec.rank, spec.stem == "imagenet"
    kernel, stride = (7, 2) if imagenet else (3, 1)
    modules: dict[str, nn.Module] = {
        "conv0": conv(rank, spec.in_chans, spec.stem_width, kernel, stride=stride),
        "norm0": batch_norm(rank, spec.stem_width) if imagenet else nn.Identity(),
        "relu0": nn.ReLU(inplace=True) if imagenet else nn.Identity(),
        "pool0": max_pool(rank, 3, stride=2, padding=1) if imagenet else nn.Identity(),
    }
    channels = spec.stem_width
    for number, depth in enumerate(spec.depths, 1):
        if number > 1:
            smaller = spec.compressed(channels)
            modules[f"transition{number - 1}"] = Transition(
                channels, smaller, drop_rate=spec.dropout, rank=rank
            )
            channels = smaller
        block = DenseBlock(
            channels,
            layers=depth,
            growth=spec.growth,
            bottleneck=spec.bottleneck,
            drop_rate=spec.dropout,
            rank=rank,
        )
        modules[f"denseblock{number}"] = block
        channels = block.outputs
    modules["norm5"] = batch_norm(rank, channels)
    modules["relu5"] = nn.ReLU(inplace=True)
    return nn.Sequential(OrderedDict(modules))


def _feature_info(spec: DenseNetSpec) -> tuple[FeatureInfo, ...]:
    stem, first = (2, 4) if spec.stem == "imagenet" else (1, 1)
    rows = [FeatureInfo(name="stem", channels=spec.stem_width, reduction=stem)]
    for index, width in enumerate(spec.widths):
        reduction = first * 2**index
        rows.append(FeatureInfo(name=f"denseblock{index + 1}", channels=width, reduction=reduction))
    return tuple(rows)


def _smallest_input(spec: DenseNetSpec, pixels: int) -> int:
    """The smallest input whose last feature map has this size: the stem rounds up, the pools of
    the transitions down."""
    after_stem = pixels * 2 ** (len(spec.depths) - 1)
    return 4 * after_stem - 3 if spec.stem == "imagenet" else after_stem


def _initialise(network: DenseNet) -> None:
    """Kaiming's normal initialisation by fan-in (He et al., 2015), no bias: as torchvision."""
    if next(network.parameters()).is_meta:
        return
    for module in network.modules():
        if isinstance(module, Conv):
            nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)
