"""From a run folder to its report."""

from __future__ import annotations

import json
import platform
import shlex
from collections.abc import Sequence
from contextlib import closing
from dataclasses import fields, is_dataclass, replace
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

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
from residua.evaluation.metrics import log_softmax
from residua.recipes.recipe import Recipe
from residua.report.contents import EpochRecord, Fact, Picture, ReportContents, SplitCounts
from residua.report.html import write_report
from residua.run.folder import RunFolder
from residua.run.start import usable_checkpoint
from residua.run.store import load_answers, load_scores
from residua.run.terminal import Terminal
from residua.training.record import EpochRecord as Record
from residua.training.record import MetricsFile

_MISTAKES, _CORRECT, _AUGMENTED = 24, 12, 16
_SELECTION = {
    "best": "The weights are those of the epoch with the best validation accuracy.",
    "last": "The weights are those of the last epoch.",
}


def write_run_report(run: RunFolder, terminal: Terminal) -> Path:
    """Writes ``report/report.html`` and the plots, and returns the former.

    Pictures need the data set; where it is gone, the report does without them and says so.

    Raises:
        CheckpointError: If the run has no checkpoint yet.
    """
    recipe = Recipe.load(run.recipe)
    checkpoint = usable_checkpoint(run, keep=recipe.training.keep, warn=terminal.warn)
    records = MetricsFile(run.metrics).read()
    validation = load_scores(run.evaluations, "validation")
    test = load_scores(run.evaluations, "test")
    contents = ReportContents(
        title=f"{recipe.network.network} on {_data_name(recipe)}",
        data=_data_name(recipe),
        classes=checkpoint.schema.classes,
        date=_date(run),
        command=_command(recipe),
        selection=_SELECTION["last" if validation is None else recipe.training.keep]
        + ("" if test is None else " The test split was read once, after that."),
        selected_epoch=_epoch_of(records, checkpoint.step),
        facts=_facts(run, recipe, checkpoint, records),
        environment=_environment(run),
        recipe=recipe.to_json(),
        history=[_history(record) for record in records],
        validation=validation,
        test=test,
    )
    try:
        contents = _with_pictures(contents, run, recipe, checkpoint)
    except (DataError, OSError) as error:
        terminal.warn(f"the report shows no pictures: {error}")
    return write_report(contents, run.report)


# ---- facts --------------------------------------------------------------------------------------


def _data_name(recipe: Recipe) -> str:
    return Path(recipe.data.path).name


def _command(recipe: Recipe) -> str:
    """The command that repeats the run: every option that differs from the default recipe's."""
    words = ["residua", "train", recipe.data.path]
    default = Recipe()
    for part, usual in (
        (recipe.network, default.network),
        (recipe.data, default.data),
        (recipe.augment, default.augment),
        (recipe.method, default.method),
        (recipe.training, default.training),
        (recipe.training.optimizer, default.training.optimizer),
        (recipe.training.schedule, default.training.schedule),
    ):
        for entry in fields(part):
            value = getattr(part, entry.name)
            said = entry.name == "path" or is_dataclass(value)
            if not said and value != getattr(usual, entry.name):
                words += _option(entry.name, value)
    return shlex.join(words)


def _option(name: str, value: object) -> list[str]:
    flag = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{flag}" if value else f"--no-{flag}"]
    values = value if isinstance(value, tuple) else (value,)
    return [f"--{flag}", *(str(item) for item in values)]


def _date(run: RunFolder) -> str:
    path = run.summary if run.summary.exists() else run.recipe
    return datetime.fromtimestamp(path.stat().st_mtime).strftime("%Y-%m-%d %H:%M")


def _epoch_of(records: Sequence[Record], step: int) -> int | None:
    return next((record.epoch for record in records if record.step == step), None)


def _summary(run: RunFolder) -> dict[str, Any]:
    return json.loads(run.summary.read_text(encoding="utf-8")) if run.summary.exists() else {}


def _facts(
    run: RunFolder, recipe: Recipe, checkpoint: Checkpoint, records: Sequence[Record]
) -> list[Fact]:
    training, optimizer = recipe.training, recipe.training.optimizer
    seconds = sum(record.seconds for record in records)
    seen = sum(record.train.n for record in records)
    parameters = sum(
        tensor.numel()
        for name, tensor in checkpoint.weights.items()
        if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))
    )
    c, (h, w) = checkpoint.preprocess.channels, checkpoint.preprocess.size
    rows = {
        "Network": recipe.network.network,
        "Parameters": f"{parameters:,}",
        "Input": f"{c} × {h} × {w}",
        "Data": recipe.data.path,
        "Task": f"{checkpoint.schema.task.value}, {len(checkpoint.schema.classes)} classes",
        "Seed": str(training.seed),
        "Epochs": f"{len(records)} of {training.epochs}",
        "Updates": f"{records[-1].step if records else 0:,} of {training.batch_size} samples",
        "Optimizer": f"{optimizer.optimizer}, learning rate {optimizer.peak_lr:g}, "
        f"{training.schedule.schedule}",
        "Training time": str(timedelta(seconds=round(seconds))),
        "Training speed": f"{seen / max(seconds, 1e-9):,.0f} samples/s",
        "Peak memory": f"{max((r.peak_memory_bytes for r in records), default=0) / 2**30:.2f} GiB",
    }
    return [Fact(label=label, value=value) for label, value in rows.items()]


def _environment(run: RunFolder) -> list[Fact]:
    rows = {
        "Hardware": str(_summary(run).get("device", "")),
        "Machine": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        "PyTorch": torch.__version__,
        "residua": version("residua"),
    }
    return [Fact(label=label, value=value) for label, value in rows.items() if value]


def _history(record: Record) -> EpochRecord:
    validation = record.validation
    return EpochRecord(
        epoch=record.epoch,
        step=record.step,
        lr=record.lr,
        train_loss=record.train.loss,
        train_accuracy=record.train.accuracy,
        validation_loss=None if validation is None else validation.loss,
        validation_accuracy=None if validation is None else validation.accuracy,
        seconds=record.seconds,
    )


# ---- pictures -----------------------------------------------------------------------------------


def _with_pictures(
    contents: ReportContents, run: RunFolder, recipe: Recipe, checkpoint: Checkpoint
) -> ReportContents:
    dataset = open_dataset(recipe.data)
    mistakes, correct = _answered(contents, run, dataset, checkpoint.temperature or 1.0)
    return replace(
        contents,
        mistakes=mistakes,
        correct=correct,
        augmented=_augmented(dataset, recipe, checkpoint.preprocess),
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
