"""How well classes can be told apart by a linear map of features: multinomial logistic regression.

Legend: n queries, m samples of the bank, d features, k classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from residua.evaluation.embed import Features
from residua.evaluation.metrics import log_loss
from residua.evaluation.probes import answers, check_features, taught
from residua.evaluation.results import Predictions

STRENGTHS = (1.0, 0.1, 0.01, 0.001, 0.0001)
"""Of the L2 penalty, the strongest first."""

FOLDS, MOST_IN_FOLDS = 5, 5000
"""Of cross-validation; of more samples than that, one fold judges alone."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LinearProbe:
    """A linear classifier of features.

    Attributes:
        weight: float64 ``[d, k]``, for features as they are.
        bias: float64 ``[k]``.
        strength: Of the L2 penalty it was fitted with.
        chosen_by: What chose the strength: validation samples, folds of the bank, or nothing.
        chosen_on: How many they were.
    """

    weight: npt.NDArray[np.float64]
    bias: npt.NDArray[np.float64]
    strength: float
    chosen_by: Literal["validation", "folds", "none"] = "none"
    chosen_on: int = 0

    def predict(self, queries: Features) -> Predictions:
        """Answers for ``queries``.

        Raises:
            NetworkError: A feature is not a finite number.
        """
        check_features(queries)
        return answers(queries, self.logits(queries.values))

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
            then the strongest deciding among equals. With None or without labels it is the one of
            the smallest loss in cross-validation on the bank; with one label a class, of which no
            fold can be left out, the strongest.
        num_classes: ``k``.
        device: Computes where it is a GPU, else the processor does.
        strengths: In the order in which they are fitted.

    Raises:
        LabelError: The bank has labels of fewer than two classes.
        NetworkError: A feature is not a finite number.
    """
    values, labels = taught(bank)
    place = device if device.type == "cuda" else torch.device("cpu")

    def fits(
        values: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], strengths: Sequence[float]
    ) -> Iterator[LinearProbe]:
        return _fits(values, labels, strengths, num_classes, place)

    with torch.inference_mode(False), torch.enable_grad():
        if validation is not None and (validation.labels >= 0).any():
            check_features(validation)
            return _best(fits(values, labels, strengths), *validation.labelled)
        losses, judged = _left_out(fits, values, labels, strengths)
        strength = strengths[int(np.argmin(losses))]
        found = next(fits(values, labels, (strength,)))
    return replace(found, chosen_by="folds" if judged else "none", chosen_on=judged)


Fit = Callable[
    [npt.NDArray[np.float32], npt.NDArray[np.int64], Sequence[float]], Iterator[LinearProbe]
]


def _best(
    fits: Iterator[LinearProbe], values: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]
) -> LinearProbe:
    def badness(fit: LinearProbe) -> tuple[int, float]:
        logits = fit.logits(values)
        return int((logits.argmax(axis=1) != labels).sum()), log_loss(logits, labels)

    return replace(min(fits, key=badness), chosen_by="validation", chosen_on=len(labels))


def _left_out(
    fit: Fit,
    values: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    strengths: Sequence[float],
) -> tuple[npt.NDArray[np.float64], int]:
    """Of each strength the summed cross-entropy of samples that were left out of the fit, and how
    many they were."""
    losses, judged = np.zeros(len(strengths)), 0
    if len(strengths) == 1:
        return losses, judged
    folds = _folds(labels)
    for fold in range(FOLDS if len(labels) <= MOST_IN_FOLDS else 1):
        out = folds == fold
        if not out.any() or len(np.unique(labels[~out])) < 2:
            continue
        judged += int(out.sum())
        fitted = fit(values[~out], labels[~out], strengths)
        losses += [out.sum() * log_loss(one.logits(values[out]), labels[out]) for one in fitted]
    return losses, judged


def _folds(labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """``[m]`` from 0 to `FOLDS` - 1: the samples of a class in turn."""
    folds = np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        mine = np.flatnonzero(labels == label)
        folds[mine] = np.arange(len(mine)) % FOLDS
    return folds


def _fits(
    values: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    strengths: Sequence[float],
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
