"""How well scores put those that have a label above those that have not, in float64.

Legend: m samples, k labels.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from residua.evaluation.metrics import wilson_interval

Floats = npt.NDArray[np.floating]
Float64s = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def placements(scores: Floats, positive: Bools) -> Float64s:
    """float64 ``[m]``: of each sample, the share of the other kind that it is on the right side of,
    ties for a half. Its mean over either kind is the area under the ROC curve (DeLong et al.,
    "Comparing the Areas under Two or More Correlated Receiver Operating Characteristic Curves",
    Biometrics 44, 1988).

    Args:
        scores: ``[m]``.
        positive: bool ``[m]``, with at least one of each kind.
    """
    high, low = np.sort(scores[positive]), np.sort(scores[~positive])
    found = np.empty(len(scores))
    found[positive] = _share_below(low, scores[positive])
    found[~positive] = 1 - _share_below(high, scores[~positive])
    return found


def _share_below(ordered: Floats, values: Floats) -> Float64s:
    left = np.searchsorted(ordered, values, side="left")
    right = np.searchsorted(ordered, values, side="right")
    return (left + right) / (2 * len(ordered))


def roc_auc(scores: Floats, positive: Bools) -> float | None:
    """Area under the ROC curve, ties for a half; None where one kind is missing."""
    if positive.all() or not positive.any():
        return None
    return float(placements(scores, positive)[positive].mean())


def average_precision(scores: Floats, positive: Bools) -> float | None:
    """Sum over thresholds of precision times the recall gained there; None without positives."""
    if not positive.any():
        return None
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # of equal scores
    hits = np.cumsum(positive[order])[last]
    precision = hits / (last + 1)
    return float((precision * np.diff(hits, prepend=0)).sum() / hits[-1])


def macro_auc(
    scores: Floats, positive: Bools, known: Bools
) -> tuple[float, tuple[float, float]] | None:
    """Mean area over the labels that have both kinds, and its 95% interval; None without any.

    The variance is that of DeLong, summed over labels sample by sample, as the labels of a sample
    depend on each other. Where nothing varies, as when all are in order, the lower end is that of
    Wilson's interval for the smallest kind of any label.

    Args:
        scores, positive, known: ``[m, k]``.
    """
    defined = [j for j in range(scores.shape[1]) if _has_both(positive[known[:, j], j])]
    if not defined:
        return None
    areas: list[float] = []
    pulls, fewest = np.zeros(len(scores)), len(scores)
    for j in defined:
        rows = known[:, j]
        own = positive[rows, j]
        placed = placements(scores[rows, j], own)
        areas.append(float(placed[own].mean()))
        sizes = np.where(own, own.sum(), (~own).sum())
        pulls[rows] += (placed - areas[-1]) / np.sqrt(sizes * np.maximum(sizes - 1, 1))
        fewest = min(fewest, int(sizes.min()))
    area = float(np.mean(areas))
    spread = 1.959963984540054 * math.sqrt(float((pulls**2).sum())) / len(defined)
    if spread == 0:
        low, high = wilson_interval(round(area * fewest), fewest)
        return area, (min(low, area), max(high, area))
    return area, (max(0.0, area - spread), min(1.0, area + spread))


def _has_both(positive: Bools) -> bool:
    return bool(positive.any()) and not positive.all()
