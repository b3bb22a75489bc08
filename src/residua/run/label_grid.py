"""A label-efficiency grid as a value, and what is settled before anything of it is trained."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from residua.augment.config import AugmentConfig
from residua.augment.signal_config import SignalAugmentConfig
from residua.augment.sound_config import SoundAugmentConfig
from residua.batch import Modality, Split, Task
from residua.data.dataset import Dataset
from residua.data.image_preprocess import ImagePreprocess
from residua.errors import FormatError, LabelError, UsageError
from residua.files import write_atomically
from residua.methods.config import PretrainConfig
from residua.recipes.pretraining import Objective
from residua.recipes.pretraining import pretraining as pretraining_recipe
from residua.recipes.recipe import PLACE, Recipe
from residua.recipes.views import contrastive_views
from residua.run.label_arms import Arm, Cell, Setting, SslMode, full
from residua.run.resolve import SMALL
from residua.run.session import Session
from residua.run.setting import setting
from residua.run.terminal import Terminal

DEFAULT_UPDATES = 1000
"""Of each arm, where the base recipe leaves it open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """All cells, as a value.

    Attributes:
        base: See `residua.run.label_arms.Setting`.
        labels: Labels of each class; a larger number adds labels and takes none away.
        arms: In the order of the table.
        seeds: Runs of each arm and number of labels, by seeds counted from the base's.
        ssl_mode: What is done with pre-trained weights.
        pretraining: How features are learnt: objective, views, budget, optimizer; None is what is
            usual for the data, with the objective of the base.
        pretrain_updates: Budget of a pre-training, whatever its recipe says; None is that of the
            arms.
    """

    base: Recipe
    labels: tuple[int, ...]
    arms: tuple[Arm, ...]
    seeds: int = 5
    ssl_mode: SslMode = "finetune"
    pretraining: Recipe | None = None
    pretrain_updates: int | None = None

    @property
    def cells(self) -> tuple[Cell, ...]:
        """By arm, number of labels and seed."""
        return tuple(
            Cell(arm=arm.name, labels=labels, seed=seed)
            for arm in self.arms
            for labels in ((None,) if arm.all_labels else sorted(set(self.labels)))
            for seed in range(self.seeds)
        )

    @property
    def updates(self) -> int:
        """Of every cell."""
        return self.base.training.updates or DEFAULT_UPDATES

    def check(self) -> None:
        """Raises `UsageError` for the first value that is out of its range."""
        _require("--seeds", self.seeds >= 1, "at least 1", self.seeds)
        least = min(self.labels, default=0)
        _require("--labels-per-class", least >= 1, "at least 1", list(self.labels))
        steps = self.pretrain_updates
        _require("--pretrain-updates", steps is None or steps >= 1, "at least 1", steps)
        schedule = self.base.training.schedule.schedule
        expected = "one that validation does not steer, such as cosine"
        _require("--schedule", schedule != "plateau", expected, schedule)
        ranks = os.environ.get("WORLD_SIZE", "1")
        _require("torchrun", ranks == "1", "one process", f"{ranks} processes")
        self.base.check()


def _require(option: str, holds: bool, expected: str, received: object) -> None:
    if not holds:
        raise UsageError(f"{option} does not fit", expected=expected, received=received)


