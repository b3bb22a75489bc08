"""The arms of a label-efficiency curve: ways of learning from few labels, each as a recipe.

Legend: a cell is one run: an arm, a number of labels a class, a seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from residua.errors import UnknownNameError, UsageError
from residua.methods.config import PretrainConfig, SemiConfig
from residua.recipes.recipe import Recipe

SslMode = Literal["finetune", "probe"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What an arm makes a recipe of.

    Attributes:
        base: Its ``semi`` and ``pretrain`` say what the arms that need them use, and its
            ``training.updates`` the budget of every arm.
        labels: Labels of each class; None is all of them.
        seed: Of the weights, the order and the choice of labels, counted from the base's.
        pretrained: Complete pre-training run; None for arms without.
        stages: Stages of the network, the classifier's among them.
        ssl_mode: Whether pre-trained weights learn on (finetune) or the classifier alone (probe).
    """

    base: Recipe
    labels: int | None
    seed: int
    pretrained: Path | None = None
    stages: int = 1
    ssl_mode: SslMode = "finetune"


@dataclass(frozen=True, slots=True)
class Arm:
    """A way of learning.

    Attributes:
        name: As on the command line.
        recipe: What it trains.
        pretrains: It starts from pre-trained weights.
        all_labels: It is run once a seed, with every label.
        fits: Of the ways to use its weights those in which nothing but a classifier is fitted to
            features (`residua.run.fitted`), and no update is made.
    """

    name: str
    recipe: Callable[[Setting], Recipe]
    pretrains: bool = False
    all_labels: bool = False
    fits: frozenset[SslMode] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One run of the grid; ``labels`` is None where all are used."""

    arm: str
    labels: int | None
    seed: int

    @property
    def text(self) -> str:
        """``semi, 10 labels a class, seed 3``"""
        return f"{self.arm}, {labels_text(self.labels)}, seed {self.seed}"

    @property
    def folder(self) -> Path:
        """Of the run, below the grid's."""
        labels = "all" if self.labels is None else str(self.labels)
        return Path("runs") / self.arm / f"labels-{labels}" / f"seed-{self.seed}"


def labels_text(labels: int | None) -> str:
    """``10 labels a class``"""
    if labels is None:
        return "all labels"
    return f"{labels} {'label' if labels == 1 else 'labels'} a class"


# ---- the arms -----------------------------------------------------------------------------------


def scratch(setting: Setting) -> Recipe:
    """The labelled samples alone, with the augmentation that is usual for the data."""
    return _labelled_alone(_few(setting))


def ssl(setting: Setting) -> Recipe:
    """The same from pre-trained weights."""
    return _pretrained(scratch(setting), setting)


def semi(setting: Setting) -> Recipe:
    """The labelled samples, and beside them those whose labels are hidden."""
    return replace(_few(setting), semi=setting.base.semi)


def ssl_semi(setting: Setting) -> Recipe:
    """The same from pre-trained weights."""
    return _pretrained(semi(setting), setting)


def frozen_random(setting: Setting) -> Recipe:
    """A classifier on a network that stays as it was drawn: what architecture alone gives."""
    return _frozen(scratch(setting), setting)


def full(setting: Setting) -> Recipe:
    """Every label: what the others are measured against."""
    return scratch(replace(setting, labels=None))


def pretraining(base: Recipe, usual: Recipe, seed: int) -> Recipe:
    """What the arms that start from pre-trained weights share at one seed: all training samples,
    none of their labels.

    Args:
        base: Says data, network and where it computes.
        usual: Says how features are learnt: objective, views, budget, optimizer.
        seed: As in `Setting`.
    """
    common = _common(base, seed)
    place = common.training
    return replace(
        usual,
        data=common.data,
        series=common.series,
        network=common.network,
        semi=_no_semi(common.semi),
        training=replace(
            usual.training,
            seed=place.seed,
            keep="last",
            early_stopping=None,
            precision=place.precision,
            device=place.device,
            threads=place.threads,
            compile=place.compile,
            checkpoint_minutes=place.checkpoint_minutes,
        ),
    )


ARMS = (
    Arm("scratch", scratch),
    Arm("ssl", ssl, pretrains=True, fits=frozenset({"probe"})),
    Arm("semi", semi),
    Arm("ssl+semi", ssl_semi, pretrains=True),
    Arm("frozen-random", frozen_random, fits=frozenset({"finetune", "probe"})),
    Arm("full", full, all_labels=True),
)


def arm_named(name: str) -> Arm:
    """The arm of that name.

    Raises:
        UnknownNameError: There is none.
    """
    for arm in ARMS:
        if arm.name == name:
            return arm
    raise UnknownNameError("arm", name, [arm.name for arm in ARMS])


def arms_named(names: Sequence[str]) -> tuple[Arm, ...]:
    """Those arms, each once, in the order of `ARMS`.

    Raises:
        UnknownNameError: One does not exist.
        UsageError: No name was given.
    """
    wanted = {arm_named(name).name for name in names}
    if not wanted:
        raise UsageError("no arms", expected=",".join(arm.name for arm in ARMS))
    return tuple(arm for arm in ARMS if arm.name in wanted)


# ---- their parts --------------------------------------------------------------------------------


def _common(base: Recipe, seed: int) -> Recipe:
    """What is equal in all runs of a seed: budget, average, weights of the last epoch."""
    seed = base.training.seed + seed
    return replace(
        base,
        data=replace(base.data, labels_per_class=None, label_seed=seed),
        network=replace(base.network, start=None, freeze=0),
        pretrain=PretrainConfig(),
        training=replace(
            base.training, seed=seed, keep="last", early_stopping=None, batch_share=1.0
        ),
    )


def _few(setting: Setting) -> Recipe:
    recipe = _common(setting.base, setting.seed)
    return replace(recipe, data=replace(recipe.data, labels_per_class=setting.labels))


def _labelled_alone(recipe: Recipe) -> Recipe:
    data = replace(recipe.data, unlabelled=None)
    return replace(recipe, data=data, semi=_no_semi(recipe.semi))


def _no_semi(config: SemiConfig) -> SemiConfig:
    return replace(config, semi="none")


def _pretrained(recipe: Recipe, setting: Setting) -> Recipe:
    if setting.pretrained is None:
        raise UsageError("no pre-training run to start from")
    network = replace(recipe.network, start=str(setting.pretrained))
    recipe = replace(recipe, network=network)
    return _frozen(recipe, setting) if setting.ssl_mode == "probe" else recipe


def _frozen(recipe: Recipe, setting: Setting) -> Recipe:
    return replace(recipe, network=replace(recipe.network, freeze=setting.stages - 1))
