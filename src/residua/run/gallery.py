"""The pictures of a report: mistakes, right answers, augmented training samples."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from residua.augment.image import ImageAugment, draws_for
from residua.batch import Split
from residua.checkpoint import Checkpoint
from residua.data.dataset import Dataset
from residua.data.decode import decode
from residua.data.loader import Loader
from residua.data.open import open_dataset
from residua.data.preprocess import Preprocess, training_form
from residua.errors import DataError
from residua.evaluation.features import feature_maps
from residua.evaluation.metrics import log_softmax
from residua.networks.network import Network
from residua.recipes.recipe import Recipe
from residua.report.contents import Picture, ReportContents, Response, SplitCounts
from residua.run.folder import RunFolder
from residua.run.store import load_answers

_MISTAKES, _CORRECT, _AUGMENTED = 24, 12, 16


def with_pictures(
    contents: ReportContents,
    run: RunFolder,
    recipe: Recipe,
    checkpoint: Checkpoint,
    network: Network,
) -> ReportContents:
    """``contents`` with the pictures and the counts of the data set, which must still be there.

    Args:
        contents: With the scores.
        run: Where the answers lie.
        recipe: Of the run.
        checkpoint: Its weights.
        network: The same, in evaluation mode.

    Raises:
        DataError: If it is not.
    """
    dataset = open_dataset(recipe.data)
    mistakes, correct = _answered(contents, run, dataset, checkpoint.temperature or 1.0)
    return replace(
        contents,
        mistakes=mistakes,
        correct=correct,
        augmented=_augmented(dataset, recipe, checkpoint.preprocess),
        responses=_responses(dataset, network, checkpoint.preprocess, correct, mistakes),
        splits=_splits(dataset),
        problems=tuple(dataset.reader.problems),
    )


def _splits(dataset: Dataset) -> list[SplitCounts]:
    found: list[SplitCounts] = []
    for split in Split:
        labels = dataset.table.labels[dataset.rows(split)]
        if len(labels):
            counts = np.bincount(labels[labels >= 0], minlength=dataset.schema.num_classes)
            origin = "official" if split in dataset.official else "drawn"
            found.append(
                SplitCounts(split=split.value, origin=origin, counts=tuple(counts.tolist()))
            )
    return found


def _answered(
    contents: ReportContents, run: RunFolder, dataset: Dataset, temperature: float
) -> tuple[list[Picture], list[Picture]]:
    """The most confident mistakes, and correct answers from all over the split."""
    scores = contents.headline
    if scores is None:
        return [], []
    answers = load_answers(run.evaluations, scores.split)
    labels, rows = answers["labels"], answers["rows"]
    _check_same(dataset, labels, rows)
    shares = np.exp(log_softmax(answers["logits"].astype(np.float64) / temperature))
    top = shares.argmax(axis=1)
    wrong = np.flatnonzero((top != labels) & (labels >= 0))
    wrong = wrong[np.argsort(-shares[wrong].max(axis=1), kind="stable")][:_MISTAKES]
    right = np.flatnonzero(top == labels)
    right = right[np.linspace(0, len(right) - 1, min(_CORRECT, len(right))).astype(int)]

    def show(positions: npt.NDArray[np.int64]) -> list[Picture]:
        return [
            _picture(dataset, int(rows[i]), int(labels[i]), shares[i], contents.classes)
            for i in positions
        ]

    return show(wrong), show(right)


def _check_same(
    dataset: Dataset, labels: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]
) -> None:
    known = dataset.table.labels
    if (len(rows) and rows.max() >= len(known)) or (known[rows] != labels).any():
        raise DataError("the data is not what was evaluated", where=dataset.name)


def _picture(
    dataset: Dataset,
    row: int,
    label: int,
    shares: npt.NDArray[np.float64],
    classes: Sequence[str],
) -> Picture:
    key = dataset.table.keys[row]
    order = np.argsort(-shares, kind="stable")[:3]
    return Picture(
        values=np.asarray(decode(dataset.reader.read(row), where=key)),
        key=key,
        true=classes[label],
        predicted=classes[int(order[0])],
        probability=float(shares[order[0]]),
        top=tuple((classes[int(i)], float(shares[i])) for i in order),
    )


def _responses(
    dataset: Dataset,
    network: Network,
    preprocess: Preprocess,
    correct: Sequence[Picture],
    mistakes: Sequence[Picture],
) -> list[Response]:
    """The feature maps of a right answer and of the surest mistake, if possible of one class."""
    wrong = mistakes[:1]
    right = sorted(correct, key=lambda p: not wrong or p.true != wrong[0].true)[:1]
    chosen = [*right, *wrong]
    if not chosen:
        return []
    rows = [dataset.table.keys.index(picture.key) for picture in chosen]
    pixels = [
        preprocess.on_host(decode(dataset.reader.read(row), where=picture.key))
        for row, picture in zip(rows, chosen, strict=True)
    ]
    maps = feature_maps(network, preprocess.on_device(torch.from_numpy(np.stack(pixels))))
    return [
        Response(picture=picture, stages=stages)
        for picture, stages in zip(chosen, maps, strict=True)
    ]


def _augmented(dataset: Dataset, recipe: Recipe, preprocess: Preprocess) -> list[Picture]:
    """The first training samples of the first epoch, as the network saw them."""
    loader = Loader(
        dataset,
        Split.TRAIN,
        training_form(preprocess, crop=recipe.augment.crop),
        recipe.data,
        batch_size=recipe.training.batch_size,
        seed=recipe.training.seed,
    )
    augment = ImageAugment(
        config=recipe.augment, size=preprocess.size, num_classes=dataset.schema.num_classes
    )
    with closing(loader.epoch(0)) as steps:
        batch = next(steps).parts[0]
    views = augment(batch, draws_for(batch, seed=recipe.training.seed, epoch=0))
    pixels = views.inputs[:_AUGMENTED].mul(255).round().to(torch.uint8).permute(0, 2, 3, 1)
    keys = {int(id): key for id, key in zip(dataset.table.ids, dataset.table.keys, strict=True)}
    names = dataset.schema.classes
    return [
        Picture(
            values=values[..., 0] if values.shape[-1] == 1 else values,
            key=keys[int(id)],
            true=names[int(label)] if label >= 0 else "",
        )
        for values, id, label in zip(pixels.numpy(), batch.ids, batch.targets, strict=False)
    ]
