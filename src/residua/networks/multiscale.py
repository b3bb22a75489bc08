"""The multi-scale 1-D ResNet, for every row of `residua.networks.specs.multiscale`.

Keys: ``conv1 bn1 layer1.branch3.0.conv1 ... layer3.branch7.0.bn2 fc``; in the layout of 2018
``scales.branch1.0.0.conv1 ...`` for ``layer1.branch3.0.conv1``. The names of the published code
(``layer3x3_1.0.conv1``) are understood.

Shapes: ``[b, c, t]``, b samples, c channels, t steps.
"""

from __future__ import annotations

import re
from itertools import accumulate
from math import prod
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from residua.networks.blocks import BasicBlock, Place
from residua.networks.inception import Branches
from residua.networks.layers import (
    Conv,
    batch_norm,
    classifier,
    conv,
    dropout,
    global_average,
    max_pool,
    stochastic_depth,
)
from residua.networks.network import FeatureInfo, Network, Stage
from residua.networks.padded import Padded
from residua.networks.specs.multiscale import MultiScaleSpec
from residua.networks.specs.resnet import ResNetSpec


class MultiScaleStage(nn.Module):
    """One stage of all stacks: m_k = B_k(x_k) + m_k', k' being the next smaller kernel.

    B_k are residual blocks of kernel k, x_k the maps of the stack's stage before (in the first one
    the stem's). The second term is the shortcut between scales: a stack learns what a longer kernel
    adds to what a shorter one has found.

    Shapes: ``[b, inputs, t]`` for the first stage, ``[b, stacks * inputs, t]`` for the others, to
    ``[b, stacks * width, ceil(t / stride)]``.
    """

    def __init__(self, spec: MultiScaleSpec, stage: int) -> None:
        super().__init__()
        self.stacks = tuple(f"branch{kernel}" for kernel in spec.kernels)
        self.is_first = stage == 0
        self.has_shortcuts = spec.scale_shortcuts
        for name, kernel in zip(self.stacks, spec.kernels, strict=True):
            self.add_module(name, _blocks(spec, stage, kernel))

    def forward(self, x: Tensor) -> Tensor:
        inputs = (x,) * len(self.stacks) if self.is_first else x.chunk(len(self.stacks), 1)
        maps: list[Tensor] = []
        for name, part in zip(self.stacks, inputs, strict=True):
            y = self.get_submodule(name)(part)
            maps.append(y + maps[-1] if maps and self.has_shortcuts else y)
        return torch.cat(maps, 1)


class ShorteningBlock(nn.Module):
    """Two convolutions that pad by 1 whatever their kernel; the identity loses as many steps.

    Shapes: ``[b, inputs, t]`` to ``[b, width, floor((t - k + 2) / stride) + 1 - (k - 3)]``.
    """

    def __init__(self, kernel: int, place: Place) -> None:
        super().__init__()
        inputs, width, stride = place.inputs, place.width, place.stride
        self.conv1 = conv(1, inputs, width, kernel, stride=stride, padding=1)
        self.bn1 = batch_norm(1, width)
        self.conv2 = conv(1, width, width, kernel, padding=1)
        self.bn2 = batch_norm(1, width)
        self.drop_path = stochastic_depth(place.drop_path)
        self.downsample = nn.Identity()
        if stride > 1 or inputs != width:
            project = conv(1, inputs, width, stride=stride)
            self.downsample = nn.Sequential(project, batch_norm(1, width))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.drop_path(self.bn2(self.conv2(y)))
        h = self.downsample(x)
        return F.relu(y + _without_last(h, h.shape[-1] - y.shape[-1]), inplace=True)


def _without_last(x: Tensor, steps: int) -> Tensor:
    """Each sample less its last steps: blocks shorten all by the same number."""
    if steps == 0:
        return x
    if isinstance(x, Padded):
        return cast(Tensor, Padded(x.data[..., :-steps], x.ends.longer(-steps)))
    return x[..., :-steps]


