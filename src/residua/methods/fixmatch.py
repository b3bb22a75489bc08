"""FixMatch: what the network is sure of in a weak view is the label of a strong view.

Sohn et al., "FixMatch: Simplifying Semi-Supervised Learning with Consistency and Confidence"
(NeurIPS 2020), section 2.2. Published recipe: SGD with Nesterov momentum, rate 0.03, weight decay
5e-4, 64 labelled samples, ratio 7, threshold 0.95, weight 1, EMA 0.999, cosine over 7/16 of a
period.
"""

from __future__ import annotations

from residua.batch import Batch
from residua.losses.classification import cross_entropy
from residua.losses.consistency import passing, probabilities
from residua.methods.method import StepOutput
from residua.methods.semi_supervised import SemiSupervised, pseudo_labels
from residua.random import Draws


class FixMatch(SemiSupervised):
    """Equations 3 and 4: cross-entropy with hard pseudo-labels where ``max q >= threshold``."""

    def training_step(self, batch: Batch, draws: Draws) -> StepOutput:
        views = self.seen(batch, draws, (self.weak, 0), (self.strong, 1))
        labelled, (weak, *_), (strong, *_) = self.answers(*views)
        confidence, guesses = probabilities(weak.detach()).max(dim=1)
        weights = passing(confidence, self.config.threshold)
        losses = weights * cross_entropy(strong, guesses)
        pseudo = pseudo_labels(batch, guesses, weights)
        return self.output(labelled, views[0].targets, losses, pseudo)
