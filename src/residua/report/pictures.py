"""Samples as small PNG files. Legend: h height, w width."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

LARGEST = 160
"""Longest side of a stored picture, in pixels."""
_SHOWN = 112
"""Least length of the longest side on the page, in CSS pixels, where whole multiples allow it."""
_EXACT_PIXELS = 96 * 96
"""Larger colour pictures are stored with 256 colours, a third of the bytes."""


def picture_png(values: npt.NDArray[np.uint8]) -> bytes:
    """uint8 ``[h, w]`` or ``[h, w, 3]`` as PNG, at most `LARGEST` long; small ones are exact."""
    assert values.dtype == np.uint8, values.dtype
    assert values.ndim == 2 or (values.ndim == 3 and values.shape[2] == 3), values.shape
    image = Image.fromarray(np.ascontiguousarray(values))
    if max(image.size) > LARGEST:
        image.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS, reducing_gap=None)
    if image.mode == "RGB" and image.width * image.height > _EXACT_PIXELS:
        image = image.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def shown_size(height: int, width: int) -> tuple[int, int, bool]:
    """(height, width, enlarged) of a picture on the page, in CSS pixels.

    Tiny pictures grow by a whole factor, so that every pixel stays a square.
    """
    longest = max(height, width)
    if longest > LARGEST:
        scale = LARGEST / longest
        return max(1, round(height * scale)), max(1, round(width * scale)), False
    factor = max(1, _SHOWN // longest)
    return height * factor, width * factor, factor > 1
