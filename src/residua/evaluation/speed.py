"""How fast networks compute, side by side, on a machine that others may use too.

Networks are measured in rounds: each once a round, and every round begins with another one, so that
whatever slows the machine down for a while slows all of them. A ratio compares two networks within
a round, and results are medians over rounds with their quartiles.

Legend: b samples, c channels, ``*s`` one or two spatial axes, k classes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from residua.evaluation.predict import evaluating
from residua.losses.classification import cross_entropy
from residua.networks.network import Network

_SHORTEST = 0.05
"""Seconds that a measurement takes at least: batches of fast networks are repeated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The median over rounds, and the quartiles around it."""

    median: float
    low: float
    high: float

    @staticmethod
    def of(values: Sequence[float]) -> Spread:
        low, median, high = np.quantile(np.asarray(values, dtype=np.float64), (0.25, 0.5, 0.75))
        return Spread(median=float(median), low=float(low), high=float(high))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """Seconds that one batch of b took in each round.

    Attributes:
        forward: In evaluation, without gradients.
        training: Forward with what backward needs, loss, backward. No update, no loading.
    """

    batch: int
    forward: tuple[float, ...]
    training: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Samples a second, and how many times those of the first network."""

    forward: Spread
    training: Spread
    forward_ratio: Spread
    training_ratio: Spread


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """A network and the batch ``[b, c, *s]`` that it is measured with, on one device."""

    network: Network
    inputs: Tensor


def measure(
    subjects: Sequence[Subject],
    *,
    rounds: int,
    dtype: torch.dtype,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Rounds]:
    """Times of each subject in each round, after a warm-up.

    Networks keep no gradients afterwards; running statistics of batch norms move, and nothing else.

    Args:
        subjects: All on one device.
        rounds: At least 1.
        dtype: The dtype of autocast; float32 is none.
        progress: Told how many rounds are done, the warm-up as 0.

    Raises:
        InputShapeError: A network cannot take its batch.
    """
    watches = [_Stopwatch(subject, dtype) for subject in subjects]
    for watch in watches:
        watch.warm_up()
    progress(0)
    times: list[list[tuple[float, float]]] = [[] for _ in subjects]
    for done in range(rounds):
        for place in range(len(subjects)):
            number = (done + place) % len(subjects)
            times[number].append(watches[number].round())
        progress(done + 1)
    return [_rounds(subject, seconds) for subject, seconds in zip(subjects, times, strict=True)]


def speeds(measured: Sequence[Rounds]) -> list[Speed]:
    """What the times say, relative to those of the first network in the same round."""
    return [
        Speed(
            forward=_rate(own.batch, own.forward),
            training=_rate(own.batch, own.training),
            forward_ratio=_ratio(measured[0].batch, measured[0].forward, own.batch, own.forward),
            training_ratio=_ratio(measured[0].batch, measured[0].training, own.batch, own.training),
        )
        for own in measured
    ]


def _rate(batch: int, seconds: Sequence[float]) -> Spread:
    return Spread.of([batch / value for value in seconds])


def _ratio(
    first_batch: int, first: Sequence[float], own_batch: int, own: Sequence[float]
) -> Spread:
    pairs = zip(first, own, strict=True)
    return Spread.of([(own_batch / mine) / (first_batch / theirs) for theirs, mine in pairs])


def _rounds(subject: Subject, seconds: Sequence[tuple[float, float]]) -> Rounds:
    forward, training = zip(*seconds, strict=True)
    return Rounds(batch=len(subject.inputs), forward=forward, training=training)


class _Stopwatch:
    """Times the two kinds of work of one subject."""

    def __init__(self, subject: Subject, dtype: torch.dtype) -> None:
        self.network, self.inputs = subject.network, subject.inputs
        self.device, self.dtype = subject.inputs.device, dtype
        self.forwards = self.trainings = 1

    def warm_up(self) -> None:
        """Lets libraries choose and allocate, then sees how often to repeat a batch."""
        self.round()
        forward, training = self.round()
        self.forwards = max(1, math.ceil(_SHORTEST / forward))
        self.trainings = max(1, math.ceil(_SHORTEST / training))

    def round(self) -> tuple[float, float]:
        """Seconds a batch: forward, training."""
        self.network.train()
        training = self._seconds(self._train, self.trainings)
        self.network.zero_grad(set_to_none=True)
        with evaluating(self.network):
            forward = self._seconds(self._infer, self.forwards)
        return forward, training

    def _seconds(self, work: Callable[[], None], times: int) -> float:
        self._synchronise()
        start = time.perf_counter()
        for _ in range(times):
            work()
        self._synchronise()
        return (time.perf_counter() - start) / times

    def _infer(self) -> None:
        with self._autocast():
            self.network(self.inputs)

    def _train(self) -> None:
        self.network.zero_grad(set_to_none=True)
        with self._autocast():
            logits, *auxiliary = self.network(self.inputs, auxiliary=True)
            targets = torch.zeros(len(logits), dtype=torch.int64, device=self.device)
            loss = cross_entropy(logits, targets).mean()
            for answer in auxiliary:
                weight = self.network.auxiliary_weight
                loss = loss + weight * cross_entropy(answer, targets).mean()
        loss.backward()

    def _autocast(self) -> torch.autocast:
        enabled = self.dtype != torch.float32
        return torch.autocast(self.device.type, dtype=self.dtype, enabled=enabled)

    def _synchronise(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
