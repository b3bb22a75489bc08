"""Runs as parts of something larger: made, gone on with, or found complete."""

from __future__ import annotations

from pathlib import Path

from residua.recipes.recipe import Recipe
from residua.run.folder import RunFolder
from residua.run.terminal import Terminal
from residua.run.train import resume, train


def completed(recipe: Recipe, folder: Path, terminal: Terminal) -> RunFolder:
    """The complete run of ``recipe`` in ``folder``, whatever is there already of it.

    A run that is complete is not touched, one that was interrupted goes on from its checkpoint, and
    where there is none one is made, without a report. For another recipe take another folder.

    Raises:
        ResiduaError: Of any kind; what was saved until then stays.
    """
    run = RunFolder(folder)
    if run.summary.exists():
        return run
    if run.recipe.exists():
        return resume(folder, terminal, report=False)
    return train(recipe, folder, terminal, report=False)
