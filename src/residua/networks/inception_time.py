"""InceptionTime, for every row of `residua.networks.specs.inception_time`.

Keys: ``group1.module1.bottleneck group1.module1.branch1 ... group1.module1.branch_pool.1
group1.module1.bn ... group1.downsample.0 ... fc``.

An ensemble is one network of m times the channels whose convolutions have m groups, so that its
members neither see nor wait for one another. Channels, weights and norms are those of the first
member, then those of the second ...

Shapes: ``[b, c, t]``, b samples, c channels, t steps, m members, k classes.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from residua.networks.inception import EPS
from residua.networks.initialise import initialise_as_keras
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
from residua.networks.specs.inception_time import InceptionTimeSpec


class InceptionTimeModule(nn.Module):
    """relu(norm([W_1 * z, W_2 * z, W_3 * z, W_4 * max pool(x)])), z = W_0 * x (figure 2).

    Args:
        spec: The network.
        inputs: Channels that come in, of one member.
        shared: All members have the same input ``[b, inputs, t]``, else each its own
            ``[b, m * inputs, t]``.

    Shapes: to ``[b, m * 4 * width, t]``.
    """

    def __init__(self, spec: InceptionTimeSpec, inputs: int, *, shared: bool) -> None:
        super().__init__()
        self.members, width = spec.members, spec.width
        self.bottleneck, between = nn.Identity(), inputs
        if inputs > 1:
            between = spec.bottleneck
            self.bottleneck = _conv(spec, inputs, between, shared=shared)
        shares = shared and inputs == 1
        self.long = tuple(f"branch{i}" for i in range(1, len(spec.kernels) + 1))
        for name, kernel in zip(self.long, spec.kernels, strict=True):
            self.add_module(name, _conv(spec, between, width, kernel, shared=shares))
        pool = max_pool(1, 3, stride=1, padding=1)
        self.branch_pool = nn.Sequential(pool, _conv(spec, inputs, width, shared=shared))
        self.bn = batch_norm(1, spec.members * _outputs(spec), EPS)

    def forward(self, x: Tensor) -> Tensor:
        z = self.bottleneck(x)
        branches = [self.get_submodule(name)(z) for name in self.long]
        branches.append(self.branch_pool(x))
        return F.relu(self.bn(self._by_member(branches)), inplace=True)

    def _by_member(self, branches: list[Tensor]) -> Tensor:
        """All branches of the first member, then all of the second ..."""
        if self.members == 1:
            return torch.cat(branches, 1)
        parts = zip(*(branch.chunk(self.members, 1) for branch in branches), strict=True)
        return torch.cat([part for member in parts for part in member], 1)


class InceptionTimeGroup(nn.Module):
    """y = relu(F(x) + norm(W * x)), F being three modules (figure 1)."""

    def __init__(self, spec: InceptionTimeSpec, inputs: int, *, shared: bool) -> None:
        super().__init__()
        outputs = _outputs(spec)
        self.module1 = InceptionTimeModule(spec, inputs, shared=shared)
        self.module2 = InceptionTimeModule(spec, outputs, shared=False)
        self.module3 = InceptionTimeModule(spec, outputs, shared=False)
        self.downsample = nn.Sequential(
            _conv(spec, inputs, outputs, shared=shared),
            batch_norm(1, spec.members * outputs, EPS),
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.module3(self.module2(self.module1(x)))
        return F.relu(y + self.downsample(x), inplace=True)


class Vote(nn.Module):
    """A linear layer for each member, and one answer of all: ``[b, m * features]`` to ``[b, k]``.

    Attributes:
        weight: ``[m, k, features]``.
        bias: ``[m, k]``.
    """

    def __init__(self, spec: InceptionTimeSpec) -> None:
        super().__init__()
        self.kind = spec.vote
        shape = (spec.members, spec.num_classes)
        self.weight = nn.Parameter(torch.empty(*shape, _outputs(spec)))
        self.bias = nn.Parameter(torch.zeros(shape))
        for part in self.weight.detach():
            if not part.is_meta:
                nn.init.xavier_uniform_(part)

    def answers(self, x: Tensor) -> Tensor:
        """Each member's logits: ``[b, m * features]`` to ``[m, b, k]``."""
        parts = x.view(x.shape[0], *self.weight.shape[::2]).transpose(0, 1)
        return torch.baddbmm(self.bias[:, None], parts, self.weight.transpose(1, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.vote(self.answers(x))

    def vote(self, answers: Tensor) -> Tensor:
        """One answer of all, ``[m, b, k]`` to ``[b, k]``: see `InceptionTimeSpec.vote`."""
        if self.kind == "mean":
            return answers.mean(0)
        if self.kind == "sigmoid":
            return F.logsigmoid(answers).logsumexp(0) - F.logsigmoid(-answers).logsumexp(0)
        return answers.log_softmax(2).logsumexp(0) - math.log(len(answers))


class Member(nn.Module):
    """One member's logits, ``[m, b, k]`` to ``[b, k]``."""

    def __init__(self, index: int) -> None:
        super().__init__()
        self.index = index

    def forward(self, answers: Tensor) -> Tensor:
        return answers[self.index]


class InceptionTime(Network):
    """Two groups of three inception modules, global average, linear classifier.

    Ismail Fawaz et al., 2020, arXiv:1909.04939, section 3.1; `inception_time_x5` is the ensemble of
    section 3.2. As in the authors' Keras code kernels are even (40, 20, 10) and pad one more zero
    behind than in front, the bottleneck is left out where the input has one channel, every shortcut
    has a convolution, batch norm has eps 1e-3, and weights are Glorot's. Running statistics move by
    a tenth a batch, where Keras's move by a hundredth. ``drop_rate`` is a dropout before the
    classifier, where the paper has none.

    Calls of an ensemble give the vote of its members; ``auxiliary=True`` gives that, without
    gradient, and then each member's logits, which count 1 in the loss: every gradient is that of a
    network trained alone. With dropout members draw masks of their own.
    """

    def __init__(self, spec: InceptionTimeSpec) -> None:
        outputs, groups = _outputs(spec), spec.depth // 3
        super().__init__(
            spec,
            num_features=spec.members * outputs,
            feature_info=tuple(
                FeatureInfo(name=f"group{i + 1}", channels=spec.members * outputs, reduction=1)
                for i in range(groups)
            ),
        )
        self.input_name = f"group1.module1.{'bottleneck' if spec.in_chans > 1 else 'branch1'}"
        for i, row in enumerate(self.feature_info):
            inputs = outputs if i else spec.in_chans
            self.add_module(row.name, InceptionTimeGroup(spec, inputs, shared=i == 0))
        self.avgpool = global_average(1)
        self.flatten = nn.Flatten()
        self.dropout = dropout(spec.drop_rate)
        self.fc = classifier(self.num_features, spec.num_classes)
        initialise_as_keras(self, members=spec.members)
        if spec.has_auxiliary:
            self._add_members()

    def _add_members(self) -> None:
        spec = self._inception_time_spec()
        self.fc = Vote(spec)
        self.members = nn.ModuleList(Member(i) for i in range(spec.members))
        self.auxiliary_names = tuple(f"members.{i}" for i in range(spec.members))
        self.auxiliary_weight = 1.0

    def _inception_time_spec(self) -> InceptionTimeSpec:
        assert isinstance(self.spec, InceptionTimeSpec)
        return self.spec

    def stages(self) -> tuple[Stage, ...]:
        names = [row.name for row in self.feature_info]
        groups = [Stage(name=name, modules=(self.get_submodule(name),)) for name in names]
        head = (self.avgpool, self.flatten, self.dropout, self.fc)
        return (*groups, Stage(name="head", modules=head))

    def forward_auxiliary(self, x: Tensor) -> tuple[Tensor, ...]:
        if not self.auxiliary_names:
            return super().forward_auxiliary(x)
        seen = self.forward_head(self.forward_features(x), pre_logits=True)
        assert isinstance(self.fc, Vote)
        answers = self.fc.answers(seen)
        voted = self.fc.vote(answers.detach())
        return voted, *(self.get_submodule(name)(answers) for name in self.auxiliary_names)

    def member(self, index: int) -> InceptionTime:
        """One network of the ensemble by itself, with copies of its weights and statistics."""
        alone = InceptionTime(replace(self._inception_time_spec(), members=1))
        like, count = next(self.parameters()), self._inception_time_spec().members
        state: dict[str, Tensor] = {}
        for key, value in self.state_dict().items():
            is_vote = key.startswith("fc.")
            parts = value if is_vote else value.chunk(count) if value.ndim else (value,) * count
            state[key] = parts[index]
        alone.to(like.device, like.dtype).load_state_dict(state)
        return alone.train(self.training)

    def reset_classifier(self, num_classes: int) -> None:
        """Puts a fresh classifier in place, with 0 classes none; an ensemble gets one a member."""
        super().reset_classifier(num_classes)
        spec, like = self._inception_time_spec(), next(self.parameters())
        if self.auxiliary_names:
            del self.members
            self.auxiliary_names, self.auxiliary_weight = (), 0.0
        if spec.has_auxiliary:
            self._add_members()
            self.fc.to(like.device, like.dtype).train(self.training)


def _outputs(spec: InceptionTimeSpec) -> int:
    """Channels behind a module, of one member."""
    return spec.width * (len(spec.kernels) + 1)


def _conv(
    spec: InceptionTimeSpec, inputs: int, outputs: int, kernel: int = 1, *, shared: bool
) -> Conv:
    """A convolution for each member. Without groups it is that where all see the same input."""
    groups = 1 if shared else spec.members
    return conv(1, groups * inputs, spec.members * outputs, kernel, groups=groups)
