"""The watch for collapse: whether embeddings still tell samples apart, which no loss shows.

A network that gives every sample the same embedding makes two views agree perfectly. Looked at are
the embeddings that the loss compares (the projector's, normalised), not the features in front of
them. They are the first to collapse: the projector's last layer alone can do it, and from then on
nothing reaches the network to learn from. Features cannot be judged by their spread: they come
from a ReLU and have a large common part, and those of a random network on noise differ by a
hundredth of their length without anything being wrong. The projector's normalisation takes the
common part out.

Legend: n rows, d dimensions.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from residua.errors import TrainingError
from residua.losses.contrastive import unit_vectors

_WIDEST = 512
"""Dimensions that are looked at, evenly spaced among wider embeddings' to save time and memory."""

_COLLAPSED = 0.1
"""Standard deviation times sqrt(d) below which embeddings count as one point; see the tests."""

_FEWEST = 16
"""Degrees of freedom below which a round says too little."""


class CollapseWatch(nn.Module):
    """Sums over a round of what `measures` needs, on the device.

    The scatter is that around each batch's own mean: how embeddings move as the weights change is
    not taken for differences between samples, and nothing cancels out. Every rank adds the
    embeddings of all ranks, so that the sums are the same on all of them and one rank's checkpoint
    has them all.

    Args:
        width: d.
    """

    scatter: Tensor
    freedom: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self._stride = math.ceil(width / _WIDEST)
        kept = len(range(0, width, self._stride))
        self.register_buffer("scatter", torch.zeros(kept, kept))
        self.register_buffer("freedom", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def add(self, rows: Tensor, valid: Tensor | None = None) -> None:
        """Notes the embeddings ``[n, d]`` of an update.

        Args:
            rows: Of any length; they are normalised here.
            valid: ``[n]`` 1 for samples and 0 for rows that are none; None where all are samples.
        """
        with torch.autocast(rows.device.type, enabled=False):
            units = unit_vectors(rows)[:, :: self._stride]
            weights = units.new_ones(len(units)) if valid is None else valid.to(units.dtype)
            count = weights.sum()
            mean = (units * weights[:, None]).sum(0) / count
            centred = (units - mean) * weights[:, None]
            self.scatter += centred.T @ centred
            self.freedom += (count - 1).round().long()

    def measures(self) -> dict[str, float]:
        """What was added since this was asked last; nothing where that is nothing.

        ``embedding_std``: the mean over dimensions of the standard deviation, times sqrt(d): 1 for
        embeddings spread evenly over the sphere, 0 for a single point (Chen & He, "Exploring Simple
        Siamese Representation Learning", CVPR 2021, section 4.1). ``effective_rank``: see
        `effective_rank`; from 1 to min(d, 512).

        Raises:
            TrainingError: The embeddings have collapsed.
        """
        freedom = int(self.freedom)
        if freedom == 0:
            return {}
        matrix = self.scatter.double().cpu() / freedom
        self.scatter.zero_()
        self.freedom.zero_()
        deviation = float(matrix.diagonal().sqrt().mean()) * math.sqrt(self.width)
        if deviation < _COLLAPSED and freedom >= _FEWEST:
            raise TrainingError(
                "the embeddings have collapsed: nearly the same for all samples",
                expected=f"a standard deviation of at least {_COLLAPSED} / sqrt({self.width})",
                received=f"{deviation:.2g} / sqrt({self.width})",
                fix="Lower --lr, take a larger --batch-size, or --method vicreg",
            )
        return {"embedding_std": deviation, "effective_rank": effective_rank(matrix)}


def effective_rank(covariance: Tensor) -> float:
    """The exponential of the entropy of the eigenvalues, as shares of their sum.

    Roy & Vetterli, "The Effective Rank: A Measure of Effective Dimensionality" (EUSIPCO 2007), of
    a covariance matrix: d for equal variance in all directions, 1 along a single line or none.

    Args:
        covariance: ``[d, d]``, symmetric and positive semi-definite.
    """
    eigenvalues = torch.linalg.eigvalsh(covariance.double()).clamp(min=0)
    shares = eigenvalues / eigenvalues.sum().clamp(min=torch.finfo(torch.float64).tiny)
    return float(torch.exp(-torch.special.xlogy(shares, shares).sum()))
