"""The few lines of Python that do what the command line does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from residua.data.modality import modality_of
from residua.recipes.presets import AUTO, preset, usual_recipe
from residua.recipes.recipe import Recipe
from residua.run.run import Run
from residua.run.terminal import Terminal
from residua.run.train import resume as resume_run
from residua.run.train import train as train_run


def train(
    data: str | Path,
    *,
    recipe: Recipe | str = AUTO,
    network: str | None = None,
    start: str | Path | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    seed: int | None = None,
    run: str | Path | None = None,
    quiet: bool = False,
) -> Run:
    """Trains a network on a data set, evaluates it once on the test split, writes a report.

    Args:
        data: A path or a known name, see docs/data.md.
        recipe: The whole run as a value, or the name of a ready recipe; auto goes by the data.
        start: Weights to start from: ``torchvision/resnet50``, a run folder, a file, see
            docs/weights.md.
        network, epochs, batch_size, lr, seed: In place of what the recipe says; everything else is
            changed in the recipe itself (`dataclasses.replace`).
        run: The run folder; by default ``runs/DATA-NETWORK-N``.
        quiet: Say nothing but warnings.

    Raises:
        ResiduaError: With one line that says what was expected, what was found, what to do.
    """
    base = _base(recipe, str(data))
    training, optimizer = base.training, base.training.optimizer
    full = replace(
        base,
        data=replace(base.data, path=str(data)),
        network=replace(
            base.network,
            network=network or base.network.network,
            start=base.network.start if start is None else str(start),
        ),
        training=replace(
            training.asked(epochs=epochs is not None, batch_size=batch_size is not None),
            epochs=training.epochs if epochs is None else epochs,
            batch_size=training.batch_size if batch_size is None else batch_size,
            seed=training.seed if seed is None else seed,
            optimizer=replace(optimizer, lr=optimizer.lr if lr is None else lr),
        ),
    )
    terminal = Terminal(quiet=quiet)
    folder = train_run(full, None if run is None else Path(run), terminal)
    return Run(folder.root, terminal=terminal)


def _base(recipe: Recipe | str, data: str) -> Recipe:
    if not isinstance(recipe, str):
        return recipe
    return usual_recipe(modality_of(data)) if recipe == AUTO else preset(recipe)


def resume(run: str | Path, *, quiet: bool = False) -> Run:
    """Goes on with a run that was interrupted, as if it had not been."""
    terminal = Terminal(quiet=quiet)
    return Run(resume_run(Path(run), terminal).root, terminal=terminal)
