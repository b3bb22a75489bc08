"""`residua ablate`: what each ingredient of a recipe is worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import tyro
from tyro.conf import arg

from residua.cli import console
from residua.cli.train import with_recipe_defaults
from residua.errors import UsageError
from residua.recipes.presets import AUTO
from residua.recipes.recipe import Recipe

if TYPE_CHECKING:
    from residua.run.ablation import Ablation, Arm


@dataclass(frozen=True, kw_only=True)
class Ablate:
    """Train a recipe with each ingredient left out, and compare with the whole recipe.

    Every arm has the same seeds, data and splits; differences are paired by seed, with 95 %
    t-intervals. All scores are of the validation split: this is for choosing a recipe, and the test
    split stays unseen. The command goes on where it stopped.
    """

    data: Annotated[tyro.conf.Positional[str], arg(metavar="DATA", help_behavior_hint="")]
    """As `residua train` takes it."""
    ingredients: Annotated[str, arg(metavar="NAME,...", help_behavior_hint="")] = ""
    """What is left out, one at a time: ema, label_smoothing, mixup, cutmix, crop, flip, policy,
    erasing, schedule, warm_up, weight_decay, nesterov ...; by default all that the recipe has."""
    seeds: int = 3
    """Runs of each arm: seeds from --seed on. Five or more tell small differences."""
    out: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="")] = None
    """Folder of the runs; by default runs/ablate/DATA-RECIPE."""
    minutes: Annotated[float | None, arg(metavar="M", help_behavior_hint="")] = None
    """Stop after so long, saved, with exit code 130; the same command goes on."""
    recipe: str = AUTO
    """The recipe of `residua list recipes`; the options below change it."""
    quiet: bool = False
    """Print the table alone."""
    json: bool = False
    """Print JSON on standard output, messages on standard error."""
    config: Annotated[Recipe, arg(name="")] = field(default_factory=Recipe)

    @classmethod
    def of(cls, name: str, base: Recipe) -> Self:
        return cls(data=tyro.MISSING, recipe=name, config=base)

    def run(self) -> int:
        if self.seeds < 1:
            raise UsageError("wrong seeds", expected="1 or more", received=self.seeds)
        from residua.run.ablation import ablate
        from residua.run.deadline import Deadline
        from residua.run.terminal import Terminal

        recipe = replace(self.config, data=replace(self.config.data, path=self.data))
        first = recipe.training.seed
        with Deadline(self.minutes) as deadline:
            found = ablate(
                recipe,
                ingredients=[name for name in self.ingredients.split(",") if name],
                seeds=range(first, first + self.seeds),
                out=self.out or Path("runs/ablate") / f"{Path(self.data).name}-{self.recipe}",
                terminal=Terminal(quiet=self.quiet, to_stderr=self.json),
                deadline=deadline,
            )
        if self.json:
            console.print_json(found.to_json())
        else:
            _print(found)
        return 0


def parse(arguments: Sequence[str]) -> Ablate:
    """The command, with the defaults of the recipe that it names."""
    return with_recipe_defaults(Ablate, arguments, verb="ablate")


def _print(found: Ablation) -> None:
    out = console.stdout()
    table = console.table(
        ("without", "left"),
        (f"validation {found.score}", "right"),
        ("difference", "right"),
        ("95 % interval", "right"),
        ("minutes", "right"),
    )
    for arm in found.arms:
        table.add_row(
            arm.name if arm.differences else "(whole recipe)",
            f"{arm.mean:.2%}" if found.percent else f"{arm.mean:.4f}",
            _difference(arm, found),
            _interval(arm, found),
            f"{arm.minutes:.2g}",
        )
    out.print(table)
    better = "lower" if found.higher_is_better else "higher"
    points = "points" if found.percent else "the score's unit"
    out.print(
        f"\nmeans of {len(found.seeds)} seeds on validation, never on test; differences to the "
        f"whole recipe in {points}, paired by seed. An ingredient helps where the score without it "
        f"is {better}; an interval that holds 0 leaves that open, and of "
        f"{len(found.arms) - 1} intervals one in 20 errs by chance"
    )


def _difference(arm: Arm, found: Ablation) -> str:
    return _points(arm.difference, found) if arm.differences else ""


def _interval(arm: Arm, found: Ablation) -> str:
    if arm.interval is None:
        return ""
    if not math.isfinite(arm.interval[0]):
        return "of one seed: none"
    return " to ".join(_points(end, found) for end in arm.interval)


def _points(value: float, found: Ablation) -> str:
    return f"{100 * value:+.2f}" if found.percent else f"{value:+.4f}"
