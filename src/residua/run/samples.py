"""Samples of a data set as the report shows them, with what the network answers by.

Legend: b samples, c channels, t steps, m mel bands, f frames.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from residua.batch import Batch, Schema, Task
from residua.data.dataset import Dataset, Raw
from residua.data.decode import decode
from residua.data.image_preprocess import ImagePreprocess
from residua.data.preprocess import Preprocess
from residua.data.signal_preprocess import SignalPreprocess
from residua.data.sound import decode_sound
from residua.data.sound_preprocess import SoundPreprocess
from residua.data.text_preprocess import TextPreprocess
from residua.evaluation.activation import class_activation
from residua.evaluation.results import Prediction
from residua.evaluation.transcription import joined
from residua.networks.network import Network
from residua.report.samples import Clip, Content, Floats, Picture, Pixels, Recording, Signal, Text

_PLAYED = 5.0  # seconds of a recording that can be played
_CHARACTERS = 300

Values = npt.NDArray[np.generic]


def kept(dataset: Dataset, row: int, preprocess: Preprocess) -> Values:
    """What `Preprocess.on_host` keeps of a sample: ``[c, *s]``."""
    return preprocess.on_host(dataset.reader.read(row), dataset.table.keys[row])


def seen(values: Values, preprocess: Preprocess) -> Batch:
    """What the network sees of one sample."""
    none = torch.zeros(1, dtype=torch.int64)
    inputs = torch.from_numpy(np.array(values))[None]
    return preprocess.on_device(Batch(inputs=inputs, targets=none, ids=none))


def content(
    dataset: Dataset,
    row: int,
    preprocess: Preprocess,
    *,
    network: Network | None = None,
    answer: int | None = None,
) -> Content:
    """A sample to look at.

    Signals, sound and text are what was kept of them: resampled, cut, with missing values filled.

    Args:
        dataset: The data set.
        row: Of its table.
        preprocess: What the network's inputs go through.
        network: In evaluation mode; with it and ``answer``, the heat says what of the sample led
            the network to the class ``answer``.
        answer: A class.
    """
    raw, where = dataset.reader.read(row), dataset.table.keys[row]
    values = preprocess.on_host(raw, where)
    heat = None
    if network is not None and answer is not None:
        batch = seen(values, preprocess)
        heat = class_activation(network, batch.inputs, None, torch.tensor([answer]))[0]
    match preprocess:
        case ImagePreprocess():
            shown = Picture(values=np.asarray(decode(raw, where=where)))
            return shown if heat is None else replace(shown, seen=_upright(values), heat=heat)
        case SignalPreprocess():
            return signal(values, dataset.schema, preprocess.rate, heat)
        case SoundPreprocess():
            return _clip(raw, where, values, preprocess, heat)
        case TextPreprocess():
            return _text(values, heat)


def _upright(values: Values) -> Pixels:
    """uint8 ``[h, w]`` or ``[h, w, 3]`` of ``[c, h, w]``."""
    pixels = values.astype(np.uint8, copy=False)
    return pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)


def signal(values: Values, schema: Schema, rate: float | None, heat: Floats | None) -> Signal:
    """float32 ``[c, t]`` with the names and units of its channels."""
    return Signal(
        values=values.astype(np.float32, copy=False),
        rate=rate,
        names=schema.channel_names if len(schema.channel_names) == len(values) else (),
        units=schema.units if len(schema.units) == len(values) else (),
        heat=heat,
    )


def _clip(
    raw: Raw, where: str, values: Values, preprocess: SoundPreprocess, heat: Floats | None
) -> Clip:
    bands = seen(values, preprocess).inputs.numpy().reshape(preprocess.mels, -1)
    if heat is not None and heat.ndim == 1:
        heat = np.ascontiguousarray(np.broadcast_to(heat, bands.shape))
    return Clip(
        bands=bands,
        seconds=values.shape[1] / preprocess.rate,
        wave=values[0].astype(np.float32, copy=False),
        recording=_recording(raw, where, preprocess),
        heat=heat,
    )


def _recording(raw: Raw, where: str, preprocess: SoundPreprocess) -> Recording:
    """The beginning of what the network saw, as it was recorded."""
    if isinstance(raw, bytes):
        wave = decode_sound(raw, where=where)
        values, rate = wave.values, wave.rate
    else:
        values, rate = raw.astype(np.float32, copy=False), preprocess.rate
    steps = values.shape[1]
    if preprocess.length is not None:
        steps = min(steps, round(preprocess.length * rate / preprocess.rate))
    start = (values.shape[1] - steps) // 2
    stop = start + min(steps, round(_PLAYED * rate))
    return Recording(values=values[:, start:stop].copy(), rate=rate, seconds=steps / rate)


def _text(values: Values, heat: Floats | None) -> Text:
    """Each byte that is no UTF-8 becomes a replacement character; a character has the heat of its
    hottest byte."""
    data = values[0].astype(np.uint8, copy=False).tobytes()
    words = data.decode("utf-8", "surrogateescape")
    sizes = [len(each.encode("utf-8", "surrogateescape")) for each in words[:_CHARACTERS]]
    if heat is not None:
        heat = np.maximum.reduceat(heat[: sum(sizes)], np.cumsum([0, *sizes[:-1]]))
    shown = re.sub("[\udc80-\udcff]", "\ufffd", words[:_CHARACTERS])
    return Text(words=shown, more=len(words) > len(sizes), heat=heat)


def right_answer(dataset: Dataset, row: int) -> str:
    """The right answer in words; empty where it is unknown."""
    table, names = dataset.table, dataset.schema.classes
    match dataset.schema.task:
        case Task.CLASSIFICATION:
            label = int(table.labels[row])
            return names[label] if label >= 0 else ""
        case Task.CTC:
            tokens = () if table.tokens is None else table.tokens[row]
            return joined([names[token] for token in tokens], names)
        case Task.MULTILABEL:
            values = () if table.values is None else table.values[row]
            chosen = [name for name, value in zip(names, values, strict=False) if value > 0.5]
            return ", ".join(chosen) or "none"
        case Task.REGRESSION:
            values = () if table.values is None else table.values[row]
            return _quantities(tuple(zip(names, values, strict=False)))


def answer_in_words(prediction: Prediction) -> str:
    """The network's answer, in the words of `right_answer`."""
    match prediction.task:
        case Task.CLASSIFICATION:
            return prediction.label
        case Task.CTC:
            return prediction.text
        case Task.MULTILABEL:
            return ", ".join(name for name, _ in prediction.labels) or "none"
        case Task.REGRESSION:
            return _quantities(prediction.values)


def _quantities(pairs: Sequence[tuple[str, float]]) -> str:
    """``speed 12.3, flow 4``; a single one without its name."""
    if len(pairs) == 1:
        return f"{pairs[0][1]:.4g}"
    return ", ".join(f"{name} {value:.4g}" for name, value in pairs)
