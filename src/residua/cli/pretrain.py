"""`residua pretrain`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Self

import tyro
from tyro.conf import arg

from residua.augment.config import AugmentConfig
from residua.augment.signal_config import SignalAugmentConfig
from residua.augment.sound_config import SoundAugmentConfig
from residua.batch import Modality
from residua.cli import console
from residua.cli.parsing import parse as parse_arguments
from residua.data.config import DataConfig, SeriesConfig
from residua.errors import UsageError
from residua.methods.config import PretrainConfig
from residua.recipes.pretraining import Objective, pretraining
from residua.recipes.recipe import NetworkConfig, Recipe
from residua.training.config import TrainingConfig


@dataclass(frozen=True, kw_only=True)
class Pretrain:
    """Learn features from samples without labels: two random views of a sample belong together.

    What labels there are say on validation how well the features tell classes apart (kNN), and
    teach nothing. Go on with: residua train DATA --start RUN; measure: residua evaluate RUN --probe
    linear.
    """

    path: Annotated[
        tyro.conf.Positional[str], arg(name="data", metavar="DATA", help_behavior_hint="")
    ]
    """A folder of pictures, sound or recordings, of any depth, or anything that `residua train`
    takes; its training samples are learnt from, without their labels."""
    folder: Annotated[
        Path | None, arg(name="run", aliases=["--out"], metavar="DIR", help_behavior_hint="")
    ] = None
    """Folder for the run; by default runs/DATA-NETWORK-N."""
    quiet: bool = False
    """Say nothing but warnings."""
    chart: bool = True
    """Draw loss and accuracy as a chart while training, in a terminal."""
    json: bool = False
    """Print summary.json on standard output, messages on standard error."""
    pretrain: Annotated[PretrainConfig, arg(name="")] = field(
        default_factory=lambda: PretrainConfig(pretrain="simclr")
    )
    data: Annotated[DataConfig, arg(name="")] = field(default_factory=DataConfig)
    series: Annotated[SeriesConfig, arg(name="")] = field(default_factory=SeriesConfig)
    network: Annotated[NetworkConfig, arg(name="")] = field(default_factory=NetworkConfig)
    augment: Annotated[AugmentConfig, arg(name="")] = field(default_factory=AugmentConfig)
    signal: Annotated[SignalAugmentConfig, arg(name="")] = field(
        default_factory=SignalAugmentConfig
    )
    sound: Annotated[SoundAugmentConfig, arg(name="")] = field(default_factory=SoundAugmentConfig)
    training: Annotated[TrainingConfig, arg(name="")] = field(default_factory=TrainingConfig)

    @classmethod
    def of(cls, base: Recipe) -> Self:
        """The verb with the values of ``base``; data is missing."""
        return cls(
            path=tyro.MISSING,
            pretrain=base.pretrain,
            data=base.data,
            series=base.series,
            network=base.network,
            augment=base.augment,
            signal=base.signal,
            sound=base.sound,
            training=base.training,
        )

    @property
    def recipe(self) -> Recipe:
        return Recipe(
            pretrain=self.pretrain,
            data=replace(self.data, path=self.path),
            series=self.series,
            network=self.network,
            augment=self.augment,
            signal=self.signal,
            sound=self.sound,
            training=self.training,
        )

    def run(self) -> int:
        from residua.run.store import load_summary
        from residua.run.terminal import Terminal
        from residua.run.train import train

        terminal = Terminal(quiet=self.quiet, to_stderr=self.json, chart=self.chart)
        run = train(self.recipe, self.folder, terminal)
        if self.json and terminal.is_main:
            console.print_json(load_summary(run.summary))
        return 0


def parse(arguments: Sequence[str]) -> Pretrain:
    """The command; the method and the kind of data decide the options' defaults."""

    def parsed(modality: Modality, objective: Objective) -> Pretrain:
        default = Pretrain.of(pretraining(modality, objective))
        return parse_arguments(Pretrain, arguments, verb="pretrain", default=default)

    first = parsed(Modality.IMAGE, "simclr")
    objective = first.pretrain.pretrain
    if objective == "none":
        fix = "Say one of them, or: residua train"
        raise UsageError(
            "no method", expected="simclr, byol or vicreg", received="--method none", fix=fix
        )
    return parsed(_modality(first), objective)


def _modality(command: Pretrain) -> Modality:
    from residua.data.modality import modality_of
    from residua.data.open_unlabelled import open_unlabelled_dataset
    from residua.errors import FormatError, LabelError

    try:
        return modality_of(command.path)
    except (FormatError, LabelError):
        return open_unlabelled_dataset(command.recipe.data).schema.modality
