"""`residua label-efficiency`: what labels buy, and what learning without them saves."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from tyro.conf import arg
from tyro.constructors import ConstructorRegistry, StructConstructorSpec, StructTypeInfo

from residua.cli import console
from residua.cli.train import with_recipe_defaults
from residua.data.config import DataConfig
from residua.methods.config import SemiConfig
from residua.recipes.presets import AUTO
from residua.recipes.recipe import NetworkConfig, Recipe
from residua.training.config import TrainingConfig

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from residua.run.grid_results import GridResults
    from residua.run.label_grid import Grid

ARMS = "scratch,ssl,semi,ssl+semi,frozen-random,full"


@dataclass(frozen=True, kw_only=True)
class LabelEfficiency:
    """Train with few labels in several ways, and show accuracy against labels.

    Every arm has the same number of updates and is scored once, on the test split, with the
    weights of its last epoch. The same command goes on with a grid that was interrupted, and more
    labels, arms or seeds add to it. The other options are those of `residua train`.
    """

    data: Annotated[tyro.conf.Positional[str], arg(metavar="DATA", help_behavior_hint="")]
    """An image folder, Parquet file or folder, CSV manifest, IDX folder, or a known name."""
    labels_per_class: tuple[int, ...] = (1, 4, 10, 25, 100)
    """Labels of each class. A larger number adds labels and takes none away."""
    arms: str = ARMS
    """Ways of learning, separated by commas. scratch: the labelled samples alone; ssl:
    pre-training, then these; semi: the others beside these, without their labels; ssl+semi: both;
    frozen-random: a classifier on a network that does not learn; full: all labels."""
    seeds: int = 5
    """Runs of each arm and number of labels; a seed chooses weights, order and labels. Intervals
    need 2 and are wide below 5."""
    ssl: Literal["simclr", "byol", "vicreg"] = "simclr"
    """How weights are pre-trained, once a seed, on all training samples without labels."""
    ssl_mode: Literal["finetune", "probe"] = "finetune"
    """What is done with these weights: all learn on, or a classifier alone (probe)."""
    semi: Annotated[
        Literal["fixmatch", "adamatch", "softmatch", "mean-teacher"], arg(name="semi")
    ] = "adamatch"
    """How samples without labels are learnt from beside labelled ones."""
    pretrain_updates: Annotated[int | None, arg(metavar="N", help_behavior_hint="")] = None
    """Updates of a pre-training; by default as many as of each arm, which --updates says (1000
    where the recipe says none)."""
    out: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="")] = None
    """Folder for runs, table and plot; by default runs/DATA-label-efficiency."""
    recipe: str = AUTO
    """Start from a recipe of `residua list recipes`, as in `residua train`."""
    quiet: bool = False
    """Say nothing but warnings and the table."""
    json: bool = False
    """Print the rows as JSON on standard output."""
    config: Annotated[Recipe, arg(name="")] = field(default_factory=Recipe)

    @classmethod
    def of(cls, name: str, base: Recipe) -> LabelEfficiency:
        """The verb with the values of the recipe ``base``, called ``name``; data is missing."""
        return cls(data=tyro.MISSING, recipe=name, config=base)

    def run(self) -> int:
        grid = self._grid()
        grid.check()
        from residua.run.label_efficiency import run_grid

        folder = self.out or Path("runs") / f"{_name(self.data)}-label-efficiency"
        with _watching(quiet=self.quiet) as watcher:
            results = run_grid(grid, folder, watcher)
        if self.json:
            console.print_json({"folder": folder, **results.to_json()})
        else:
            _print(results, folder)
        return 0 if results.complete else 1

    def _grid(self) -> Grid:
        from residua.run.label_arms import arms_named
        from residua.run.label_grid import Grid

        base = self.config
        base = replace(
            base,
            data=replace(base.data, path=self.data),
            semi=replace(base.semi, semi=self.semi),
            pretrain=replace(base.pretrain, pretrain=self.ssl),
        )
        names = [name.strip() for name in self.arms.split(",") if name.strip()]
        return Grid(
            base=base,
            labels=self.labels_per_class,
            arms=arms_named(names),
            seeds=self.seeds,
            ssl_mode=self.ssl_mode,
            pretrain_updates=self.pretrain_updates,
        )


def _name(data: str) -> str:
    path = Path(data)
    stem = path.stem if path.suffix in (".csv", ".parquet") else path.name
    return re.sub(r"[^\w.+-]+", "_", stem) or "data"


# ---- arguments ----------------------------------------------------------------------------------

_DECIDED = {
    DataConfig: frozenset({"labels_per_class", "label_seed"}),
    NetworkConfig: frozenset({"start", "freeze"}),
    SemiConfig: frozenset({"semi"}),
    TrainingConfig: frozenset({"epochs", "keep", "early_stopping"}),
}
"""Options of `residua train` that the arms decide."""

_RULES = ConstructorRegistry()
_SEEN = "the rule below has seen this"


def parse(arguments: Sequence[str]) -> LabelEfficiency:
    """The command, with the defaults of the recipe that it names."""
    with _RULES:
        return with_recipe_defaults(LabelEfficiency, arguments, verb="label-efficiency")


@_RULES.struct_rule
def _without_decided(info: StructTypeInfo) -> StructConstructorSpec | None:
    """The options of a config without those that the arms decide."""
    decided = _DECIDED.get(info.type)
    if decided is None or _SEEN in info.markers:
        return None
    spec = ConstructorRegistry.get_struct_spec(replace(info, markers=(*info.markers, _SEEN)))
    if not isinstance(spec, StructConstructorSpec):
        return None
    return replace(spec, fields=tuple(each for each in spec.fields if each.name not in decided))


# ---- what is printed ----------------------------------------------------------------------------


class _Watcher:
    """A line for every job that is done, and under them a bar over the whole grid."""

    def __init__(self, bar: Progress, *, quiet: bool) -> None:
        self._bar = bar
        self._quiet = quiet
        self._task: TaskID | None = None

    def begin(self, what: str, *, done: int, total: int, left: float | None) -> None:
        if self._task is None:
            self._task = self._bar.add_task(what, total=total)
        text = f"{what}{_left_text(left)}"
        self._bar.update(self._task, completed=done, description=text)

    def end(self, line: str, *, done: int, total: int, left: float | None) -> None:
        if self._task is not None:
            self._bar.update(self._task, completed=done)
        if not self._quiet:
            out = self._bar.console
            width = len(str(total))
            out.print(f"[{done:>{width}}/{total}] {line}{_left_text(left)}", soft_wrap=True)


@contextmanager
def _watching(*, quiet: bool) -> Generator[_Watcher]:
    """On standard error; the bar only where that is a terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    out = console.stderr()
    columns = TextColumn("{task.description}", markup=False), BarColumn(24), MofNCompleteColumn()
    with Progress(
        *columns, console=out, transient=True, disable=quiet or not out.is_terminal
    ) as bar:
        yield _Watcher(bar, quiet=quiet)


def _left_text(seconds: float | None) -> str:
    """``; about 12 min left``"""
    if not seconds:
        return ""
    if seconds < 90:
        return f"; about {seconds:.0f} s left"
    minutes = seconds / 60
    return (
        f"; about {minutes:.0f} min left" if minutes < 90 else f"; about {minutes / 60:.1f} h left"
    )


def _print(results: GridResults, folder: Path) -> None:
    from residua.run.grid_results import COLUMNS, NOTE

    out = console.stdout()
    if results.state:
        out.print(f"{results.state}\n")
    first, *others = (name for name, _ in COLUMNS)
    table = console.table((first, "left"), *[_right(name) for name in others])
    for row in results.rows:
        table.add_row(*(text(row) for _, text in COLUMNS))
    out.print(table)
    out.print(f"\n{NOTE}")
    if results.caveat:
        out.print(results.caveat)
    out.print(f"table {folder / 'table.md'}, plot {folder / 'curve.png'}")


def _right(heading: str) -> tuple[str, Literal["right"]]:
    return heading, "right"
