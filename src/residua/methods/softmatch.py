"""SoftMatch: every pseudo-label counts, by how sure the network is beside how sure it is usually.

Chen et al., "SoftMatch: Addressing the Quantity-Quality Trade-off in Semi-supervised Learning"
(ICLR 2023), section 3.
"""

from __future__ import annotations

import torch

from residua.batch import Batch
from residua.losses.classification import cross_entropy
from residua.losses.consistency import aligned, probabilities, truncated_gaussian
from residua.methods.alignment import RunningMean, mean_over_ranks, moments_over_ranks, uniform
from residua.methods.method import StepOutput
from residua.methods.semi_supervised import SemiSetting, SemiSupervised, pseudo_labels
from residua.networks.network import Network
from residua.random import Draws


class SoftMatch(SemiSupervised):
    """Truncated Gaussian weights (equation 6) of confidences that uniform alignment (section 3.3)
    has made fair to all classes; the pseudo-labels themselves are not aligned.

    Args:
        network, setting: See `SemiSupervised`; the threshold is not used.
    """

    def __init__(self, network: Network, setting: SemiSetting) -> None:
        super().__init__(network, setting)
        k = self.num_classes
        self.classes = RunningMean(uniform(k))
        self.confidence = RunningMean(torch.tensor([1 / k, 1.0]))  # mean and variance

    def training_step(self, batch: Batch, draws: Draws) -> StepOutput:
        views = self.seen(batch, draws, (self.weak, 0), (self.strong, 1))
        labelled, (weak, *_), (strong, *_) = self.answers(*views)

        guessed = probabilities(weak.detach())
        frequencies = self.classes.after(mean_over_ranks(guessed))
        even = torch.full_like(frequencies, 1 / self.num_classes)
        confidence = aligned(guessed, even, frequencies).max(dim=1).values
        mean, variance = self.confidence.after(moments_over_ranks(confidence))
        weights = truncated_gaussian(confidence, mean, variance)

        guesses = guessed.argmax(dim=1)
        losses = weights * cross_entropy(strong, guesses)
        pseudo = pseudo_labels(batch, guesses, weights)
        return self.output(labelled, views[0].targets, losses, pseudo)
