"""Random erasing: its rectangles, its fill, its probability."""

import torch
from scipy import stats

from residua.augment.erasing import draw_rectangles, erase
from residua.random import Draws


def draws(b: int) -> Draws:
    return Draws(seed=0, epoch=0, ids=torch.arange(b))


def sides(inside: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return inside[:, 0].any(dim=2).sum(dim=1), inside[:, 0].any(dim=1).sum(dim=1)


def test_rectangles_are_rectangles_of_the_stated_area_and_ratio() -> None:
    inside, found = draw_rectangles(draws(2000), 100, 140)
    assert found.all()
    heights, widths = sides(inside)
    area = inside.sum(dim=(1, 2, 3))
    assert torch.equal(area, heights * widths)
    share, ratio = area / 14000, heights / widths
    assert 0.018 < share.min() < 0.03
    assert 0.31 < share.max() < 0.34
    assert 0.28 < ratio.min() < 0.35
    assert 2.5 < ratio.max() < 3.5
    assert stats.kstest(share.double(), stats.uniform(0.02, 0.31).cdf).statistic < 0.05


def test_every_pixel_can_be_erased() -> None:
    inside, _ = draw_rectangles(draws(3000), 8, 12)
    assert inside.any(dim=0).all()


def test_a_picture_too_small_for_a_rectangle_stays_whole() -> None:
    _, found = draw_rectangles(draws(5), 1, 1)
    assert not found.any()
    image = torch.full((5, 1, 1, 1), 0.5)
    assert torch.equal(erase(image.clone(), draws(5), probability=1.0, fill="noise"), image)


def test_erase_overwrites_the_rectangle_only_and_only_what_was_chosen() -> None:
    images = torch.full((2000, 3, 16, 20), 0.5)
    inside, _ = draw_rectangles(draws(2000), 16, 20)
    for fill in ("zero", "noise"):
        result = erase(images.clone(), draws(2000), probability=0.25, fill=fill)
        changed = (result != images).any(dim=1, keepdim=True)
        assert not (changed & ~inside).any()
        erased = changed.any(dim=(1, 2, 3))
        assert stats.binomtest(int(erased.sum()), 2000, 0.25).pvalue > 1e-3
        new = result[(erased[:, None, None, None] & inside).expand_as(result)]
        if fill == "zero":
            assert (new == 0).all()
        else:
            assert stats.kstest(new[:20_000].double(), "uniform").pvalue > 1e-3
