"""How well classes can be told apart by features alone: by the nearest samples, or by a linear map.

Both probes take the labels of a bank of samples and answer for others; the network stays as it is.

Legend: n queries, m samples of the bank, d features, k classes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from residua.errors import LabelError, NetworkError
from residua.evaluation.embed import Features
from residua.evaluation.metrics import log_loss
from residua.evaluation.results import Predictions

NEIGHBOURS, TEMPERATURE = 200, 0.1
"""As in lightly's benchmarks, whose banks have thousands of samples a class."""

STRENGTHS = (1.0, 0.1, 0.01, 0.001, 0.0001)
"""Of the linear probe's L2 penalty, the strongest first."""

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
    values, labels = _taught(bank)
    check_features(queries)
    sources = _directions(values, device)
    found = np.empty((len(queries.values), num_classes), dtype=np.float32)
    for block in _blocks(len(found), len(values)):
        similar = _directions(queries.values[block], device) @ sources.T
        nearest = similar.topk(min(neighbours, len(values)), dim=1)
        votes = torch.from_numpy(labels)[nearest.indices.cpu()]
        closeness = nearest.values.cpu().double() / temperature
        found[block] = _log_votes(closeness, votes, num_classes).float().numpy()
    return _predictions(queries, found)


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LinearProbe:
    """A linear classifier of features.

    Attributes:
        weight: float64 ``[d, k]``, for features as they are.
        bias: float64 ``[k]``.
        strength: Of the L2 penalty it was fitted with.
        chosen_on: Samples that chose the strength; with 0 it is the middle one.
    """

    weight: npt.NDArray[np.float64]
    bias: npt.NDArray[np.float64]
    strength: float
    chosen_on: int

    def predict(self, queries: Features) -> Predictions:
        """Answers for ``queries``.

        Raises:
            NetworkError: A feature is not a finite number.
        """
        check_features(queries)
        return _predictions(queries, self.logits(queries.values))

    def logits(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """float32 ``[n, k]`` of ``[n, d]``."""
        return (values @ self.weight + self.bias).astype(np.float32)


def linear_probe(
    bank: Features,
    *,
    validation: Features | None,
    num_classes: int,
    device: torch.device,
    strengths: tuple[float, ...] = STRENGTHS,
) -> LinearProbe:
    """Multinomial logistic regression on the labelled samples of ``bank``.

    Features are standardised by mean and deviation of the bank. What is least is the mean
    cross-entropy + strength / 2 |W|^2; biases are not penalised. To the mean belongs one more
    sample of which nothing is known: standardised features 0, its label spread over all classes,
    so that biases of classes without samples stay finite. Fitted with L-BFGS (Liu & Nocedal, 1989)
    in float64, each strength from the weights of the one before.

    Args:
        bank: Samples without label are left out.
        validation: The strength is the one that is right most often here, the smallest loss and
            then the strongest deciding among equals; with None or without labels the middle one.
        num_classes: ``k``.
        device: Computes where it is a GPU, else the processor does.
        strengths: In the order in which they are fitted.

    Raises:
        LabelError: The bank has labels of fewer than two classes.
        NetworkError: A feature is not a finite number.
    """
    values, labels = _taught(bank)
    judges = None if validation is None or not (validation.labels >= 0).any() else validation
    if judges is None:
        strengths = strengths[len(strengths) // 2 :][:1]
    else:
        check_features(judges)
    place = device if device.type == "cuda" else torch.device("cpu")
    with torch.inference_mode(False), torch.enable_grad():
        fits = _fits(values, labels, strengths, num_classes, place)
        return next(fits) if judges is None else _best(fits, *judges.labelled)


def _best(
    fits: Iterator[LinearProbe], values: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]
) -> LinearProbe:
    def badness(fit: LinearProbe) -> tuple[int, float]:
        logits = fit.logits(values)
        return int((logits.argmax(axis=1) != labels).sum()), log_loss(logits, labels)

    return replace(min(fits, key=badness), chosen_on=len(labels))


def _fits(
    values: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    strengths: tuple[float, ...],
    num_classes: int,
    device: torch.device,
) -> Iterator[LinearProbe]:
    """One probe a strength, each going on from the one before."""
    x = torch.from_numpy(values).to(device, torch.float64)
    mean, scale = x.mean(dim=0), x.std(dim=0, correction=0)
    scale[scale == 0] = 1
    x = (x - mean) / scale
    y = torch.from_numpy(labels).to(device)
    weight, bias = x.new_zeros(x.shape[1], num_classes), x.new_zeros(num_classes)
    for strength in strengths:
        _descend(weight, bias, x, y, strength)
        raw = weight / scale[:, None]
        yield LinearProbe(
            weight=raw.cpu().numpy(),
            bias=(bias - mean @ raw).cpu().numpy(),
            strength=strength,
            chosen_on=0,
        )


def _descend(weight: Tensor, bias: Tensor, x: Tensor, y: Tensor, strength: float) -> None:
    """Changes ``weight`` and ``bias`` in place until the gradient is small."""
    optimizer = torch.optim.LBFGS(
        [weight, bias],
        max_iter=500,
        max_eval=1000,
        tolerance_grad=1e-5,
        tolerance_change=1e-10,
        line_search_fn="strong_wolfe",
    )

    def loss() -> float:
        optimizer.zero_grad()
        total = F.cross_entropy(x @ weight + bias, y, reduction="sum")
        unknown = -bias.log_softmax(0).mean()
        value = (total + unknown) / (len(x) + 1) + strength / 2 * weight.square().sum()
        value.backward()
        return float(value.detach())

    for each in (weight, bias):
        each.requires_grad_(True)
    optimizer.step(loss)
    for each in (weight, bias):
        each.requires_grad_(False)


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


def _taught(bank: Features) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
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


def _predictions(queries: Features, logits: npt.NDArray[np.float32]) -> Predictions:
    return Predictions(
        keys=queries.keys,
        rows=queries.rows,
        labels=queries.labels,
        logits=logits,
        seconds=queries.seconds,
        device=queries.device,
    )
