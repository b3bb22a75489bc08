"""Training from a recipe to a finished run, and going on with one that stopped."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import torch.distributed as dist

from residua import checkpoint as checkpoints
from residua.checkpoint import Checkpoint
from residua.errors import CheckpointError, DataError, InterruptedRunError
from residua.recipes.recipe import PLACE, Recipe
from residua.run.finish import finish
from residua.run.finish_pretraining import finish_pretraining
from residua.run.folder import RunFolder, next_free, removed_if_empty
from residua.run.session import Session
from residua.run.setting import setting
from residua.run.terminal import Terminal
from residua.run.validation import validator
from residua.training.distributed import Ranks
from residua.training.loop import Trainer
from residua.training.record import EpochRecord, MetricsFile, TensorBoard
from residua.training.stopping import StopRequest

_KEPT_STEPS = 2
"""Checkpoints to resume from: should the newest be damaged, the one before it serves."""


def train(
    recipe: Recipe, folder: Path | None, terminal: Terminal, *, report: bool = True
) -> RunFolder:
    """Trains as ``recipe`` says, evaluates once on the test split, and leaves a complete run.

    Args:
        folder: The new run folder; None takes the next free name below ``runs``.
        report: Write one at the end; `residua report` can do it later.

    Raises:
        ResiduaError: Of any kind; what was saved until then stays.
    """
    with setting(recipe, terminal) as ranks:
        session = Session.prepare(recipe, ranks, terminal=terminal)
        run = _shared_folder(folder, session, ranks)
        with removed_if_empty(run.root):
            trainer = session.trainer()
            if ranks.is_main:
                session.recipe.save(run.recipe)
        _complete(session, trainer, run, terminal, report=report)
    return run


def resume(path: Path, terminal: Terminal, *, report: bool = True) -> RunFolder:
    """Goes on with a run that stopped, as if it had not; ``report`` as in `train`.

    Raises:
        CheckpointError: If there is no run.
        DataError: If the data is not what it was.
    """
    run = RunFolder.open(path)
    if run.summary.exists():
        terminal.say(f"{path} is complete; nothing to do")
        return run
    recipe = Recipe.load(run.recipe)
    with setting(recipe, terminal) as ranks:
        found = checkpoints.newest(run.checkpoints, "step", training=True, warn=terminal.warn)
        if found is None:
            terminal.warn(f"{path} has no usable checkpoint; starting from the beginning")
        session = Session.prepare(recipe, ranks, terminal=terminal, resumed=found)
        trainer = session.trainer()
        if found is not None:
            _restore(session, trainer, found, run)
        if ranks.is_main:
            MetricsFile(run.metrics).keep_until(trainer.position.step)
        _complete(session, trainer, run, terminal, report=report)
    return run


def _shared_folder(folder: Path | None, session: Session, ranks: Ranks) -> RunFolder:
    """The main rank chooses and makes the folder; the others learn its name."""
    chosen: list[Path | None] = [folder]
    if ranks.is_main:
        recipe = session.recipe
        path = folder or next_free(Path("runs"), recipe.data.path, recipe.network.network)
        chosen = [RunFolder.create(path).root]
    if ranks.world > 1:
        dist.broadcast_object_list(chosen)
    assert chosen[0] is not None
    return RunFolder(chosen[0])


def _restore(session: Session, trainer: Trainer, found: Checkpoint, run: RunFolder) -> None:
    _check_same_recipe(session.recipe, found, run)
    assert found.training is not None
    if found.training.values["data"] != session.fingerprint():
        raise DataError(
            "the data is not what this run was trained on",
            expected="the same samples, labels and splits",
            received="others",
            where=session.recipe.data.path,
            fix="Put it back as it was, or train a new run with --start from this one",
        )
    trainer.restore(dict(found.weights), found.training)


_FREE = PLACE | {"training.epochs", "training.early_stopping"}
"""What may be another on resuming: where a run computes and for how long, not what."""


def _check_same_recipe(recipe: Recipe, found: Checkpoint, run: RunFolder) -> None:
    """An edited recipe would make another run of the one that stopped."""
    before = Recipe.from_json(dict(found.recipe), where="the checkpoint")
    for name, (was, now) in before.changes(recipe).items():
        if name not in _FREE:
            raise CheckpointError(
                f"the run was started with another {name}",
                expected=was,
                received=now,
                where=run.recipe,
                fix="Put it back, or train a new run with --start from this one",
            )


# ---- training -----------------------------------------------------------------------------------


def _complete(
    session: Session, trainer: Trainer, run: RunFolder, terminal: Terminal, *, report: bool
) -> None:
    """Trains to the end and scores the result; what a signal interrupts can be resumed."""
    terminal.announce(session, trainer, run)
    try:
        _fit(session, trainer, run, terminal)
        try:
            ending = finish_pretraining if session.recipe.pretrain.active else finish
            ending(session, trainer, run, terminal, report=report)
        except KeyboardInterrupt:
            step = trainer.position.step
            raise InterruptedRunError(signal.SIGINT, step=step) from None
    except InterruptedRunError as error:
        fix = f"Go on with: residua resume {run.root}"
        raise InterruptedRunError(error.signal, step=error.step, fix=fix) from None


def _fit(session: Session, trainer: Trainer, run: RunFolder, terminal: Terminal) -> None:
    """The loop, with the run's own validation, checkpoints and records."""
    with ExitStack() as stack:
        stop = stack.enter_context(StopRequest())
        sinks: list[Callable[[EpochRecord], None]] = []
        if session.ranks.is_main:
            sinks.append(MetricsFile(run.metrics).append)
            if session.recipe.training.tensorboard:
                board = TensorBoard(run.tensorboard, resumed_at=trainer.position.step)
                stack.callback(board.close)
                sinks.append(board.append)
        before = MetricsFile(run.metrics).read()
        observer = stack.enter_context(terminal.watching(session, sinks, before))
        trainer.fit(validator(session), _saver(session, run), observer, stop)


def _saver(session: Session, run: RunFolder) -> Callable[[Trainer], None]:
    fingerprint = session.fingerprint()

    def save(trainer: Trainer) -> None:
        if not session.ranks.is_main:
            return
        name = f"{trainer.position.step:08d}"
        state = session.checkpoint(trainer, fingerprint=fingerprint)
        checkpoints.save(state, run.checkpoints / f"step-{name}")
        checkpoints.prune(run.checkpoints, "step", keep=_KEPT_STEPS)
        if trainer.best.scores is not None and trainer.best.step == trainer.position.step:
            checkpoints.save(replace(state, training=None), run.checkpoints / f"best-{name}")
            checkpoints.prune(run.checkpoints, "best", keep=1)

    return save
