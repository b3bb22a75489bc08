"""Ready recipes for pre-training, a modality each. Free of torch."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from residua.batch import Modality
from residua.methods.config import PretrainConfig
from residua.recipes.recipe import Recipe
from residua.recipes.views import contrastive_views
from residua.training.config import OptimizerConfig, TrainingConfig

Objective = Literal["simclr", "byol", "vicreg"]


def pretraining(modality: Modality, objective: Objective = "simclr") -> Recipe:
    """Features from samples alone, by two views of each.

    Pictures: SGD 0.06 for each 128 samples of a batch of 256, weight decay 5e-4, one cycle of
    warm-up and cosine, as lightly's benchmark on CIFAR-10 trains SimCLR, BYOL and VICReg alike
    (https://docs.lightly.ai, benchmarks). Series: AdamW with 2,000 updates of 128; sound at three
    times the learning rate of signals and a temperature of 0.1.

    Command: ``residua pretrain path/to/pictures --method simclr``
    Published: CIFAR-10, resnet18, 200 epochs, kNN: SimCLR .847, BYOL .869 (lightly).
    Cost: docs/few-labels.md.
    """
    views = contrastive_views(objective, small=True)[0]
    recipe = Recipe(
        pretrain=PretrainConfig(pretrain=objective),
        training=TrainingConfig(
            epochs=100,
            batch_size=256,
            keep="last",
            optimizer=OptimizerConfig(optimizer="sgd", lr=0.12, nesterov=False, weight_decay=5e-4),
        ),
    )
    if modality is Modality.IMAGE:
        return replace(recipe, augment=views.augment)
    optimizer = OptimizerConfig(optimizer="adamw", lr=1e-3, weight_decay=0.01)
    training = replace(recipe.training, updates=2000, batch_size=128, optimizer=optimizer)
    recipe = replace(recipe, training=training)
    if modality is Modality.SOUND:
        return _sound(replace(recipe, sound=views.sound))
    return replace(recipe, signal=views.signal) if modality is Modality.SIGNAL else recipe


def _sound(recipe: Recipe) -> Recipe:
    optimizer = replace(recipe.training.optimizer, lr=3e-3)
    return replace(
        recipe,
        pretrain=replace(recipe.pretrain, temperature=0.1),
        training=replace(recipe.training, optimizer=optimizer),
    )
