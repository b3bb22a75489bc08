"""What semi-supervised methods share: views, one forward for all of them, one output.

Legend: b labelled samples, u unlabelled samples, k classes.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]

from residua.augment.draws import draws_for
from residua.batch import Batch
from residua.methods.config import SemiConfig, SupervisedConfig
from residua.methods.method import PseudoLabels, StepOutput
from residua.methods.supervised import Classification
from residua.methods.views import Views
from residua.networks.network import Network
from residua.random import Draws

Answers = tuple[Tensor, ...]
"""``[b, k]`` logits of the last classifier, then those of the auxiliary ones."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SemiSetting:
    """What a semi-supervised method is told.

    Attributes:
        weak, strong: Light and heavy augmentation, neither of which mixes samples.
        config: Ratio and weight of the unlabelled samples, and the threshold.
        supervised: The labelled loss.
        class_weights: float32 ``[k]``, of the labelled loss.
    """

    weak: Views
    strong: Views
    config: SemiConfig
    supervised: SupervisedConfig
    class_weights: Tensor | None = None


class SemiSupervised(Classification):
    """The loss of labelled samples, and something to learn from unlabelled ones beside them.

    Args:
        network: Gives ``[b, k]``.
        setting: Views and options.
    """

    def __init__(self, network: Network, setting: SemiSetting) -> None:
        super().__init__(
            network,
            views=setting.weak,
            loss=setting.supervised.loss,
            bce_threshold=setting.supervised.bce_threshold,
            label_smoothing=setting.supervised.label_smoothing,
            class_weights=setting.class_weights,
        )
        self.weak = setting.weak
        self.strong = setting.strong
        self.config = setting.config

    @property
    def num_classes(self) -> int:
        return self.network.spec.num_classes

    @torch.no_grad()
    def seen(self, batch: Batch, draws: Draws, *unlabelled: tuple[Views, int]) -> list[Batch]:
        """A weak view of the labelled samples, then views of the unlabelled ones: for each of
        ``unlabelled`` one by its views and the number of its draws."""
        assert batch.unlabelled is not None, "semi-supervised steps need unlabelled samples"
        others = draws_for(batch.unlabelled, seed=draws.seed, epoch=draws.epoch)
        exact = torch.autocast(batch.inputs.device.type, enabled=False)  # inputs stay in float32
        with exact:
            return [
                self.weak(batch, draws),
                *(views(batch.unlabelled, others.view(number)) for views, number in unlabelled),
            ]

    def answers(self, *views: Batch, network: nn.Module | None = None) -> list[Answers]:
        """What the network (by default the one that learns) answers to each of ``views``.

        There is one forward pass, so that batch normalisation sees all of them as one batch, as
        in the published codes of FixMatch, AdaMatch and Mean Teacher.
        """
        inputs, lengths = side_by_side(views)
        found = (network or self.network)(inputs, lengths=lengths, auxiliary=True)
        parts = [answer.split([len(view) for view in views]) for answer in found]
        return list(zip(*parts, strict=True))

    def output(
        self, answers: Answers, targets: Tensor, unlabelled: Tensor, pseudo: PseudoLabels
    ) -> StepOutput:
        """The step's results.

        Args:
            answers: To the labelled samples.
            targets: int64 ``[b]``.
            unlabelled: ``[u]`` losses; those of an update count together as much as the labelled
                ones, times ``unlabelled_weight``.
            pseudo: Of the unlabelled samples.
        """
        losses = self.learnt_losses(answers, targets)
        share = self.config.unlabelled_weight / self.config.unlabelled_ratio
        with torch.no_grad():
            correct = self.right(answers[0], targets)
        return StepOutput(losses=losses, correct=correct, extra=share * unlabelled, pseudo=pseudo)


def pseudo_labels(batch: Batch, labels: Tensor, weights: Tensor) -> PseudoLabels:
    """``labels`` and ``weights``, both ``[u]``, of the unlabelled samples of ``batch``."""
    assert batch.unlabelled is not None
    ids, weights = batch.unlabelled.ids, weights.detach().float()
    return PseudoLabels(ids=ids, labels=labels.detach(), weights=weights)


def side_by_side(views: Sequence[Batch]) -> tuple[Tensor, Tensor | None]:
    """All inputs as one, and their lengths; shorter series are padded to the longest.

    Args:
        views: ``[n, c, *s]`` each, which differ at most in n and along the last axis.

    Returns:
        The inputs, and int64 ``[sum of n]`` lengths, or None where all are full.
    """
    longest = max(view.inputs.shape[-1] for view in views)
    inputs = [F.pad(view.inputs, (0, longest - view.inputs.shape[-1])) for view in views]
    if all(v.lengths is None and v.inputs.shape[-1] == longest for v in views):
        return torch.cat(inputs), None
    return torch.cat(inputs), torch.cat([_lengths(view) for view in views])


def _lengths(view: Batch) -> Tensor:
    if view.lengths is not None:
        return view.lengths
    return torch.full_like(view.ids, view.inputs.shape[-1])


@contextmanager
def sparing_statistics(network: nn.Module) -> Generator[None]:
    """Inside the ``with`` block the running statistics of batch normalisation stay as they are."""
    norms = [(m, m.momentum) for m in network.modules() if isinstance(m, _BatchNorm)]
    for norm, _ in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in norms:
            norm.momentum = momentum
