"""The training loop: the same for every method, on one rank or many.

An update is made of all samples of one batch, wherever they lie: each rank takes its share, in
`accumulate` parts. The gradient is that of the mean loss over the whole batch. Everything random
derives from (seed, step) or (seed, epoch, sample id), so a run goes on from its counters alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from math import ceil
from typing import Any, Protocol, cast

import cattrs
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from residua.augment.draws import draws_for
from residua.batch import Batch
from residua.checkpoint import TrainingState
from residua.data.loader import Step
from residua.errors import InterruptedRunError
from residua.methods.method import Method, StepOutput
from residua.networks.network import Network
from residua.random import derive_seed
from residua.training.config import TrainingConfig
from residua.training.distributed import Ranks
from residua.training.ema import EMA
from residua.training.guard import FiniteGuard, clip_gradients
from residua.training.meter import Meter, Scores
from residua.training.norm_statistics import learning_norms, measure_statistics
from residua.training.optimizers import load_optimizer_state, make_optimizer, optimizer_state
from residua.training.precision import choose_arithmetic
from residua.training.progress import Observer
from residua.training.pseudo_quality import PseudoLabelMeter
from residua.training.record import EpochRecord, peak_memory
from residua.training.sam import worst_nearby
from residua.training.schedules import Schedule
from residua.training.stopping import Best, StopRequest


class Batches(Protocol):
    """What an epoch consists of: a `Loader`, or two of them side by side."""

    steps_per_epoch: int

    def epoch(self, epoch: int, start_step: int = 0) -> Generator[Step]: ...


Validate = Callable[[Network], Scores | None]
Save = Callable[["Trainer"], None]

_MEASURED = 512
"""Samples that measure the statistics of an average's batch normalisation; more change little."""

_ROUND, _ROUNDS = 20, 100
"""Updates between validations, where that leaves so many validations of a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a run stands: updates in all, epoch, updates in it, seconds since the last record."""

    step: int = 0
    epoch: int = 0
    step_in_epoch: int = 0
    seconds: float = 0.0


