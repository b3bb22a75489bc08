"""`residua train`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Protocol, Self, TypeVar

import tyro
from tyro.conf import arg

from residua.batch import Modality
from residua.cli import console
from residua.cli.parsing import parse as parse_arguments
from residua.recipes.presets import AUTO, fast, preset, usual_recipe
from residua.recipes.recipe import Recipe


class TakesRecipe(Protocol):
    """A verb that trains: options whose defaults a recipe gives."""

    @property
    def data(self) -> str: ...

    @classmethod
    def of(cls, name: str, base: Recipe) -> Self:
        """The verb with the values of the recipe ``base``, called ``name``; data is missing."""
        ...


T = TypeVar("T", bound=TakesRecipe)


@dataclass(frozen=True, kw_only=True)
class Train:
    """Train a network on a data set, evaluate it once on the test split, and write a report.

    Everything has a default: `residua train path/to/pictures` is a whole run. Under torchrun it
    is one run on several processes: `torchrun --nproc-per-node 2 -m residua train ...`.
    """

    data: Annotated[tyro.conf.Positional[str], arg(metavar="DATA", help_behavior_hint="")]
    """An image folder, Parquet file or folder, CSV manifest, IDX folder, or a known name."""
    folder: Annotated[
        Path | None, arg(name="run", aliases=["--out"], metavar="DIR", help_behavior_hint="")
    ] = None
    """Folder for the run; by default runs/DATA-NETWORK-N. Under torchrun say --out, because
    torchrun takes --run for one of its own."""
    recipe: str = AUTO
    """Start from a recipe of `residua list recipes`; the options below change it. auto: fast for
    pictures, audio for sound, series for signals and text."""
    quiet: bool = False
    """Say nothing but warnings."""
    chart: bool = True
    """Draw loss and accuracy as a chart while training, in a terminal."""
    json: bool = False
    """Print summary.json on standard output, messages on standard error."""
    config: Annotated[Recipe, arg(name="")] = field(default_factory=Recipe)

    @classmethod
    def of(cls, name: str, base: Recipe) -> Self:
        return cls(data=tyro.MISSING, recipe=name, config=base)

    def run(self) -> int:
        from residua.run.store import load_summary
        from residua.run.terminal import Terminal
        from residua.run.train import train

        recipe = replace(self.config, data=replace(self.config.data, path=self.data))
        terminal = Terminal(quiet=self.quiet, to_stderr=self.json, chart=self.chart)
        run = train(recipe, self.folder, terminal)
        if self.json and terminal.is_main:
            console.print_json(load_summary(run.summary))
        return 0


def parse(arguments: Sequence[str]) -> Train:
    """The command, with the defaults of the recipe that it names."""
    return with_recipe_defaults(Train, arguments, verb="train")


def with_recipe_defaults(command: type[T], arguments: Sequence[str], *, verb: str) -> T:
    """``command`` parsed twice over: --recipe, or else the data, decides the options' defaults."""
    name = _recipe_name(arguments)

    def parsed(base: Recipe) -> T:
        default = command.of(name, _without_rules(base, arguments))
        return parse_arguments(command, arguments, verb=verb, default=default)

    if name != AUTO:
        return parsed(preset(name))
    command_line = parsed(fast())
    base = _usual(command_line.data)
    return command_line if base is None else parsed(base)


def _without_rules(base: Recipe, arguments: Sequence[str]) -> Recipe:
    """Where an option is given, what the recipe would change of it says nothing."""
    given = {each.split("=")[0] for each in arguments}
    training = base.training.asked(
        epochs="--epochs" in given,
        updates="--updates" in given,
        batch_size="--batch-size" in given,
    )
    return replace(base, training=training)


def _usual(data: str) -> Recipe | None:
    """What is usual for data that is no pictures."""
    from residua.data.modality import modality_of

    modality = modality_of(data)
    return None if modality is Modality.IMAGE else usual_recipe(modality)


def _recipe_name(arguments: Sequence[str]) -> str:
    for position, argument in enumerate(arguments):
        if argument.startswith("--recipe="):
            return argument.partition("=")[2]
        if argument == "--recipe" and position + 1 < len(arguments):
            return arguments[position + 1]
    return AUTO
