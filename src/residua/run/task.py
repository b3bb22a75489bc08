"""What a task asks of a run before it starts: options that fit, targets' units, labels that fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from residua.batch import Schema, Split, Task
from residua.data.dataset import Dataset
from residua.errors import LabelError, UsageError
from residua.methods.config import SupervisedConfig
from residua.recipes.presets import usual_recipe
from residua.recipes.recipe import Recipe

TARGETS = {
    Task.CLASSIFICATION: "classes",
    Task.MULTILABEL: "labels",
    Task.REGRESSION: "quantities",
    Task.CTC: "tokens",
}
"""What a task's targets are called."""


def for_task(recipe: Recipe, schema: Schema) -> Recipe:
    """The recipe without what is usual for classes and means nothing for another task.

    Raises:
        UsageError: Something was asked for that means nothing for the task.
    """
    recipe.augment.check_task(schema.task)
    if schema.task is Task.CLASSIFICATION:
        return recipe
    method, none = recipe.method, SupervisedConfig()
    if method.label_smoothing == usual_recipe(schema.modality).method.label_smoothing:
        method = replace(method, label_smoothing=none.label_smoothing)
    for option in ("label_smoothing", "balance", "loss"):
        if getattr(method, option) != getattr(none, option):
            raise UsageError(
                f"--{option.replace('_', '-')} means nothing for {schema.task.value}",
                expected="classes that exclude each other",
                received=getattr(method, option),
                fix="Leave it out",
            )
    return replace(recipe, method=method)


def with_units(dataset: Dataset) -> Schema:
    """The schema of ``dataset``; for regression with mean and deviation of the training targets.

    Raises:
        LabelError: A quantity is the same in all training samples, so that there is nothing to
            learn, or its values are too large to tell apart.
    """
    schema, values = dataset.schema, dataset.table.values
    if schema.task is not Task.REGRESSION or values is None:
        return schema
    taught = values[dataset.rows(Split.TRAIN)].astype(np.float64)
    offsets, scales = np.nanmean(taught, axis=0), np.nanstd(taught, axis=0)
    _check_spread(dataset, offsets, scales)
    return replace(schema, offsets=tuple(offsets.tolist()), scales=tuple(scales.tolist()))


def _check_spread(
    dataset: Dataset, offsets: npt.NDArray[np.float64], scales: npt.NDArray[np.float64]
) -> None:
    finest = np.abs(offsets) * np.finfo(np.float32).eps
    flat = np.flatnonzero(~(scales > finest))
    if len(flat):
        first = int(flat[0])
        raise LabelError(
            f"the target '{dataset.schema.classes[first]}' is the same in all training samples",
            expected="values that differ",
            received=f"{offsets[first]:g}",
            where=dataset.name,
            fix="Leave it out",
        )
