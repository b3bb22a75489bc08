"""Sound clips that can be played from a page that loads nothing."""

from __future__ import annotations

import base64
import io

import numpy as np

from residua.data.sound import resample
from residua.report.markup import Html, element, join, number
from residua.report.samples import Recording

MOST_BYTES = 2**16
"""A WAV larger than this is stored as MP3 instead, a tenth of the bytes."""

_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


def player(recording: Recording, label: str) -> Html:
    """The clip as it was recorded, with the browser's controls."""
    kind = "audio/wav"
    data = encoded(recording, "WAV")
    if len(data) > MOST_BYTES:
        kind, data = "audio/mpeg", encoded(recording, "MP3")
    source = f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
    controls = {"controls": "", "preload": "metadata", "src": source, "aria-label": label}
    return join((element("audio", controls), _which(recording)))


def encoded(recording: Recording, kind: str) -> bytes:
    """A file of 16-bit values (WAV), or MP3, which knows some rates and two channels alone."""
    import soundfile

    values, rate = recording.values, recording.rate
    if kind == "MP3":
        values = values if len(values) <= 2 else values.mean(axis=0, keepdims=True)
        if rate not in _MP3_RATES:
            known = min((each for each in _MP3_RATES if each >= rate), default=_MP3_RATES[-1])
            values, rate = resample(values, rate, known), known
    buffer = io.BytesIO()
    frames = np.clip(values.T, -1, 1)
    soundfile.write(buffer, frames, round(rate), format=kind, subtype=_SUBTYPES[kind])
    return buffer.getvalue()


_SUBTYPES = {"WAV": "PCM_16", "MP3": "MPEG_LAYER_III"}


def _which(recording: Recording) -> Html:
    """What is to be heard, where it is not all."""
    played = recording.values.shape[1] / recording.rate
    if played >= recording.seconds - 0.05:
        return Html("")
    words = f"The first {number(played, 1)} of {number(recording.seconds, 1)} s"
    return element("div", {"class": "soft"}, words)
