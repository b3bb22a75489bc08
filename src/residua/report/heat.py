"""Where a network finds its answer, as colour: behind lines, over spectrograms and pictures.

The sample gives the brightness and the heat the colour, from grey to amber, so that both stay
readable and nothing hides the other. Legend: t steps, m mel bands, f frames, h height, w width.
"""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from residua.report.samples import Floats, Pixels

AMBER = (245, 166, 0)
_STRONGEST = 0.75  # opacity of heat 1 behind a line
_DARKEST = 0.25  # brightness of black where heat is to be seen
_STRIP, _FRAMES, _COLOURS = 160, 320, 64


def heat_strip(heat: Floats) -> bytes:
    """``[t]`` as a PNG one pixel high that is amber where the heat is, and else transparent."""
    columns = _shortened(heat[None], _STRIP)[0]
    pixels = np.empty((1, len(columns), 4), dtype=np.uint8)
    pixels[..., :3] = AMBER
    pixels[..., 3] = np.rint(255 * _STRONGEST * columns)
    return _png(Image.fromarray(pixels))


def spectrogram_png(bands: Floats, heat: Floats | None = None) -> bytes:
    """``[m, f]`` as a PNG, low frequencies below; with heat coloured where it is."""
    low, high = np.percentile(bands, (2, 99.5))
    level = np.clip((bands - low) / ((high - low) or 1.0), 0, 1).astype(np.float32)
    level = _shortened(level[::-1], _FRAMES)
    if heat is None:
        return _png(Image.fromarray(np.rint(255 * level).astype(np.uint8)))
    coloured = tinted(level, _shortened(heat[::-1], _FRAMES))
    return _png(Image.fromarray(coloured).quantize(_COLOURS))


def heated(seen: Pixels, heat: Floats) -> Pixels:
    """uint8 ``[h, w, 3]``: ``[h, w]`` or ``[h, w, 3]`` as a grey picture, coloured by its heat."""
    grey = seen if seen.ndim == 2 else np.asarray(Image.fromarray(seen).convert("L"))
    return tinted((grey / 255).astype(np.float32), heat)


def tinted(level: Floats, heat: Floats) -> Pixels:
    """uint8 ``[h, w, 3]`` of brightness and heat ``[h, w]``, both from 0 to 1."""
    share = heat[..., None]
    colour = (1 - share) * 255 + share * np.array(AMBER, dtype=np.float32)
    bright = level[..., None] * (1 - _DARKEST * share) + _DARKEST * share
    return np.rint(bright * colour).astype(np.uint8)


def _shortened(values: Floats, most: int) -> Floats:
    """``[m, f]`` with at most ``most`` columns, each the mean of those it stands for."""
    if values.shape[1] <= most:
        return values
    image = Image.fromarray(np.ascontiguousarray(values, dtype=np.float32))
    small: npt.NDArray[np.float32] = np.asarray(
        image.resize((most, len(values)), Image.Resampling.BOX)
    )
    return np.clip(small, 0, 1)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
