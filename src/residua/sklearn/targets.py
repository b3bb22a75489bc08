"""y as scikit-learn has it -> labels and quantities as data sets have them.

Legend: n samples, k classes or quantities.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, column_or_1d

from residua.sklearn.errors import InputError


def read_classes(y: Any) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """The sorted classes ``[k]`` of y, of its own type, and int64 ``[n]`` positions in them.

    Raises:
        ValueError: y is not one-dimensional, has missing values, is continuous, or has one class.
    """
    y = column_or_1d(_checked(y, dtype=None), warn=True)
    check_classification_targets(y)
    classes, labels = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise InputError(
            "there is nothing to tell apart",
            expected="at least 2 classes in y",
            received=f"1 class, {classes[0]}",
        )
    return classes, labels.astype(np.int64)


def read_quantities(y: Any) -> npt.NDArray[np.float64]:
    """``[n]`` or ``[n, k]``, finite.

    Raises:
        ValueError: y is not numeric or not finite, or has more dimensions.
    """
    y = _checked(y, dtype=np.float64)
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    return y


def _checked(y: Any, **options: Any) -> npt.NDArray[Any]:
    found: Any = check_array(y, ensure_2d=False, input_name="y", **options)
    return found
