"""Runs as parts of an experiment: one recipe a folder, done once, and never mixed up."""

from __future__ import annotations

from pathlib import Path

from residua.errors import InterruptedRunError, UsageError
from residua.recipes.recipe import PLACE, Recipe
from residua.run.completed import completed
from residua.run.folder import RunFolder
from residua.run.terminal import Terminal


def asked(recipe: Recipe, folder: Path, terminal: Terminal) -> RunFolder:
    """The complete run of ``recipe`` in ``folder``: made, gone on with or found.

    Beside the run stands ``asked.json``, the recipe as it was asked for, before the data and the
    machine settled what it leaves open. So a folder never answers for another recipe.

    Raises:
        UsageError: The folder holds a run of another recipe.
        ResiduaError: Of any kind; what was saved until then stays.
    """
    run, note = RunFolder(folder), folder / "asked.json"
    if run.recipe.exists():
        _check_same(recipe, note)
    else:
        recipe.save(note)
    try:
        return completed(recipe, folder, terminal)
    except InterruptedRunError as error:
        fix = "Go on with the same command"
        raise InterruptedRunError(error.signal, step=error.step, fix=fix) from None


def _check_same(recipe: Recipe, note: Path) -> None:
    fix = "Choose another --out, or delete the folder"
    if not note.exists():
        what = "the folder holds a run that another command made"
        raise UsageError(what, where=note.parent, fix=fix)
    for name, (was, now) in Recipe.load(note).changes(recipe).items():
        if name not in PLACE:
            raise UsageError(
                f"the folder holds a run with another {name}",
                expected=now,
                received=was,
                where=note.parent,
                fix=fix,
            )
