"""Supervised classification: augment, predict, cross-entropy."""

from __future__ import annotations

import torch
from torch import Tensor

from residua.augment.image import ImageAugment
from residua.batch import Batch
from residua.data.preprocess import Preprocess
from residua.losses.classification import cross_entropy
from residua.methods.method import Method, StepOutput
from residua.networks.network import Network
from residua.random import Draws


class Supervised(Method):
    """Cross-entropy between the network's answers to augmented samples and their labels.

    Args:
        network: Gives logits ``[b, k]``; its auxiliary classifiers learn along with their weight.
        augment: From loaded samples to views in [0, 1].
        preprocess: Normalises the views.
        label_smoothing: Share of each target that is spread over all classes.
        class_weights: float32 ``[k]``, or None for ones.
    """

    class_weights: Tensor | None

    def __init__(
        self,
        network: Network,
        *,
        augment: ImageAugment,
        preprocess: Preprocess,
        label_smoothing: float = 0.0,
        class_weights: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.augment = augment
        self.preprocess = preprocess
        self.label_smoothing = label_smoothing
        self.register_buffer("class_weights", class_weights, persistent=False)

    def training_step(self, batch: Batch, draws: Draws) -> StepOutput:
        exact = torch.autocast(batch.inputs.device.type, enabled=False)  # pixels stay in float32
        with torch.no_grad(), exact:
            views = self.augment(batch, draws)
            inputs = self.preprocess.normalise(views.inputs)
        logits, *auxiliary = self.network(inputs, auxiliary=True)
        losses = self._losses(logits, views.targets)
        for answer in auxiliary:
            losses = losses + self.network.auxiliary_weight * self._losses(answer, views.targets)
        return StepOutput(losses=losses, correct=_hits(logits.detach(), views.targets))

    def _losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        return cross_entropy(
            logits,
            targets,
            label_smoothing=self.label_smoothing,
            class_weights=self.class_weights,
        )


def _hits(logits: Tensor, targets: Tensor) -> Tensor:
    """float32 ``[b]``: share of each target that the top class holds, 0 or 1 unless mixed."""
    top = logits.argmax(dim=1)
    if targets.dim() == 1:
        return (top == targets).float()
    return targets.gather(1, top[:, None])[:, 0].float()
