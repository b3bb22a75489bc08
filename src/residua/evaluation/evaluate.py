"""From a classifier's predictions to scores, and from scores to what the terminal shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from residua.errors import LabelError
from residua.evaluation import metrics
from residua.evaluation.checks import check_finite, without_targets
from residua.evaluation.results import ClassScores, Evaluation, Predictions, ReliabilityBin

if TYPE_CHECKING:
    from rich.table import Table


def evaluate(
    predictions: Predictions,
    classes: Sequence[str],
    split: str,
    temperature: float | None = None,
) -> Evaluation:
    """The scores of one split, over its labelled samples.

    Args:
        predictions: From `residua.evaluation.predict.predict_split`.
        classes: ``k`` class names.
        split: The name of the split, for the result.
        temperature: From `residua.evaluation.calibration.fit_temperature` on validation.

    Raises:
        LabelError: Nothing is labelled, or a label lies outside ``classes``.
        NetworkError: A logit is not a finite number.
    """
    _check(predictions, classes, split)
    known = predictions.labels >= 0
    logits, labels = predictions.logits[known], predictions.labels[known]
    n, k = logits.shape
    confusion = metrics.confusion_matrix(labels, logits.argmax(axis=1), k)
    precision, recall, f1 = metrics.precision_recall_f1(confusion)
    support = confusion.sum(axis=1)
    hits = int(np.trace(confusion))
    bins = _reliability(logits, labels, 1.0)
    scaled = None if temperature is None else _reliability(logits, labels, temperature)
    return Evaluation(
        split=split,
        n=n,
        loss=metrics.log_loss(logits, labels),
        accuracy=hits / n,
        accuracy_ci95=metrics.wilson_interval(hits, n),
        top5=metrics.top_k_accuracy(logits, labels, 5) if k > 5 else None,
        macro_precision=float(precision[support > 0].mean()),
        macro_recall=float(recall[support > 0].mean()),
        macro_f1=float(f1[support > 0].mean()),
        calibration_error=metrics.expected_calibration_error(bins),
        temperature=temperature,
        calibrated_error=None if scaled is None else metrics.expected_calibration_error(scaled),
        reliability=bins,
        classes=tuple(
            ClassScores(
                name=name,
                n=int(support[i]),
                precision=float(precision[i]),
                recall=float(recall[i]),
                f1=float(f1[i]),
            )
            for i, name in enumerate(classes)
        ),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        samples_per_second=len(predictions.labels) / max(predictions.seconds, 1e-9),
        device=predictions.device,
    )


def _reliability(
    logits: metrics.Floats, labels: metrics.Ints, temperature: float
) -> tuple[ReliabilityBin, ...]:
    return metrics.reliability_bins(*metrics.confidences(logits, labels, temperature))


def _check(predictions: Predictions, classes: Sequence[str], split: str) -> None:
    labels, logits = predictions.labels, predictions.logits
    if not (labels >= 0).any():
        raise without_targets(split, len(labels))
    if logits.shape[1] != len(classes) or labels.max() >= len(classes):
        raise LabelError(
            "the network and the data set disagree about the classes",
            expected=f"{len(classes)} outputs and labels from 0 to {len(classes) - 1}",
            received=f"{logits.shape[1]} outputs and labels up to {labels.max()}",
        )
    check_finite(predictions)


def summary_lines(evaluation: Evaluation) -> tuple[str, ...]:
    """Three lines of plain text: accuracy; the other scores; the speed."""
    e = evaluation
    low, high = e.accuracy_ci95
    top5 = "" if e.top5 is None else f", top-5 {e.top5:.1%}"
    calibrated = (
        ""
        if e.temperature is None or e.calibrated_error is None
        else f" ({e.calibrated_error:.1%} at temperature {e.temperature:.2f})"
    )
    return (
        f"{e.split} accuracy {e.accuracy:.1%} [{100 * low:.1f}, {100 * high:.1f}]{top5}, n={e.n:,}",
        f"macro precision {e.macro_precision:.1%}, recall {e.macro_recall:.1%}, F1 {e.macro_f1:.1%}"
        f", loss {e.loss:.3f}, calibration error {e.calibration_error:.1%}{calibrated}",
        f"{e.samples_per_second:,.0f} samples/s on {e.device}",
    )


def class_table(evaluation: Evaluation, limit: int = 20) -> Table:
    """The per-class table for a terminal: in the classes' order up to ``limit`` of them, else
    the ``limit`` with the lowest F1, worst first."""
    from rich.table import Table

    rows = [row for row in evaluation.classes if row.n]
    title = None
    if len(rows) > limit:
        title = f"the {limit} of {len(rows)} classes with the lowest F1"
        rows = sorted(rows, key=lambda row: row.f1)[:limit]
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("class")
    for column in ("n", "precision", "recall", "F1"):
        table.add_column(column, justify="right")
    for row in rows:
        rates = (f"{rate:.1%}" for rate in (row.precision, row.recall, row.f1))
        table.add_row(row.name.replace("[", "\\["), f"{row.n:,}", *rates)
    return table
