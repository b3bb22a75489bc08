"""What a view draws of its colours: shares as asked, in one order, each sample on its own."""

from dataclasses import replace

import pytest
import torch
from scipy import stats

from residua.augment import colour, recolour
from residua.augment.blur import gaussian_blur
from residua.augment.config import AugmentConfig
from residua.augment.where import apply_to_all
from residua.random import Draws

N = 600
STEPS = {
    "jitter_probability": {"jitter": (0.5, 0.5, 0.5, 0.2)},
    "grayscale": {},
    "blur": {},
    "solarize": {},
    "square_cutout": {},
}


def pictures(n: int = N, c: int = 3, size: int = 8) -> torch.Tensor:
    return torch.rand(n, c, size, size, generator=torch.Generator().manual_seed(n))


def draws_of(n: int = N, epoch: int = 0) -> Draws:
    return Draws(seed=11, epoch=epoch, ids=torch.arange(n) * 7919 + 1)


def view(images: torch.Tensor, draws: Draws, **options) -> torch.Tensor:
    return recolour.recolour(images.clone(), draws, AugmentConfig(**options))


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("probability", [0.0, 0.2, 0.8, 1.0])
def test_shares_are_the_probabilities(monkeypatch, step: str, probability: float) -> None:
    monkeypatch.setattr(recolour, "_SIGMA", (1.0, 2.0))  # the narrowest blurs change no digit
    images, options = pictures(), {**STEPS[step], step: probability}
    changed = (view(images, draws_of(), **options) != images).flatten(1).any(dim=1)
    if probability in (0, 1):
        assert bool(changed.all()) == (probability == 1)
        assert bool(changed.any()) == (probability == 1)
    else:
        assert stats.binomtest(int(changed.sum()), N, probability).pvalue > 1e-3
        other = view(images, draws_of(epoch=1), **options)
        assert not torch.equal((other != images).flatten(1).any(dim=1), changed)


def test_nothing_to_do_is_known_beforehand() -> None:
    assert not recolour.recolours(AugmentConfig(jitter=(1, 1, 1, 0), jitter_probability=0))
    assert not recolour.recolours(AugmentConfig(flip=1.0, mixup=1.0))
    for step, options in STEPS.items():
        assert recolour.recolours(AugmentConfig(**options, **{step: 0.1}))


def test_the_order_is_jitter_grayscale_blur_solarize() -> None:
    images, draws = pictures(50, size=40), draws_of(50)
    strengths = (0.4, 0.4, 0.2, 0.1)
    expected = colour.grayscale(colour.jitter(images, draws, strengths))
    expected = gaussian_blur(expected, draws.uniform("blur.sigma", low=0.1, high=2.0))
    expected = torch.where(expected >= 0.5, 1 - expected, expected)
    received = view(images, draws, jitter=strengths, grayscale=1.0, blur=1.0, solarize=1.0)
    torch.testing.assert_close(received, expected, rtol=0, atol=1e-6)


def test_grayscale_against_torchvision() -> None:
    from torchvision.transforms.v2 import functional

    images = pictures(5)
    expected = functional.rgb_to_grayscale(images, num_output_channels=3)
    received = view(images, draws_of(5), grayscale=1.0)
    torch.testing.assert_close(received, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("c", [1, 2, 5])
def test_pictures_that_are_not_rgb_have_no_colours_to_lose(c: int) -> None:
    images = pictures(20, c)
    options = {"jitter": (0.0, 0.0, 0.8, 0.2), "grayscale": 1.0}
    assert torch.equal(view(images, draws_of(20), **options), images)


MANY = {
    "jitter": (0.8, 0.8, 0.8, 0.2),
    "jitter_probability": 0.8,
    "grayscale": 0.2,
    "blur": 0.5,
    "solarize": 0.2,
    "square_cutout": 0.5,
    "policy": "augmix",
}


@pytest.mark.parametrize("c", [1, 3])
def test_the_same_to_the_bit_in_any_company(monkeypatch, c: int) -> None:
    images, draws = pictures(30, c, size=23), draws_of(30)
    whole = view(images, draws, **MANY)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(0))
    for rows in (order, order[:7], order[:1]):
        own = replace(draws, ids=draws.ids[rows])
        assert torch.equal(view(images[rows], own, **MANY), whole[rows])
    monkeypatch.setattr(recolour, "_CACHED_VALUES", 2000)
    assert torch.equal(view(images, draws, **MANY), whole), "in parts"


def test_what_runs_off_the_processor_gives_the_same_views(monkeypatch) -> None:
    images, draws, options = pictures(40), draws_of(40), {**MANY, "policy": "none"}
    expected = view(images, draws, **options)
    monkeypatch.setattr(recolour, "apply_where", apply_to_all)
    torch.testing.assert_close(view(images, draws, **options), expected, rtol=0, atol=1e-6)


def test_the_device_is_never_asked_for_a_value() -> None:
    """Meta tensors have no values."""
    draws = Draws(seed=0, epoch=0, ids=torch.arange(4).to("meta"))
    images = torch.empty(4, 3, 40, 30, device="meta")
    result = recolour.recolour(images, draws, AugmentConfig(**MANY))
    assert result.shape == images.shape
