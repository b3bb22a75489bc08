"""What "auto" means: from a recipe that leaves things open to one that fully says the run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from residua.augment.image import ImageAugment
from residua.batch import Modality, Split
from residua.data.dataset import Dataset
from residua.data.image_preprocess import ImagePreprocess
from residua.data.preprocess import Preprocess
from residua.data.sampling import steps_per_epoch
from residua.networks.catalog import get_spec
from residua.networks.pretrained.source import is_published
from residua.recipes.recipe import NetworkConfig, Recipe
from residua.recipes.views import contrastive_views
from residua.run.options import check_options
from residua.training.config import TrainingConfig
from residua.training.precision import choose_arithmetic

SMALL = 64
"""Pictures up to this many pixels a side are small: another stem, and shifts instead of zooms."""

_WRITING = {"digits", "mnist", "kmnist", "emnist", "qmnist", "svhn", "usps"}
"""Data sets of characters, which a mirror turns into other characters."""


_USUAL_NETWORK = {
    Modality.SIGNAL: "multiscale_resnet1d",
    Modality.SOUND: "crnn_small",
    Modality.TEXT: "multiscale_resnet1d",
}
"""What "auto" trains where there are no weights to start from."""


def resolve(
    recipe: Recipe, dataset: Dataset, preprocess: Preprocess, device: torch.device
) -> Recipe:
    """The recipe with every "auto" replaced by what it means for this data on this machine.

    Raises:
        UnknownNameError: For a network that is not in the catalog.
        UsageError: An option that means nothing for this kind of data.
    """
    check_options(recipe, dataset.schema.modality)
    recipe = replace(recipe, network=_network(recipe.network, preprocess))
    if isinstance(preprocess, ImagePreprocess):
        recipe = _for_pictures(recipe, dataset, preprocess)
    path = recipe.data.path
    if Path(path).expanduser().exists():
        path = str(Path(path).expanduser().resolve())  # resuming works from any folder
    recipe = replace(recipe, training=_batches(recipe, dataset))
    return replace(
        recipe,
        data=replace(recipe.data, path=path),
        training=_training(recipe, _updates_of_an_epoch(recipe, dataset), device),
    )


def _network(config: NetworkConfig, preprocess: Preprocess) -> NetworkConfig:
    if config.network == "auto" and isinstance(preprocess, ImagePreprocess):
        config = replace(config, network="resnet20" if is_small(preprocess) else "resnet18")
    elif config.network == "auto":
        config = replace(config, network=_USUAL_NETWORK[preprocess.modality])
    if config.start and not is_published(config.start):
        start = Path(config.start).expanduser()
        config = replace(config, start=str(start.resolve() if start.exists() else start))
    return config


def is_small(preprocess: ImagePreprocess) -> bool:
    return max(preprocess.size) <= SMALL


def _for_pretraining(recipe: Recipe, preprocess: ImagePreprocess) -> Recipe:
    """Views that suit the size and the colours of the pictures, where nothing else is asked for."""
    objective = recipe.pretrain.pretrain
    if objective == "none":
        return recipe
    usual, fitting = (
        contrastive_views(objective, small=small, channels=channels)[0].augment
        for small, channels in ((True, 3), (is_small(preprocess), preprocess.channels))
    )
    return replace(recipe, augment=fitting) if recipe.augment == usual else recipe


def _for_pictures(recipe: Recipe, dataset: Dataset, preprocess: ImagePreprocess) -> Recipe:
    recipe = _for_pretraining(recipe, preprocess)
    augment = recipe.augment
    if augment.flip is None and dataset.name in _WRITING:
        augment = replace(augment, flip=0.0)
    views = ImageAugment(config=augment, size=preprocess.size, num_classes=0)
    return replace(
        recipe,
        augment=replace(augment, crop=views.crop, flip=views.flip, padding=views.padding),
        data=replace(recipe.data, size=preprocess.size, channels=preprocess.channels),
    )


def _batches(recipe: Recipe, dataset: Dataset) -> TrainingConfig:
    """Beside unlabelled samples the labelled ones go round and round, however few they are."""
    if recipe.semi.active:
        return recipe.training
    return recipe.training.shared(len(dataset.rows(Split.TRAIN)))


def _updates_of_an_epoch(recipe: Recipe, dataset: Dataset) -> int:
    batch, split = recipe.training.batch_size, Split.TRAIN
    if recipe.semi.active:  # an epoch is a pass over what has no labels
        batch, split = batch * recipe.semi.unlabelled_ratio, Split.UNLABELLED
    return steps_per_epoch(len(dataset.rows(split)), batch)


def _training(recipe: Recipe, steps: int, device: torch.device) -> TrainingConfig:
    training, optimizer = recipe.training, recipe.training.optimizer
    factor = get_spec(recipe.network.network).lr_factor if optimizer.lr is None else 1
    epochs = training.epochs
    if training.updates is not None:
        epochs = -(-training.updates // steps)
    return replace(
        training,
        epochs=epochs,
        updates=None,
        optimizer=replace(optimizer, lr=optimizer.peak_lr * factor, weight_decay=optimizer.decay),
        precision=choose_arithmetic(training.precision, device).name,
        threads=torch.get_num_threads(),
    )
