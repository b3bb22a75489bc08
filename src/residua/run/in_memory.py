"""Training on samples that a Python caller holds: no run folder, no cache, no output unless asked.

The session, the loop and the validation are those of every run; only what a run writes down stays
in memory here.

Legend: n samples, k outputs.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from residua.batch import Split, Task
from residua.checkpoint import Checkpoint
from residua.data.config import DataConfig
from residua.data.dataset import Dataset
from residua.evaluation.calibration import fit_temperature
from residua.recipes.recipe import Recipe
from residua.run.classifier import Classifier
from residua.run.opening import Opened
from residua.run.session import Session
from residua.run.setting import naming_full_memory
from residua.run.terminal import Terminal
from residua.run.train import validator
from residua.training.distributed import Ranks, choose_device
from residua.training.loop import Trainer
from residua.training.record import EpochRecord
from residua.training.stopping import StopRequest


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """What training in memory leaves.

    Attributes:
        checkpoint: The network with its preprocessing and labels, weights on the processor.
        history: One record an epoch.
    """

    checkpoint: Checkpoint
    history: tuple[EpochRecord, ...]


def fit(dataset: Dataset, recipe: Recipe, terminal: Terminal) -> Fitted:
    """Trains on the train split of ``dataset`` as ``recipe`` says, in this process alone.

    With a validation split its best epoch is kept, if the recipe says so, and probabilities are
    calibrated on it. torch's random numbers and number of threads are afterwards what they were.

    Raises:
        ResiduaError: Of any kind.
    """
    recipe = replace(recipe, data=_in_memory(recipe.data))
    recipe.check()
    device = choose_device(recipe.training.device)
    threads = recipe.training.threads
    with closing(terminal), torch_as_it_was(device, threads), naming_full_memory():
        session = Session.on(
            Opened(dataset=dataset), recipe, Ranks(device=device), terminal=terminal
        )
        trainer = session.trainer()
        kept, history = _Kept(session), list[EpochRecord]()
        with terminal.watching(session, [history.append]) as observer:
            trainer.fit(validator(session), kept, observer, StopRequest())
        checkpoint = _calibrated(session, kept.best or kept.snapshot(trainer))
    return Fitted(checkpoint=checkpoint, history=tuple(history))


class _Kept:
    """Keeps the weights of the best epoch, where the recipe wants those; called after each."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.best: Checkpoint | None = None

    def __call__(self, trainer: Trainer) -> None:
        wanted = self.session.recipe.training.keep == "best"
        is_best = trainer.best.scores is not None and trainer.best.step == trainer.position.step
        if wanted and is_best:
            self.best = self.snapshot(trainer)

    def snapshot(self, trainer: Trainer) -> Checkpoint:
        found = self.session.checkpoint(trainer, fingerprint="")
        weights = {name: tensor.detach().cpu().clone() for name, tensor in found.weights.items()}
        return replace(found, weights=weights, training=None)


def _calibrated(session: Session, checkpoint: Checkpoint) -> Checkpoint:
    validated = len(session.dataset.rows(Split.VALIDATION))
    if not validated or session.schema.task is not Task.CLASSIFICATION:
        return checkpoint
    network = session.on_device(checkpoint.network())
    found = session.predict(network, session.loader(Split.VALIDATION))
    return replace(checkpoint, temperature=fit_temperature(found.logits, found.labels))


class Answering:
    """A checkpoint that answers for samples in memory.

    The network is put together when it is first asked, and again after unpickling: what pickles is
    the checkpoint.

    Args:
        checkpoint: What was trained.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self._ready: dict[torch.device, Classifier] = {}

    def outputs(
        self, dataset: Dataset, *, device: str, threads: int | None
    ) -> npt.NDArray[np.float32]:
        """``[n, k]``: what the network gives for each sample of the test split of ``dataset``.

        Raises:
            UnreadableSampleError: For the first sample that cannot be read.
        """
        place = choose_device(device)
        with torch_as_it_was(place, threads), naming_full_memory():
            if place not in self._ready:
                self._ready[place] = Classifier(self.checkpoint, place, Terminal(quiet=True))
            config = _in_memory(DataConfig())
            return self._ready[place].predict_dataset(dataset, config, dataset.name).logits

    def __getstate__(self) -> Checkpoint:
        return self.checkpoint

    def __setstate__(self, state: Checkpoint) -> None:
        self.checkpoint, self._ready = state, {}


def _in_memory(config: DataConfig) -> DataConfig:
    """Nothing is cached, no processes are started, and what cannot be read is an error."""
    return replace(config, cache="never", workers=0, strict=True)


@contextmanager
def torch_as_it_was(device: torch.device, threads: int | None) -> Generator[None]:
    """Inside, torch uses ``threads`` threads (None: as many as before); afterwards its threads and
    its random numbers are the caller's again."""
    before = torch.get_num_threads()
    gpus = [device.index] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=gpus):
        torch.set_num_threads(threads or before)
        try:
            yield
        finally:
            torch.set_num_threads(before)
