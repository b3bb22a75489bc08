"""The semi-supervised method that a recipe names."""

from __future__ import annotations

from torch import Tensor

from residua.augment.config import AugmentConfig
from residua.batch import Schema, Task
from residua.errors import UsageError
from residua.methods.adamatch import AdaMatch
from residua.methods.config import SemiConfig, SupervisedConfig
from residua.methods.fixmatch import FixMatch
from residua.methods.mean_teacher import MeanTeacher
from residua.methods.method import Method
from residua.methods.semi_supervised import SemiSetting, SemiSupervised
from residua.methods.softmatch import SoftMatch
from residua.methods.views import Views
from residua.networks.network import Network


def semi_method_for(
    schema: Schema,
    network: Network,
    *,
    weak: Views,
    strong: Views,
    config: SemiConfig,
    supervised: SupervisedConfig,
    class_weights: Tensor | None = None,
) -> Method:
    """The training step of ``config.semi``.

    Args:
        schema: Of the data.
        network: Gives one number a class; on its device, its norms synchronised already if they
            will be, since a teacher is a copy of it.
        weak, strong: From loaded samples to lightly and heavily augmented ones.
        config: Checked, and active.
        supervised: Of the labelled loss.
        class_weights: float32 ``[k]``, of the labelled loss.

    Raises:
        UsageError: A task other than classification.
    """
    check_task(schema.task, config)
    setting = SemiSetting(
        weak=weak,
        strong=strong,
        config=config,
        supervised=supervised,
        class_weights=class_weights,
    )
    return _kind(config)(network, setting)


def _kind(config: SemiConfig) -> type[SemiSupervised]:
    match config.semi:
        case "fixmatch":
            return FixMatch
        case "adamatch":
            return AdaMatch
        case "softmatch":
            return SoftMatch
        case "mean-teacher":
            return MeanTeacher
        case "none":
            raise UsageError("no semi-supervised method", received="--method none")


def check_task(task: Task, config: SemiConfig) -> None:
    """Raises `UsageError` for a task that ``config.semi`` does not know."""
    if config.active and task is not Task.CLASSIFICATION:
        raise UsageError(
            f"{config.semi} learns one class a sample",
            expected=f"task {Task.CLASSIFICATION.value}",
            received=task.value,
            fix="Use --method none",
        )


def check_semi(config: SemiConfig, augment: AugmentConfig) -> None:
    """Raises `UsageError` for augmentation that ``config.semi`` cannot be combined with."""
    if config.active and augment.mixes:
        raise UsageError(
            f"{config.semi} compares views of one sample, so samples cannot be mixed",
            received=f"mixup {augment.mixup:g}, cutmix {augment.cutmix:g}",
            fix="Set --mixup 0 --cutmix 0",
        )
