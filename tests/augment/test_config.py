"""Augmentation that makes no sense is refused with the name of the setting."""

import pytest

from residua.augment.config import AugmentConfig
from residua.errors import UsageError


@pytest.mark.parametrize(
    "wrong",
    [
        {"flip": 1.5},
        {"erasing": -0.1},
        {"padding": -1},
        {"mixup": -1.0},
        {"scale": (0.0, 1.0)},
        {"scale": (0.8, 0.2)},
        {"ratio": (2.0, 1.0)},
        {"jitter": (0.1, 0.1, -0.1, 0.1)},
        {"jitter": (0.1, 0.1, 0.1, 0.6)},
        {"jitter_probability": 1.1},
        {"grayscale": -0.1},
        {"blur": 2.0},
        {"solarize": -1.0},
        {"square_cutout": 1.5},
        {"square_size": 0.0},
        {"square_size": 1.1},
        {"rand_count": 0},
        {"rand_magnitude": 31.0},
    ],
    ids=str,
)
def test_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        AugmentConfig(**wrong)
