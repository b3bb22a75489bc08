"""How well classes can be told apart by features alone: by the nearest samples.

A probe takes the labels of a bank of samples and answers for others; the network stays as it is.
The other one is in `residua.evaluation.linear_probe`.

Legend: n queries, m samples of the bank, d features, k classes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from residua.errors import LabelError, NetworkError
from residua.evaluation.embed import Features
from residua.evaluation.results import Predictions

NEIGHBOURS, TEMPERATURE = 200, 0.1
"""As in lightly's benchmarks, whose banks have thousands of samples a class."""

_BLOCK = 1 << 25
"""Similarities that are in memory at once."""


def knn_probe(
    bank: Features,
    queries: Features,
    *,
    num_classes: int,
    device: torch.device,
    neighbours: int = NEIGHBOURS,
    temperature: float = TEMPERATURE,
) -> Predictions:
    """Votes of the labelled samples of ``bank`` that are most similar to each query.

    Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance Discrimination" (CVPR
    2018), section 3.4: a neighbour of cosine similarity s counts exp(s / temperature) for its
    class. One more neighbour of which nothing is known (similarity 0, its vote spread over all
    classes) changes no answer, but keeps the probability of classes without neighbours above 0.

    Args:
        bank: Samples without label are left out.
        queries: Labels are passed on, not looked at.
        num_classes: ``k``.
        device: Where similarities are computed, in float32.
        neighbours: Of a smaller bank all.
        temperature: Above 0.

    Returns:
        Logits are the logarithms of the votes: their softmax is each class's share.

    Raises:
        LabelError: The bank has labels of fewer than two classes.
        NetworkError: A feature is not a finite number.
    """
    values, labels = taught(bank)
    check_features(queries)
    sources = _directions(values, device)
    found = np.empty((len(queries.values), num_classes), dtype=np.float32)
    for block in _blocks(len(found), len(values)):
        similar = _directions(queries.values[block], device) @ sources.T
        nearest = similar.topk(min(neighbours, len(values)), dim=1)
        votes = torch.from_numpy(labels)[nearest.indices.cpu()]
        closeness = nearest.values.cpu().double() / temperature
        found[block] = _log_votes(closeness, votes, num_classes).float().numpy()
    return answers(queries, found)


def usual_neighbours(bank: Features) -> int:
    """`NEIGHBOURS`, or of a small bank as many as a class has samples on average: with more, most
    votes would be those of other classes, and only say which class is frequent."""
    labels = bank.labelled[1]
    return max(1, min(NEIGHBOURS, len(labels) // max(1, len(np.unique(labels)))))


def _directions(values: npt.NDArray[np.float32], device: torch.device) -> Tensor:
    return F.normalize(torch.from_numpy(values).to(device), dim=1)


def _blocks(queries: int, bank: int) -> Iterator[slice]:
    step = max(1, _BLOCK // bank)
    return (slice(start, start + step) for start in range(0, queries, step))


def _log_votes(closeness: Tensor, votes: Tensor, num_classes: int) -> Tensor:
    """float64 ``[n, k]``: of each class the logarithm of its neighbours' exp(closeness)."""
    peak = closeness.amax(dim=1, keepdim=True)
    sums = closeness.new_zeros(len(closeness), num_classes)
    sums.scatter_add_(1, votes, (closeness - peak).exp())
    unknown = torch.full_like(sums, -math.log(num_classes))
    return torch.logaddexp(sums.log() + peak, unknown)


def check_features(features: Features) -> None:
    """Raises a `NetworkError` that names the first sample whose features are not numbers."""
    bad = np.flatnonzero(~np.isfinite(features.values).all(axis=1))
    if len(bad):
        raise NetworkError(
            f"the network's features are not numbers for {len(bad)} of {len(features.rows)} "
            "samples",
            expected="finite features",
            where=f"{features.keys[bad[0]]} (first)",
            fix="Probe an earlier checkpoint",
        )


def taught(bank: Features) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Values and labels of the samples that have one, of at least two classes."""
    values, labels = bank.labelled
    check_bank(labels, len(bank.labels))
    check_features(bank)
    return values, labels


def check_bank(labels: npt.NDArray[np.int64], total: int, where: str | None = None) -> None:
    """Raises a `LabelError` where ``labels``, those of ``total`` samples that are known, are of
    fewer than two classes."""
    if not len(labels):
        raise LabelError(
            "no labels to probe with",
            expected="labelled training samples",
            received=f"{total} without labels",
            where=where,
            fix="Name data with labels: residua evaluate RUN DATA --probe knn",
        )
    if (labels == labels[0]).all():
        raise LabelError(
            "a probe needs labels of at least two classes",
            expected="training samples of two classes or more",
            received=f"{len(labels)} of one class",
            where=where,
        )


def answers(queries: Features, logits: npt.NDArray[np.float32]) -> Predictions:
    return Predictions(
        keys=queries.keys,
        rows=queries.rows,
        labels=queries.labels,
        logits=logits,
        seconds=queries.seconds,
        device=queries.device,
    )
