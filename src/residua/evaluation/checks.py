"""What predictions must be like before they can be scored.

Legend: n samples, k classes or quantities, t steps.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from residua.errors import LabelError, NetworkError
from residua.evaluation.results import Predictions


def check_finite(predictions: Predictions) -> None:
    """Raises a `NetworkError` that names the first sample whose outputs are not numbers."""
    finite = np.isfinite(predictions.logits)
    if predictions.lengths is not None:
        steps = np.arange(predictions.logits.shape[-1])
        finite |= steps >= predictions.lengths[:, None, None]
    bad = np.flatnonzero(~finite.all(axis=tuple(range(1, finite.ndim))))
    if len(bad):
        raise NetworkError(
            f"the network's outputs are not numbers for {len(bad)} of {len(finite)} samples",
            expected="finite logits",
            where=f"{predictions.keys[bad[0]]} (first)",
            fix="Evaluate in float32, or an earlier checkpoint",
        )


def check_targets(
    predictions: Predictions, classes: Sequence[str], split: str
) -> npt.NDArray[np.float32]:
    """The targets ``[n, k]``.

    Raises:
        LabelError: There are none, or they do not fit the network's outputs.
    """
    values, outputs = predictions.values, predictions.logits.shape[1]
    if values is None or not np.isfinite(values).any():
        raise without_targets(split, len(predictions.labels))
    if not len(classes) == outputs == values.shape[1]:
        raise LabelError(
            "the network and the data set disagree about the targets",
            expected=f"{outputs} outputs",
            received=f"{values.shape[1]} targets of {len(classes)} names",
        )
    return values


def without_targets(split: str, n: int) -> LabelError:
    return LabelError(
        f"the split '{split}' cannot be scored",
        expected="labelled samples",
        received=f"{n} without labels",
    )
