"""GoogLeNet, for every `GoogLeNetSpec` of `residua.networks.specs.googlenet`.

Keys are torchvision's: ``conv1.conv conv1.bn ... inception3a.branch1.conv ... aux1.fc1 ... fc``;
without batch norm there is no ``bn`` and each ``conv`` has a bias.

Shapes: ``[b, c, *s]``, b samples, c channels, ``*s`` one or two spatial axes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from residua.networks.inception import Branches, chained, conv_block
from residua.networks.layers import (
    Conv,
    adaptive_average,
    average_pool,
    classifier,
    dropout,
    global_average,
    max_pool,
)
from residua.networks.network import FeatureInfo, Network, Stage
from residua.networks.padded import unpadded
from residua.networks.specs.googlenet import GoogLeNetSpec

TABLE: dict[str, tuple[int, ...]] = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
"""Table 1 of the paper: #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj."""

TAPS = {"aux1": "inception4a", "aux2": "inception4d"}
"""Auxiliary classifiers, and what they branch off from."""


class Inception(Branches):
    """[1x1(x), 3x3(1x1(x)), 5x5(1x1(x)), 1x1(max pool(x))] (figure 2b)."""

    def __init__(self, spec: GoogLeNetSpec, inputs: int, widths: tuple[int, ...]) -> None:
        rank, norm = spec.rank, spec.batch_norm
        one, reduce3, three, reduce5, five, proj = widths
        super().__init__(
            (
                conv_block(rank, inputs, one, norm=norm),
                nn.Sequential(
                    conv_block(rank, inputs, reduce3, norm=norm),
                    conv_block(rank, reduce3, three, 3, norm=norm),
                ),
                nn.Sequential(
                    conv_block(rank, inputs, reduce5, norm=norm),
                    conv_block(rank, reduce5, five, spec.kernel5, norm=norm),
                ),
                nn.Sequential(
                    max_pool(rank, 3, stride=1, padding=1),
                    conv_block(rank, inputs, proj, norm=norm),
                ),
            ),
            first=1,
        )


class AveragePool4(nn.Module):
    """Averages to 4 along each axis: windows of 5 three apart on 14, adaptive on other sizes."""

    def __init__(self, rank: int) -> None:
        super().__init__()
        self.of_14 = average_pool(rank, 5, stride=3)
        self.adaptive = adaptive_average(rank, 4)

    def forward(self, x: Tensor) -> Tensor:
        data, lengths = unpadded(x)
        if lengths is None:
            is_14 = set(x.shape[2:]) == {14}
            return self.of_14(x) if is_14 else self.adaptive(x)
        if not {14}.issuperset(x.shape[2:-1]) or x.shape[-1] < 14:
            return self.adaptive(x)
        are_14 = (lengths == 14).view(-1, *(1,) * (x.ndim - 1))
        return torch.where(are_14, self.of_14(data[..., :14]), self.adaptive(x))


