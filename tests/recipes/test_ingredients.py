"""Leaving an ingredient out changes that and nothing else."""

from dataclasses import replace

import pytest

from residua.augment.config import AugmentConfig
from residua.augment.signal_config import SignalAugmentConfig
from residua.augment.sound_config import SoundAugmentConfig
from residua.batch import Modality
from residua.data.config import DataConfig
from residua.errors import UnknownNameError, UsageError
from residua.methods.config import SemiConfig, SupervisedConfig
from residua.recipes.ingredients import INGREDIENTS, ingredients_of
from residua.recipes.presets import audio, d2l, fast, series
from residua.recipes.recipe import NetworkConfig, Recipe
from residua.training.config import OptimizerConfig, ScheduleConfig, TrainingConfig

RICH = Recipe(
    data=DataConfig(labels_per_class=4),
    network=NetworkConfig(drop_rate=0.1, drop_path_rate=0.1, start="torchvision/resnet18"),
    augment=AugmentConfig(
        jitter=(0.4, 0.4, 0.4, 0.1),
        grayscale=0.2,
        blur=0.5,
        solarize=0.2,
        policy="trivial",
        erasing=0.1,
        square_cutout=0.5,
        mixup=0.2,
        cutmix=1.0,
    ),
    signal=SignalAugmentConfig(
        slice=0.1, time_warp=0.2, magnitude=0.1, noise=0.03, channel_dropout=0.1, cutout=0.5
    ),
    sound=SoundAugmentConfig(snr=(10.0, 40.0), speed=(0.9, 1.1), background=0.4),
    method=SupervisedConfig(label_smoothing=0.1, balance="loss"),
    semi=SemiConfig(semi="fixmatch"),
    training=TrainingConfig(
        ema=0.99,
        repeated=2,
        optimizer=OptimizerConfig(clip=1.0, layer_decay=0.7, sam=0.05),
    ),
)
"""A recipe with everything."""


@pytest.mark.parametrize("ingredient", INGREDIENTS, ids=lambda each: each.name)
def test_each_is_left_out_alone(ingredient) -> None:
    without = ingredient.without(RICH)
    changes = RICH.changes(without)
    assert len({name.split(".")[1] for name in changes}) == 1, changes
    assert ingredient.without(without) == without
    without.check()


def test_all_left_out_leaves_nothing() -> None:
    bare = RICH
    for ingredient in INGREDIENTS:
        bare = ingredient.without(bare)
    for modality in Modality:
        with pytest.raises(UsageError, match="nothing to leave out"):
            ingredients_of(bare, modality)


@pytest.mark.parametrize(
    ("recipe", "modality", "names"),
    [
        (
            fast(),
            Modality.IMAGE,
            "ema label_smoothing crop flip warm_up schedule weight_decay nesterov",
        ),
        (d2l(), Modality.IMAGE, ""),
        (series(), Modality.SIGNAL, "ema label_smoothing warm_up schedule weight_decay"),
        (
            audio(),
            Modality.SOUND,
            "ema label_smoothing gain shift time_masks frequency_masks warm_up schedule "
            "weight_decay clipping",
        ),
    ],
    ids=["fast", "d2l", "series", "audio"],
)
def test_presets(recipe: Recipe, modality: Modality, names: str) -> None:
    found = [each.name for each in INGREDIENTS if each.is_in(recipe, modality)]
    assert found == names.split()


def test_named_ones_are_chosen() -> None:
    found = ingredients_of(fast(), Modality.IMAGE, ["flip", "ema"])
    assert [each.name for each in found] == ["ema", "flip"]


def test_absent_and_unknown_ones_are_refused() -> None:
    with pytest.raises(UsageError, match="no mixup to leave out"):
        ingredients_of(fast(), Modality.IMAGE, ["mixup"])
    with pytest.raises(UnknownNameError, match="mixup"):
        ingredients_of(fast(), Modality.IMAGE, ["mix-up"])


def test_nesterov_belongs_to_sgd_with_momentum() -> None:
    plain = replace(
        fast().training, optimizer=OptimizerConfig(momentum=0.0), schedule=ScheduleConfig()
    )
    recipe = replace(fast(), training=plain)
    assert "nesterov" not in [each.name for each in ingredients_of(recipe, Modality.IMAGE)]
