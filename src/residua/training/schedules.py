"""Learning-rate schedules: the rate of an update, as a factor of each group's base rate.

All but plateau are pure functions of the update's number, so a run resumes from that alone. Updates
count from 0; with n updates in total, update t stands at t / n of the run, and the factor at t = n,
after the last one, is the schedule's end. So no update is made at a rate of zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch.optim import Optimizer

from residua.training.config import ScheduleConfig
from residua.training.optimizers import set_learning_rates

_LONGEST_WARMUP = 0.5
_ONECYCLE_START = 1 / 25
_ONECYCLE_RISE = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateauState:
    """What a schedule remembers of the validation losses.

    Attributes:
        factor: What the losses so far have made of the rate.
        best: Least loss so far.
        bad_epochs: Validations since then, or since the rate was last lowered.
    """

    factor: float = 1.0
    best: float | None = None
    bad_epochs: int = 0


def learning_rate_factor(
    config: ScheduleConfig, step: int, steps_per_epoch: int, epochs: int
) -> float:
    """The share of the peak rate for update ``step``; plateau's is its warm-up alone.

    - cosine: half a cosine from the end of the warm-up to ``final_lr`` (Loshchilov & Hutter,
      "SGDR", 2017, section 3, without restarts).
    - step: times ``gamma`` at each milestone; milestones are shares of the whole run.
    - onecycle: cosines from 1/25 up to 1 over the first 30%, then down to ``final_lr`` (Smith &
      Topin, "Super-Convergence", 2018, as commonly practised: no third phase, constant momentum).
    - constant, plateau: 1.

    All but onecycle rise linearly from ``warmup_start`` to 1 over ``warmup_epochs`` first, which
    take at most half of the run.
    """
    total = max(1, steps_per_epoch * epochs)
    if config.schedule == "onecycle":
        return _onecycle(step / total, config.final_lr)
    warmup = min(config.warmup_epochs * steps_per_epoch, _LONGEST_WARMUP * total)
    rise = 1.0
    if step < warmup:
        rise = _between(config.warmup_start, 1.0, step / warmup)
    return rise * _after_warmup(config, step, warmup, total)


def _after_warmup(config: ScheduleConfig, step: int, warmup: float, total: int) -> float:
    if config.schedule == "cosine":
        return _cosine(1.0, config.final_lr, (step - warmup) / (total - warmup))
    if config.schedule == "step":
        passed = sum(step >= round(milestone * total) for milestone in config.milestones)
        return config.gamma**passed
    return 1.0


def _onecycle(progress: float, final: float) -> float:
    if progress < _ONECYCLE_RISE:
        return _cosine(_ONECYCLE_START, 1.0, progress / _ONECYCLE_RISE)
    return _cosine(1.0, final, (progress - _ONECYCLE_RISE) / (1 - _ONECYCLE_RISE))


def _between(start: float, end: float, share: float) -> float:
    return start + (end - start) * share


def _cosine(start: float, end: float, share: float) -> float:
    """From ``start`` to ``end`` along half a cosine; shares outside [0, 1] take the ends."""
    share = min(max(share, 0.0), 1.0)
    return _between(end, start, (1 + math.cos(math.pi * share)) / 2)


class Schedule:
    """The learning rate over a run.

    Args:
        config: What the schedule is.
        steps_per_epoch: Updates of an epoch.
        epochs: Epochs of the run.

    Raises:
        UsageError: A value out of its range.
    """

    def __init__(self, config: ScheduleConfig, steps_per_epoch: int, epochs: int) -> None:
        config.check()
        self.config = config
        self.steps_per_epoch = steps_per_epoch
        self.epochs = epochs
        self._plateau = PlateauState()

    def factor(self, step: int) -> float:
        """The share of the base rates for update ``step``, counted from 0 over the whole run."""
        shape = learning_rate_factor(self.config, step, self.steps_per_epoch, self.epochs)
        return shape * self._plateau.factor

    def apply(self, optimizer: Optimizer, step: int) -> float:
        """Sets every group's rate for update ``step``; returns the factor."""
        factor = self.factor(step)
        set_learning_rates(optimizer, factor)
        return factor

    def on_validation(self, loss: float) -> None:
        """Tells the validation loss, once it is known; only plateau listens.

        After ``patience`` losses in a row that are not below the best one the rate is multiplied by
        ``gamma``, and never falls below ``final_lr``. A loss that is not a number is not better.
        """
        if self.config.schedule == "plateau":
            self._plateau = _next_plateau(self.config, self._plateau, loss)

    def state(self) -> dict[str, Any]:
        """What has to be saved: the fields of `PlateauState`, for JSON."""
        return asdict(self._plateau)

    def load(self, state: Mapping[str, Any]) -> None:
        """Goes on from what `state` returned."""
        self._plateau = PlateauState(**state)


def _next_plateau(config: ScheduleConfig, state: PlateauState, loss: float) -> PlateauState:
    if math.isfinite(loss) and (state.best is None or loss < state.best):
        return PlateauState(factor=state.factor, best=loss)
    bad_epochs = state.bad_epochs + 1
    if bad_epochs < config.patience:
        return PlateauState(factor=state.factor, best=state.best, bad_epochs=bad_epochs)
    return PlateauState(factor=max(state.factor * config.gamma, config.final_lr), best=state.best)
