"""Log-mel spectrograms against librosa's."""

import librosa
import numpy as np
import pytest
import torch

from residua.data.mel import FLOOR, hz_to_mel, log_mel, mel_filters, mel_to_hz


def test_the_scale_is_slaneys() -> None:
    hz = np.array([0, 20, 440, 999, 1000, 1001, 4000, 22050.0])
    assert hz_to_mel(hz) == pytest.approx(librosa.hz_to_mel(hz), rel=1e-12)
    assert mel_to_hz(hz_to_mel(hz)) == pytest.approx(hz, rel=1e-12)


@pytest.mark.parametrize(
    ("rate", "transform", "bands", "lowest", "highest"),
    [(8000, 256, 64, 20, 4000), (16000, 512, 80, 0, 8000), (44100, 2048, 128, 30, 16000)],
)
def test_filters(rate: int, transform: int, bands: int, lowest: float, highest: float) -> None:
    want = librosa.filters.mel(
        sr=rate, n_fft=transform, n_mels=bands, fmin=lowest, fmax=highest, dtype=np.float64
    )
    got = mel_filters(rate, transform, bands, lowest, highest)
    assert got == pytest.approx(want, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize(
    ("rate", "window", "hop", "transform", "bands", "steps"),
    [
        (8000, 200, 80, 256, 64, 3517),
        (16000, 400, 160, 512, 80, 16000),
        (44100, 1102, 441, 2048, 128, 9000),
        (8000, 256, 80, 256, 40, 50),  # shorter than one window
    ],
)
def test_spectrograms(
    rate: int, window: int, hop: int, transform: int, bands: int, steps: int
) -> None:
    generator = np.random.default_rng(steps)
    time = np.arange(steps) / rate
    wave = 0.3 * np.sin(2 * np.pi * 600 * time * (1 + time)) + 0.05 * generator.normal(size=steps)
    want = librosa.feature.melspectrogram(
        y=wave,
        sr=rate,
        n_fft=transform,
        hop_length=hop,
        win_length=window,
        window="hann",
        center=True,
        pad_mode="constant",
        power=2.0,
        n_mels=bands,
        fmin=20,
        fmax=rate / 2,
    )
    got = log_mel(
        torch.from_numpy(wave).float()[None],
        torch.hann_window(window),
        torch.from_numpy(mel_filters(rate, transform, bands, 20, rate / 2)),
        hop,
    )
    assert got.shape == (1, bands, 1 + steps // hop)
    power = got[0].double().exp().numpy() - FLOOR
    assert power == pytest.approx(want, rel=1e-4, abs=1e-9)