class Trainer:
    """A method, its data, and all that changes while it learns.

    Args:
        method: On its device.
        loader: Batches of the training split.
        config: The loop's settings.
        ranks: This process among its peers.
        name_samples: The names of samples, given their ids, for error messages.
        pseudo: Judges pseudo-labels, out of the method's reach.
    """

    def __init__(
        self,
        method: Method,
        loader: Batches,
        config: TrainingConfig,
        ranks: Ranks,
        *,
        name_samples: Callable[[Sequence[int]], Sequence[str]] | None = None,
        pseudo: PseudoLabelMeter | None = None,
    ) -> None:
        self.config = config
        self.ranks = ranks
        self.loader = loader
        self.method = method
        self.optimizer = make_optimizer(method.network, config.optimizer, heads=method)
        self.schedule = Schedule(config.schedule, loader.steps_per_epoch, config.epochs)
        self.ema = EMA(method.network, config.ema) if config.ema else None
        self.arithmetic = choose_arithmetic(config.precision, ranks.device)
        self.scaler = torch.amp.GradScaler(
            ranks.device.type, enabled=self.arithmetic.name == "fp16"
        )
        self.guard = FiniteGuard(
            self.optimizer,
            scaled=self.scaler.is_enabled(),
            total=ranks.total if ranks.world > 1 else None,
            name_samples=name_samples,
        )
        self.meter = Meter(ranks.device, method.score_name)
        self.pseudo = pseudo
        self.position = Position()
        self.best = Best()

    # ---- the loop -------------------------------------------------------------------------------

    def fit(self, validate: Validate, save: Save, observer: Observer, stop: StopRequest) -> None:
        """Trains to the last epoch, or until nothing improves any more.

        Raises:
            NonFiniteError: Before an update that would spoil the weights.
            InterruptedRunError: After a signal, once all is saved.
        """
        wrapped = self.wrapped()
        observer.start(
            total_steps=self.config.epochs * self.loader.steps_per_epoch, done=self.position.step
        )
        while self.position.epoch < self.config.epochs and not self._is_stale():
            self._train_epoch(wrapped, save, observer, stop)
            if self._ends_round():
                self._end_round(self._validate(validate), observer)
                save(self)
            else:
                self._end_epoch()
            self._obey(stop)

    def _train_epoch(
        self, wrapped: torch.nn.Module, save: Save, observer: Observer, stop: StopRequest
    ) -> None:
        self.method.train()
        started = saved = time.monotonic()
        before = self.position.seconds
        for step in self.loader.epoch(self.position.epoch, self.position.step_in_epoch):
            self.schedule.apply(self.optimizer, self.position.step)
            self.update(wrapped, step)
            now = time.monotonic()
            self.position = replace(
                self.position,
                step=self.position.step + 1,
                step_in_epoch=self.position.step_in_epoch + 1,
                seconds=before + now - started,
            )
            observer.step(self.position.epoch, self.position.step, step.total, self.meter)
            stopping = self._should_stop(stop)
            if stopping or now - saved > 60 * self.config.checkpoint_minutes:
                self.guard.finish()
                save(self)
                saved = now
            if stopping:
                self._obey(stop)
        self.guard.finish()

    def update(self, wrapped: torch.nn.Module, step: Step) -> None:
        """One update from one batch, at the optimizer's present learning rates."""
        self._passes(wrapped, step)
        if self.config.optimizer.sam:
            with worst_nearby(self.method, self.config.optimizer.sam):
                self._passes(wrapped, step, noting=False)
        self.scaler.unscale_(self.optimizer)
        norm = clip_gradients(self.method.parameters(), self.config.optimizer.clip)
        self.guard.check(norm, step=self.position.step)
        self.optimizer.step()  # makes no update that the guard has forbidden
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        if self.ema is not None:
            self.ema.update(self.method.network, self.position.step)
        updates = self.config.epochs * self.loader.steps_per_epoch
        self.method.after_update(done=(self.position.step + 1) / updates)

    def _passes(self, wrapped: torch.nn.Module, step: Step, *, noting: bool = True) -> None:
        """Adds the gradients of all parts of a batch, and notes losses and scores."""
        for number, part in enumerate(step.parts):
            batch = part.to(self.ranks.device)
            self._seed_dropout(number)
            with self._syncing(wrapped, number + 1 == len(step.parts)):
                output = self._output(wrapped, batch)
                loss = output.total * (self.ranks.world / step.total)
                self.scaler.scale(loss).backward()
            if not noting:
                continue
            self.guard.watch(output.losses, batch.ids)
            if output.extra is not None and batch.unlabelled is not None:
                self.guard.watch(output.extra, batch.unlabelled.ids)
            self.meter.add(output.losses, output.correct)
            if self.pseudo is not None and output.pseudo is not None:
                self.pseudo.add(output.pseudo)

    # ---- its parts ------------------------------------------------------------------------------

    def _output(self, method: torch.nn.Module, batch: Batch) -> StepOutput:
        draws = draws_for(batch, seed=self.config.seed, epoch=self.position.epoch)
        with self.arithmetic.autocast():
            return method(batch, draws)

    def wrapped(self) -> torch.nn.Module:
        """The method as its steps are called: synchronised over ranks, compiled if asked for."""
        if self.config.compile:
            self.method.network.compile()  # in place: names and checkpoints stay as they are
        return self.ranks.wrap(self.method)

    def _seed_dropout(self, part: int) -> None:
        """Dropout and stochastic depth draw from torch's own generator: one seed a step."""
        torch.manual_seed(derive_seed(self.config.seed, self.position.step, part, self.ranks.rank))

    def _syncing(self, wrapped: torch.nn.Module, last: bool) -> AbstractContextManager[object]:
        """Gradients travel between ranks once an update, with its last part."""
        if last or not isinstance(wrapped, DistributedDataParallel):
            return nullcontext()
        return wrapped.no_sync()

    def _validate(self, validate: Validate) -> Scores | None:
        network = self.method.network
        if self.ema is None:
            return validate(network)
        with self.ema.swapped(network):
            self._measure_statistics()
            return validate(network)

    def _measure_statistics(self) -> None:
        """Gives the averaged weights their own, from views that the epoch began with."""
        network, device = self.method.network, self.ranks.device
        norms = learning_norms(network)
        if not norms:
            return
        with closing(self.loader.epoch(self.position.epoch)) as steps:
            some = islice(steps, ceil(_MEASURED / self.config.batch_size))
            batches = (part.to(device) for step in some for part in step.parts)
            run = partial(self._output, self.method)
            measure_statistics(network, norms, batches, run, self.ranks.total)

    def _ends_round(self) -> bool:
        """Epochs of a few updates, hundreds of them, are validated and recorded several at once."""
        done = self.position.epoch + 1
        return done % self._round == 0 or done == self.config.epochs

    @property
    def _round(self) -> int:
        """Epochs from one validation to the next."""
        epochs = ceil(_ROUND / self.loader.steps_per_epoch)
        return min(epochs, ceil(self.config.epochs / _ROUNDS))

    def _end_epoch(self) -> None:
        self.position = replace(self.position, epoch=self.position.epoch + 1, step_in_epoch=0)

    def _end_round(self, scores: Scores | None, observer: Observer) -> None:
        if scores is not None:
            self.best = self.best.after(self.position.step, scores, epochs=self._round)
            self.schedule.on_validation(scores.loss)
        train = self.meter.scores(self.ranks.total(self.meter.sums.clone()))
        seconds = self.position.seconds
        observer.epoch(
            EpochRecord(
                epoch=self.position.epoch + 1,
                step=self.position.step,
                lr=float(self.optimizer.param_groups[-1]["lr"]),
                train=train,
                validation=scores,
                seconds=seconds,
                samples_per_second=train.n / max(seconds, 1e-9),
                peak_memory_bytes=peak_memory(self.ranks.device),
                measures=self._measures() | ({} if scores is None else scores.also),
            )
        )
        self.meter.reset()
        self._end_epoch()
        self.position = replace(self.position, seconds=0.0)

    def _measures(self) -> dict[str, float]:
        """What the method and the meter of its pseudo-labels have watched since the last record."""
        found = self.method.measures(self.ranks.total)
        return found if self.pseudo is None else found | self.pseudo.measures(self.ranks.total)

    def _is_stale(self) -> bool:
        patience = self.config.early_stopping
        return patience is not None and self.best.stale >= patience

    def _should_stop(self, stop: StopRequest) -> bool:
        """Ranks agree every tenth step, so that asking costs nothing."""
        if self.ranks.world > 1 and self.position.step % 10:
            return False
        return self.ranks.any(stop.signal is not None)

    def _obey(self, stop: StopRequest) -> None:
        if self.ranks.any(stop.signal is not None):
            raise InterruptedRunError(stop.signal or 15, step=self.position.step)

    # ---- stopping and going on ------------------------------------------------------------------

    def weights(self) -> dict[str, Tensor]:
        """The weights to use: the average, where one is kept."""
        network = self.method.network
        return network.state_dict() if self.ema is None else self.ema.state_dict()

    def state(self) -> TrainingState:
        """All that `restore` needs besides the weights to go on as if nothing had happened."""
        tensors, scalars = optimizer_state(self.optimizer)
        named = {f"optimizer.{name}": tensor for name, tensor in tensors.items()}
        named["meter.sums"] = self.meter.sums
        if self.pseudo is not None:
            named["pseudo.sums"] = self.pseudo.sums
        named |= {f"method.{name}": tensor for name, tensor in self._beside_network().items()}
        if self.ema is not None:
            raw = self.method.network.state_dict()
            named |= {f"network.{name}": tensor for name, tensor in raw.items()}
        values: dict[str, Any] = {
            "position": cattrs.unstructure(self.position),
            "best": cattrs.unstructure(self.best),
            "optimizer": scalars,
            "schedule": self.schedule.state(),
            "scaler": self.scaler.state_dict(),
        }
        return TrainingState(tensors=named, values=values)

    def _beside_network(self) -> dict[str, Tensor]:
        """Heads, teachers and running sums of the method."""
        state = self.method.state_dict()
        return {name: value for name, value in state.items() if not name.startswith("network.")}

    def restore(self, weights: dict[str, Tensor], state: TrainingState) -> None:
        """Takes up what `weights` and `state` gave."""

        def under(prefix: str) -> dict[str, Tensor]:
            return {
                name.removeprefix(prefix): tensor
                for name, tensor in state.tensors.items()
                if name.startswith(prefix)
            }

        network, values = self.method.network, state.values
        network.load_state_dict(weights if self.ema is None else under("network."))
        if self.ema is not None:
            self.ema.load_state_dict(weights)
        self.method.load_state_dict(under("method."), strict=False)  # the network is loaded
        load_optimizer_state(self.optimizer, under("optimizer."), values["optimizer"])
        self.schedule.load(values["schedule"])
        if self.scaler.is_enabled():
            self.scaler.load_state_dict(cast(dict[str, Any], values["scaler"]))
        self.meter.sums.copy_(state.tensors["meter.sums"])
        if self.pseudo is not None:
            self.pseudo.sums.copy_(state.tensors["pseudo.sums"])
        self.position = cattrs.structure(values["position"], Position)
        self.best = cattrs.structure(values["best"], Best)
