"""What surrounds all that trains: a checked recipe, the ranks, the terminal, too little memory."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing, contextmanager

import torch

from residua.errors import TrainingError
from residua.recipes.recipe import Recipe
from residua.run.terminal import Terminal
from residua.training.distributed import Ranks, joined_ranks


@contextmanager
def setting(recipe: Recipe, terminal: Terminal) -> Generator[Ranks]:
    """Joins the ranks and the terminal, and leaves both as they should be whatever happens.

    Raises:
        UsageError: A value of the recipe is out of its range, or its device is not there.
        TrainingError: Memory ran out.
    """
    recipe.check()
    training = recipe.training
    with (
        closing(terminal),
        naming_full_memory(),
        joined_ranks(training.device, training.threads) as ranks,
    ):
        terminal.join(ranks)
        yield ranks


@contextmanager
def naming_full_memory() -> Generator[None]:
    """Turns what torch and Python raise when memory runs out into a line that says what helps."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        full = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if not full and "can't allocate memory" not in str(error):
            raise
        raise TrainingError(
            "there is not enough memory",
            received=next(iter(str(error).splitlines()), None),
            fix="Use a smaller --batch-size or --size, or --accumulate 2",
        ) from error
