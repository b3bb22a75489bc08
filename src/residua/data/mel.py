"""From waveforms to log-mel spectrograms, in float32 on any device.

The filters are Slaney's (Auditory Toolbox, 1998), librosa's default: the mel scale is linear below
1 kHz and logarithmic above, the filters are triangles of area 1 (in Hz), so that white noise gives
the same value in every band. Frames are centred: frame i is at step ``i * hop``, with zeros
before the first and behind the last step, so that a clip's frames are the same alone and padded.

Legend: b samples, t steps, m mel bands, f frames, k frequencies of the transform.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

FLOOR = 1e-6
"""Added to the power before the logarithm: about -60 dB below speech at a usual level."""

_LINEAR = 200 / 3  # Hz a mel below the corner
_CORNER = 1000.0  # Hz
_LOG_STEP = np.log(6.4) / 27  # logarithm of the frequency, a mel above the corner


def hz_to_mel(frequencies: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Slaney's scale: 15 mel at 1 kHz."""
    hz = np.asarray(frequencies, dtype=np.float64)
    above = np.log(np.maximum(hz, _CORNER) / _CORNER) / _LOG_STEP
    return np.minimum(hz, _CORNER) / _LINEAR + above


def mel_to_hz(mels: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The inverse of `hz_to_mel`."""
    mel = np.asarray(mels, dtype=np.float64)
    corner = _CORNER / _LINEAR
    return np.minimum(mel, corner) * _LINEAR * np.exp(np.maximum(mel - corner, 0) * _LOG_STEP)


def mel_filters(
    rate: float, transform: int, bands: int, lowest: float, highest: float
) -> npt.NDArray[np.float64]:
    """``[m, k]`` weights of power at ``k = transform // 2 + 1`` frequencies.

    Args:
        rate: Steps per second.
        transform: Length of the Fourier transform, in steps.
        bands: m.
        lowest, highest: Where the first triangle starts and the last ends, in Hz.
    """
    hz = np.arange(transform // 2 + 1) * (rate / transform)
    edges = mel_to_hz(np.linspace(hz_to_mel(lowest), hz_to_mel(highest), bands + 2))
    left, peak, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    triangles = np.minimum((hz - left) / (peak - left), (right - hz) / (right - peak))
    return np.maximum(triangles, 0) * (2 / (right - left))


def log_mel(waves: Tensor, window: Tensor, filters: Tensor, hop: int) -> Tensor:
    """log(power + `FLOOR`) of each band.

    Args:
        waves: float ``[b, t]``, zero behind the end of each sample.
        window: float ``[w]``; the transform is ``2 * (k - 1)`` long, and the window in its middle.
        filters: float64 ``[m, k]``. The sums over frequencies are taken in it, as those of float32
            differ in the last digit with the number of frames beside them.
        hop: Steps from frame to frame.

    Returns:
        float ``[b, m, f]`` with ``f = 1 + t // hop``.
    """
    spectrum = torch.stft(
        waves,
        n_fft=2 * (filters.shape[1] - 1),
        hop_length=hop,
        win_length=len(window),
        window=window,
        center=True,
        pad_mode="constant",
        return_complex=True,
    )
    power = spectrum.real.square() + spectrum.imag.square()
    return torch.log(torch.matmul(filters, power.to(filters.dtype)).to(power.dtype) + FLOOR)
