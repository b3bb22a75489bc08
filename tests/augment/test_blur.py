"""Gaussian blur against torchvision's, with a width of its own for each sample."""

import pytest
import torch

from residua.augment.blur import gaussian_blur

SIGMA = torch.tensor([0.1, 0.5, 1.1, 2.0])


def pictures(c: int, h: int, w: int) -> torch.Tensor:
    return torch.rand(len(SIGMA), c, h, w, generator=torch.Generator().manual_seed(h * w))


@pytest.mark.parametrize(
    ("c", "h", "w", "side"),
    [(1, 28, 28, 3), (3, 32, 32, 3), (3, 5, 7, 3), (3, 96, 120, 9), (1, 230, 224, 23)],
)
def test_against_torchvision(c: int, h: int, w: int, side: int) -> None:
    from torchvision.transforms.v2 import functional

    images = pictures(c, h, w)
    received = gaussian_blur(images, SIGMA)
    for image, result, sigma in zip(images, received, SIGMA.tolist(), strict=True):
        expected = functional.gaussian_blur(image.double(), [side, side], [sigma, sigma])
        torch.testing.assert_close(result.double(), expected, rtol=0, atol=1e-5)


def test_a_flat_picture_stays_flat_and_a_sharp_one_gets_smoother() -> None:
    flat = torch.full((len(SIGMA), 3, 20, 20), 0.7)
    torch.testing.assert_close(gaussian_blur(flat, SIGMA), flat, rtol=0, atol=1e-6)
    spread = gaussian_blur(pictures(1, 40, 40), SIGMA).std(dim=(1, 2, 3))
    assert (spread.diff() < 0).all(), "wider is smoother"


def test_a_picture_of_one_row_has_nothing_to_reflect() -> None:
    images = pictures(3, 1, 9)
    assert torch.equal(gaussian_blur(images, SIGMA), images)


def test_a_sample_does_not_see_its_neighbours() -> None:
    images = pictures(3, 30, 30)
    whole = gaussian_blur(images, SIGMA)
    for i in range(len(SIGMA)):
        assert torch.equal(gaussian_blur(images[i : i + 1], SIGMA[i : i + 1])[0], whole[i])
