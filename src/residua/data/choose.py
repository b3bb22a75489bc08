"""What fits a data set's modality: its preprocessing, and the form in which samples are kept."""

from __future__ import annotations

import torch

from residua.batch import Batch, Modality
from residua.data.choose_image import choose_image
from residua.data.choose_sound import choose_sound
from residua.data.config import DataConfig, SeriesConfig
from residua.data.dataset import Dataset
from residua.data.forms import Form, Kept
from residua.data.image_preprocess import ImagePreprocess
from residua.data.picture_form import PictureForm, picture_form
from residua.data.preprocess import Preprocess
from residua.data.readers.shared import spaced
from residua.data.series_form import SeriesForm
from residua.data.signal_preprocess import choose_signal
from residua.data.storage import store_one
from residua.data.text_preprocess import choose_text
from residua.errors import UnreadableSampleError


def choose_preprocess(
    dataset: Dataset, config: DataConfig, series: SeriesConfig, *, sound_rank: int = 2
) -> Preprocess:
    """The preprocessing of a run that starts from nothing.

    Args:
        dataset: The data set.
        config, series: What the user asks for, of pictures and of everything else.
        sound_rank: Whether sound is a picture of bands and time (2) or bands are channels (1).

    Raises:
        UnreadableSampleError: Not one of the training samples can be read.
        UsageError: The train split is empty.
    """
    match dataset.schema.modality:
        case Modality.IMAGE:
            return choose_image(dataset, config)
        case Modality.SIGNAL:
            return choose_signal(dataset, series)
        case Modality.SOUND:
            return choose_sound(dataset, series, rank=sound_rank)
        case Modality.TEXT:
            return choose_text(dataset, series)


def evaluation_form(preprocess: Preprocess, *, shortest: int = 1) -> Form:
    """Samples as ``Preprocess.on_host`` leaves them; series, if the network sees ``shortest`` steps
    of them or more."""
    if isinstance(preprocess, ImagePreprocess):
        return PictureForm(preprocess=preprocess)
    return SeriesForm(preprocess=preprocess, shortest=shortest)


def training_form(preprocess: Preprocess, *, crop: str, shortest: int = 1) -> Form:
    """The form from which augmentation starts; ``crop`` is `AugmentConfig.crop`."""
    if isinstance(preprocess, ImagePreprocess):
        return picture_form(preprocess, crop=crop)
    return SeriesForm(preprocess=preprocess, shortest=shortest)


def usual_length(dataset: Dataset, preprocess: Preprocess) -> int | None:
    """Steps that the network sees of a training series, in the middle of a few of them; None for
    pictures."""
    if isinstance(preprocess, ImagePreprocess):
        return None
    rows, form = dataset.fitting_rows, SeriesForm(preprocess=preprocess)
    found: list[Kept] = []
    for row, raw in dataset.reader.scan(rows[spaced(len(rows))].tolist()):
        stored = store_one(raw, dataset.table.keys[row], form)
        if isinstance(stored, Kept):
            found.append(stored)
    if not found:
        raise UnreadableSampleError(
            "not one of the training samples looked at can be read",
            where=dataset.name,
            fix="Look at them with: residua check",
        )
    stack = form.stacked(found)
    ids = torch.zeros(len(found), dtype=torch.int64)
    seen = preprocess.on_device(
        Batch(inputs=stack.values, targets=ids, ids=ids, lengths=stack.lengths)
    )
    if seen.lengths is None:
        return seen.inputs.shape[-1]
    return int(seen.lengths.median())
