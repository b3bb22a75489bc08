"""Colour operations against torchvision's, with a strength of its own for each sample."""

import pytest
import torch

from residua.augment import colour
from residua.random import Draws

B = 6
FACTORS = torch.tensor([0.0, 0.3, 0.8, 1.0, 1.4, 1.99])


def pictures(c: int, h: int = 13, w: int = 17) -> torch.Tensor:
    """Random levels, a flat picture, a grey one, one of two levels and a dark one."""
    generator = torch.Generator().manual_seed(c)
    levels = torch.randint(0, 256, (B, c, h, w), generator=generator)
    levels[1] = 77
    levels[2] = levels[2, :1]
    levels[3] = (levels[3] > 200) * 90 + 30
    levels[4] = levels[4] // 8
    return levels / 255


def torchvision_functional():
    from torchvision.transforms.v2 import functional

    return functional


@pytest.mark.parametrize("c", [1, 3])
@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "sharpness"])
def test_blends(name: str, c: int) -> None:
    images = pictures(c)
    received = getattr(colour, name)(images, FACTORS)
    theirs = getattr(torchvision_functional(), f"adjust_{name}")
    for image, result, factor in zip(images, received, FACTORS.tolist(), strict=True):
        expected = theirs(image, factor)
        torch.testing.assert_close(result, expected, rtol=0, atol=2e-6)


def test_hue() -> None:
    images, turns = pictures(3), torch.tensor([-0.5, -0.2, 0.0, 0.1, 0.33, 0.5])
    received = colour.hue(images, turns)
    for image, result, turn in zip(images, received, turns.tolist(), strict=True):
        expected = torchvision_functional().adjust_hue(image, turn)
        torch.testing.assert_close(result, expected, rtol=0, atol=1e-5)


def test_hue_turns_red_to_green_to_blue() -> None:
    red = torch.tensor([0.8, 0.2, 0.2]).view(1, 3, 1, 1)
    third = torch.tensor([1 / 3])
    green = colour.hue(red, third)
    blue = colour.hue(green, third)
    torch.testing.assert_close(green.flatten(), torch.tensor([0.2, 0.8, 0.2]))
    torch.testing.assert_close(blue.flatten(), torch.tensor([0.2, 0.2, 0.8]))


@pytest.mark.parametrize("c", [1, 3])
def test_solarize(c: int) -> None:
    images, thresholds = pictures(c), torch.tensor([0.0, 0.25, 0.5, 0.77, 0.9, 1.0])
    received = colour.solarize(images, thresholds)
    for image, result, threshold in zip(images, received, thresholds.tolist(), strict=True):
        expected = torchvision_functional().solarize(image, threshold)
        torch.testing.assert_close(result, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("c", [1, 3])
def test_posterize_and_equalize_and_autocontrast_on_levels(c: int) -> None:
    """Against torchvision's integer arithmetic, which is Pillow's."""
    images, bits = pictures(c, h=60, w=52), torch.tensor([0, 2, 4, 5, 7, 8])
    levels = (images * 255).round().to(torch.uint8)
    theirs = torchvision_functional()
    posterized, equalized = colour.posterize(images, bits), colour.equalize(images)
    stretched = colour.autocontrast(images)
    for i in range(B):
        expected = theirs.posterize(levels[i], int(bits[i])) / 255
        torch.testing.assert_close(posterized[i], expected, rtol=0, atol=1e-6)
        torch.testing.assert_close(
            equalized[i], theirs.equalize(levels[i]) / 255, rtol=0, atol=1e-6
        )
        expected = theirs.autocontrast(images[i])
        torch.testing.assert_close(stretched[i], expected, rtol=0, atol=1e-6)


def test_equalize_makes_a_large_picture_even() -> None:
    ramp = (torch.arange(256 * 64) % 64 / 255).view(1, 1, 256, 64)
    result = colour.equalize(ramp)
    assert result.max() > 0.98
    assert (result.quantile(0.5) - 0.5).abs() < 0.02


@pytest.mark.parametrize("c", [1, 2, 5])
def test_pictures_that_are_not_rgb_have_no_saturation_and_no_hue(c: int) -> None:
    images = pictures(c)
    assert torch.equal(colour.saturation(images, FACTORS), images)
    assert torch.equal(colour.hue(images, FACTORS - 1), images)
    assert not torch.equal(colour.contrast(images, FACTORS), images)


def test_sharpness_leaves_pictures_without_an_inside() -> None:
    images = pictures(3, h=2)
    assert torch.equal(colour.sharpness(images, FACTORS), images)


def test_jitter_draws_within_its_range_and_leaves_out_what_is_off() -> None:
    draws = Draws(seed=0, epoch=0, ids=torch.arange(1000))
    images = torch.full((1000, 1, 1, 1), 0.5)
    assert colour.jitter(images, draws, (0.0, 0.0, 0.0, 0.0)) is images
    factors = colour.jitter(images, draws, (0.4, 0.0, 0.0, 0.0)).flatten() / 0.5
    assert 0.6 <= factors.min() < 0.61
    assert 1.39 < factors.max() <= 1.4001


def test_jitter_is_the_operations_in_order() -> None:
    draws = Draws(seed=0, epoch=0, ids=torch.arange(B))
    images = pictures(3)
    expected = images
    for operation in (colour.brightness, colour.contrast, colour.saturation):
        factor = draws.uniform(f"jitter.{operation.__name__}", low=0.5, high=1.5)
        expected = operation(expected, factor)
    expected = colour.hue(expected, draws.uniform("jitter.hue", low=-0.1, high=0.1))
    assert torch.equal(colour.jitter(images, draws, (0.5, 0.5, 0.5, 0.1)), expected)
