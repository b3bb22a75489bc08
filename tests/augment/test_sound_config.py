"""Augmentation of sound that makes no sense is refused with the name of the setting."""

import pytest

from residua.augment.sound_config import SoundAugmentConfig
from residua.errors import UsageError


@pytest.mark.parametrize(
    "wrong",
    [
        {"gain_db": (3.0, -3.0)},
        {"gain_db": (-200.0, 0.0)},
        {"sound_shift": 1.0},
        {"sound_shift": -0.1},
        {"snr": (20.0, 10.0)},
        {"snr": (10.0, 200.0)},
        {"speed": (1.1, 0.9)},
        {"speed": (0.1, 1.0)},
        {"speed": (1.0, 3.0)},
        {"background": 1.0},
        {"background": -0.1},
        {"time_crop": (1.2, 0.8)},
        {"time_crop": (0.0, 1.0)},
        {"frequency_crop": (0.5, 2.5)},
        {"time_masks": -1},
        {"time_mask_width": 1.0},
        {"frequency_masks": 101},
        {"frequency_mask_width": -0.1},
    ],
    ids=str,
)
def test_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        SoundAugmentConfig(**wrong)
