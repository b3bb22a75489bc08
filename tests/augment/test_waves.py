"""Speed, shifts, gain and noise against what they are by definition."""

import numpy as np
import pytest
import torch
from torch import Tensor

from residua.augment import waves
from residua.random import Draws


def draws_of(count: int, *, seed: int = 0, epoch: int = 0) -> Draws:
    return Draws(seed=seed, epoch=epoch, ids=torch.arange(count) * 7919 + 5)


def padded(lengths: list[int], t: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    counts = torch.tensor(lengths)
    values = torch.randn(len(lengths), t, generator=generator)
    return values * waves.valid(counts, t), counts


@pytest.mark.parametrize("factor", [0.8, 0.95, 1.0, 1.07, 1.25])
def test_a_faster_tone_is_higher_and_shorter(factor: float) -> None:
    rate, hertz, t = 8000, 600, 4000
    tone = torch.sin(2 * torch.pi * hertz * torch.arange(t) / rate)[None]
    got, lengths = waves.speed(tone, torch.tensor([t]), draws_of(1), low=factor, high=factor)
    exact = round(factor * 4096) / 4096
    assert int(lengths) == int((t - 1) / exact) + 1
    n = np.arange(int(lengths))
    want = np.sin(2 * np.pi * hertz * exact * n / rate)
    inner = slice(20, len(n) - 20)
    assert np.abs(got[0, : len(n)].numpy() - want)[inner].max() < 5e-3


def test_at_speed_1_nothing_changes() -> None:
    values, lengths = padded([50, 31], 50)
    got, same = waves.speed(values, lengths, draws_of(2), low=1.0, high=1.0)
    assert torch.allclose(got, values, atol=1e-6)
    assert torch.equal(same, lengths)


def test_what_a_faster_clip_cannot_hold_is_left_out() -> None:
    tone = torch.sin(torch.pi * 0.95 * torch.arange(4000.0))[None]  # above the new half rate
    got, _ = waves.speed(tone, torch.tensor([4000]), draws_of(1), low=1.25, high=1.25)
    assert got[0, 100:3000].abs().max() < 0.1


def test_speeds_are_uniform_and_positions_exact_in_long_clips() -> None:
    ramp = torch.arange(200_000.0).expand(300, -1)[:, :2000]
    _, lengths = waves.speed(ramp, torch.full((300,), 2000), draws_of(300), low=0.9, high=1.1)
    factors = 2000 / lengths.double()
    assert factors.min() >= 0.899
    assert factors.max() <= 1.101
    assert abs(factors.mean() - 1.0) < 0.01
    assert factors.std() == pytest.approx(0.2 / 12**0.5, rel=0.1)
    long = torch.sin(0.05 * torch.arange(2_000_000.0, dtype=torch.float64)).float()[None]
    got, count = waves.speed(long, torch.tensor([2_000_000]), draws_of(1), low=1.1, high=1.1)
    n = np.arange(int(count))[-2000:-20]
    want = np.sin(0.05 * n * (round(1.1 * 4096) / 4096))
    assert np.abs(got[0, n].numpy() - want).max() < 5e-3


def test_shifts_move_whole_steps_and_let_silence_in() -> None:
    values, lengths = padded([40, 25, 40, 13] * 25, 40)
    values += waves.valid(lengths, 40) * 10  # no value is 0
    got = waves.shift(values, lengths, draws_of(100), most=0.25)
    moves = set()
    for row, n in enumerate(lengths.tolist()):
        clip, moved = values[row, :n], got[row]
        assert not moved[n:].any()
        by = next(d for d in range(-n, n) if torch.equal(moved[:n], _rolled(clip, d)))
        assert abs(by) <= round(n * 0.25)
        moves.add(by)
    assert len(moves) > 12
    assert min(moves) < 0 < max(moves)


def _rolled(clip: Tensor, by: int) -> Tensor:
    zeros = torch.zeros(min(abs(by), len(clip)))
    return torch.cat([zeros, clip[: len(clip) - by]]) if by >= 0 else torch.cat([clip[-by:], zeros])


def test_gain_is_in_decibels() -> None:
    values, _ = padded([30] * 200, 30)
    ratio = waves.gain(values, draws_of(200), low=-6, high=12)[:, 0] / values[:, 0]
    decibels = 20 * torch.log10(ratio.double())
    assert decibels.min() >= -6.001
    assert decibels.max() <= 12.001
    assert decibels.mean() == pytest.approx(3.0, abs=0.9)
    assert decibels.std() == pytest.approx(18 / 12**0.5, rel=0.1)


@pytest.mark.parametrize("colour", ["white", "pink"])
def test_noise_has_the_ratio_that_was_asked_for(colour) -> None:
    values, lengths = padded([600, 100, 1, 333], 700)
    draws = draws_of(4)
    got = waves.add_noise(values, lengths, draws, low=10, high=10, colour=colour)
    noise = (got - values).double()
    assert (noise * ~waves.valid(lengths, 700)).abs().max() == 0
    ratio = values.double().square().sum(1) / noise.square().sum(1)
    assert 10 * torch.log10(ratio).numpy() == pytest.approx(10, abs=1e-3)
    silent = waves.add_noise(values * 0, lengths, draws, low=10, high=10, colour=colour)
    assert torch.equal(silent, torch.zeros_like(values))


def test_every_sample_has_noise_of_its_own_in_every_epoch() -> None:
    flat = torch.ones(3, 500)
    lengths = torch.full((3,), 500)

    def noise(epoch: int) -> Tensor:
        draws = draws_of(3, epoch=epoch)
        return waves.add_noise(flat, lengths, draws, low=0, high=0, colour="white") - flat

    both = torch.cat([noise(0), noise(1)])
    assert (torch.corrcoef(both) - torch.eye(6)).abs().max() < 0.2


@pytest.mark.parametrize(("colour", "slope"), [("white", 0.0), ("pink", -1.0)])
def test_the_colour_of_noise(colour, slope: float) -> None:
    t = 4096
    flat, lengths = torch.ones(200, t), torch.full((200,), t)
    draws = draws_of(200)
    noise = waves.add_noise(flat, lengths, draws, low=0, high=0, colour=colour) - flat
    power = torch.fft.rfft(noise.double()).abs().square().mean(0).numpy()
    octaves = [power[2**k : 2 ** (k + 1)].mean() for k in range(4, 11)]
    fitted = np.polyfit(np.arange(4, 11), np.log2(octaves), 1)[0]
    assert fitted == pytest.approx(slope, abs=0.15)
