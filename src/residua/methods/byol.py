"""BYOL: predict what a slower copy of oneself makes of the other view.

Grill et al., "Bootstrap Your Own Latent: A New Approach to Self-Supervised Learning" (NeurIPS
2020), section 3.1 and algorithm 1.
"""

# torch's multi-tensor operations have no public names, though its own optimizers consist of them
# pyright: reportPrivateUsage=false, reportPrivateImportUsage=false

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn

from residua.batch import Batch
from residua.losses.bootstrap import regression_to_teacher
from residua.methods.heads import mlp
from residua.methods.method import StepOutput
from residua.methods.two_views import TwoViews
from residua.methods.views import Views
from residua.networks.network import Network
from residua.random import Draws


class Byol(TwoViews):
    """Regression of predictions to the teacher's projections of the other view, both ways.

    The teacher is a copy of network and projector whose parameters get no gradient and follow
    those of the student as an exponential moving average. Its normalisation uses each batch's
    statistics, as the student's does (and as in the authors' code), so that running statistics
    play no part in learning: the teacher's are those of its own activations, which its own passes
    keep, and `after_update` leaves them alone.

    Args:
        network, views: See `TwoViews`.
        projection: Width of the hidden layer of projector and predictor, and d.
        decay: Of the moving average at the start.
    """

    def __init__(
        self,
        network: Network,
        *,
        views: tuple[Views, Views],
        projection: tuple[int, int] = (1024, 256),
        decay: float = 0.99,
    ) -> None:
        super().__init__(network, views=views, width=projection[1])
        self.projector = mlp(network.num_features, *projection)
        self.predictor = mlp(projection[1], *projection)
        self.teacher_network = copy.deepcopy(network).requires_grad_(False)
        self.teacher_projector = copy.deepcopy(self.projector).requires_grad_(False)
        self.decay = decay

    def project(self, view: Batch) -> Tensor:
        return self.projector(self.network(view.inputs, lengths=view.lengths))

    @torch.no_grad()
    def teach(self, view: Batch) -> Tensor:
        """``[b, d]``, without gradient: what the student is to predict from the other view."""
        return self.teacher_projector(self.teacher_network(view.inputs, lengths=view.lengths))

    def training_step(self, batch: Batch, draws: Draws) -> StepOutput:
        first, second = self.see(batch, draws)
        z_first, z_second = self.project(first), self.project(second)
        losses = regression_to_teacher(self.predictor(z_first), self.teach(second))
        losses = losses + regression_to_teacher(self.predictor(z_second), self.teach(first))
        return self.output(losses, self.embeddings(z_first.detach(), z_second.detach()))

    @torch.no_grad()
    def after_update(self, *, done: float) -> None:
        """The teacher follows, more and more slowly: its decay rises to 1 along a cosine.

        ``1 - (1 - decay) (cos(pi done) + 1) / 2`` (Grill et al., section 3.2).
        """
        share = (1 - self.decay) * (math.cos(math.pi * done) + 1) / 2
        student = (*self.network.parameters(), *self.projector.parameters())
        torch._foreach_lerp_(list(self._teachers()), list(student), share)

    def _teachers(self) -> tuple[nn.Parameter, ...]:
        return *self.teacher_network.parameters(), *self.teacher_projector.parameters()
