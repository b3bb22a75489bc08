"""The learning-rate range test on a recipe's own network, data and augmentation."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from residua.data.loader import Step
from residua.errors import NonFiniteError
from residua.recipes.recipe import Recipe
from residua.run.session import Session
from residua.run.setting import setting
from residua.run.terminal import Terminal
from residua.training.loop import Batches
from residua.training.lr_finder import LrCurve, find_lr
from residua.training.optimizers import set_learning_rates


def suggest_learning_rate(
    recipe: Recipe, terminal: Terminal, *, lowest: float, highest: float, steps: int
) -> LrCurve:
    """Trains ``steps`` updates at rising learning rates and throws the result away."""
    with setting(recipe, terminal) as ranks:
        session = Session.prepare(recipe, ranks, terminal=terminal)
        trainer = session.trainer()
        wrapped = trainer.wrapped()
        trainer.method.train()
        batches = _endless(trainer.loader)

        def train_step(lr: float) -> float:
            set_learning_rates(trainer.optimizer, lr / recipe.training.optimizer.peak_lr)
            trainer.meter.reset()
            try:
                trainer.update(wrapped, next(batches))
                trainer.guard.finish()
            except NonFiniteError:
                return float("nan")
            return trainer.meter.scores(ranks.total(trainer.meter.sums)).loss

        return find_lr(
            train_step,
            network=trainer.method.network,
            optimizer=trainer.optimizer,
            lowest=lowest,
            highest=highest,
            steps=steps,
        )


def _endless(loader: Batches) -> Iterator[Step]:
    for epoch in count():
        yield from loader.epoch(epoch)
