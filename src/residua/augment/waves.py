"""Changes of waveforms: speed, shifts, loudness, background, noise.

Waveforms are float ``[b, t]``, zero behind the first ``lengths`` steps of each sample. A sample's
result depends on its own valid steps and draws alone, not on how far it is padded.

Legend: b samples, t steps of the longest.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from residua.random import Draws

_UNIT = 4096  # speeds are multiples of 1/4096, so that positions are exact in long clips
_HALF = 8  # steps of the interpolation's kernel on either side
_OCTAVES = 9  # of pink noise: at 16 kHz from 8 kHz down to 16 Hz
_SMALLEST_POWER = 1e-20


def valid(lengths: Tensor, t: int) -> Tensor:
    """bool ``[b, t]``: true up to each sample's end."""
    return torch.arange(t, device=lengths.device) < lengths[:, None]


def speed(
    waves: Tensor, lengths: Tensor, draws: Draws, *, low: float, high: float
) -> tuple[Tensor, Tensor]:
    """Each sample faster by its own factor, uniform from ``low`` to ``high`` (Ko et al., "Audio
    Augmentation for Speech Recognition", Interspeech 2015): tempo and pitch change together.

    Read with a Hann-windowed sinc of 16 steps, whose cut-off falls where a sample gets faster.

    Returns:
        Waveforms ``[b, t']`` with ``t'`` for the slowest that could be drawn, and their lengths.
    """
    slowest, fastest = round(low * _UNIT), round(high * _UNIT)
    factor = slowest + draws.integers("sound.speed", fastest - slowest + 1)
    steps = torch.arange((waves.shape[1] - 1) * _UNIT // slowest + 1, device=waves.device)
    places = steps * factor[:, None]
    inside = (places & (_UNIT - 1)).to(torch.float32) / _UNIT
    changed = _interpolated(waves, places // _UNIT, inside, _UNIT / factor)
    lengths = (lengths - 1) * _UNIT // factor + 1
    return changed.masked_fill(~valid(lengths, len(steps)), 0.0), lengths


def _interpolated(waves: Tensor, whole: Tensor, inside: Tensor, slowness: Tensor) -> Tensor:
    """``waves`` at ``whole + inside``, int64 and float ``[b, t']``; zero outside."""
    cut = slowness.to(torch.float32).clamp(max=1)[:, None]
    padded = torch.nn.functional.pad(waves, (_HALF, _HALF))
    places = whole.clamp(max=waves.shape[1] - 1) + _HALF
    result = torch.zeros_like(inside)
    for step in range(1 - _HALF, _HALF + 1):
        distance = inside - step
        window = torch.cos(distance * (torch.pi / 2 / _HALF)).square()
        kernel = cut * torch.sinc(cut * distance) * window
        result.addcmul_(padded.gather(1, places + step), kernel)
    return result


def shift(waves: Tensor, lengths: Tensor, draws: Draws, *, most: float) -> Tensor:
    """Moved by whole steps, uniform up to ``most`` of each sample's length either way."""
    t = waves.shape[1]
    share = draws.uniform("sound.shift", low=-most, high=most)
    places = torch.arange(t, device=waves.device) - (share * lengths).round().long()[:, None]
    heard = (places >= 0) & (places < lengths[:, None]) & valid(lengths, t)
    return waves.gather(1, places.clamp(0, t - 1)).masked_fill(~heard, 0.0)


def gain(waves: Tensor, draws: Draws, *, low: float, high: float) -> Tensor:
    """Louder by an amount uniform from ``low`` to ``high`` dB; nothing is clipped."""
    return waves * torch.pow(10.0, draws.uniform("sound.gain", low=low, high=high) / 20)[:, None]


def add_background(
    waves: Tensor, lengths: Tensor, partners: Tensor, draws: Draws, *, most: float
) -> Tensor:
    """Each sample with its partner behind it, whose share s is uniform from 0 to ``most``.

    Amplitudes count sqrt(1 - s) and sqrt(s), so that powers, which are what adds up of independent
    sounds, count 1 - s and s in every band: the log-mixup-exp of Niizumi et al., "BYOL for Audio"
    (IJCNN 2021), III-B, before the spectrogram instead of after. A sample keeps its length.

    Args:
        waves: The waveforms.
        lengths: int64 ``[b]``.
        partners: int64 ``[b]`` positions in the batch; who is its own partner stays as it is.
        draws: The samples' random numbers.
        most: Largest share.
    """
    share = draws.uniform("sound.background", high=most)
    alone = partners == torch.arange(len(partners), device=partners.device)
    share = share.masked_fill(alone, 0.0)[:, None]
    behind = waves[partners].masked_fill(~valid(lengths, waves.shape[1]), 0.0)
    return torch.addcmul((1 - share).sqrt() * waves, share.sqrt(), behind)


def add_noise(
    waves: Tensor,
    lengths: Tensor,
    draws: Draws,
    *,
    low: float,
    high: float,
    colour: Literal["white", "pink"],
) -> Tensor:
    """Noise of its own for each sample, at a ratio uniform from ``low`` to ``high`` dB.

    The ratio is that of the mean power of the sample's valid steps to that of its noise, to the
    digit. Silence stays silent.
    """
    ratio = torch.pow(10.0, draws.uniform("sound.snr", low=low, high=high) / 10)
    t = waves.shape[1]
    noise = draws.normal("sound.noise", t) if colour == "white" else _pink(draws, t)
    noise = noise.masked_fill(~valid(lengths, t), 0.0)
    scale = (_energy(waves) / _energy(noise).clamp(min=_SMALLEST_POWER) / ratio).sqrt()
    return torch.addcmul(waves, noise, scale.to(waves.dtype)[:, None])


def _energy(waves: Tensor) -> Tensor:
    """float64 ``[b]``, so that the padding's zeros change no digit."""
    return waves.square().sum(dim=1, dtype=torch.float64)


def _pink(draws: Draws, t: int) -> Tensor:
    """float ``[b, t]``: Voss's sum of random steps, each of which lasts twice as long as those
    before (Gardner, "White and brown music, fractal curves and one-over-f fluctuations",
    Scientific American 1978). Without a filter's memory, a value depends on its place alone.
    """
    total = draws.normal("sound.noise", t)
    for octave in range(1, _OCTAVES):
        held = draws.normal(f"sound.noise.{octave}", (t >> octave) + 1)
        total += held.repeat_interleave(1 << octave, dim=1)[:, :t]
    return total
