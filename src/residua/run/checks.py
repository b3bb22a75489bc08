"""What would spoil a run, said before hours of decoding and training."""

from __future__ import annotations

import numpy as np

from residua.batch import Split
from residua.data.choose import usual_length
from residua.data.dataset import Dataset
from residua.data.image_preprocess import ImagePreprocess
from residua.data.preprocess import Preprocess
from residua.data.sampling import shard, steps_per_epoch
from residua.data.sound_preprocess import SoundPreprocess
from residua.errors import UsageError
from residua.methods.pretrain import check_batch
from residua.recipes.recipe import Recipe
from residua.training.distributed import Ranks


def check_batches(recipe: Recipe, dataset: Dataset, ranks: Ranks) -> None:
    """Each update must have a sample for each rank and part."""
    training, samples = recipe.training, len(dataset.rows(Split.TRAIN))
    smallest = training.batch_size
    if not recipe.semi.active:  # whose labelled samples go round and round
        smallest = samples // steps_per_epoch(samples, training.batch_size)
    check_batch(
        recipe.pretrain, samples=smallest, accumulate=training.accumulate, ranks=ranks.world
    )
    shard(smallest, rank=ranks.rank, world=ranks.world, accumulate=training.accumulate)


def check_groups(recipe: Recipe, dataset: Dataset) -> None:
    """Where a sample is told apart from those of its own group, there must be some."""
    if recipe.pretrain.negatives == "all":
        return
    groups, rows = dataset.table.group_numbers, dataset.rows(Split.TRAIN)
    if groups is None or len(np.unique(groups[rows])) == len(rows):
        raise UsageError(
            "--negatives group needs samples of the same group",
            expected="a column 'group' (speaker, patient) in the manifest",
            received="no groups" if groups is None else "a group for every sample",
            where=dataset.name,
            fix="Name the groups, or leave the option out",
        )


def check_validation(recipe: Recipe, dataset: Dataset) -> None:
    """What is decided by validation needs a validation split."""
    training = recipe.training
    waits = {
        "--early-stopping": training.early_stopping is not None,
        "--schedule plateau": training.schedule.schedule == "plateau",
    }
    for option, used in waits.items():
        if used and not len(dataset.rows(Split.VALIDATION)):
            raise UsageError(
                f"{option} needs a validation split",
                received="none",
                where=dataset.name,
                fix="Draw one with --validation-fraction",
            )


def check_size(dataset: Dataset, preprocess: Preprocess, network: str, *, smallest: int) -> None:
    """The pictures, or most series, must be as large as the network needs; single series that are
    too short are left out and told."""
    if not isinstance(preprocess, ImagePreprocess):
        _check_length(dataset, preprocess, network, smallest)
        return
    height, width = preprocess.size
    if min(height, width) < smallest:
        raise UsageError(
            f"the pictures are too small for network '{network}'",
            expected=f"at least {smallest}x{smallest}",
            received=f"{height}x{width}",
            where=dataset.name,
            fix=f"Enlarge them: --size {max(height, smallest)} {max(width, smallest)}",
        )


def _check_length(dataset: Dataset, preprocess: Preprocess, network: str, smallest: int) -> None:
    length = usual_length(dataset, preprocess)
    if length is not None and length < smallest:
        raise UsageError(
            f"the series are too short for network '{network}'",
            expected=f"at least {smallest} steps",
            received=length,
            where=dataset.name,
            fix="Take another network",
        )
    if isinstance(preprocess, SoundPreprocess) and preprocess.rank == 2:
        _check_bands(preprocess.mels, network, smallest)


def _check_bands(mels: int, network: str, smallest: int) -> None:
    if mels < smallest:
        raise UsageError(
            f"too few mel bands for network '{network}'",
            expected=f"at least {smallest}",
            received=mels,
            fix=f"Take more: --mels {smallest}",
        )
