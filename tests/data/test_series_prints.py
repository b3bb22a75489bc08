"""Fingerprints of signals, sound and texts."""

import dataclasses
import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.audit_series import as_bytes, course, encoded

from residua.data.series_prints import SignalPrints, TextPrints, area_means
from residua.data.sound_prints import SoundPrints
from residua.errors import UnreadableSampleError


@settings(max_examples=50, deadline=None)
@given(t=st.integers(1, 60), steps=st.integers(1, 40), seed=st.integers(0, 99))
def test_area_means_are_integrals_of_a_staircase(t: int, steps: int, seed: int):
    values = np.random.default_rng(seed).normal(0, 1, (2, t))
    fine = values.repeat(steps, axis=1)  # each step as `steps` equal ones: t * steps in all
    expected = fine.reshape(2, steps, t).mean(axis=2)
    np.testing.assert_allclose(area_means(values, steps), expected, atol=1e-9)


@pytest.mark.parametrize("channels", [1, 2, 12, 40])
def test_thumbnails_stay_small_and_have_their_size(channels: int):
    kind = SignalPrints(channels=channels, rate=0.0)
    found = kind.take(course(0, channels=channels), "x")
    assert found.thumbnail.shape == kind.blank(1)[0].shape
    assert found.thumbnail.nbytes <= 512
    assert kind.fine(course(0, channels=channels), "x").shape == kind.blank(1, fine=True)[0].shape
    assert np.isfinite(found.thumbnail).all()


def test_digests_tell_shapes_apart():
    kind = SignalPrints(channels=2, rate=0.0)
    values = course(0, channels=2)
    assert kind.take(values, "x").digest == kind.take(values.copy(), "y").digest
    other = dataclasses.replace(kind, channels=1).take(values.reshape(1, -1), "x")
    assert kind.take(values, "x").digest != other.digest
    zero = np.array([[0.0, 1.0]], dtype=np.float32)
    one = dataclasses.replace(kind, channels=1)
    assert one.take(zero, "x").digest == one.take(zero * np.float32([-1, 1]), "x").digest


def test_text_digest_is_that_of_its_bytes():
    content = as_bytes("hello world")
    expected = hashlib.blake2b(content.tobytes(), digest_size=16).digest()
    assert TextPrints().take(content, "x").digest == expected
    with pytest.raises(UnreadableSampleError, match="an empty text"):
        TextPrints().take(as_bytes(""), "x")


@pytest.mark.parametrize("content", ["a", "ab", "???", "日本語", "x" * 100_000])
def test_every_text_has_a_thumbnail(content: str):
    found = TextPrints().take(as_bytes(content), "x").thumbnail
    assert found.any()
    assert np.isfinite(found).all()


@pytest.mark.parametrize("rate", [100, 8000, 192_000])
@pytest.mark.parametrize("seconds", [0.001, 0.4])
def test_clips_of_any_rate_and_length_have_a_thumbnail(rate: int, seconds: float):
    values = np.random.default_rng(0).normal(0, 0.1, max(int(rate * seconds), 1))
    found = SoundPrints(rate=rate).take(encoded(values, rate), "x")
    assert np.isfinite(found.thumbnail).all()
    assert found.facts[0] == len(values)
