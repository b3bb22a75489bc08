"""AdaMatch: FixMatch with aligned class frequencies and a threshold that follows the confidence.

Berthelot et al., "AdaMatch: A Unified Approach to Semi-Supervised Learning and Domain Adaptation"
(ICLR 2022), section 3.

As in the benchmark of Wang et al., "USB" (NeurIPS 2022), whose figures are those to compare with,
labelled samples have weak views alone and the unlabelled loss its full weight from the start;
the paper adds strong views of them, and lets the weight rise along a cosine over the first half
of the run.
"""

from __future__ import annotations

from residua.batch import Batch
from residua.losses.classification import cross_entropy
from residua.losses.consistency import aligned, passing, probabilities
from residua.methods.alignment import RunningMean, mean_over_ranks, uniform
from residua.methods.method import StepOutput
from residua.methods.semi_supervised import (
    Answers,
    SemiSetting,
    SemiSupervised,
    pseudo_labels,
    sparing_statistics,
)
from residua.networks.network import Network
from residua.random import Draws


class AdaMatch(SemiSupervised):
    """Random logit interpolation, distribution alignment, relative confidence threshold.

    Args:
        network, setting: See `SemiSupervised`.
    """

    def __init__(self, network: Network, setting: SemiSetting) -> None:
        super().__init__(network, setting)
        start = uniform(self.num_classes)
        self.labelled_classes = RunningMean(start)
        self.unlabelled_classes = RunningMean(start)

    def training_step(self, batch: Batch, draws: Draws) -> StepOutput:
        views = self.seen(batch, draws, (self.weak, 0), (self.strong, 1))
        together, (weak, *_), (strong, *_) = self.answers(*views)
        with sparing_statistics(self.network):
            (alone,) = self.answers(views[0])
        labelled = self._between(together, alone, draws)

        known, guessed = probabilities(labelled[0].detach()), probabilities(weak.detach())
        target = self.labelled_classes.after(mean_over_ranks(known))
        mean = self.unlabelled_classes.after(mean_over_ranks(guessed))
        confidence, guesses = aligned(guessed, target, mean).max(dim=1)
        usual = mean_over_ranks(known.max(dim=1).values)
        weights = passing(confidence, self.config.threshold * usual)

        losses = weights * cross_entropy(strong, guesses)
        pseudo = pseudo_labels(batch, guesses, weights)
        return self.output(labelled, views[0].targets, losses, pseudo)

    def _between(self, together: Answers, alone: Answers, draws: Draws) -> Answers:
        """Each logit at a random place between those that batch normalisation with and without
        the unlabelled samples gives."""
        places = draws.uniform("adamatch.interpolation", self.num_classes)
        return tuple(
            own + places.to(own.dtype) * (other - own)
            for other, own in zip(together, alone, strict=True)
        )
