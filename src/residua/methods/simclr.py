"""SimCLR: tell the other view of a sample from all other samples.

Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations" (ICML 2020),
algorithm 1.
"""

from __future__ import annotations

from torch import Tensor

from residua.batch import Batch
from residua.errors import UsageError
from residua.losses.contrastive import nt_xent
from residua.methods.config import Negatives
from residua.methods.heads import mlp
from residua.methods.method import StepOutput
from residua.methods.two_views import TwoViews
from residua.methods.views import Views
from residua.networks.network import Network
from residua.random import Draws


class SimClr(TwoViews):
    """NT-Xent between projections, with all ranks' samples as negatives.

    Args:
        network, views: See `TwoViews`.
        projection: Width of the projector's hidden layer, and d.
        temperature: Of the similarities.
        decoupled: See `residua.losses.contrastive.nt_xent`.
        negatives: Samples that each is told apart from: all, or those of its own group.
    """

    def __init__(
        self,
        network: Network,
        *,
        views: tuple[Views, Views],
        projection: tuple[int, int] = (512, 128),
        temperature: float = 0.5,
        decoupled: bool = False,
        negatives: Negatives = "all",
    ) -> None:
        super().__init__(network, views=views, width=projection[1])
        self.projector = mlp(network.num_features, *projection)
        self.temperature = temperature
        self.decoupled = decoupled
        self.negatives = negatives

    def project(self, view: Batch) -> Tensor:
        return self.projector(self.network(view.inputs, lengths=view.lengths))

    def training_step(self, batch: Batch, draws: Draws) -> StepOutput:
        first, second = self.see(batch, draws)
        groups = _groups(batch) if self.negatives == "group" else None
        z = self.embeddings(self.project(first), self.project(second), groups)
        losses = nt_xent(
            z.first,
            z.second,
            temperature=self.temperature,
            decoupled=self.decoupled,
            anchors=z.own,
            valid=z.valid,
            groups=z.groups,
        )
        return self.output(losses, z)


def _groups(batch: Batch) -> Tensor:
    if batch.groups is None:
        raise UsageError(
            "nobody says which group a sample is of",
            expected="Batch.groups, for negatives of the same group",
            received="None",
        )
    return batch.groups
