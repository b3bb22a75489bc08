"""Means over the samples of all ranks, and means that run through training.

Legend: n samples of this rank, k classes.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn


def sum_over_ranks(values: Tensor) -> Tensor:
    """The sum of ``values`` over all ranks, on each of them; detached."""
    total = values.detach().clone()
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(total)
    return total


def mean_over_ranks(values: Tensor) -> Tensor:
    """``[*s]``: the mean of ``values`` ``[n, *s]`` over the samples of all ranks; detached."""
    total, count = _sums(values)
    return total / count


def moments_over_ranks(values: Tensor) -> Tensor:
    """``[2]``: mean and unbiased variance of ``values`` ``[n]`` over the samples of all ranks;
    detached. The variance of one sample is 0."""
    total, count = _sums(values)
    mean = total / count
    # a second sum: the difference of two large ones would lose the variance's digits
    squares = sum_over_ranks((values - mean).square().sum())
    return torch.stack([mean, squares / (count - 1).clamp(min=1)])


def _sums(values: Tensor) -> tuple[Tensor, Tensor]:
    """``[*s]`` sums over all ranks' samples, and how many these are."""
    own = values.sum(dim=0)
    count = torch.full_like(own.reshape(-1)[:1], len(values))
    both = sum_over_ranks(torch.cat([own.reshape(-1), count]))
    return both[:-1].view_as(own), both[-1]


class RunningMean(nn.Module):
    """An exponential moving average of what updates measure.

    After update t (from 0) it moves by ``1 - d`` of the way to what was measured, with
    ``d = min(decay, (1 + t) / (10 + t))`` as `residua.training.ema.EMA`. The published codes take
    0.999 from the first update on, which suits runs of 2**20 updates; in one of a few hundred the
    start would never be forgotten. Steps without gradients, which only measure something
    else, change nothing.

    Args:
        initial: What it is before the first update.
        decay: In [0, 1).
    """

    mean: Tensor
    updates: Tensor

    def __init__(self, initial: Tensor, *, decay: float = 0.999) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("mean", initial.clone())
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    def after(self, measured: Tensor) -> Tensor:
        """Takes in one update's measurement, of the shape of ``initial``, and gives the mean."""
        if torch.is_grad_enabled():
            t = self.updates.to(self.mean.dtype)
            decay = ((1 + t) / (10 + t)).clamp(max=self.decay)
            self.mean.lerp_(measured.detach().to(self.mean.dtype), 1 - decay)
            self.updates += 1
        return self.mean.clone()  # it will change in place, perhaps before the backward pass


def uniform(k: int) -> Tensor:
    """float32 ``[k]``: all classes equally frequent."""
    return torch.full((k,), 1 / k)
