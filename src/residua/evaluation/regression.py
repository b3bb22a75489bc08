"""Scores of a network that answers with quantities.

Legend: n samples, k quantities, r resamples.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from residua.batch import Schema
from residua.evaluation.checks import check_finite, check_targets
from residua.evaluation.results import Predictions
from residua.evaluation.scores import Interval, QuantityScores, RegressionScores

Float64s = npt.NDArray[np.float64]

_DRAWS = 100_000_000
_BLOCK = 4_000_000


def evaluate_regression(
    predictions: Predictions, schema: Schema, split: str, *, resamples: int = 1000
) -> RegressionScores:
    """The scores of one split, over the targets that are known.

    Args:
        predictions: From `residua.evaluation.predict.predict_split`, in standard units.
        schema: With the targets' names, offsets and scales.
        split: The name of the split, for the result.
        resamples: Sets of n samples that are drawn with replacement for the intervals, less for
            very large splits; with 0 intervals have no width.

    Raises:
        LabelError: No target is known.
        NetworkError: An output is not a finite number.
    """
    targets = check_targets(predictions, schema.classes, split).astype(np.float64)
    check_finite(predictions)
    errors = in_units(predictions.logits, schema) - targets
    known = np.isfinite(targets)
    sums = _sums(errors, targets, known)
    everything = np.ones((1, len(targets)))
    mae, rmse, r2 = (each[0] for each in _scores(everything @ sums))
    drawn = _resampled(sums, resamples)
    standard = (errors / np.asarray(schema.scales)) ** 2
    return RegressionScores(
        split=split,
        n=int(known.any(axis=1).sum()),
        loss=_mean_loss(standard, known),
        r2=_mean(r2),
        r2_ci95=_interval(_means(drawn[2]), _mean(r2)),
        quantities=tuple(
            QuantityScores(
                name=name,
                n=int(known[:, j].sum()),
                mae=float(mae[j]),
                mae_ci95=_interval(drawn[0][:, j], float(mae[j])) or (0.0, 0.0),
                rmse=float(rmse[j]),
                rmse_ci95=_interval(drawn[1][:, j], float(rmse[j])) or (0.0, 0.0),
                r2=float(r2[j]) if np.isfinite(r2[j]) else None,
                r2_ci95=_interval(drawn[2][:, j], float(r2[j]) if np.isfinite(r2[j]) else None),
            )
            for j, name in enumerate(schema.classes)
        ),
        samples_per_second=len(targets) / max(predictions.seconds, 1e-9),
        device=predictions.device,
    )


def in_units(outputs: npt.NDArray[np.floating], schema: Schema) -> Float64s:
    """The network's outputs ``[n, k]`` in the units of the data."""
    return outputs.astype(np.float64) * np.asarray(schema.scales) + np.asarray(schema.offsets)


def _mean_loss(squares: Float64s, known: npt.NDArray[np.bool_]) -> float:
    """Mean over samples of the mean over their known quantities, as training computes it."""
    counts = known.sum(axis=1)
    losses = np.where(known, squares, 0.0).sum(axis=1) / np.maximum(counts, 1)
    return float(losses[counts > 0].mean())


def _sums(errors: Float64s, targets: Float64s, known: npt.NDArray[np.bool_]) -> Float64s:
    """What scores are made of, ``[n, 5 k]``: 1, |e|, e^2, y, y^2 of each known target. The targets
    are taken from their mean, so that squares keep their digits."""
    centre = np.where(known, targets, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    y = np.where(known, targets - centre, 0.0)
    e = np.where(known, errors, 0.0)
    return np.concatenate((known.astype(np.float64), np.abs(e), e**2, y, y**2), axis=1)


def _scores(totals: Float64s) -> tuple[Float64s, Float64s, Float64s]:
    """MAE, RMSE and R2 ``[r, k]`` of sums ``[r, 5 k]``; NaN where they are not defined."""
    n, absolute, squares, y, y2 = np.split(totals, 5, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        varied = y2 - y**2 / n
        varied = np.where(varied > 1e-12 * y2, varied, np.nan)  # constant up to rounding
        return absolute / n, np.sqrt(squares / n), 1 - squares / varied


def _resampled(sums: Float64s, resamples: int) -> tuple[Float64s, Float64s, Float64s]:
    """`_scores` of sets of n samples drawn with replacement, always the same ones."""
    generator, n = np.random.default_rng(0), len(sums)
    wanted = min(resamples, max(100, _DRAWS // n))
    totals = [np.empty((0, sums.shape[1]))]
    block = max(1, _BLOCK // n)
    for start in range(0, wanted, block):
        rows = generator.integers(n, size=(min(block, wanted - start), n))
        counts = np.stack([np.bincount(row, minlength=n) for row in rows]).astype(np.float64)
        totals.append(counts @ sums)
    return _scores(np.concatenate(totals))


def _mean(values: Float64s) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def _means(values: Float64s) -> Float64s:
    """Mean over quantities ``[r]``, NaN where none is defined."""
    known = np.isfinite(values)
    counts = known.sum(axis=1)
    sums = np.where(known, values, 0.0).sum(axis=1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _interval(drawn: Float64s, value: float | None) -> Interval | None:
    """Percentiles 2.5 and 97.5, which hold ``value``; None where that is None."""
    if value is None:
        return None
    known = drawn[np.isfinite(drawn)]
    low, high = np.percentile(known, (2.5, 97.5)) if len(known) else (value, value)
    return min(float(low), value), max(float(high), value)
