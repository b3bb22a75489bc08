"""Both policies against torchvision: every operation at every magnitude, and what is drawn."""

import pytest
import torch
from scipy import stats

from residua.augment import policies
from residua.augment.policies import Operation
from residua.random import Draws

NAMES = {
    Operation.IDENTITY: "Identity",
    Operation.SHEAR_X: "ShearX",
    Operation.SHEAR_Y: "ShearY",
    Operation.TRANSLATE_X: "TranslateX",
    Operation.TRANSLATE_Y: "TranslateY",
    Operation.ROTATE: "Rotate",
    Operation.BRIGHTNESS: "Brightness",
    Operation.SATURATION: "Color",
    Operation.CONTRAST: "Contrast",
    Operation.SHARPNESS: "Sharpness",
    Operation.POSTERIZE: "Posterize",
    Operation.SOLARIZE: "Solarize",
    Operation.AUTOCONTRAST: "AutoContrast",
    Operation.EQUALIZE: "Equalize",
}
ON_LEVELS = {Operation.POSTERIZE, Operation.EQUALIZE}
H, W = 21, 34


def picture(c: int) -> torch.Tensor:
    """Smooth, so that a place read wrongly shows, with values that no threshold of 31 meets."""
    generator = torch.Generator().manual_seed(c)
    coarse = torch.rand(1, c, 4, 5, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (H, W), mode="bicubic").clamp(0, 1)
    return (smooth * 255).round() / 255 * 0.999


def torchvision_operation(policy, image, operation: Operation, bin_: int, sign: int):
    from torchvision.transforms import InterpolationMode

    magnitudes, signed = policy._AUGMENTATION_SPACE[NAMES[operation]]
    values = magnitudes(31, H, W)
    # torch.linspace(0, 32, 31)[15] is 15.999999, which torchvision cuts to 15 pixels: undone here.
    magnitude = 0.0 if values is None else round(float(values[bin_]), 5)
    if operation in ON_LEVELS:
        image = (image * 255).round().to(torch.uint8)
    result = policy._apply_image_or_video_transform(
        image,
        NAMES[operation],
        magnitude * (sign if signed else 1),
        InterpolationMode.BILINEAR,
        {torch.Tensor: None},
    )
    return result / 255 if operation in ON_LEVELS else result


def spaces(monkeypatch: pytest.MonkeyPatch):
    """The space that each policy hands to `operate`."""
    seen: list[policies.Space] = []
    real = policies.operate

    def spy(images, which, amount, negative, space):
        seen.append(space)
        return real(images, which, amount, negative, space)

    monkeypatch.setattr(policies, "operate", spy)
    draws = Draws(seed=0, epoch=0, ids=torch.arange(2))
    policies.trivial_augment(torch.zeros(2, 3, H, W), draws)
    policies.rand_augment(torch.zeros(2, 3, H, W), draws, count=1, magnitude=9)
    monkeypatch.undo()
    return {"TrivialAugmentWide": seen[0], "RandAugment": seen[1]}


@pytest.mark.parametrize("c", [1, 3])
@pytest.mark.parametrize("name", ["TrivialAugmentWide", "RandAugment"])
def test_every_operation_at_every_magnitude(monkeypatch, name: str, c: int) -> None:
    from torchvision.transforms import v2

    policy, image = getattr(v2, name)(), picture(c)
    space = spaces(monkeypatch)[name]
    assert set(NAMES.values()) == set(policy._AUGMENTATION_SPACE)
    bins = torch.arange(31)
    for operation in Operation:
        for sign in (1, -1):
            received = policies.operate(
                image.repeat(31, 1, 1, 1),
                torch.full((31,), operation),
                bins / 30,
                torch.full((31,), sign == -1),
                space,
            )
            expected = torch.cat(
                [torchvision_operation(policy, image, operation, i, sign) for i in range(31)]
            )
            difference = (received - expected).abs().amax()
            assert difference < 1e-4, f"{operation.name} {sign}: {difference}"


def test_trivial_augment_draws_operations_and_magnitudes_evenly(monkeypatch) -> None:
    seen = {}

    def spy(images, which, amount, negative, space):
        seen.update(which=which, amount=amount, negative=negative)
        return images

    monkeypatch.setattr(policies, "operate", spy)
    draws = Draws(seed=0, epoch=0, ids=torch.arange(20_000))
    policies.trivial_augment(torch.zeros(1, 1, 4, 4), draws)
    bins = (seen["amount"] * 30).round().long()
    assert stats.chisquare(torch.bincount(seen["which"], minlength=14)).pvalue > 1e-3
    assert stats.chisquare(torch.bincount(bins, minlength=31)).pvalue > 1e-3
    assert stats.binomtest(int(seen["negative"].sum()), 20_000, 0.5).pvalue > 1e-3
    table = torch.bincount(seen["which"] * 31 + bins, minlength=14 * 31)
    assert stats.chisquare(table).pvalue > 1e-3


def test_rand_augment_is_its_operations_in_a_row() -> None:
    draws = Draws(seed=1, epoch=0, ids=torch.arange(40))
    images = picture(3).repeat(40, 1, 1, 1)
    which = draws.integers("rand.operation", 14, 3)
    assert (which[:, 0] != which[:, 1]).any()
    received = policies.rand_augment(images.clone(), draws, count=3, magnitude=0.0)
    harmless = ~torch.isin(
        which, torch.tensor([Operation.SOLARIZE, Operation.AUTOCONTRAST, Operation.EQUALIZE])
    ).any(dim=1)
    assert harmless.sum() > 5
    same = (received - images).abs().amax(dim=(1, 2, 3)) < 0.5 / 255
    assert same[harmless].all(), "magnitude 0 changes nothing"
    strong = policies.rand_augment(images.clone(), draws, count=3, magnitude=30.0)
    assert ((strong - images).abs().amax(dim=(1, 2, 3)) > 0.1).float().mean() > 0.9
