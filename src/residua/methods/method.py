"""What one training step computes, as the loop sees it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from residua.batch import Batch
from residua.networks.network import Network
from residua.random import Draws


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOutput:
    """One batch's results, on the device.

    Attributes:
        losses: float32 ``[b]``, one loss a sample. The loop takes the mean over the whole update,
            whichever ranks and parts its samples lie on.
        correct: float32 ``[b]``, how much of each target the answer has right, detached. Their mean
            is the score of `Method.score_name`, of which more is better.
    """

    losses: Tensor
    correct: Tensor


class Method(nn.Module, ABC):
    """A network with its training step. The loop wraps it as a whole for several ranks, so that
    gradients are synchronised however often the step uses the network."""

    network: Network
    score_name: ClassVar[str] = "accuracy"

    @abstractmethod
    def training_step(self, batch: Batch, draws: Draws) -> StepOutput:
        """Losses of ``batch``, whose inputs are as loaded (uint8); randomness from ``draws``."""

    def forward(self, batch: Batch, draws: Draws) -> StepOutput:
        return self.training_step(batch, draws)
