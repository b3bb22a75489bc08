"""The samples of a report: mistakes, right answers, augmented training samples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import replace

import numpy as np
import torch

from residua.augment.draws import draws_for
from residua.batch import Batch, Schema, Split, Task
from residua.checkpoint import Checkpoint
from residua.data.choose import training_form
from residua.data.dataset import Dataset
from residua.data.image_preprocess import ImagePreprocess
from residua.data.loader import Loader
from residua.data.preprocess import Preprocess
from residua.data.signal_preprocess import SignalPreprocess
from residua.data.sound_preprocess import SoundPreprocess
from residua.data.text_preprocess import TextPreprocess
from residua.errors import DataError
from residua.evaluation.answers import answer
from residua.evaluation.features import feature_maps
from residua.evaluation.metrics import log_softmax
from residua.methods.views import ImageViews, Views, make_views
from residua.networks.network import Network
from residua.recipes.recipe import Recipe
from residua.report.contents import ReportContents, Response, SplitCounts
from residua.report.samples import Clip, Content, Picture, Shown
from residua.run.folder import RunFolder
from residua.run.opening import opened
from residua.run.samples import answer_in_words, content, kept, right_answer, seen, signal
from residua.run.store import load_answers

_MISTAKES, _CORRECT, _ANSWERED, _AUGMENTED = 24, 12, 24, 16
_TOP = 3


def with_samples(
    contents: ReportContents,
    run: RunFolder,
    recipe: Recipe,
    checkpoint: Checkpoint,
    network: Network,
) -> ReportContents:
    """``contents`` with samples and the counts of the data set, which must still be there.

    Args:
        contents: With the scores.
        run: Where the answers lie.
        recipe: Of the run.
        checkpoint: Its weights.
        network: The same, in evaluation mode.

    Raises:
        DataError: If it is not.
    """
    found = opened(recipe)
    dataset = found.measured or found.dataset
    contents = replace(
        contents,
        augmented=_augmented(found.dataset, recipe, checkpoint.preprocess),
        splits=_splits(dataset),
        problems=tuple(dataset.reader.problems),
    )
    if contents.headline is None:
        return contents
    answered = _Answered(dataset, run, contents.headline.split, checkpoint, network)
    if checkpoint.schema.task is not Task.CLASSIFICATION:
        return replace(contents, answered=answered.evenly())
    mistakes, correct = answered.mistakes(), answered.correct()
    responses = _responses(dataset, network, checkpoint.preprocess, correct, mistakes)
    return replace(contents, mistakes=mistakes, correct=correct, responses=responses)


def _splits(dataset: Dataset) -> list[SplitCounts]:
    found: list[SplitCounts] = []
    if dataset.schema.task is not Task.CLASSIFICATION or not dataset.schema.classes:
        return found
    for split in (Split.TRAIN, Split.VALIDATION, Split.TEST):
        labels = dataset.table.labels[dataset.rows(split)]
        if len(labels):
            counts = np.bincount(labels[labels >= 0], minlength=dataset.schema.num_classes)
            origin = "official" if split in dataset.official else "drawn"
            found.append(
                SplitCounts(split=split.value, origin=origin, counts=tuple(counts.tolist()))
            )
    return found


class _Answered:
    """A split and what the network answered to it."""

    def __init__(
        self, dataset: Dataset, run: RunFolder, split: str, checkpoint: Checkpoint, network: Network
    ) -> None:
        arrays = load_answers(run.evaluations, split)
        self.labels, self.rows = arrays["labels"], arrays["rows"]
        self.logits, self.lengths = arrays["logits"], arrays.get("lengths")
        known = dataset.table.labels
        if (len(self.rows) and self.rows.max() >= len(known)) or (
            known[self.rows] != self.labels
        ).any():
            raise DataError("the data is not what was evaluated", where=dataset.name)
        self.dataset = dataset
        self.schema: Schema = checkpoint.schema
        self.preprocess = checkpoint.preprocess
        self.temperature = checkpoint.temperature or 1.0
        self.network = network if checkpoint.spec.num_classes else None

    def mistakes(self) -> list[Shown]:
        """The most confident ones."""
        wrong = np.flatnonzero((self._top != self.labels) & (self.labels >= 0))
        shares = log_softmax(self.logits[wrong].astype(np.float64) / self.temperature)
        order = np.argsort(-shares.max(axis=1, initial=-np.inf), kind="stable")
        return self._shown(wrong[order][:_MISTAKES], heat=True)

    def correct(self) -> list[Shown]:
        """Right answers from all over the split."""
        is_picture = isinstance(self.preprocess, ImagePreprocess)
        right = np.flatnonzero(self._top == self.labels)
        return self._shown(_evenly(right, _CORRECT), heat=not is_picture)

    def evenly(self) -> list[Shown]:
        """Samples from all over the split."""
        return self._shown(_evenly(np.arange(len(self.rows)), _ANSWERED), heat=False)

    @property
    def _top(self) -> np.ndarray:
        return self.logits.argmax(axis=1)

    def _shown(self, positions: Iterable[int], *, heat: bool) -> list[Shown]:
        return [self._sample(int(position), heat=heat) for position in positions]

    def _sample(self, position: int, *, heat: bool) -> Shown:
        row, outputs = int(self.rows[position]), self.logits[position].astype(np.float64)
        if self.lengths is not None:
            outputs = outputs[:, : int(self.lengths[position])]
        found = answer(outputs, self.schema, temperature=self.temperature, top=_TOP)
        is_class = self.schema.task is Task.CLASSIFICATION
        return Shown(
            content=content(
                self.dataset,
                row,
                self.preprocess,
                network=self.network if heat else None,
                answer=int(outputs.argmax()) if heat else None,
            ),
            key=self.dataset.table.keys[row],
            true=right_answer(self.dataset, row),
            predicted=answer_in_words(found),
            probability=found.probability if is_class else None,
            top=found.top if is_class else (),
        )


def _evenly(positions: np.ndarray, count: int) -> np.ndarray:
    """``count`` of ``positions``, or all of them, from first to last."""
    return positions[np.linspace(0, len(positions) - 1, min(count, len(positions))).astype(int)]


def _responses(
    dataset: Dataset,
    network: Network,
    preprocess: Preprocess,
    correct: Sequence[Shown],
    mistakes: Sequence[Shown],
) -> list[Response]:
    """The feature maps of a right answer and of the surest mistake, if possible of one class."""
    wrong = mistakes[:1]
    right = sorted(correct, key=lambda sample: not wrong or sample.true != wrong[0].true)[:1]
    found: list[Response] = []
    for sample in (*right, *wrong):
        row = dataset.table.keys.index(sample.key)
        inputs = seen(kept(dataset, row, preprocess), preprocess).inputs
        (stages,) = feature_maps(network, inputs)
        found.append(Response(sample=sample, stages=stages))
    return found


def _augmented(dataset: Dataset, recipe: Recipe, preprocess: Preprocess) -> list[Shown]:
    """The first training samples of the first epoch, as the network saw them."""
    if isinstance(preprocess, TextPreprocess):
        return []  # nothing changes texts
    views = make_views(
        preprocess,
        augment=recipe.augment,
        signal=recipe.signal,
        sound=recipe.sound,
        num_classes=dataset.schema.num_classes,
    )
    loader = Loader(
        dataset,
        Split.TRAIN,
        training_form(preprocess, crop=recipe.augment.crop),
        recipe.data,
        batch_size=recipe.training.batch_size,
        seed=recipe.training.seed,
    )
    with closing(loader.epoch(0)) as steps:
        batch = next(steps).parts[0]
    rows = {int(id): row for row, id in enumerate(dataset.table.ids)}
    shown = _views(batch, views, dataset, preprocess, recipe)
    found = [rows[int(id)] for id in batch.ids[: len(shown)]]
    return [
        Shown(content=each, key=dataset.table.keys[row], true=right_answer(dataset, row))
        for each, row in zip(shown, found, strict=True)
    ]


def _views(
    batch: Batch, views: Views, dataset: Dataset, preprocess: Preprocess, recipe: Recipe
) -> list[Content]:
    draws = draws_for(batch, seed=recipe.training.seed, epoch=0)
    if isinstance(views, ImageViews):  # before their values are normalised
        pixels = views.augment(batch, draws).inputs[:_AUGMENTED].mul(255).round()
        upright = pixels.to(torch.uint8).permute(0, 2, 3, 1).numpy()
        return [Picture(values=each[..., 0] if each.shape[-1] == 1 else each) for each in upright]
    made = views(batch, draws)
    series = list(made.inputs[:_AUGMENTED].numpy())
    if made.lengths is not None:
        ends = made.lengths.tolist()
        series = [each[..., :end] for each, end in zip(series, ends, strict=False)]
    if isinstance(preprocess, SoundPreprocess):
        return [_spectrogram(each, preprocess) for each in series]
    assert isinstance(preprocess, SignalPreprocess), preprocess
    schema = replace(dataset.schema, units=())  # standardised values have none
    return [signal(each, schema, preprocess.rate, None) for each in series]


def _spectrogram(values: np.ndarray, preprocess: SoundPreprocess) -> Clip:
    bands = values.reshape(preprocess.mels, -1)
    return Clip(bands=bands, seconds=bands.shape[1] * preprocess.hop / preprocess.rate)
