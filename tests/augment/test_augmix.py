"""AugMix: its operations against torchvision's, its mixture against a loop over samples."""

import pytest
import torch
from scipy import stats

from residua.augment import augmix, policies
from residua.augment.policies import Operation
from residua.random import Draws

NAMES = {
    Operation.SHEAR_X: "ShearX",
    Operation.SHEAR_Y: "ShearY",
    Operation.TRANSLATE_X: "TranslateX",
    Operation.TRANSLATE_Y: "TranslateY",
    Operation.ROTATE: "Rotate",
    Operation.POSTERIZE: "Posterize",
    Operation.SOLARIZE: "Solarize",
    Operation.AUTOCONTRAST: "AutoContrast",
    Operation.EQUALIZE: "Equalize",
}
ON_LEVELS = {Operation.POSTERIZE, Operation.EQUALIZE}
H, W = 21, 34


def picture(c: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(c)
    coarse = torch.rand(1, c, 4, 5, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (H, W), mode="bicubic").clamp(0, 1)
    return (smooth * 255).round() / 255 * 0.999


def draws_of(n: int, seed: int = 0) -> Draws:
    return Draws(seed=seed, epoch=1, ids=torch.arange(n) * 104729)


@pytest.mark.parametrize("c", [1, 3])
def test_its_operations_are_torchvisions(c: int) -> None:
    """At the ten magnitudes that torchvision has; here they are drawn from between."""
    from torchvision.transforms import InterpolationMode, v2

    theirs, image = v2.AugMix(all_ops=False), picture(c)
    assert set(theirs._PARTIAL_AUGMENTATION_SPACE) == set(NAMES.values())
    for operation, name in NAMES.items():
        magnitudes, signed = theirs._PARTIAL_AUGMENTATION_SPACE[name]
        values = magnitudes(10, H, W)
        received = policies.operate(
            image.repeat(10, 1, 1, 1),
            torch.full((10,), operation),
            torch.arange(10) / 9,
            torch.zeros(10, dtype=torch.bool),
            augmix._space(image),
        )
        for bin_ in range(10):
            # Values just below a whole pixel, which torchvision cuts off, are undone here.
            magnitude = 0.0 if values is None else round(float(values[bin_]), 5)
            levels = (image * 255).round().to(torch.uint8)
            expected = theirs._apply_image_or_video_transform(
                levels if operation in ON_LEVELS else image,
                name,
                magnitude if signed else abs(magnitude),
                InterpolationMode.BILINEAR,
                {torch.Tensor: None},
            )
            expected = expected / 255 if operation in ON_LEVELS else expected
            difference = (received[bin_] - expected[0]).abs().max()
            assert difference < 5e-4, f"{name} {bin_}: {difference}"


def test_nine_operations_evenly_in_chains_of_one_to_three() -> None:
    which = augmix._operations(draws_of(6000))
    depth = (which != Operation.IDENTITY).sum(dim=2)
    assert stats.chisquare(torch.bincount(depth.flatten())[1:]).pvalue > 1e-3
    behind = torch.arange(3) >= depth[..., None]
    assert torch.equal(which == Operation.IDENTITY, behind), "only behind the end"
    drawn = torch.bincount(which[~behind], minlength=len(Operation))
    assert {Operation(i) for i in drawn.nonzero()[:, 0].tolist()} == set(NAMES)
    assert stats.chisquare(drawn[list(NAMES)]).pvalue > 1e-3
    assert (which[:, 0] != which[:, 1]).any()


def test_weights_are_uniform_on_the_simplex_and_beside_it() -> None:
    weights = augmix._weights(draws_of(4000)).double()
    together = weights.sum(dim=1)
    assert stats.kstest(together, "uniform").pvalue > 1e-3
    for chain in range(3):  # each of three Dirichlet(1, 1, 1) numbers is Beta(1, 2)
        assert stats.kstest(weights[:, chain] / together, "beta", args=(1, 2)).pvalue > 1e-3


def test_the_mixture_is_that_of_its_chains() -> None:
    n, image = 12, picture(3)
    draws, images = draws_of(n, seed=5), image.repeat(n, 1, 1, 1)
    received = augmix.augmix(images, draws)
    assert torch.equal(images, image.repeat(n, 1, 1, 1)), "the pictures are left as they were"
    which, weights = augmix._operations(draws), augmix._weights(draws).double()
    amount = draws.uniform("augmix.level", 3, 3, low=0.01, high=0.3)
    negative = draws.bernoulli("augmix.sign", 0.5, 3, 3)
    for i in range(n):
        expected = (1 - weights[i].sum()) * image[0].double()
        for chain in range(3):
            changed = image.clone()
            for step in range(3):
                at = (slice(i, i + 1), chain, step)
                changed = policies.operate(
                    changed, which[at], amount[at], negative[at], augmix._space(image)
                )
            expected += weights[i, chain] * changed[0].double()
        torch.testing.assert_close(received[i].double(), expected, rtol=0, atol=1e-5)
