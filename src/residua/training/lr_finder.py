"""The learning-rate range test: one short run over rising rates shows which one learns fastest.

Smith, "Cyclical Learning Rates for Training Neural Networks", 2017, section 3.3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from torch.optim import Optimizer

from residua.errors import UsageError
from residua.training.optimizers import optimizer_state

_SMOOTHING = 0.8
_DIVERGED = 4.0
_WINDOW = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class LrCurve:
    """What a range test measured.

    Attributes:
        lrs: Learning rates tried, rising by a constant factor.
        losses: Training loss at each.
        suggestion: The rate at which the loss fell fastest; None if it never fell.
    """

    lrs: tuple[float, ...]
    losses: tuple[float, ...]
    suggestion: float | None


def find_lr(
    train_step: Callable[[float], float],
    *,
    network: nn.Module,
    optimizer: Optimizer,
    lowest: float = 1e-5,
    highest: float = 10.0,
    steps: int = 100,
) -> LrCurve:
    """Makes updates at rates from ``lowest`` to ``highest``, evenly spaced in their logarithm.

    It ends early once the smoothed loss exceeds 4 times its least value, or is not finite.
    Afterwards network, optimizer and torch's random generators are as they were before.

    Args:
        train_step: Makes one update at the given rate on a batch it has not used yet, and returns
            its mean loss, which may be infinite or NaN.
        network: What the steps change.
        optimizer: From `residua.training.optimizers.make_optimizer`.
        lowest: First rate.
        highest: Last rate.
        steps: Updates.

    Raises:
        UsageError: Rates or a number of steps that make no ramp.
    """
    if not (0 < lowest < highest < math.inf and steps >= 10):
        raise UsageError(
            "wrong range of learning rates",
            expected="0 < lowest < highest, finite, and at least 10 steps",
            received=f"{lowest:g} to {highest:g} in {steps} steps",
        )
    lrs: list[float] = []
    losses: list[float] = []
    average, least = 0.0, math.inf
    with _restored(network, optimizer):
        for step in range(steps):
            lr = lowest * (highest / lowest) ** (step / (steps - 1))
            loss = train_step(lr)
            if not math.isfinite(loss):
                break
            lrs.append(lr)
            losses.append(loss)
            average = _SMOOTHING * average + (1 - _SMOOTHING) * loss
            smoothed = average / (1 - _SMOOTHING ** (step + 1))
            least = min(least, smoothed)
            if smoothed > _DIVERGED * least:
                break
    return LrCurve(
        lrs=tuple(lrs), losses=tuple(losses), suggestion=steepest_descent(lrs, losses, steps)
    )


def steepest_descent(lrs: list[float], losses: list[float], steps: int) -> float | None:
    """The rate around which the loss falls fastest along the logarithm of the rate.

    The slope at a rate is that of the least-squares line through the losses around it, 5% of the
    planned ``steps`` to either side: unlike a running average it does not lag behind. Rates above
    that of the least loss have no say: what falls there has exploded before.
    """
    reach = max(2, round(_WINDOW * steps))
    offsets = range(-reach, reach + 1)
    least = min(range(len(losses)), key=losses.__getitem__, default=0)
    slopes = {
        centre: sum(offset * losses[centre + offset] for offset in offsets)
        for centre in range(reach, len(losses) - reach)
        if centre <= least
    }
    if not slopes:
        return None
    best = min(slopes, key=lambda centre: slopes[centre])
    return lrs[best] if slopes[best] < 0 else None


@contextmanager
def _restored(network: nn.Module, optimizer: Optimizer) -> Generator[None]:
    """Whatever happens inside, weights, optimizer and random generators come back bit for bit."""
    tensors = [*network.state_dict().values(), *optimizer_state(optimizer)[0].values()]
    copies = [tensor.clone() for tensor in tensors]
    rates = [group["lr"] for group in optimizer.param_groups]
    training = {module: module.training for module in network.modules()}
    devices = sorted({t.device.index for t in tensors if t.device.type == "cuda"})
    try:
        with torch.random.fork_rng(devices):
            yield
    finally:
        with torch.no_grad():
            for tensor, copy in zip(tensors, copies, strict=True):
                tensor.copy_(copy)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        for module, mode in training.items():
            module.training = mode
        optimizer.zero_grad(set_to_none=True)
