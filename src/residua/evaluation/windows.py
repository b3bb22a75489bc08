"""The network's answers to the windows of a long recording, in memory that does not grow with it.

Legend: b windows of a batch, c channels, t steps, k classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
import torch
from torch import nn

from residua.batch import Batch, Schema, Task
from residua.data.choose import evaluation_form
from residua.data.dataset import Problem
from residua.data.forms import Kept
from residua.data.preprocess import Preprocess
from residua.data.recordings import POSITION, Recording, Values, windows, with_position
from residua.data.signal_preprocess import SignalPreprocess
from residua.data.sound import resample
from residua.data.sound_preprocess import SoundPreprocess
from residua.errors import DataError, FormatError, UsageError
from residua.evaluation.events import Answer
from residua.evaluation.metrics import log_softmax
from residua.evaluation.predict import evaluating, logits_of

Told = Callable[[Problem], None]
"""Is called with each window that cannot be used."""


def channels_for(recording: Recording, schema: Schema) -> Recording:
    """The recording with the channels that the network was trained on.

    The position of an event is none of its own; see ``before`` of `predict_windows`.
    By name where the recording has all of those names; else as they are if they are as many.
    Sound takes any number.

    Raises:
        FormatError: Other channels.
    """
    names = recording.channel_names
    if schema.modality == "sound":
        return recording
    wanted = [name for name in schema.channel_names if name != POSITION]
    if wanted and all(name in names for name in wanted):
        return recording.picked([names.index(name) for name in wanted])
    if len(names) == schema.channels - (POSITION in schema.channel_names):
        return recording
    raise FormatError(
        "the recording has other channels than the network was trained on",
        expected=", ".join(wanted) or f"{schema.channels} channels",
        received=", ".join(names),
        where=recording.name,
    )


def predict_windows(
    network: nn.Module,
    recording: Recording,
    *,
    preprocess: Preprocess,
    task: Task,
    length: int,
    step: int,
    device: torch.device,
    before: float | None = None,
    dtype: torch.dtype = torch.float32,
    temperature: float = 1.0,
    batch_size: int = 16,
    told: Told | None = None,
) -> Iterator[Answer]:
    """Pairs (first step, probabilities ``[k]``) of ascending windows; see `windows`.

    Args:
        network: On ``device``; gives logits ``[b, k]``.
        recording: With the channels of ``preprocess``, at any rate; see `channels_for`.
        preprocess: Makes a window what the network takes; resamples it where the rates differ.
        task: Classification (softmax) or multi-label (sigmoid).
        length: Steps of a window, counted in the recording.
        step: Steps from one window to the next.
        before: Seconds from a window's start to what it is asked about, for networks that were
            trained with the position of an event as their last channel (`POSITION`).
        dtype: The dtype of autocast; float32 is none.
        temperature: Divides the logits.
        batch_size: Windows that go through the network together.
        told: Is called with each window that cannot be used, which has no answer.

    Raises:
        UsageError: A preprocessing or task that knows no windows, or wrong windows.
        UnreadableSampleError: The recording cannot be read to its end.
    """
    if task not in (Task.CLASSIFICATION, Task.MULTILABEL):
        raise UsageError("events need classes", expected="a classifier", received=task)
    found = _prepared(recording, preprocess, length, step, before, told)
    form = evaluation_form(preprocess)
    while part := list(islice(found, batch_size)):
        stack = form.stacked([kept for _, kept in part])
        unknown = torch.full((len(part),), -1)
        batch = Batch(inputs=stack.values, targets=unknown, ids=unknown, lengths=stack.lengths)
        with evaluating(network):
            logits = logits_of(network, preprocess, batch.to(device), dtype).cpu().numpy()
        scaled = logits.astype(np.float64) / temperature
        single = task is Task.CLASSIFICATION
        answers = np.exp(log_softmax(scaled)) if single else 1 / (1 + np.exp(-scaled))
        yield from zip((first for first, _ in part), answers, strict=True)


def _prepared(
    recording: Recording,
    preprocess: Preprocess,
    length: int,
    step: int,
    before: float | None,
    told: Told | None,
) -> Iterator[tuple[int, Kept]]:
    for first, values in windows(recording, length=length, step=step):
        where = f"{recording.name}@{first}"
        try:
            if before is not None:
                values = with_position(values, recording.rate, before, where)
            yield first, Kept(values=_on_host(preprocess, values, where, recording.rate))
        except DataError as error:
            if told is not None:
                told(Problem(key=where, reason=f"left out: {error}"))


def _on_host(preprocess: Preprocess, values: Values, where: str, rate: float) -> Values:
    if isinstance(preprocess, SignalPreprocess):
        return preprocess.on_host(values, where, rate)
    if isinstance(preprocess, SoundPreprocess):
        return preprocess.on_host(resample(values, rate, preprocess.rate), where)
    raise UsageError("no windows in this kind of data", expected="signals or sound")
