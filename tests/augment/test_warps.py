"""Windows, uneven speed and segments against numpy in float64."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from residua.augment import warps
from residua.random import Draws

few = settings(max_examples=25, deadline=None)


def draws(b: int, seed: int = 0) -> Draws:
    return Draws(seed=seed, epoch=0, ids=torch.arange(b) * 31 + 5)


def ramps(lengths: list[int], t: int) -> torch.Tensor:
    """Each step holds its own number, in two channels; -1 and NaN behind the end."""
    inputs = torch.arange(float(t)).repeat(len(lengths), 2, 1)
    for ramp, n in zip(inputs, lengths, strict=True):
        ramp[0, n:], ramp[1, n:] = -1, torch.nan
    return inputs


@given(lengths=st.lists(st.integers(1, 50), min_size=1, max_size=8), seed=st.integers(0, 500))
@few
def test_a_window_is_a_piece_of_the_sample(lengths: list[int], seed: int) -> None:
    inputs, most = ramps(lengths, 50), 0.7
    own = draws(len(lengths), seed)
    windows, kept = warps.window(inputs, torch.tensor(lengths), own, most=most)
    assert windows.shape == inputs.shape
    for n, m, view in zip(lengths, kept.tolist(), windows[..., :], strict=True):
        assert max(1, n - most * n) <= m <= n
        steps = view[:, :m]
        assert torch.equal(steps[0], steps[1])
        assert steps[0, 0] >= 0
        assert steps[0, -1] < n
        assert (steps[0].diff() == 1).all()


def test_windows_are_of_any_share_and_at_any_place() -> None:
    b, n = 4000, 1000
    inputs = torch.arange(float(n)).expand(b, 1, n)
    windows, kept = warps.window(inputs, torch.full((b,), n), draws(b), most=0.5)
    cut = (n - kept).double()
    assert stats.kstest(cut / n, stats.uniform(0, 0.5).cdf).pvalue > 1e-3
    wide = cut > 100
    place = (windows[:, 0, 0].double() / cut)[wide]
    assert stats.kstest(place, stats.uniform(0, 1).cdf).pvalue > 1e-3


def by_integration(speeds: np.ndarray, share: np.ndarray) -> np.ndarray:
    """The integral of speeds that are linear between the knots, as a fine sum."""
    fine = np.linspace(0, 1, 200_001)
    speed = np.interp(fine, np.linspace(0, 1, len(speeds)), speeds)
    area = np.concatenate([[0], np.cumsum((speed[1:] + speed[:-1]) / 2)])
    return np.interp(share, fine, area / area[-1])


@given(k=st.integers(0, 6), n=st.integers(2, 60), strength=st.floats(0.01, 1), seed=st.integers(0))
@few
def test_warped_time_is_the_integral_of_the_speed(k: int, n: int, strength: float, seed: int):
    speeds = np.exp(np.random.default_rng(seed).normal(scale=strength, size=(2, k + 2)))
    share = np.linspace(0, 1, n)
    received = warps.warped_time(torch.from_numpy(speeds), torch.from_numpy(share).expand(2, -1))
    for ours, own in zip(received.numpy(), speeds, strict=True):
        np.testing.assert_allclose(ours, by_integration(own, share), atol=1e-9)
    assert (received.diff(dim=1) > 0).all()
    assert received[:, 0].tolist() == [0, 0]


@given(
    lengths=st.lists(st.integers(1, 70), min_size=1, max_size=6),
    knots=st.integers(0, 5),
    strength=st.floats(0.05, 1.0),
    seed=st.integers(0, 500),
)
@few
def test_a_warp_reads_the_signal_at_other_times(lengths, knots, strength, seed) -> None:
    b, t = len(lengths), 75
    signals = np.random.default_rng(seed).normal(size=(b, 3, t)).astype(np.float32)
    for signal, n in zip(signals, lengths, strict=True):
        signal[:, n:] = np.nan
    own = draws(b, seed)
    inputs, ends = torch.from_numpy(signals), torch.tensor(lengths)
    result = warps.time_warp(inputs, ends, own, strength=strength, knots=knots)
    speeds = np.exp(strength * own.normal("time_warp.speed", knots + 2).double().numpy())
    for n, ours, signal, speed in zip(lengths, result, signals, speeds, strict=True):
        place = by_integration(speed, np.linspace(0, 1, n) if n > 1 else np.zeros(1)) * (n - 1)
        for row, before in zip(ours, signal, strict=True):
            expected = np.interp(place, np.arange(n), before[:n].astype(np.float64))
            np.testing.assert_allclose(row[:n], expected, atol=2e-4)


def test_a_weak_warp_of_a_long_recording_stays_exact() -> None:
    n = 3_000_000
    signal = (torch.arange(n) % 50).float()[None, None] / 50  # a saw tooth of 50 steps
    own = draws(1, 3)
    result = warps.time_warp(signal, torch.tensor([n]), own, strength=1e-5, knots=2)
    speeds = np.exp(1e-5 * own.normal("time_warp.speed", 4).double().numpy())[0]
    place = by_integration(speeds, np.linspace(0, 1, n)) * (n - 1)
    exact = np.interp(place, np.arange(n), signal[0, 0].numpy().astype(np.float64))
    assert np.median(np.abs(result[0, 0].numpy() - exact)) < 0.02 * 0.5


@given(
    lengths=st.lists(st.integers(1, 50), min_size=1, max_size=10),
    widest=st.floats(0.01, 0.99),
    seed=st.integers(0, 500),
)
@few
def test_a_segment_lies_in_its_sample_and_leaves_something(lengths, widest, seed) -> None:
    inside = warps.segment(55, torch.tensor(lengths), draws(len(lengths), seed), widest=widest)
    assert inside.shape == (len(lengths), 1, 55)
    for n, places in zip(lengths, inside[:, 0], strict=True):
        found = places.nonzero()[:, 0]
        assert (n == 1) == (len(found) == 0)
        if n > 1:
            assert len(found) <= max(1, np.ceil(widest * n))
            assert len(found) < n
            assert found[-1] < n
            assert found[-1] - found[0] == len(found) - 1


@pytest.mark.parametrize("widest", [0.2, 0.6])
def test_segments_are_of_any_width_up_to_the_widest(widest: float) -> None:
    b, n = 4000, 1000
    inside = warps.segment(n, torch.full((b,), n), draws(b), widest=widest)
    width = inside.sum(dim=(1, 2)).double() / n
    assert stats.kstest(width, stats.uniform(0, widest).cdf).pvalue > 1e-3
