"""A classifier at work on recordings that are longer than what it was trained on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from residua.data.open_recording import open_recording
from residua.data.readers.wfdb import AFTER, BEFORE
from residua.data.recordings import POSITION, Recording
from residua.errors import UsageError
from residua.evaluation.events import Event, EventRules, find_events
from residua.evaluation.windows import channels_for, predict_windows
from residua.run.classifier import Classifier


def events_in(
    classifier: Classifier,
    path: Path,
    *,
    window: float | None,
    step: float | None,
    rules: EventRules,
    rate: float | None = None,
    batch_size: int = 16,
) -> Iterator[Event]:
    """The events of a recording, as they are found, in memory that does not grow with it.

    Args:
        classifier: Of signals or sound.
        path: See `residua.data.open_recording.open_recording`.
        window: Seconds that the network sees at once; by default what it was trained on, if all of
            that had one length.
        step: Seconds from one window to the next; by default half a window.
        rules: What an event is.
        rate: Steps per second, for files that do not say it.
        batch_size: Windows that go through the network together.

    Raises:
        UsageError: The length of a window is not known, or a value is out of its range.
        FormatError: The recording has other channels than the network was trained on.
    """
    checkpoint = classifier.checkpoint
    recording = channels_for(open_recording(path, rate=rate), checkpoint.schema)
    beats = POSITION in checkpoint.schema.channel_names
    seconds = window or (BEFORE + AFTER if beats else _usual_window(classifier))
    length = _steps(seconds, recording, "window")
    answers = predict_windows(
        classifier.network,
        recording,
        preprocess=checkpoint.preprocess,
        task=checkpoint.schema.task,
        length=length,
        step=_steps(seconds / 2 if step is None else step, recording, "step"),
        device=classifier.device,
        before=min(BEFORE, seconds / 2) if beats else None,
        dtype=classifier.arithmetic.dtype,
        temperature=checkpoint.temperature or 1.0,
        batch_size=batch_size,
        told=classifier.terminal.problem,
    )
    return find_events(
        answers,
        classes=classifier.classes,
        rate=recording.rate,
        length=length,
        steps=recording.steps,
        rules=rules,
    )


def _usual_window(classifier: Classifier) -> float:
    preprocess = classifier.checkpoint.preprocess
    length, rate = getattr(preprocess, "length", None), getattr(preprocess, "rate", None)
    if length is None or rate is None:
        raise UsageError(
            "the network was trained on series of any length",
            expected="the length of a window, in seconds",
            fix="Say it: --window 2.5",
        )
    return length / rate


def _steps(seconds: float, recording: Recording, what: str) -> int:
    steps = round(seconds * recording.rate)
    if steps < 1:
        raise UsageError(
            f"the {what} is shorter than a step",
            expected=f"at least {1 / recording.rate:g} s",
            received=f"{seconds:g} s",
        )
    return steps