class AuxiliaryClassifier(nn.Module):
    """Average pool to 4, 1x1 convolution, two linear layers (section 5)."""

    def __init__(self, spec: GoogLeNetSpec, inputs: int) -> None:
        super().__init__()
        rank, width, hidden = spec.rank, spec.scaled(128), spec.scaled(1024)
        exact = spec.aux_pool == "5x5"
        self.pool = AveragePool4(rank) if exact else adaptive_average(rank, 4)
        self.conv = conv_block(rank, inputs, width, norm=spec.batch_norm)
        self.fc1 = nn.Linear(width * 4**rank, hidden)
        self.dropout = dropout(spec.aux_dropout)
        self.fc2 = classifier(hidden, spec.num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(self.pool(x)).flatten(1)
        return self.fc2(self.dropout(F.relu(self.fc1(x), inplace=True)))


class GoogLeNet(Network):
    """Stem, nine inception modules, global average, linear classifier; two auxiliary classifiers.

    Szegedy et al., 2015, Going Deeper with Convolutions, arXiv:1409.4842, section 5, table 1.
    `googlenet_2014` is that: biases, local response normalisation in the stem (parameters, which
    the paper leaves open, as in Caffe's bvlc_googlenet: 5 channels, alpha 1e-4, beta 0.75, k 1),
    3x3 pools stride 2 that round up, auxiliary classifiers on 4a and 4d that pool 5x5 stride 3.
    That pooling gives 4x4 from 14x14, thus at 224; maps of other sizes are averaged adaptively to
    4x4, so that any input works. `googlenet` is torchvision's: batch norm, 3x3 convolutions for
    the 5x5, a last pool of 2x2, no local response normalisation, adaptive pooling everywhere,
    dropout 0.2 instead of 0.4. At rank 1 every kxk becomes k, and auxiliary maps have 4 positions.

    Calls give the logits alone, in training too; ``auxiliary=True`` those of 4a and 4d as well,
    each of which counts 0.3 in the loss (section 5).
    """

    input_name = "conv1.conv"

    def __init__(self, spec: GoogLeNetSpec) -> None:
        outputs = {key: _outputs(spec, key) for key in TABLE}
        stem1, stem2 = spec.scaled(64), spec.scaled(192)
        super().__init__(
            spec,
            num_features=outputs["5b"],
            feature_info=(
                FeatureInfo(name="stem1", channels=stem1, reduction=2),
                FeatureInfo(name="stem2", channels=stem2, reduction=4),
                FeatureInfo(name="inception3", channels=outputs["3b"], reduction=8),
                FeatureInfo(name="inception4", channels=outputs["4e"], reduction=16),
                FeatureInfo(name="inception5", channels=outputs["5b"], reduction=32),
            ),
            min_size=_smallest_input(spec, 1),
        )
        rank, norm = spec.rank, spec.batch_norm
        self.conv1 = conv_block(rank, spec.in_chans, stem1, 7, stride=2, norm=norm)
        self.maxpool1 = max_pool(rank, 3, stride=2, ceil=True)
        self.lrn1 = _local_response(spec)
        self.conv2 = conv_block(rank, stem1, stem1, norm=norm)
        self.conv3 = conv_block(rank, stem1, stem2, 3, norm=norm)
        self.lrn2 = _local_response(spec)
        self.maxpool2 = max_pool(rank, 3, stride=2, ceil=True)
        self._add_inceptions("3a", "3b", inputs=stem2)
        self.maxpool3 = max_pool(rank, 3, stride=2, ceil=True)
        self._add_inceptions("4a", "4b", "4c", "4d", "4e", inputs=outputs["3b"])
        self.maxpool4 = max_pool(rank, spec.last_pool, stride=2, ceil=True)
        self._add_inceptions("5a", "5b", inputs=outputs["4e"])
        if spec.has_auxiliary:
            self._add_auxiliary()
        self.avgpool = global_average(rank)
        self.flatten = nn.Flatten()
        self.dropout = dropout(spec.drop_rate or spec.dropout)
        self.fc = classifier(outputs["5b"], spec.num_classes)
        _initialise(self, spec)

    def _add_inceptions(self, *keys: str, inputs: int) -> None:
        spec = self._googlenet_spec()
        for key in keys:
            self.add_module(f"inception{key}", Inception(spec, inputs, _widths(spec, key)))
            inputs = _outputs(spec, key)

    def _add_auxiliary(self) -> None:
        spec = self._googlenet_spec()
        for name, tap in TAPS.items():
            inputs = _outputs(spec, tap.removeprefix("inception"))
            self.add_module(name, AuxiliaryClassifier(spec, inputs))
        self.auxiliary_names = tuple(TAPS)
        self.auxiliary_weight = 0.3

    def _googlenet_spec(self) -> GoogLeNetSpec:
        assert isinstance(self.spec, GoogLeNetSpec)
        return self.spec

    def stages(self) -> tuple[Stage, ...]:
        return chained(
            self,
            stem1="conv1",
            stem2="maxpool1 lrn1 conv2 conv3 lrn2",
            inception3="maxpool2 inception3a inception3b",
            inception4="maxpool3 inception4a inception4b inception4c inception4d inception4e",
            inception5="maxpool4 inception5a inception5b",
            head="avgpool flatten dropout fc",
        )

    def forward_auxiliary(self, x: Tensor) -> tuple[Tensor, ...]:
        self.check_input(x)
        answers: list[Tensor] = []
        for part, head in self._parts():
            x = self._run(part, x)
            if head is not None:
                answers.append(head(x))
        return self.forward_head(x), *answers

    def _parts(self) -> Iterator[tuple[Stage, nn.Module | None]]:
        """The chain up to the head, cut where auxiliary classifiers branch off, and these."""
        heads = {
            self.get_submodule(TAPS[name]): self.get_submodule(name)
            for name in self.auxiliary_names
        }
        for stage in self.stages()[:-1]:
            start, modules = 0, stage.modules
            for end, module in enumerate(modules, 1):
                if module in heads or end == len(modules):
                    part = Stage(name=stage.name, modules=modules[start:end])
                    yield part, heads.get(module)
                    start = end

    def reset_classifier(self, num_classes: int) -> None:
        """Puts fresh last layers in place of all three classifiers', with 0 classes none.

        The auxiliary classifiers go with the classes and come back, all fresh, with them.
        """
        super().reset_classifier(num_classes)
        spec, like = self._googlenet_spec(), next(self.parameters())
        if not spec.has_auxiliary:
            for name in self.auxiliary_names:
                delattr(self, name)
            self.auxiliary_names, self.auxiliary_weight = (), 0.0
        elif not self.auxiliary_names:
            self._add_auxiliary()
            for name in self.auxiliary_names:
                head = self.get_submodule(name)
                _initialise(head, spec)
                head.to(like.device, like.dtype).train(self.training)
        else:
            for name in self.auxiliary_names:
                last = classifier(spec.scaled(1024), num_classes).to(like.device, like.dtype)
                self.set_submodule(f"{name}.fc2", last.train(self.training))

    def _one_pixel_size(self) -> int:
        return _smallest_input(self._googlenet_spec(), 2) - 1


def _widths(spec: GoogLeNetSpec, key: str) -> tuple[int, ...]:
    return tuple(map(spec.scaled, TABLE[key]))


def _outputs(spec: GoogLeNetSpec, key: str) -> int:
    one, _, three, _, five, proj = _widths(spec, key)
    return one + three + five + proj


def _local_response(spec: GoogLeNetSpec) -> nn.Module:
    return nn.LocalResponseNorm(5) if spec.local_response else nn.Identity()


def _smallest_input(spec: GoogLeNetSpec, pixels: int) -> int:
    """The smallest input whose last feature map has this size.

    Of n positions the first convolution makes ceil(n / 2), pools of 3 that round up floor(n / 2),
    and a pool of 2 ceil(n / 2).
    """
    before_last_pool = 2 * pixels if spec.last_pool == 3 else 2 * pixels - 1
    return 2 * 8 * before_last_pool - 1


def _initialise(module: nn.Module, spec: GoogLeNetSpec) -> None:
    """With batch norm N(0, 0.01), torchvision's draws; without, as Caffe's bvlc_googlenet: weights
    uniform with variance 1 / fan-in ("xavier"), biases 0.2, but 0 where logits come out."""
    if next(module.parameters()).is_meta:
        return
    for name, layer in module.named_modules():
        if not isinstance(layer, Conv | nn.Linear):
            continue
        if spec.batch_norm:
            nn.init.trunc_normal_(layer.weight, std=0.01, a=-2, b=2)
            layer.weight.detach().clamp_(-0.1, 0.1)  # torch 2.11 draws -2 once in 16 million
        else:
            bound = math.sqrt(3 / layer.weight[0].numel())
            nn.init.uniform_(layer.weight, -bound, bound)
            assert layer.bias is not None
            nn.init.constant_(layer.bias, 0.0 if name.endswith(("fc", "fc2")) else 0.2)
