"""Network in Network, for every row of `residua.networks.specs.nin`.

Keys: ``block1.conv1 block1.norm1 ... block1.conv3 ... classifier.conv classifier.norm``.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

from residua.networks.layers import (
    Conv,
    average_pool,
    batch_norm,
    conv,
    dropout,
    global_average,
    max_pool,
)
from residua.networks.network import FeatureInfo, Network, Stage
from residua.networks.specs.nin import NiNSpec


class MlpConv(nn.Module):
    """y = relu(W_n * ... relu(W_2 * relu(W_1 * x + b_1) + b_2) ... + b_n), all but W_1 being 1x1.

    A small perceptron that slides over its input (Lin et al., 2014, equation 2).

    Shapes: ``[b, inputs, *s]`` to ``[b, widths[-1], *s']``.
    """

    def __init__(
        self,
        inputs: int,
        widths: tuple[int, ...],
        *,
        kernel: int,
        stride: int = 1,
        padding: int | None = None,
        norm: bool = False,
        rank: int = 2,
    ) -> None:
        """A block by itself, with fresh weights (Kaiming's normal by fan-in).

        Args:
            inputs: Channels that come in.
            widths: Channels after each convolution.
            kernel: Size of the first.
            stride: Of the first.
            padding: Of the first; by default it keeps the size where the stride is 1.
            norm: Batch normalisation in front of each ReLU.
            rank: 2 for pictures, 1 for signals.
        """
        super().__init__()
        first = conv(rank, inputs, widths[0], kernel, stride=stride, padding=padding, bias=True)
        others = (conv(rank, before, after, bias=True) for before, after in pairwise(widths))
        for i, layer in enumerate((first, *others), start=1):
            self.add_module(f"conv{i}", layer)
            self.add_module(f"norm{i}", _norm(rank, layer.out_channels, wanted=norm))
            self.add_module(f"relu{i}", nn.ReLU(inplace=True))
        _initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        for module in self.children():
            x = module(x)
        return x


class NiN(Network):
    """Mlpconv blocks with pools between them; the last 1x1 convolution's maps averaged are logits.

    Lin et al., 2014, section 3. The paper gives no layer sizes; these are the authors' Caffe
    models: ``nin`` for ImageNet (224x224: 54, 27, 13, 6) and ``nin_cifar``, whose second pool
    averages, though the paper speaks of max pools. As there, a ReLU follows the last convolution
    too, so that no logit is negative, and the last window of a pool may reach over the edge.
    ``nin_bn`` is ``nin_cifar`` with batch normalisation between each of its nine convolutions
    (which keep their biases) and its ReLU, and dropout of 0.5 in each of its three blocks: at the
    ends of the first two, as in ``nin_cifar``, and in front of the classifier in the third. All
    weights come from Kaiming's normal by fan-in, biases 0: the paper sets them by hand.

    The classifier is the last 1x1 convolution with its ReLU and the average. So ``pre_logits`` are
    a map ``[b, num_features, *s]``; without a classifier (0 classes) the network returns its
    average ``[b, num_features]``. ``drop_rate`` takes the place of the last dropout where it is
    not 0.
    """

    classifier_name = "classifier"
    input_name = "block1.conv1"

    def __init__(self, spec: NiNSpec) -> None:
        outputs = (*spec.outputs, spec.hidden[-1])
        info = tuple(
            FeatureInfo(name=f"block{i}", channels=channels, reduction=_reduction(spec, i))
            for i, channels in enumerate(outputs, start=1)
        )
        least = _input_size(spec, 2 ** len(spec.pools))
        super().__init__(spec, num_features=outputs[-1], feature_info=info, min_size=least)
        for row, block in zip(info, _blocks(spec), strict=True):
            self.add_module(row.name, block)
        self.pools = nn.ModuleList(_pool(spec.rank, kind) for kind in spec.pools)
        rates = (0.0, *spec.dropouts[:-1], spec.drop_rate or spec.dropouts[-1])
        self.dropouts = nn.ModuleList(dropout(rate) for rate in rates)
        self.classifier = _classifier(spec)

    def stages(self) -> tuple[Stage, ...]:
        blocks: list[Stage] = []
        parts = zip(self.feature_info, self.dropouts, (*self.pools, nn.Identity()), strict=False)
        for row, drop, pool in parts:
            modules = (drop, self.get_submodule(row.name), pool)
            blocks.append(Stage(name=row.name, modules=modules))
        head = (self.dropouts[-1], self.classifier)
        return (*blocks, Stage(name="head", modules=head))

    def reset_classifier(self, num_classes: int) -> None:
        assert isinstance(self.spec, NiNSpec)
        spec = replace(self.spec, num_classes=num_classes)
        like = next(self.parameters())
        head = _classifier(spec).to(like.device, like.dtype)
        self.classifier = head.train(self.training)
        self.spec = spec

    def _one_pixel_size(self) -> int:
        assert isinstance(self.spec, NiNSpec)
        return _input_size(self.spec, 2 * 2 ** len(self.spec.pools)) - 1


def _blocks(spec: NiNSpec) -> list[MlpConv]:
    strided, inputs, blocks = spec.stem == "imagenet", spec.in_chans, list[MlpConv]()
    outputs = ((width,) for width in spec.outputs)
    sizes = zip(spec.kernels, spec.widths, spec.hidden, (*outputs, ()), strict=True)
    for kernel, width, hidden, last in sizes:
        widths, first = (width, hidden, *last), strided and not blocks
        blocks.append(
            MlpConv(
                inputs,
                widths,
                kernel=kernel,
                stride=4 if first else 1,
                padding=0 if first else None,
                norm=spec.batch_norm,
                rank=spec.rank,
            )
        )
        inputs = widths[-1]
    return blocks


def _pool(rank: int, kind: Literal["maximum", "average"]) -> nn.Module:
    pool = max_pool if kind == "maximum" else average_pool
    return pool(rank, 3, stride=2, ceil=True)


def _classifier(spec: NiNSpec) -> nn.Sequential:
    """relu(W * x + b) averaged over all positions: ``[b, c, *s]`` to ``[b, num_classes]``."""
    layers = OrderedDict[str, nn.Module]()
    if spec.num_classes:
        layers["conv"] = conv(spec.rank, spec.hidden[-1], spec.num_classes, bias=True)
        layers["norm"] = _norm(spec.rank, spec.num_classes, wanted=spec.batch_norm)
        layers["relu"] = nn.ReLU(inplace=True)
        _initialise(layers["conv"])
    layers["average"] = global_average(spec.rank)
    layers["flatten"] = nn.Flatten()
    return nn.Sequential(layers)


def _norm(rank: int, channels: int, *, wanted: bool) -> nn.Module:
    return batch_norm(rank, channels) if wanted else nn.Identity()


def _reduction(spec: NiNSpec, block: int) -> int:
    return (4 if spec.stem == "imagenet" else 1) * 2 ** min(block, len(spec.pools))


def _input_size(spec: NiNSpec, positions: int) -> int:
    """The smallest input from which the first convolution makes so many positions."""
    return spec.kernels[0] + 4 * (positions - 1) if spec.stem == "imagenet" else positions


def _initialise(module: nn.Module) -> None:
    """He et al., 2015, arXiv:1502.01852, equation 10: the forward signal keeps its size."""
    for layer in module.modules():
        if isinstance(layer, Conv):
            nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
