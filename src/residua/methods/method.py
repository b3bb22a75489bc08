"""What one training step computes, as the loop sees it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from residua.batch import Batch
from residua.networks.network import Network
from residua.random import Draws


@dataclass(frozen=True, slots=True, kw_only=True)
class PseudoLabels:
    """What a method took for the labels of unlabelled samples, for those who watch it.

    Attributes:
        ids: int64 ``[u]`` sample ids.
        labels: int64 ``[u]`` classes.
        weights: float32 ``[u]`` how much each counted, from 0 to 1.
    """

    ids: Tensor
    labels: Tensor
    weights: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOutput:
    """One batch's results, on the device.

    Attributes:
        losses: float32 ``[b]``, one loss a sample. The loop takes the mean over the whole update,
            whichever ranks and parts its samples lie on.
        correct: float32 ``[b]``, how much of each target the answer has right, detached. Their mean
            is the score of `Method.score_name`, of which more is better.
        extra: float32 ``[u]``, losses of other samples that count in the update beside ``losses``,
            weighted so that one of 1 counts as one labelled sample does; not reported.
        pseudo: Of semi-supervised methods.
    """

    losses: Tensor
    correct: Tensor
    extra: Tensor | None = None
    pseudo: PseudoLabels | None = None

    @property
    def total(self) -> Tensor:
        """The sum that the update divides by its number of samples."""
        return self.losses.sum() if self.extra is None else self.losses.sum() + self.extra.sum()


Total = Callable[[Tensor], Tensor]
"""The sum of a tensor over all ranks."""


class Method(nn.Module, ABC):
    """A network with its training step. The loop wraps it as a whole for several ranks, so that
    gradients are synchronised however often the step uses the network.

    What else it has beside the network (heads, a teacher, running sums) are submodules and
    persistent buffers: they learn where they require gradients, and are saved for resuming.
    """

    network: Network
    score_name: ClassVar[str] = "accuracy"

    @abstractmethod
    def training_step(self, batch: Batch, draws: Draws) -> StepOutput:
        """Losses of ``batch``, whose inputs are as loaded (uint8); randomness from ``draws``."""

    def after_update(self, *, done: float) -> None:
        """Called when the optimizer has changed the weights; ``done`` is the share of the run."""

    def measures(self, total: Total) -> dict[str, float]:
        """What the method watches besides loss and score, since this was asked last, by name.

        Raises:
            TrainingError: It shows that learning has failed.
        """
        del total
        return {}

    def forward(self, batch: Batch, draws: Draws) -> StepOutput:
        return self.training_step(batch, draws)
