"""A recipe's data, with the labels that training may see and those that it may not."""

from __future__ import annotations

from dataclasses import dataclass

from residua.batch import Modality, Split
from residua.data.dataset import Dataset
from residua.data.few_labels import HiddenLabels
from residua.data.open_unlabelled import (
    open_unlabelled_dataset,
    open_with_few_labels,
    pretraining_dataset,
)
from residua.errors import UsageError
from residua.methods.semi import check_semi, check_task
from residua.recipes.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Opened:
    """A data set as a run uses it.

    Attributes:
        dataset: What is learnt from, without the labels that are hidden.
        hidden: Those labels, for a meter that no method can reach.
        measured: Of pre-training, the data set with its labels: they say how well features tell
            classes apart, and teach nothing.
    """

    dataset: Dataset
    hidden: HiddenLabels | None = None
    measured: Dataset | None = None


def opened(recipe: Recipe) -> Opened:
    """The data of ``recipe``.

    Raises:
        DataError: Of any kind, see `residua.data.open.open_dataset`.
        UsageError: Options that do not fit together.
    """
    _check_options(recipe)
    check_semi(recipe.semi, recipe.augment)
    if recipe.pretrain.active:
        measured = open_unlabelled_dataset(recipe.data)
        if measured.schema.modality is Modality.TEXT:
            raise UsageError(
                "pre-training compares views of a sample, and text has none",
                expected="pictures, signals or sound",
                received="text",
                where=measured.name,
            )
        return Opened(dataset=pretraining_dataset(measured), measured=measured)
    dataset, hidden = open_with_few_labels(recipe.data)
    check_task(dataset.schema.task, recipe.semi)
    if recipe.semi.active and not len(dataset.rows(Split.UNLABELLED)):
        raise UsageError(
            f"--method {recipe.semi.semi} needs samples without labels",
            received="none",
            where=dataset.name,
            fix="Say where they are with --unlabelled, or hide labels with --labels-per-class",
        )
    return Opened(dataset=dataset, hidden=hidden)


def _check_options(recipe: Recipe) -> None:
    if recipe.data.unlabelled and not (recipe.semi.active or recipe.pretrain.active):
        raise UsageError(
            "--unlabelled means nothing for supervised learning",
            received=recipe.data.unlabelled,
            fix="Say --method adamatch (or another), or use residua pretrain",
        )
