"""What methods that learn from two views of each sample have in common.

Legend: b samples of this rank, n rows of all ranks, d dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from residua.batch import Batch
from residua.errors import UsageError
from residua.losses.contrastive import unit_vectors
from residua.methods.collapse import CollapseWatch
from residua.methods.gather import Gather
from residua.methods.method import Method, StepOutput, Total
from residua.methods.views import Views
from residua.networks.network import Network
from residua.random import Draws


@dataclass(frozen=True, slots=True, kw_only=True)
class Embeddings:
    """The embeddings of both views of an update's samples.

    Attributes:
        first, second: float32 ``[n, d]`` of all ranks' samples, in the same order.
        own: The ``b`` rows that are this rank's.
        valid: ``[n]`` 1 for samples and 0 for rows that are none; None where all are samples.
        groups: ``[n]``, equal where samples are of one group; None where nobody asked.
    """

    first: Tensor
    second: Tensor
    own: slice
    valid: Tensor | None
    groups: Tensor | None = None


class TwoViews(Method):
    """Two views of each sample, each through the network by itself.

    So normalisation sees one view at a time, as in the code behind most published figures (and in
    that of BYOL's and VICReg's authors). The score is `agreement`, and collapse is watched for.

    Args:
        network: Without classifier: gives features ``[b, num_features]``.
        views: From loaded samples to what the network sees, one for each view.
        width: d of the embeddings.
    """

    score_name: ClassVar[str] = "agreement"

    def __init__(self, network: Network, *, views: tuple[Views, Views], width: int) -> None:
        super().__init__()
        self.network = network
        self.views = views
        self.watch = CollapseWatch(width)
        self._gather = Gather()

    def see(self, batch: Batch, draws: Draws) -> tuple[Batch, Batch]:
        """Both views of ``batch``, drawn independently.

        Raises:
            UsageError: A single sample.
        """
        if len(batch) < 2:
            raise UsageError(
                "learning from two views compares samples",
                expected="two samples a step at least",
                received=len(batch),
                fix="Use a larger --batch-size, fewer ranks or less --accumulate",
            )
        exact = torch.autocast(batch.inputs.device.type, enabled=False)  # inputs stay in float32
        with torch.no_grad(), exact:
            return self.views[0](batch, draws), self.views[1](batch, draws.view(1))

    def embeddings(self, first: Tensor, second: Tensor, groups: Tensor | None = None) -> Embeddings:
        """Those of all ranks, with gradients, given this rank's ``[b, d]``, and ``groups [b]``."""
        both = torch.cat([first, second], 1)
        both = both.to(torch.promote_types(both.dtype, torch.float32))
        if groups is not None:  # exact in float32 up to 16 million groups
            both = torch.cat([both, groups[:, None].to(both)], 1)
        found = self._gather(both)
        first, second = found.rows[:, : 2 * first.shape[1]].chunk(2, 1)
        return Embeddings(
            first=first,
            second=second,
            own=found.own,
            valid=found.valid,
            groups=None if groups is None else found.rows[:, -1].detach(),
        )

    def output(self, losses: Tensor, embeddings: Embeddings) -> StepOutput:
        """The step's results; its embeddings are noted if it learns."""
        if torch.is_grad_enabled():  # passes that only measure statistics are not part of the round
            self.watch.add(embeddings.first, embeddings.valid)
        return StepOutput(losses=losses, correct=agreement(embeddings))

    def measures(self, total: Total) -> dict[str, float]:
        """See `CollapseWatch.measures`; its sums are those of all ranks already."""
        del total
        return self.watch.measures()


@torch.no_grad()
def agreement(embeddings: Embeddings) -> Tensor:
    """float32 ``[b]``: whether each view of a sample finds the other one.

    1 where both are nearest to one another among all samples' other views (by cosine), 0.5 where
    one of them is, else 0.
    """
    with torch.autocast(embeddings.first.device.type, enabled=False):
        first, second = unit_vectors(embeddings.first), unit_vectors(embeddings.second)
        own, valid = embeddings.own, embeddings.valid
        places = torch.arange(len(first), device=first.device)[own]
        found: list[Tensor] = []
        for queries, keys in ((first, second), (second, first)):
            cosines = queries[own] @ keys.T
            if valid is not None:
                cosines = cosines.masked_fill(valid == 0, -torch.inf)
            found.append((cosines.argmax(1) == places).float())
        return (found[0] + found[1]) / 2
