"""Mean Teacher: the network agrees with a moving average of itself, which sees other views.

Tarvainen & Valpola, "Mean teachers are better role models: Weight-averaged consistency targets
improve semi-supervised deep learning results" (NeurIPS 2017), section 2 and appendix B.
"""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor

from residua.batch import Batch
from residua.losses.consistency import ramp_up, squared_distance
from residua.methods.method import StepOutput
from residua.methods.semi_supervised import SemiSetting, SemiSupervised, pseudo_labels
from residua.networks.network import Network
from residua.random import Draws

_WEIGHT = 10.0
"""The paper's 100 of the mean over CIFAR-10's ten classes is 10 of the sum, which, unlike the mean,
does not shrink with the number of classes."""

_RAMP = 40_000 / 150_000
"""Share of the run over which the weight rises, as in the paper's runs on CIFAR-10."""

_EARLY, _LATE = 0.99, 0.999
"""Decay of the teacher until then, and afterwards."""


class MeanTeacher(SemiSupervised):
    """Squared distance between the answers of student and teacher to two weak views.

    The paper compares them on labelled samples too; here on the unlabelled ones alone.

    Args:
        network, setting: See `SemiSupervised`; strong views and the threshold are not used.
    """

    done: Tensor
    updates: Tensor

    def __init__(self, network: Network, setting: SemiSetting) -> None:
        super().__init__(network, setting)
        self.teacher = deepcopy(network).requires_grad_(False)
        self.register_buffer("done", torch.zeros(()))
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    def training_step(self, batch: Batch, draws: Draws) -> StepOutput:
        views = self.seen(batch, draws, (self.weak, 0), (self.weak, 2))
        labelled, (student, *_) = self.answers(views[0], views[1])
        with torch.no_grad():
            _, (teacher, *_) = self.answers(views[0], views[2], network=self.teacher)

        weight = ramp_up(self.done / _RAMP)
        losses = _WEIGHT * weight * squared_distance(student, teacher)
        pseudo = pseudo_labels(batch, teacher.argmax(dim=1), weight.expand(len(teacher)))
        return self.output(labelled, views[0].targets, losses, pseudo)

    @torch.no_grad()
    def after_update(self, *, done: float) -> None:
        """Update t (from 1) moves the teacher by ``max(1 / (t + 1), 1 - decay)`` of the way to the
        student. Its batch normalisation uses each batch's own statistics."""
        self.updates += 1
        self.done.fill_(done)
        rest = 1 - (_EARLY if done < _RAMP else _LATE)
        step = (1 / (self.updates + 1).double()).clamp(min=rest)
        own = dict(self.network.named_parameters())
        for name, parameter in self.teacher.named_parameters():
            parameter.lerp_(own[name].detach(), step.to(parameter.dtype))
