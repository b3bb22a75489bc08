"""Temperature scaling: Guo et al., "On Calibration of Modern Neural Networks" (ICML 2017), 4.2.

The loss is convex in the inverse temperature b = 1/T, and its slope is monotone: the mean of
E_p[z] - z_target with p = softmax(b z). So the root of the slope is the one minimum.

One more sample is added of which nothing is known: its weight is spread over all samples and its
label over all classes (as Platt, 1999, section 2.2, does for two classes). Otherwise a network
that is right on all of a few samples would become certain of everything.
"""

from __future__ import annotations

import numpy as np

from residua.errors import LabelError
from residua.evaluation.metrics import Floats, Ints, log_softmax, row_blocks

LOWEST, HIGHEST = 0.05, 20.0
"""Bounds of the temperature. The best one is infinite where the network knows nothing."""


def _slopes(logits: Floats, labels: Ints, b: float) -> tuple[float, float]:
    """First and second derivative of the mean loss at inverse temperature ``b``."""
    first = second = 0.0
    unknown = 1 / (len(labels) + 1)
    for block in row_blocks(*logits.shape):
        z = logits[block].astype(np.float64)
        z -= z[np.arange(len(z)), labels[block], None]
        p = np.exp(log_softmax(z * b))
        mean = (p * z).sum(axis=1)
        first += float((mean - unknown * z.mean(axis=1)).sum())
        second += float((p * (z - mean[:, None]) ** 2).sum())
    return first / len(labels), second / len(labels)


def fit_temperature(logits: Floats, labels: Ints) -> float:
    """The divisor of the logits with the least loss on these and one unknown sample, in [0.05, 20].

    Newton's method on the slope, kept inside a shrinking bracket by bisection.

    Args:
        logits: ``[n, k]`` of samples that were not trained on.
        labels: int64 ``[n]``; samples with -1 are left out.
    """
    known = labels >= 0
    logits, labels = logits[known], labels[known]
    if not len(labels):
        raise LabelError(
            "a temperature cannot be fitted",
            expected="labelled validation samples",
            received="none",
        )
    low, high, b = 1 / HIGHEST, 1 / LOWEST, 1.0
    if _slopes(logits, labels, low)[0] >= 0:
        return HIGHEST
    if _slopes(logits, labels, high)[0] <= 0:
        return LOWEST
    for _ in range(200):
        first, second = _slopes(logits, labels, b)
        step = first / second if second > 0 else 0.0
        if first == 0 or 0 < abs(step) <= 1e-12 * b:
            break
        low, high = (low, b) if first > 0 else (b, high)
        b = b - step if second > 0 and low < b - step < high else (low * high) ** 0.5
    return 1 / b
