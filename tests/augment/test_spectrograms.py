"""Resized crops of spectrograms against a loop in float64, and against torch's own resizing."""

import numpy as np
import pytest
import torch

from residua.augment.spectrograms import resized_crop
from residua.random import Draws

OFF = (1.0, 1.0)


def spectrograms(lengths: list[int], m: int = 10) -> tuple[torch.Tensor, torch.Tensor, Draws]:
    generator = torch.Generator().manual_seed(sum(lengths))
    values = torch.randn(len(lengths), m, max(lengths), generator=generator)
    ids = torch.arange(len(lengths)) * 104729
    return values, torch.tensor(lengths), Draws(seed=2, epoch=0, ids=ids)


def crop(values, lengths, draws, *, time=OFF, frequency=OFF, target=None) -> torch.Tensor:
    fill = torch.full((len(values),), 9.0)
    return resized_crop(
        values, lengths, draws, fill=fill, time=time, frequency=frequency, target=target
    )


def read(line: np.ndarray, place: float) -> np.ndarray:
    """``line`` ``[n, ...]`` at a place, linearly; 9 outside, half a step beyond its ends."""
    n = len(line)
    if place < -0.5 or place > n - 0.5:
        return np.full(line.shape[1:], 9.0)
    place = min(max(place, 0), n - 1)
    left = int(place)
    right = min(left + 1, n - 1)
    return line[left] * (1 - (place - left)) + line[right] * (place - left)


@pytest.mark.parametrize(
    "options",
    [
        {"time": (0.3, 1.0)},
        {"time": (1.0, 2.0)},
        {"frequency": (0.5, 1.0)},
        {"time": (0.6, 1.5), "frequency": (0.6, 1.5)},
    ],
    ids=str,
)
@pytest.mark.parametrize("target", [[1, 2, 17, 30, 30, 23], [30, 1, 23, 2, 30, 17]], ids=str)
def test_against_a_loop(options: dict[str, tuple[float, float]], target: list[int]) -> None:
    lengths = [1, 2, 17, 30, 30, 23]
    values, n, draws = spectrograms(lengths)
    received = crop(values, n, draws, **options, target=torch.tensor(target)).double().numpy()
    for i, frames in enumerate(lengths):
        expected = values[i, :, :frames].double().numpy()
        for axis, name in ((0, "frequency"), (1, "time")):
            low, high = options.get(name, OFF)
            share = float(draws.uniform(f"crop.{name}.share", low=low, high=high)[i])
            size, after = expected.shape[axis], (len(values[i]), target[i])[axis]
            start = float(draws.uniform(f"crop.{name}.place")[i]) * (size - share * size)
            lines = np.moveaxis(expected, axis, 0)
            scale = share * size / after
            places = [start + (step + 0.5) * scale - 0.5 for step in range(after)]
            expected = np.moveaxis(np.stack([read(lines, p) for p in places]), 0, axis)
        np.testing.assert_allclose(received[i, :, : target[i]], expected, atol=1e-4)


def test_half_of_the_bands_is_torchs_enlargement_of_some_half() -> None:
    """A share of 0.5 of 10 bands at place 0 or 1 is a whole window of 5."""
    values, n, draws = spectrograms([12] * 4)
    places = torch.tensor([0.0, 1.0, 0.0, 1.0])

    class Fixed(Draws):
        def uniform(self, stream, *shape, low=0.0, high=1.0):
            return places if stream.endswith("place") else torch.full((4,), low)

    fixed = Fixed(seed=0, epoch=0, ids=draws.ids)
    received = crop(values, n, fixed, frequency=(0.5, 0.5))
    for i, start in enumerate([0, 5, 0, 5]):
        part = values[i, start : start + 5].double()[None, None]
        enlarged = torch.nn.functional.interpolate(part, (10, 12), mode="bilinear")[0, 0]
        inside = slice(1, -1)  # the window's own ends know what lies beside it
        torch.testing.assert_close(received[i, inside].double(), enlarged[inside])


def test_off_is_off_and_a_larger_window_shows_everything_once() -> None:
    values, n, draws = spectrograms([40, 40])
    torch.testing.assert_close(crop(values, n, draws), values, rtol=0, atol=1e-6)
    ramp = torch.arange(40.0).expand(2, 3, 40)
    shrunk = crop(ramp, torch.tensor([40, 40]), draws, time=(2.0, 2.0))
    kept = (shrunk[0, 0] != 9.0) | (torch.arange(40) == 18)
    assert 19 <= kept.sum() <= 22
    steps = shrunk[0, 0][shrunk[0, 0] != 9.0].diff()
    assert (steps[1:-1] > 1.5).all(), "in order, twice as fast"


def test_places_and_shares_differ_from_sample_to_sample_and_epoch_to_epoch() -> None:
    values = torch.randn(1, 8, 20, generator=torch.Generator().manual_seed(0)).repeat(30, 1, 1)
    n, ids = torch.full((30,), 20), torch.arange(30)
    one, two = (crop(values, n, Draws(seed=0, epoch=e, ids=ids), time=(0.6, 1.5)) for e in (0, 1))
    assert len({row.numpy().tobytes() for row in one}) == 30
    assert not (one == two).flatten(1).all(dim=1).any()
