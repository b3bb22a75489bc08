"""Recipes of the reproduction table, as their papers have them. Free of torch."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from residua.augment.config import AugmentConfig
from residua.batch import Modality
from residua.data.config import DataConfig, SeriesConfig
from residua.methods.config import SemiConfig
from residua.recipes.presets_cifar import he2015_cifar, wrn
from residua.recipes.pretraining import pretraining
from residua.recipes.recipe import NetworkConfig, Recipe
from residua.training.config import OptimizerConfig, ScheduleConfig, TrainingConfig


def of(recipe: Recipe, data: str, network: str, *, size: tuple[int, int] | None = None) -> Recipe:
    """``recipe`` for that data and network."""
    return replace(
        recipe,
        data=replace(recipe.data, path=data, size=size or recipe.data.size),
        network=replace(recipe.network, network=network),
    )


def he(network: str) -> Recipe:
    """`he2015_cifar` for another network; 110 layers start at a tenth of the rate (section 4.2)."""
    recipe = of(he2015_cifar(), "cifar10", network)
    if network != "resnet110":
        return recipe
    schedule = replace(recipe.training.schedule, warmup_epochs=1.0, warmup_start=0.1)
    return replace(recipe, training=replace(recipe.training, schedule=schedule))


def on_all(recipe: Recipe) -> Recipe:
    """``recipe`` with nothing held out of training: the published runs watch the test split, here
    it is read once."""
    return replace(recipe, data=replace(recipe.data, validation_fraction=0.0))


def resnext() -> Recipe:
    """Xie et al. (arXiv 1611.05431, section 5.3): as `wrn`, but 300 epochs and a tenth of the rate
    after 150 and 225."""
    recipe = wrn()
    schedule = replace(recipe.training.schedule, milestones=(0.5, 0.75), gamma=0.1)
    return replace(recipe, training=replace(recipe.training, epochs=300, schedule=schedule))


def usual(*, epochs: int, augmented: bool) -> Recipe:
    """Where no recipe was published: SGD with Nesterov momentum, one cosine, and shifts and flips
    or nothing. The rate is what is usual for the network."""
    crop, flip = ("pad", 0.5) if augmented else ("none", 0.0)
    return Recipe(
        data=DataConfig(validation_fraction=0.0),
        augment=AugmentConfig(crop=crop, flip=flip),
        training=TrainingConfig(epochs=epochs, keep="last"),
    )


def adam_of_series(*, batch_size: int) -> Recipe:
    """hfawaz/dl-4-tsc: Adam 0.001, 1,500 epochs, series standardised each, nothing else."""
    return Recipe(
        data=DataConfig(validation_fraction=0.0),
        series=SeriesConfig(standardise="sample"),
        training=TrainingConfig(
            epochs=1500,
            batch_size=batch_size,
            keep="last",
            optimizer=OptimizerConfig(optimizer="adamw", lr=1e-3, weight_decay=0.0),
            schedule=ScheduleConfig(warmup_epochs=0),
        ),
    )


Semi = Literal["none", "fixmatch", "adamatch", "softmatch", "mean-teacher"]


def few_labels(semi: Semi, *, labels_per_class: int, updates: int = 2**20) -> Recipe:
    """FixMatch's setting for all (Sohn et al., 2020): SGD 0.03 with Nesterov momentum, weight decay
    5e-4, 64 labelled and 448 unlabelled samples an update, weights averaged with 0.999."""
    return Recipe(
        data=DataConfig(validation_fraction=0.0, labels_per_class=labels_per_class),
        network=NetworkConfig(network="wrn_28_2"),
        augment=AugmentConfig(crop="pad", padding=4, flip=0.5),
        semi=SemiConfig(semi=semi),
        training=TrainingConfig(
            updates=updates,
            batch_size=64,
            ema=0.999,
            keep="last",
            optimizer=OptimizerConfig(lr=0.03, weight_decay=5e-4),
            schedule=ScheduleConfig(warmup_epochs=0),
        ),
    )


Pretrain = Literal["simclr", "byol", "vicreg"]


def no_labels(pretrain: Pretrain, *, epochs: int) -> Recipe:
    """`pretraining` in lightly's setting for CIFAR-10, the same for all: batches of 128."""
    recipe = pretraining(Modality.IMAGE, pretrain)
    optimizer = replace(recipe.training.optimizer, lr=0.06)
    training = replace(recipe.training, epochs=epochs, batch_size=128, optimizer=optimizer)
    return replace(recipe, training=training)
