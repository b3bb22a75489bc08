"""Clips in the page, read back by another decoder's eyes."""

import base64
import io
import re
import wave

import numpy as np
import pytest
import soundfile

from residua.report.samples import Recording
from residua.report.sound import MOST_BYTES, encoded, player


def tone(seconds, rate, channels=1):
    t = np.arange(round(seconds * rate)) / rate
    values = np.stack([np.sin(880 * np.pi * i * t) / (2 * i) for i in range(1, channels + 1)])
    return Recording(values=values.astype(np.float32), rate=rate, seconds=seconds)


def source(markup):
    kind, data = re.search(r'src="data:([^;]+);base64,([^"]+)"', markup).groups()
    return kind, base64.b64decode(data, validate=True)


@pytest.mark.parametrize("channels", [1, 2])
def test_short_clips_are_wav_of_16_bit_at_their_own_rate(channels):
    clip = tone(0.5, 8000, channels)
    kind, data = source(player(clip, "a clip"))
    assert kind == "audio/wav"
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (
            8000,
            channels,
            2,
        )
        values = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    np.testing.assert_allclose(values.reshape(-1, channels).T / 32768, clip.values, atol=1 / 32768)


@pytest.mark.parametrize(("rate", "channels"), [(44_100, 2), (96_000, 1), (10_000, 4)])
def test_large_clips_are_mp3_and_small(rate, channels):
    clip = tone(5, rate, channels)
    kind, data = source(player(clip, "a clip"))
    assert kind == "audio/mpeg"
    assert len(data) < 2 * MOST_BYTES
    values, found = soundfile.read(io.BytesIO(data), always_2d=True)
    assert len(values) / found == pytest.approx(5, abs=0.1)
    spectrum = np.abs(np.fft.rfft(values[:, 0] * np.hanning(len(values))))
    assert spectrum.argmax() * found / len(values) == pytest.approx(440, abs=2)


def test_what_is_louder_than_full_scale_is_clipped():
    clip = Recording(values=np.float32([[2, -2, 0]]), rate=8000, seconds=3 / 8000)
    values, _ = soundfile.read(io.BytesIO(encoded(clip, "WAV")))
    np.testing.assert_allclose(values, [1, -1, 0], atol=1e-4)


def test_the_page_says_when_there_is_more():
    assert "The first" not in player(tone(0.5, 8000), "a clip")
    longer = Recording(values=tone(5, 8000).values, rate=8000, seconds=12.34)
    assert "The first 5.0 of 12.3 s" in player(longer, "a clip")


def test_labels_are_escaped():
    assert 'aria-label="&quot;&gt;&lt;"' in player(tone(0.1, 8000), '"><')
