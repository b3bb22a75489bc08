"""One encoded picture -> 8 bit pixels.

What becomes of the many kinds of picture:

==========================  =====================================================================
stored                      decoded
==========================  =====================================================================
grey, 1 bit, grey + alpha   "L"; alpha is composited on white
16 bit grey                 "L": 0..65535 -> 0..255, rounded; never stretched picture by picture
32 bit integers             as 16 bit grey; values beyond 65535 are refused
float                       "L": 0..1 -> 0..255 where all lie in 0..1, else 0..255 rounded
colour, palette, CMYK, ...  "RGB"; transparency is composited on white; ICC profiles are ignored
several frames              the first one
EXIF orientation            applied
==========================  =====================================================================

A picture of more than `MAX_PIXELS` is refused from its header, before memory is asked for. Formats
that run programs (EPS) or have no signature (TGA) are not tried. No global state of Pillow is
touched; its warning about pictures of half that size passes through to the caller's filters.
"""

from __future__ import annotations

import io
import re
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from residua.data.dataset import Raw
from residua.errors import UnreadableSampleError

MAX_PIXELS = 178_956_970
"""Width times height; twice Pillow's limit for a warning, where Pillow itself refuses."""

# fmt: off
IMAGE_SUFFIXES = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".gif",
    ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".avif", ".heic", ".heif",
})
# fmt: on
"""Lower-case endings of files that claim to be pictures. HEIC is among them although Pillow cannot
decode it, so that such files are named instead of overlooked."""

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "TIFF", "GIF", "PPM", "JPEG2000", "AVIF", "MPO")
_GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "F"})
_SIDEWAYS = frozenset({5, 6, 7, 8})


def decode(raw: Raw, *, where: str) -> Image.Image:
    """A picture of mode "L" or "RGB", 8 bit a channel, upright.

    Args:
        raw: An encoded file, or uint8 pixels ``[h, w]`` or ``[h, w, 3]``.
        where: The sample's key, for the error.

    Raises:
        UnreadableSampleError: It is empty, not a picture, cut off, damaged, or larger than
            `MAX_PIXELS`.
    """
    if isinstance(raw, np.ndarray):
        return Image.fromarray(raw)
    try:
        with _open(io.BytesIO(raw)) as image:
            image.load()
            return eight_bit(image)
    except Exception as error:  # decoders raise whatever they like on damaged files
        raise UnreadableSampleError(
            "cannot decode the picture", received=_reason(raw, error), where=where
        ) from error


def eight_bit(image: Image.Image) -> Image.Image:
    """``image`` as `decode` would give it: of mode "L" or "RGB", upright."""
    return _to_8bit(_upright(image))


def image_header(raw: Raw | Path) -> tuple[int, int, str]:
    """Width and height as `decode` would return them, and the mode as stored ("CMYK", "I;16").

    Reads the header only, whatever the size.

    Raises:
        UnreadableSampleError: There is no header that is known, or it claims too many pixels.
    """
    if isinstance(raw, np.ndarray):
        return raw.shape[1], raw.shape[0], "L" if raw.ndim == 2 else "RGB"
    try:
        with _open(raw if isinstance(raw, Path) else io.BytesIO(raw)) as image:
            width, height = image.size
            if _orientation(image) in _SIDEWAYS:
                width, height = height, width
            return width, height, image.mode
    except Exception as error:
        start = raw if isinstance(raw, bytes) else _start(raw)
        raise UnreadableSampleError(
            "cannot read the picture's header",
            received=_reason(start, error),
            where=raw if isinstance(raw, Path) else None,
        ) from error


def decoded_mode(stored: str) -> Literal["L", "RGB"]:
    """What `decode` makes of a stored mode."""
    return "L" if stored in _GREY_MODES or stored.startswith("I;") else "RGB"


@lru_cache(maxsize=1)
def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _open(file: io.BytesIO | Path) -> Image.Image:
    image = Image.open(file, formats=_formats())
    if not 0 < image.width * image.height <= MAX_PIXELS:
        image.close()
        raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels")
    return image


def _orientation(image: Image.Image) -> int:
    """1 to 8; 1, upright, where the EXIF block is damaged: the pixels are still good."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:
        return 1


def _upright(image: Image.Image) -> Image.Image:
    return image if _orientation(image) == 1 else ImageOps.exif_transpose(image)


def _to_8bit(image: Image.Image) -> Image.Image:
    """Mode "L" or "RGB", never a lazy file object."""
    mode = decoded_mode(image.mode)
    if image.mode == "F" or image.mode.startswith("I"):
        return Image.fromarray(_scale(np.asarray(image)))
    if image.has_transparency_data:
        return _on_white(image, mode)
    return image.convert(mode) if image.mode != mode else image.copy()


def _on_white(image: Image.Image, mode: Literal["L", "RGB"]) -> Image.Image:
    over = image.convert("RGBA")
    flat = Image.new("RGBA", over.size, "white")
    flat.alpha_composite(over)
    return flat.convert(mode)


def _scale(values: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """``[h, w]`` of 16 or 32 bit -> uint8."""
    low, high = float(np.min(values)), float(np.max(values))
    if values.dtype.kind == "f":
        limit, factor = (1.0, 255.0) if high <= 1 else (255.0, 1.0)
    else:
        limit, factor = 65535.0, 1 / 257
    if not 0 <= low <= high <= limit:
        raise ValueError(f"values from {low:g} to {high:g}, where 0 to {limit:g} was expected")
    return np.rint(values.astype(np.float32) * factor).astype(np.uint8)


def _start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(64)
    except OSError:
        return b"?"


def _reason(data: bytes, error: Exception) -> str:
    """What the user would say is wrong with the file, as a noun."""
    if not data:
        return "an empty file"
    if isinstance(error, Image.DecompressionBombError):
        return f"a header that claims more than {MAX_PIXELS:,} pixels"
    if isinstance(error, UnidentifiedImageError):
        if all(byte in b"\t\n\r\f" or 32 <= byte < 127 for byte in data[:64]):
            return "a text file"
        return f"no known picture format (it starts with {data[:8].hex(' ')})"
    if isinstance(error, OSError) and re.search("truncated|broken", str(error), re.IGNORECASE):
        return f"a file that is cut off or damaged ({error})"
    return f"a damaged or unsupported file ({type(error).__name__}: {error})"
