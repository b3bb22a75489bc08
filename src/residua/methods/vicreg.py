"""VICReg: embeddings of two views that agree, vary, and do not repeat themselves.

Bardes, Ponce & LeCun, "VICReg: Variance-Invariance-Covariance Regularization for Self-Supervised
Learning" (ICLR 2022), section 4 and algorithm 1.
"""

from __future__ import annotations

from torch import Tensor

from residua.batch import Batch
from residua.losses.redundancy import covariance, invariance, variance
from residua.methods.heads import mlp
from residua.methods.method import StepOutput
from residua.methods.two_views import TwoViews
from residua.methods.views import Views
from residua.networks.network import Network
from residua.random import Draws


class VicReg(TwoViews):
    """Invariance of each sample, variance and covariance over all ranks' samples.

    Args:
        network, views: See `TwoViews`.
        projection: Width of the projector's two hidden layers, and d.
        weight: Of invariance and variance; covariance weighs 1.
    """

    def __init__(
        self,
        network: Network,
        *,
        views: tuple[Views, Views],
        projection: tuple[int, int] = (2048, 2048),
        weight: float = 25.0,
    ) -> None:
        super().__init__(network, views=views, width=projection[1])
        self.projector = mlp(network.num_features, *projection, layers=3)
        self.weight = weight

    def project(self, view: Batch) -> Tensor:
        return self.projector(self.network(view.inputs, lengths=view.lengths))

    def training_step(self, batch: Batch, draws: Draws) -> StepOutput:
        first, second = self.see(batch, draws)
        z_first, z_second = self.project(first), self.project(second)
        z = self.embeddings(z_first, z_second)
        agree = invariance(z_first, z_second)
        vary = variance(z.first, valid=z.valid) + variance(z.second, valid=z.valid)
        repeat = covariance(z.first, valid=z.valid) + covariance(z.second, valid=z.valid)
        # the terms of the whole update are every sample's: their mean over all is the paper's loss
        return self.output(self.weight * (agree + vary) + repeat, z)
