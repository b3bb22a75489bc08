"""`residua find-lr`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Self

import tyro
from tyro.conf import arg

from residua.cli import console
from residua.cli.train import with_recipe_defaults
from residua.recipes.presets import AUTO
from residua.recipes.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class FindLr:
    """Suggest a learning rate: train briefly at rising rates and see where the loss falls fastest.

    Takes the options of `residua train`; the rate goes there as --lr (Smith, 2017, section 3.3).
    """

    data: Annotated[tyro.conf.Positional[str], arg(metavar="DATA", help_behavior_hint="")]
    """As for `residua train`."""
    lowest: float = 1e-4
    """First rate."""
    highest: float = 10.0
    """Last rate."""
    steps: int = 100
    """Updates."""
    recipe: str = AUTO
    """Start from a recipe of `residua list recipes`; auto goes by the data."""
    json: bool = False
    """Print rates, losses and suggestion as JSON."""
    config: Annotated[Recipe, arg(name="")] = field(default_factory=Recipe)

    @classmethod
    def of(cls, name: str, base: Recipe) -> Self:
        return cls(data=tyro.MISSING, recipe=name, config=base)

    def run(self) -> int:
        from residua.run.range_test import suggest_learning_rate
        from residua.run.terminal import Terminal

        recipe = replace(self.config, data=replace(self.config.data, path=self.data))
        curve = suggest_learning_rate(
            recipe,
            Terminal(to_stderr=True),
            lowest=self.lowest,
            highest=self.highest,
            steps=self.steps,
        )
        if self.json:
            console.print_json(curve)
            return 0
        rows = console.table(("learning rate", "right"), ("loss", "right"))
        for lr, loss in list(zip(curve.lrs, curve.losses, strict=True))[
            :: max(1, self.steps // 20)
        ]:
            rows.add_row(f"{lr:.2g}", f"{loss:.3f}")
        console.stdout().print(rows)
        found = curve.suggestion
        console.stdout().print(
            f"suggestion: --lr {found:.2g}" if found else "no suggestion: the loss never fell"
        )
        return 0


def parse(arguments: Sequence[str]) -> FindLr:
    """The command, with the defaults of the recipe that it names."""
    return with_recipe_defaults(FindLr, arguments, verb="find-lr")
