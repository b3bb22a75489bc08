"""The random numbers of the samples of a batch."""

from __future__ import annotations

import torch

from residua.batch import Batch
from residua.random import Draws, mix64


def draws_for(batch: Batch, *, seed: int, epoch: int) -> Draws:
    """What the samples of ``batch`` draw; a sample's repetitions draw independently."""
    ids = batch.ids
    if batch.repeats is not None:
        ids = torch.where(batch.repeats > 0, mix64(ids ^ mix64(batch.repeats)), ids)
    return Draws(seed=seed, epoch=epoch, ids=ids)