class MultiScaleResNet(Network):
    """Stem, three stacks of residual blocks with kernels 3, 5 and 7, averages, linear classifier.

    After the published code of F. Wang, 2018 (see the specs' references; there is no paper).
    `multiscale_resnet1d_2018` has its layout, names and first weights (torch's defaults); it
    differs in that the stacks' last maps are averaged whatever their length, where that code takes
    windows of 16, 11 and 6 steps, which is the same for 512. Its last feature map is that average,
    of one step. `multiscale_resnet1d` pads so that lengths do not depend on the kernel and any
    series works, from one step on; stacks see each other (`MultiScaleStage`); weights are drawn by
    Kaiming's normal by fan-out. Parameters are the same. `MultiScaleSpec.adapted` takes strides
    away where series are short.
    """

    def __init__(self, spec: MultiScaleSpec) -> None:
        self.layout = spec.layout
        super().__init__(
            spec,
            num_features=len(spec.kernels) * spec.widths[-1],
            feature_info=_feature_info(spec),
            min_size=_smallest_input(spec, 1),
        )
        self.conv1 = conv(1, spec.in_chans, spec.stem_width, 7, stride=spec.strides[0])
        self.bn1 = batch_norm(1, spec.stem_width)
        self.relu = nn.ReLU(inplace=True)
        stride = spec.strides[1]
        self.maxpool = max_pool(1, 3, stride=stride, padding=1) if stride > 1 else nn.Identity()
        if spec.layout == "2018":
            self.scales = Branches([_stack(spec, kernel) for kernel in spec.kernels], first=1)
        else:
            for stage in range(len(spec.widths)):
                self.add_module(f"layer{stage + 1}", MultiScaleStage(spec, stage))
        self.avgpool = nn.Identity() if spec.layout == "2018" else global_average(1)
        self.flatten = nn.Flatten()
        self.dropout = dropout(spec.drop_rate or spec.dropout)
        self.fc = classifier(self.num_features, spec.num_classes)
        if spec.layout == "same":
            _initialise(self)

    def stages(self) -> tuple[Stage, ...]:
        stem = Stage(name="stem", modules=(self.conv1, self.bn1, self.relu))
        chain = [stem]
        for name in (row.name for row in self.feature_info[1:]):
            pool = (self.maxpool,) if len(chain) == 1 else ()
            chain.append(Stage(name=name, modules=(*pool, self.get_submodule(name))))
        head = (self.avgpool, self.flatten, self.dropout, self.fc)
        return (*chain, Stage(name="head", modules=head))

    def translate_key(self, key: str) -> str:
        found = re.match(r"layer(\d+)x\1_(\d+)\.(.+)", key)
        if found is None:
            return key
        spec, stage = self._multiscale_spec(), int(found[2])
        if self.layout == "same":
            return f"layer{stage}.branch{found[1]}.{found[3]}"
        kernel = int(found[1])
        if kernel not in spec.kernels:
            return key
        return f"scales.branch{spec.kernels.index(kernel) + 1}.{stage - 1}.{found[3]}"

    def _multiscale_spec(self) -> MultiScaleSpec:
        assert isinstance(self.spec, MultiScaleSpec)
        return self.spec

    def _one_pixel_size(self) -> int:
        return _smallest_input(self._multiscale_spec(), 2) - 1


def _blocks(spec: MultiScaleSpec, stage: int, kernel: int) -> nn.Sequential:
    """The blocks of one stack in one stage; stochastic depth grows as in `resnet`."""
    count, before = spec.depths[stage], sum(spec.depths[:stage])
    width, inputs = spec.widths[stage], (spec.stem_width, *spec.widths)[stage]
    blocks: list[nn.Module] = []
    for index in range(count):
        place = Place(
            inputs=width if index else inputs,
            width=width,
            stride=1 if index else spec.strides[2 + stage],
            drop_path=spec.drop_path_rate * (before + index + 1) / sum(spec.depths),
        )
        if spec.layout == "2018":
            blocks.append(ShorteningBlock(kernel, place))
        else:
            blocks.append(_block(kernel, place, projects=index == 0))
    return nn.Sequential(*blocks)


def _block(kernel: int, place: Place, *, projects: bool) -> BasicBlock:
    """The first block of a stage projects even where it need not, so that weights and their number
    do not depend on strides."""
    like = ResNetSpec(name="", block="basic", depths=(1,), widths=(1,), rank=1, kernel=kernel)
    block = BasicBlock(like, place)
    if projects and isinstance(block.downsample, nn.Identity):
        project = conv(1, place.inputs, place.width)
        block.downsample = nn.Sequential(project, batch_norm(1, place.width))
    return block


def _stack(spec: MultiScaleSpec, kernel: int) -> nn.Sequential:
    """All stages of one kernel, and the average of what comes out: ``[b, widths[-1], 1]``."""
    stages = (_blocks(spec, stage, kernel) for stage in range(len(spec.widths)))
    return nn.Sequential(*stages, global_average(1))


def _feature_info(spec: MultiScaleSpec) -> tuple[FeatureInfo, ...]:
    stem = FeatureInfo(name="stem", channels=spec.stem_width, reduction=spec.strides[0])
    stacks = len(spec.kernels)
    if spec.layout == "2018":
        outputs = stacks * spec.widths[-1]
        return stem, FeatureInfo(name="scales", channels=outputs, reduction=spec.usual_size)
    reductions = accumulate(spec.strides[2:], lambda a, b: a * b, initial=prod(spec.strides[:2]))
    rows = zip(spec.widths, list(reductions)[1:], strict=True)
    return stem, *(
        FeatureInfo(name=f"layer{stage}", channels=stacks * width, reduction=reduction)
        for stage, (width, reduction) in enumerate(rows, start=1)
    )


def _smallest_input(spec: MultiScaleSpec, steps: int) -> int:
    """The smallest input from which every stack makes a last map of so many steps."""
    if spec.layout == "2018":
        for stage in reversed(range(len(spec.widths))):
            for index in reversed(range(spec.depths[stage])):
                stride, kernel = 1 if index else spec.strides[2 + stage], max(spec.kernels)
                steps = (steps + kernel - 4) * stride + kernel - 2
        strides = spec.strides[:2]
    else:
        strides = spec.strides
    return (steps - 1) * prod(strides) + 1


def _initialise(network: MultiScaleResNet) -> None:
    """Kaiming's normal by fan-out (He et al., 2015), as in other residual networks here."""
    for module in network.modules():
        if isinstance(module, Conv) and not module.weight.is_meta:
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
