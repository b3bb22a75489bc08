"""What `residua.data.fingerprints` takes of a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from residua.data.dataset import Raw
from residua.data.decode import decode, image_header
from residua.data.fingerprints import Print, Thumbnails, Words, digest

SIDE = 16
"""Height and width of the thumbnails."""

_FINE_SIDE = 32
_FLAT = 4.0
"""Standard deviation in grey levels below which a picture shows too little to be compared."""

_BLOCK = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class PicturePrints:
    """Upright height and width, mode as stored ("RGB", "L", "CMYK"), and a grey thumbnail."""

    words: ClassVar[Words] = Words(one="picture", many="pictures", content="pixels")
    facts: ClassVar[np.dtype[np.void]] = np.dtype(
        [("height", np.int32), ("width", np.int32), ("mode", "S8")]
    )
    highest: ClassVar[float] = 0.998
    rivals: ClassVar[int] = 0

    def blank(self, n: int, *, fine: bool = False) -> npt.NDArray[np.uint8]:
        side = _FINE_SIDE if fine else SIDE
        return np.zeros((n, side * side), dtype=np.uint8)

    def take(self, raw: Raw, where: str) -> Print:
        image = decode(raw, where=where)
        mode = image_header(raw)[2]
        shape = f"{image.mode} {image.width} {image.height} "
        return Print(
            digest=digest(shape, image.tobytes()),
            thumbnail=_thumbnail(image, SIDE),
            facts=(image.height, image.width, mode.encode()),
        )

    def fine(self, raw: Raw, where: str) -> npt.NDArray[np.uint8]:
        return _thumbnail(decode(raw, where=where), _FINE_SIDE)

    def shows_something(self, thumbnails: Thumbnails) -> npt.NDArray[np.bool_]:
        starts = range(0, len(thumbnails), _BLOCK)
        spreads = [thumbnails[start : start + _BLOCK].std(axis=1) for start in starts]
        return np.concatenate([np.empty(0), *spreads]) >= _FLAT


def _thumbnail(image: Image.Image, side: int) -> npt.NDArray[np.uint8]:
    """uint8 ``[side * side]``: the grey picture, averaged over areas, whatever its shape."""
    grey = image if image.mode == "L" else image.convert("L")
    return np.asarray(grey.resize((side, side), Image.Resampling.BOX)).reshape(-1)
