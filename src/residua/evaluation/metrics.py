"""Scores of a classifier from its logits, in float64.

Rates are shares of 1. Among equal logits the class that comes first wins, in all scores alike.

Legend: n samples, k classes, m bins.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from residua.evaluation.results import ReliabilityBin

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.int64]

_Z95 = 1.959963984540054
_BLOCK = 1 << 20


def row_blocks(n: int, k: int) -> Iterator[slice]:
    """Slices over ``n`` rows of ``k`` numbers, so that float64 copies stay within some MiB."""
    step = max(1, _BLOCK // max(k, 1))
    return (slice(start, start + step) for start in range(0, n, step))


def log_softmax(logits: Floats) -> npt.NDArray[np.float64]:
    """float64 ``[n, k]`` logarithms of the class probabilities; cannot overflow."""
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return shifted


def log_loss(logits: Floats, labels: Ints) -> float:
    """Mean negative log-likelihood, in nats, of ``labels`` ``[n]`` under ``logits`` ``[n, k]``."""
    total = 0.0
    for block in row_blocks(*logits.shape):
        rows = log_softmax(logits[block])
        total -= float(rows[np.arange(len(rows)), labels[block]].sum())
    return total / len(labels)


def confusion_matrix(labels: Ints, predicted: Ints, k: int) -> Ints:
    """int64 ``[k, k]`` counts; rows are true classes, columns predicted ones."""
    return np.bincount(labels * k + predicted, minlength=k * k).reshape(k, k).astype(np.int64)


def wilson_interval(hits: int, n: int) -> tuple[float, float]:
    """95% score interval of a share (Wilson, 1927), which holds its level at 0 and 1 too."""
    share, z2 = hits / n, _Z95 * _Z95
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    spread = _Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, min(centre - spread, share)), min(1.0, max(centre + spread, share))


def top_k_accuracy(logits: Floats, labels: Ints, top: int) -> float:
    """Share of samples whose true class is among the ``top`` most likely ones."""
    hits = 0
    for block in row_blocks(*logits.shape):
        scores, true = logits[block], labels[block, None]
        own = np.take_along_axis(scores, true, axis=1)
        earlier = np.arange(scores.shape[1]) < true
        rank = ((scores > own) | ((scores == own) & earlier)).sum(axis=1)
        hits += int((rank < top).sum())
    return hits / len(labels)


def precision_recall_f1(
    confusion: Ints,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """float64 ``[k]`` each; 0 where the denominator is 0 (a class never predicted, or absent)."""
    hits = np.diagonal(confusion).astype(np.float64)
    predicted, true = confusion.sum(axis=0), confusion.sum(axis=1)
    return (
        hits / np.maximum(predicted, 1),
        hits / np.maximum(true, 1),
        2 * hits / np.maximum(predicted + true, 1),
    )


def confidences(
    logits: Floats, labels: Ints, temperature: float = 1.0
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """The probability of each sample's most likely class ``[n]``, and whether it is right."""
    top = np.empty(len(labels))
    for block in row_blocks(*logits.shape):
        scaled = logits[block].astype(np.float64) / temperature
        top[block] = np.exp(log_softmax(scaled).max(axis=1))
    return np.minimum(top, 1.0), logits.argmax(axis=1) == labels


def reliability_bins(
    confidence: npt.NDArray[np.float64], correct: npt.NDArray[np.bool_], m: int = 15
) -> tuple[ReliabilityBin, ...]:
    """``m`` bins of equal width over (0, 1]; an empty one has confidence and accuracy 0."""
    edges = np.arange(m + 1) / m
    places = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, m - 1)
    counts = np.bincount(places, minlength=m)
    sums = np.bincount(places, weights=confidence, minlength=m)
    hits = np.bincount(places, weights=correct, minlength=m)
    return tuple(
        ReliabilityBin(
            low=float(edges[i]),
            high=float(edges[i + 1]),
            n=int(counts[i]),
            confidence=float(sums[i] / max(counts[i], 1)),
            accuracy=float(hits[i] / max(counts[i], 1)),
        )
        for i in range(m)
    )


def expected_calibration_error(bins: tuple[ReliabilityBin, ...]) -> float:
    """Mean gap between confidence and accuracy over samples (Guo et al., 2017, eq. 5)."""
    n = sum(bin.n for bin in bins)
    return sum(bin.n * abs(bin.accuracy - bin.confidence) for bin in bins) / max(n, 1)
