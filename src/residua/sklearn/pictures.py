"""X of pictures: arrays, Pillow's pictures and paths -> what the readers of files hand out.

Legend: n samples, h height, w width, c channels.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from residua.data.decode import eight_bit
from residua.sklearn.errors import InputError

Pixels = npt.NDArray[np.uint8]

_SHAPES = "(n, h, w), (n, h, w, 1) or (n, h, w, 3)"


def read_pictures(X: Any) -> list[Pixels | Path]:
    """The pictures of X: uint8 ``[h, w]`` or ``[h, w, 3]``, or a path that is read when needed.

    X is an array ``(n, h, w)`` or ``(n, h, w, c)`` with 1 or 3 channels, or a list of such
    pictures of any sizes, of Pillow's pictures, or of paths. Whole numbers go from 0 to 255,
    floats from 0 to 1.

    Raises:
        InputError: X is something else.
    """
    if isinstance(X, np.ndarray) and X.dtype != object and X.ndim not in (3, 4):
        raise InputError("X is no array of pictures", expected=_SHAPES, received=X.shape)
    if isinstance(X, str | bytes | os.PathLike) or not isinstance(X, Iterable):
        raise InputError(
            "X is no collection of pictures", expected=f"{_SHAPES}, or a list", received=type(X)
        )
    samples = [_one(each, f"X#{row}") for row, each in enumerate(X)]
    if not samples:
        raise InputError("X is empty", expected="at least 1 picture", received="0 samples")
    return samples


def _one(picture: Any, where: str) -> Pixels | Path:
    if isinstance(picture, str | os.PathLike):
        return Path(picture)
    if isinstance(picture, Image.Image):
        try:
            return np.asarray(eight_bit(picture))
        except (ValueError, OSError) as error:
            raise InputError("cannot read a picture", received=error, where=where) from error
    return _pixels(np.asarray(picture), where)


def _pixels(values: npt.NDArray[Any], where: str) -> Pixels:
    """uint8 ``[h, w]`` or ``[h, w, 3]``."""
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] != 3) or not values.size:
        shapes = "(h, w), (h, w, 1) or (h, w, 3)"
        raise InputError("not a picture", expected=shapes, received=values.shape, where=where)
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values)
    if values.dtype.kind not in "iuf":
        raise InputError("not a picture", expected="numbers", received=values.dtype, where=where)
    highest = 1 if values.dtype.kind == "f" else 255
    low, high = float(values.min()), float(values.max())
    if not 0 <= low <= high <= highest:
        raise InputError(
            "a picture's values are out of range",
            expected="floats from 0 to 1, or whole numbers from 0 to 255",
            received=f"{values.dtype} from {low:g} to {high:g}",
            where=where,
            fix="Scale X as a whole, for instance X / X.max()",
        )
    return np.rint(values * (255 / highest)).astype(np.uint8)
