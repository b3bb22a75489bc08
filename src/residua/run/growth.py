"""How the training pictures of a run grow."""

from __future__ import annotations

from residua.methods.progressive import Growth
from residua.training.config import TrainingConfig


def growth_of(training: TrainingConfig, *, smallest: int) -> Growth | None:
    """What --progressive and --train-scale say; None where all epochs have the views' size.

    Args:
        training: With its epochs resolved.
        smallest: Pixels along each side that the network needs to see.
    """
    if training.progressive == training.train_scale == 1:
        return None
    return Growth(
        low=training.progressive,
        end=training.train_scale,
        epochs=training.epochs,
        smallest=smallest,
    )