# ---- before training ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A grid whose network and pre-training are settled.

    Attributes:
        stages: Of the network.
        data: Name of the data.
    """

    grid: Grid
    pretraining: Recipe
    stages: int
    data: str


def prepared(grid: Grid) -> Ready:
    """Opens the data, and says what cannot work before anything is trained."""
    training = replace(grid.base.training, updates=grid.updates)
    grid = replace(grid, base=replace(grid.base, training=training))
    recipe = full(Setting(base=grid.base, labels=None, seed=0))
    terminal = Terminal(quiet=True)
    with setting(recipe, terminal) as ranks:
        session = Session.prepare(recipe, ranks, terminal=terminal)
        _check_data(grid, session.dataset)
        stages = len(session.network().stages())
    network = replace(grid.base.network, network=session.recipe.network.network)
    grid = replace(grid, base=replace(grid.base, network=network))
    features = grid.pretraining or _usual_pretraining(grid.base, session)
    updates = grid.pretrain_updates or grid.updates
    features = replace(features, training=replace(features.training, updates=updates))
    return Ready(grid=grid, pretraining=features, stages=stages, data=session.dataset.name)


def _usual_pretraining(base: Recipe, session: Session) -> Recipe:
    """What is usual for the data, with the views that suit its pictures."""
    objective = _objective(base.pretrain)
    modality, preprocess = session.schema.modality, session.preprocess
    usual = pretraining_recipe(modality, objective)
    if isinstance(preprocess, ImagePreprocess):
        views, _ = contrastive_views(
            objective,
            small=max(preprocess.size) <= SMALL,
            channels=preprocess.channels,
            flip=base.augment.flip,
        )
        usual = replace(usual, augment=views.augment)
    # what belongs to other kinds of data says nothing here
    return replace(
        usual,
        pretrain=_with_asked(usual.pretrain, base.pretrain),
        augment=usual.augment if modality is Modality.IMAGE else AugmentConfig(),
        signal=usual.signal if modality is Modality.SIGNAL else SignalAugmentConfig(),
        sound=usual.sound if modality is Modality.SOUND else SoundAugmentConfig(),
    )


def _with_asked(usual: PretrainConfig, asked: PretrainConfig) -> PretrainConfig:
    """``usual`` with what ``asked`` says other than by default."""
    given = {
        field.name: value
        for field in fields(asked)
        if (value := getattr(asked, field.name)) != field.default
    }
    return replace(usual, **given)


def _check_data(grid: Grid, dataset: Dataset) -> None:
    if dataset.schema.task is not Task.CLASSIFICATION:
        raise UsageError(
            "labels are counted by class",
            expected="data for classification",
            received=dataset.schema.task.value,
            where=dataset.name,
        )
    if not len(dataset.rows(Split.TEST)):
        raise LabelError(
            "no test split to compare the arms on",
            where=dataset.name,
            fix="Draw one with --test-fraction",
        )
    labels = dataset.table.labels[dataset.rows(Split.TRAIN)]
    counts = np.bincount(labels[labels >= 0], minlength=dataset.schema.num_classes)
    least, most = int(counts.argmin()), max(grid.labels)
    if most > counts[least]:
        raise LabelError(
            "fewer labelled samples than asked for",
            expected=f"at most {counts[least]}, as many as class "
            f"'{dataset.schema.classes[least]}' has for training",
            received=most,
            where=dataset.name,
            fix="Ask for fewer --labels-per-class",
        )
    _check_hidden(grid, dataset, hidden=int(counts.sum()) - most * len(counts))


def _check_hidden(grid: Grid, dataset: Dataset, *, hidden: int) -> None:
    """Semi-supervised arms need samples without labels."""
    needing = [arm.name for arm in grid.arms if arm.name.endswith("semi")]
    if needing and not hidden and not grid.base.data.unlabelled:
        raise LabelError(
            f"no samples without labels are left for the arm {needing[0]}",
            received=f"{max(grid.labels)} labels a class, which are all",
            where=dataset.name,
            fix="Ask for fewer --labels-per-class, or say where others are with --unlabelled",
        )


def settle(ready: Ready, folder: Path) -> None:
    """Notes what all cells share, or compares it with what the folder's other cells had."""
    path, grid = folder / "grid.json", ready.grid
    if not path.exists():
        shared = {
            "base": grid.base.to_json(),
            "pretraining": ready.pretraining.to_json(),
            "ssl_mode": grid.ssl_mode,
        }
        write_atomically(path, json.dumps(shared, indent=1) + "\n")
        return
    theirs = _read_shared(path)
    changes = theirs.base.changes(grid.base)
    if any(arm.pretrains for arm in grid.arms):
        features = theirs.pretraining.changes(ready.pretraining)
        changes |= {f"pretraining.{name}": pair for name, pair in features.items()}
        if theirs.ssl_mode != grid.ssl_mode:
            changes["ssl_mode"] = (theirs.ssl_mode, grid.ssl_mode)
    for name, (was, now) in changes.items():
        if name not in PLACE:
            raise UsageError(
                f"the folder holds a grid with another {name}",
                expected=was,
                received=now,
                where=folder,
                fix="Choose another --out, or put it back",
            )


def _objective(config: PretrainConfig) -> Objective:
    return "simclr" if config.pretrain == "none" else config.pretrain


@dataclass(frozen=True, slots=True)
class _Shared:
    base: Recipe
    pretraining: Recipe
    ssl_mode: str


def _read_shared(path: Path) -> _Shared:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        base, features, mode = (content[name] for name in ("base", "pretraining", "ssl_mode"))
    except (ValueError, TypeError, KeyError) as error:
        fix = "Choose another --out"
        raise FormatError(f"damaged grid ({error!r})", where=path, fix=fix) from error
    return _Shared(
        Recipe.from_json(base, where=str(path)), Recipe.from_json(features, where=str(path)), mode
    )
