"""Cutout: one square around an evenly drawn pixel, cut at the border."""

import pytest
import torch
from scipy import stats

from residua.augment.cutout import cutout
from residua.random import Draws

N = 2000


def cut(h: int, w: int, *, probability: float, size: float) -> torch.Tensor:
    """bool ``[N, h, w]``: what became black."""
    draws = Draws(seed=1, epoch=2, ids=torch.arange(N) * 7919)
    images = torch.ones(N, 2, h, w)
    result = cutout(images, draws, probability=probability, size=size)
    assert (images == 1).all()
    assert torch.equal(result[:, 0], result[:, 1]), "all channels alike"
    assert torch.isin(result, torch.tensor([0.0, 1.0])).all()
    return result[:, 0] == 0


@pytest.mark.parametrize(("h", "w", "size", "side"), [(28, 28, 0.5, 14), (9, 12, 0.33, 3)])
def test_every_square_is_that_of_some_centre(h: int, w: int, size: float, side: int) -> None:
    possible = {}
    for row in range(h):
        for column in range(w):
            top, left = row - side // 2, column - side // 2
            mask = torch.zeros(h, w, dtype=torch.bool)
            mask[max(0, top) : top + side, max(0, left) : left + side] = True
            possible[mask.numpy().tobytes()] = row * w + column
    drawn = [possible[mask.numpy().tobytes()] for mask in cut(h, w, probability=1, size=size)]
    rows = torch.bincount(torch.tensor(drawn) // w, minlength=h)
    columns = torch.bincount(torch.tensor(drawn) % w, minlength=w)
    assert stats.chisquare(rows).pvalue > 1e-3
    assert stats.chisquare(columns).pvalue > 1e-3


def test_the_share_of_cut_pictures_is_the_probability() -> None:
    chosen = cut(8, 8, probability=0.3, size=0.5).flatten(1).any(dim=1)
    assert stats.binomtest(int(chosen.sum()), N, 0.3).pvalue > 1e-3
    assert not cut(8, 8, probability=0.0, size=0.5).any()


def test_the_smallest_square_is_a_pixel() -> None:
    assert (cut(8, 8, probability=1.0, size=0.01).sum(dim=(1, 2)) == 1).all()
