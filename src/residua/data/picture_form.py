"""The form in which pictures wait for the network: all of one size, 8 bit.

Legend: b samples, c channels, h height, w width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from residua.data.dataset import Raw, Reader
from residua.data.decode import decode
from residua.data.forms import Kept, Stack
from residua.data.image_preprocess import ImagePreprocess
from residua.data.records import RecordFile
from residua.data.rows import Rows

_MARGIN = 1.15  # a whole picture is kept this much larger than what the network sees
_LARGE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureForm:
    """The form in which decoded pictures lie in a batch: all of one size, uint8.

    Attributes:
        preprocess: Says channels, filter and the evaluation form.
        whole: Height and width into which whole pictures are squashed, so that a random crop can
            still reach every part of them and undo the squashing; None for the evaluation form.
    """

    preprocess: ImagePreprocess
    whole: tuple[int, int] | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(c, h, w)`` of a stored picture."""
        return (self.preprocess.channels, *(self.whole or self.preprocess.size))

    @property
    def keeps_aspect(self) -> bool:
        """Whether every stored picture has `Sample.aspect` 1."""
        return self.whole is None or self.preprocess.fit == "squash"

    def stored(self, raw: Raw, where: str) -> Kept:
        """uint8 `shape`, and `Sample.aspect`."""
        if self.whole is None:
            return Kept(values=self.preprocess.on_host(raw, where))
        image = decode(raw, where=where)
        return Kept(
            values=self.preprocess.whole_on_host(image, self.whole), aspect=self._aspect(image)
        )

    def _aspect(self, image: Image.Image) -> float:
        height, width = self.whole or (1, 1)
        return 1.0 if self.keeps_aspect else (image.width * height) / (image.height * width)

    def stacked(self, kept: Sequence[Kept]) -> Stack:
        values = np.empty((len(kept), *self.shape), dtype=np.uint8)
        for position, each in enumerate(kept):
            values[position] = each.values
        aspects = torch.tensor([each.aspect for each in kept], dtype=torch.float32)
        return Stack(
            values=torch.from_numpy(values), aspects=None if self.keeps_aspect else aspects
        )

    def from_file(self, file: RecordFile, positions: Rows) -> Stack:
        """Read straight into the batch."""
        values = np.empty((len(positions), *self.shape), dtype=np.uint8)
        flat, length = values.reshape(-1).data, math.prod(self.shape)
        for slot, start in enumerate(file.offsets[positions].tolist()):
            file.read_into(flat[slot * length : (slot + 1) * length], start)
        aspects = None
        if not self.keeps_aspect:
            aspects = torch.from_numpy(file.aspects[positions].astype(np.float32))
        return Stack(values=torch.from_numpy(values), aspects=aspects)

    def size(self, reader: Reader, rows: Rows) -> int:
        """Bytes that the pictures take."""
        del reader
        return len(rows) * math.prod(self.shape)

    def identity(self) -> dict[str, Any]:
        return self.preprocess.identity() | {"whole": self.whole}


def picture_form(preprocess: ImagePreprocess, *, crop: str) -> PictureForm:
    """The form from which the training crop is taken.

    Args:
        preprocess: The run's preprocessing.
        crop: `AugmentConfig.crop`. A random resized crop of large pictures needs the whole picture.
            Up to 64 pixels the evaluation form serves all crops: small pictures hardly ever
            have anything outside it.
    """
    if crop not in ("resized", "auto") or max(preprocess.size) <= _LARGE:
        return PictureForm(preprocess=preprocess)
    height, width = preprocess.size
    whole = (round(height * _MARGIN), round(width * _MARGIN))
    return PictureForm(preprocess=preprocess, whole=whole)
