"""Scores of a network that answers for each label by itself.

Legend: n samples, k labels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from residua.evaluation.checks import check_finite, check_targets
from residua.evaluation.metrics import precision_recall_f1, wilson_interval
from residua.evaluation.ranking import Bools, Floats, average_precision, macro_auc, roc_auc
from residua.evaluation.results import Predictions
from residua.evaluation.scores import LabelScores, MultilabelScores


def evaluate_multilabel(
    predictions: Predictions, classes: Sequence[str], split: str
) -> MultilabelScores:
    """The scores of one split, over the labels that are known.

    Args:
        predictions: From `residua.evaluation.predict.predict_split`.
        classes: ``k`` names.
        split: The name of the split, for the result.

    Raises:
        LabelError: Nothing is labelled.
        NetworkError: A logit is not a finite number.
    """
    values = check_targets(predictions, classes, split)
    check_finite(predictions)
    known, logits = np.isfinite(values), predictions.logits
    positive = values > 0.5
    rows = tuple(
        _label(name, logits[known[:, j], j], positive[known[:, j], j])
        for j, name in enumerate(classes)
    )
    right = ((logits > 0) == positive)[known.all(axis=1)].all(axis=1)
    area = macro_auc(logits, positive, known)
    return MultilabelScores(
        split=split,
        n=int(known.any(axis=1).sum()),
        loss=binary_log_loss(logits, positive, known),
        macro_auc=None if area is None else area[0],
        macro_auc_ci95=None if area is None else area[1],
        macro_average_precision=_mean([row.average_precision for row in rows]),
        macro_f1=_mean([row.f1 for row in rows if row.n]),
        exact_match=float(right.mean()) if len(right) else 0.0,
        exact_match_ci95=wilson_interval(int(right.sum()), len(right))
        if len(right)
        else (0.0, 1.0),
        labels=rows,
        samples_per_second=len(logits) / max(predictions.seconds, 1e-9),
        device=predictions.device,
    )


def _label(name: str, logits: Floats, positive: Bools) -> LabelScores:
    said = logits > 0
    counts = np.bincount(2 * positive + said, minlength=4).reshape(2, 2)
    precision, recall, f1 = (float(each[1]) for each in precision_recall_f1(counts))
    return LabelScores(
        name=name,
        n=int(positive.sum()),
        auc=roc_auc(logits, positive),
        average_precision=average_precision(logits, positive),
        precision=precision,
        recall=recall,
        f1=f1,
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def binary_log_loss(logits: Floats, positive: Bools, known: Bools) -> float:
    """Mean over samples of the mean over their known labels, in nats, as training computes it."""
    z = np.where(positive, -1.0, 1.0) * logits.astype(np.float64)
    losses = np.where(known, np.logaddexp(0.0, z), 0.0)
    counts = known.sum(axis=1)
    return float((losses.sum(axis=1) / np.maximum(counts, 1))[counts > 0].mean())
