"""A preprocessing that fits the clips: their rate, and the mean and deviation of their mel bands.

Legend: t steps, m mel bands, f frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from residua.batch import Batch
from residua.data.config import SeriesConfig
from residua.data.dataset import Dataset
from residua.data.measure import Moments, training_sample
from residua.data.sound_preprocess import SMALLEST_STD, SoundPreprocess
from residua.errors import DataError, UnreadableSampleError, UsageError

LOWEST = 20.0
"""Hz at which the mel bands start, unless said otherwise: where hearing starts."""
_MOST_CLIPS, _MOST_SECONDS = 1000, 3600.0  # that are measured; frames of speech are much alike


def choose_sound(
    dataset: Dataset, config: SeriesConfig, channels: int | None = None, *, rank: int = 2
) -> SoundPreprocess:
    """The preprocessing of a run that starts from nothing.

    The rate is ``config.rate``, by default what most of the clips have. Mean and deviation of each
    band are those of up to 1,000 training clips or an hour; which ones depends on names alone.

    Args:
        dataset: The data set.
        config: What the user asks for.
        channels: 1 or None: clips are mixed down.
        rank: Whether the network takes pictures of bands and time (2) or bands as channels (1).

    Raises:
        UnreadableSampleError: Not one of the training clips can be decoded.
        UsageError: Settings that do not fit one another, or the rate.
    """
    if channels not in (None, 1):
        raise UsageError("sound is mixed down", expected="1 channel", received=channels)
    rate = config.rate or dataset.schema.rate
    assert rate is not None, "a reader of sound without a rate"
    blank = SoundPreprocess(
        rate=rate,
        length=config.length,
        mels=config.mels,
        window_ms=config.window_ms,
        hop_ms=config.hop_ms,
        frequencies=config.frequencies or (LOWEST, rate / 2),
        standardise="none",
    )
    standardise = config.standardise or "train"
    if standardise != "train":
        return replace(blank, standardise=standardise, rank=rank)
    mean, std = _moments(dataset, blank)
    return replace(blank, standardise="train", mean=mean, std=std, rank=rank)


def _moments(
    dataset: Dataset, preprocess: SoundPreprocess
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation a band, over frames."""
    moments = Moments(preprocess.mels)
    for waves in _training_waves(dataset, preprocess):
        moments.add(_frames(waves, preprocess))
    if not moments.count.any():
        raise UnreadableSampleError(
            "not one of the training clips can be decoded",
            where=dataset.name,
            fix="Look at them with: residua check",
        )
    mean = (round(value, 6) for value in moments.mean)
    std = (round(max(value, SMALLEST_STD), 6) for value in moments.std)
    return tuple(mean), tuple(std)


def _training_waves(dataset: Dataset, preprocess: SoundPreprocess) -> Iterator[list[Tensor]]:
    """Waveforms ``[t]`` in lists of a minute or more, up to the number that is measured."""
    waves: list[Tensor] = []
    steps = total = 0
    for row in training_sample(dataset, _MOST_CLIPS).tolist():
        try:
            values = preprocess.on_host(dataset.reader.read(row), str(dataset.table.keys[row]))
        except DataError:
            continue
        waves.append(torch.from_numpy(values[0]))
        steps, total = steps + len(waves[-1]), total + len(waves[-1])
        if steps >= 60 * preprocess.rate:
            yield waves
            waves, steps = [], 0
        if total >= _MOST_SECONDS * preprocess.rate:
            break
    if waves:
        yield waves


def _frames(waves: list[Tensor], preprocess: SoundPreprocess) -> npt.NDArray[np.float32]:
    """``[m, f]``: all frames of all clips."""
    none = torch.zeros(len(waves), dtype=torch.int64)
    lengths = torch.tensor([len(wave) for wave in waves])
    inputs = torch.nn.utils.rnn.pad_sequence(waves, batch_first=True)[:, None]
    batch = preprocess.on_device(Batch(inputs=inputs, targets=none, ids=none, lengths=lengths))
    assert batch.lengths is not None
    values = batch.inputs[:, 0].transpose(0, 1)
    valid = torch.arange(values.shape[-1]) < batch.lengths[:, None]
    return values[:, valid].numpy()
