"""What "auto" means: from a recipe that leaves things open to one that fully says the run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from residua.augment.image import ImageAugment
from residua.data.dataset import Dataset
from residua.data.preprocess import Preprocess
from residua.networks.catalog import get_spec
from residua.networks.pretrained.source import is_published
from residua.recipes.recipe import Recipe
from residua.training.precision import choose_arithmetic

SMALL = 64
"""Pictures up to this many pixels a side are small: another stem, and shifts instead of zooms."""

_WRITING = {"digits", "mnist", "kmnist", "emnist", "qmnist", "svhn", "usps"}
"""Data sets of characters, which a mirror turns into other characters."""


def resolve(
    recipe: Recipe, dataset: Dataset, preprocess: Preprocess, device: torch.device
) -> Recipe:
    """The recipe with every "auto" replaced by what it means for this data on this machine.

    Raises:
        UnknownNameError: For a network that is not in the catalog.
    """
    small = max(preprocess.size) <= SMALL
    network, augment = recipe.network, recipe.augment
    if network.network == "auto":
        network = replace(network, network="resnet20" if small else "resnet18")
    spec = get_spec(network.network)
    if network.start and not is_published(network.start):
        start = Path(network.start).expanduser()
        network = replace(network, start=str(start.resolve() if start.exists() else start))
    if augment.flip is None and dataset.name in _WRITING:
        augment = replace(augment, flip=0.0)
    views = ImageAugment(config=augment, size=preprocess.size, num_classes=0)
    augment = replace(augment, crop=views.crop, flip=views.flip, padding=views.padding)
    path = recipe.data.path
    if Path(path).expanduser().exists():
        path = str(Path(path).expanduser().resolve())  # resuming works from any folder
    optimizer = recipe.training.optimizer
    lr = optimizer.peak_lr * (spec.lr_factor if optimizer.lr is None else 1)
    optimizer = replace(optimizer, lr=lr, weight_decay=optimizer.decay)
    arithmetic = choose_arithmetic(recipe.training.precision, device)
    return replace(
        recipe,
        network=network,
        augment=augment,
        data=replace(recipe.data, path=path, size=preprocess.size, channels=preprocess.channels),
        training=replace(
            recipe.training,
            optimizer=optimizer,
            precision=arithmetic.name,
            threads=torch.get_num_threads(),
        ),
    )
