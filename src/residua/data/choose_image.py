"""A preprocessing that fits the pictures: their size if they share a small one, their mean and std.

Legend: c channels.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from residua.data.config import DataConfig
from residua.data.dataset import Dataset
from residua.data.decode import image_header
from residua.data.image_preprocess import ImagePreprocess
from residua.data.picture_form import PictureForm
from residua.data.rows import Rows
from residua.data.storage import cores, scan_decoded
from residua.errors import DataError, UnreadableSampleError, UsageError
from residua.random import permutation

SMALL = 64
"""Pictures up to this many pixels a side are seen as they are."""
_USUAL_SIZE = (224, 224)
_MOST_SMALL, _MOST_LARGE = 5000, 1000  # pictures that are measured; a large one has more pixels


def choose_image(
    dataset: Dataset, config: DataConfig, *, resize: tuple[int, int] | None = None
) -> ImagePreprocess:
    """The preprocessing of a run that starts from nothing.

    The size is ``config.size``; by default that of the pictures if those looked at share one of at
    most 64 pixels a side, else 224 x 224. Mean and standard deviation are those of up to 5,000
    (1,000 large) training pictures after resizing and cropping, or 0 and 1 without
    ``config.normalise``. Which pictures depends on their names alone.

    Args:
        dataset: The data set.
        config: Size, channels and fit that the user asks for.
        resize: Height and width before the centre crop; by default the size itself.

    Raises:
        UnreadableSampleError: Not one of the training pictures can be decoded.
    """
    sample = _sample(dataset, _MOST_SMALL)
    if not len(sample):
        raise UsageError("the train split is empty", where=dataset.name)
    size = config.size or _common_size(dataset, sample[:_MOST_LARGE]) or _USUAL_SIZE
    channels = dataset.schema.channels if config.channels is None else config.channels
    blank = ImagePreprocess(
        size=size,
        resize=resize or size,
        fit=config.fit,
        channels=channels,
        mean=(0.0,) * channels,
        std=(1.0,) * channels,
    )
    if not config.normalise:
        return blank
    most = _MOST_SMALL if max(size) <= SMALL else _MOST_LARGE
    mean, std = _moments(dataset, np.sort(sample[:most]), blank)
    return replace(blank, mean=mean, std=std)


def _sample(dataset: Dataset, most: int) -> Rows:
    """Up to ``most`` training rows, in the order of their ids' hashes."""
    rows = dataset.fitting_rows
    order = permutation(0, 0, torch.from_numpy(dataset.table.ids[rows]))
    return rows[order[:most].numpy()]


def _common_size(dataset: Dataset, rows: Rows) -> tuple[int, int] | None:
    """The height and width that all of the pictures have, if it is small. What cannot be read has
    no say."""
    common: tuple[int, int] | None = None
    for _, raw in dataset.reader.scan(np.sort(rows).tolist()):
        if isinstance(raw, DataError):
            continue
        try:
            width, height, _ = image_header(raw)
        except UnreadableSampleError:
            continue
        if max(height, width) > SMALL or common not in (None, (height, width)):
            return None
        common = height, width
    return common


def _moments(
    dataset: Dataset, rows: Rows, preprocess: ImagePreprocess
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation a channel. Sums of integers: no order can change them."""
    c = preprocess.channels
    sums, squares = np.zeros(c, dtype=np.int64), np.zeros(c, dtype=np.int64)
    pixels = 0
    form = PictureForm(preprocess=preprocess)
    for _, stored in scan_decoded(dataset.reader, rows, form, threads=cores()):
        if isinstance(stored, DataError):
            continue
        flat = stored.values.reshape(c, -1).astype(np.uint8, copy=False)
        pixels += flat.shape[1]
        sums += flat.sum(axis=1, dtype=np.int64)
        squares += np.square(flat, dtype=np.int64).sum(axis=1)
    if not pixels:
        raise UnreadableSampleError(
            "not one of the training pictures can be decoded",
            received=f"{len(rows)} unreadable samples",
            where=dataset.name,
            fix="Look at them with: residua check",
        )
    mean = sums / pixels / 255
    # Pictures of one colour deviate by nothing; half a grey level keeps the division finite.
    std = np.sqrt(np.maximum(squares / pixels / 255**2 - mean**2, (0.5 / 255) ** 2))
    return tuple(mean.round(6).tolist()), tuple(std.round(6).tolist())
