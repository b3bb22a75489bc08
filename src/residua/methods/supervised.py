"""Supervised learning of one answer a sample: augment, predict, compare.

Legend: b samples, k classes or quantities.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor

from residua.batch import Batch
from residua.losses.classification import binary_cross_entropy_of_classes, cross_entropy
from residua.losses.targets import binary_cross_entropy, known_mean, squared_error
from residua.methods.method import Method, StepOutput
from residua.methods.views import Views
from residua.networks.network import Network
from residua.random import Draws


class Supervised(Method):
    """What the network answers to augmented samples against their targets.

    Args:
        network: Gives ``[b, k]``; its auxiliary classifiers learn along with their weight.
        views: From loaded samples to what the network sees.
    """

    def __init__(self, network: Network, *, views: Views) -> None:
        super().__init__()
        self.network = network
        self.views = views

    @abstractmethod
    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """``[b]``, one a sample."""

    @abstractmethod
    def right(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """float32 ``[b]``: how much of each target the answer has right."""

    def training_step(self, batch: Batch, draws: Draws) -> StepOutput:
        exact = torch.autocast(batch.inputs.device.type, enabled=False)  # inputs stay in float32
        with torch.no_grad(), exact:
            views = self.views(batch, draws)
        answers = self.network(views.inputs, lengths=views.lengths, auxiliary=True)
        losses = self.learnt_losses(answers, views.targets)
        with torch.no_grad():
            return StepOutput(losses=losses, correct=self.right(answers[0], views.targets))

    def learnt_losses(self, answers: Sequence[Tensor], targets: Tensor) -> Tensor:
        """``[b]`` losses of the last classifier, with the gradients of the auxiliary ones' too."""
        outputs, *auxiliary = answers
        losses = self.losses(outputs, targets)
        for answer in auxiliary:
            extra = self.network.auxiliary_weight * self.losses(answer, targets)
            losses = losses + (extra - extra.detach())  # learnt from, not reported
        return losses


class Classification(Supervised):
    """Cross-entropy, of the softmax or of each class against the rest.

    Args:
        network, views: See `Supervised`.
        loss, bce_threshold: See `residua.methods.config.SupervisedConfig`.
        label_smoothing: Share of each target that is spread over all classes.
        class_weights: float32 ``[k]``, or None for ones.
    """

    class_weights: Tensor | None

    def __init__(
        self,
        network: Network,
        *,
        views: Views,
        loss: Literal["ce", "bce"] = "ce",
        bce_threshold: float | None = None,
        label_smoothing: float = 0.0,
        class_weights: Tensor | None = None,
    ) -> None:
        super().__init__(network, views=views)
        self.loss = loss
        self.bce_threshold = bce_threshold
        self.label_smoothing = label_smoothing
        self.register_buffer("class_weights", class_weights, persistent=False)

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if self.loss == "bce":
            return binary_cross_entropy_of_classes(
                outputs,
                targets,
                label_smoothing=self.label_smoothing,
                threshold=self.bce_threshold,
                class_weights=self.class_weights,
            )
        return cross_entropy(
            outputs,
            targets,
            label_smoothing=self.label_smoothing,
            class_weights=self.class_weights,
        )

    def right(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The share of each target that the top class holds: 0 or 1 unless mixed."""
        top = outputs.argmax(dim=1)
        if targets.dim() == 1:
            return (top == targets).float()
        return targets.gather(1, top[:, None])[:, 0].float()


class MultiLabel(Supervised):
    """Binary cross-entropy of each label; targets that are NaN count nothing."""

    score_name: ClassVar[str] = "label_accuracy"

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return binary_cross_entropy(outputs, targets)

    def right(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The share of each sample's known labels that are likelier than not as they should be."""
        known = ~targets.isnan()
        held = torch.where(outputs > 0, targets, 1 - targets)
        return known_mean(held.masked_fill(~known, 0.0), known).float()


class Regression(Supervised):
    """Squared error in standard deviations of the training targets; NaN counts nothing.

    Args:
        network, views: See `Supervised`.
        offsets, scales: Mean and standard deviation of each quantity.
    """

    score_name: ClassVar[str] = "r2"
    offsets: Tensor
    scales: Tensor

    def __init__(
        self, network: Network, *, views: Views, offsets: Sequence[float], scales: Sequence[float]
    ) -> None:
        super().__init__(network, views=views)
        # in float64, as large values that differ little would lose their differences
        for name, values in (("offsets", offsets), ("scales", scales)):
            exact = torch.tensor(values, dtype=torch.float64)
            self.register_buffer(name, exact, persistent=False)

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return squared_error(outputs, self._standard(targets))

    def right(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """1 - squared error: the mean is the share of the training targets' variance that the
        answers explain."""
        return 1 - squared_error(outputs, self._standard(targets))

    def _standard(self, targets: Tensor) -> Tensor:
        return ((targets - self.offsets) / self.scales).float()
