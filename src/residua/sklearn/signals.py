"""X of signals: arrays, data frames and lists of series -> series of channels by steps.

Legend: n samples, c channels, t steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.utils import Tags
from sklearn.utils.validation import check_array, validate_data

from residua.data.readers.series import Signal, single, trimmed
from residua.data.signal_values import checked
from residua.errors import UnreadableSampleError
from residua.sklearn.errors import InputError
from residua.sklearn.held import Held


def is_list_of_series(X: Any) -> bool:
    """Whether X is a list of arrays, or of lists of unequal lengths, and not one array."""
    if isinstance(X, np.ndarray):
        return X.dtype == object and X.ndim == 1 and len(X) > 0 and hasattr(X[0], "__len__")
    if not isinstance(X, list | tuple) or not X:
        return False
    if any(isinstance(each, np.ndarray) for each in X):
        return True
    return len({len(each) for each in X if hasattr(each, "__len__")}) > 1


def read_signals(estimator: BaseEstimator, X: Any, *, channels: int | None) -> list[Signal]:
    """The series of X, each float32 ``[c, t]`` with NaN where a value is missing.

    X is ``(n, t)``, ``(n, c, t)``, or a list of ``(t,)`` and ``(c, t)`` of unequal lengths. Where
    all channels end with NaN, the series is shorter. The columns of a first ``(n, t)`` are
    remembered and checked later, as in scikit-learn; a list may have any lengths.

    Args:
        estimator: Remembers ``n_features_in_`` and ``feature_names_in_``.
        X: As the user gave it.
        channels: c of an estimator that is fitted; None while it is fitted.

    Raises:
        ValueError: X is something else (`InputError` names the sample).
    """
    if is_list_of_series(X):
        series = [_one(each, f"X#{row}") for row, each in enumerate(X)]
    else:
        series = list(_array(estimator, X, fitting=channels is None))
    expected = channels or len(series[0])
    return [_checked(each, expected, f"X#{row}") for row, each in enumerate(series)]


def _array(estimator: BaseEstimator, X: Any, *, fitting: bool) -> npt.NDArray[np.float32]:
    """``[n, c, t]``."""
    options: dict[str, Any] = {"dtype": np.float32, "ensure_all_finite": "allow-nan"}
    found: Any = check_array(X, allow_nd=True, estimator=estimator, input_name="X", **options)
    values = cast("npt.NDArray[np.float32]", found)
    if values.ndim == 2 and (fitting or hasattr(estimator, "n_features_in_")):
        validate_data(estimator, X, reset=fitting, skip_check_array=True)
    if values.ndim > 3:
        raise InputError(
            "X has too many dimensions", expected="(n, t) or (n, c, t)", received=values.shape
        )
    return values[:, None] if values.ndim == 2 else values


def _one(values: Any, where: str) -> Signal:
    """float32 ``[c, t]`` of one element of a list."""
    try:
        array = np.asarray(values, dtype=np.float64)
        series = single(array)
    except (TypeError, ValueError) as error:
        raise InputError("a series is not numeric", received=error, where=where) from error
    except UnreadableSampleError as error:
        raise InputError(error.what, received=error.received, where=where) from error
    if series.ndim not in (1, 2):
        raise InputError(
            "a series has another shape",
            expected="(t,) or (c, t)",
            received=array.shape,
            where=where,
        )
    return series[None] if series.ndim == 1 else series


def _checked(series: Signal, channels: int, where: str) -> Signal:
    try:
        return trimmed(checked(series, channels, where))
    except UnreadableSampleError as error:
        raise InputError(
            error.what, expected=error.expected, received=error.received, where=where
        ) from error


def channels_of(samples: Sequence[Held]) -> int:
    """c of samples that `read_signals` gave."""
    first = samples[0]
    assert isinstance(first, np.ndarray)
    return len(first)


def takes_signals(tags: Tags) -> Tags:
    """``tags`` of an estimator whose X `read_signals` reads."""
    tags.input_tags.allow_nan = True
    tags.input_tags.three_d_array = True
    return tags
