"""From a recipe to everything that a run is made of."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import cast

import numpy as np
import torch

from residua.batch import Modality, Schema, Split, Task
from residua.checkpoint import Checkpoint
from residua.data.choose import (
    choose_preprocess,
    evaluation_form,
    training_form,
    usual_length,
)
from residua.data.dataset import Dataset
from residua.data.image_preprocess import ImagePreprocess
from residua.data.loader import Loader
from residua.data.open import open_dataset
from residua.data.preprocess import Preprocess
from residua.data.sampling import shard, steps_per_epoch
from residua.data.sound_preprocess import SoundPreprocess
from residua.errors import LabelError, UsageError
from residua.evaluation.predict import predict_split
from residua.evaluation.results import Predictions
from residua.losses.classification import balanced_class_weights
from residua.methods.choose import method_for
from residua.methods.views import Views, make_views
from residua.networks.catalog import Spec, build, get_spec
from residua.networks.initialise import initialise_xavier
from residua.networks.network import Network
from residua.networks.pretrained.card import Origin
from residua.networks.weights import WeightsCard, load_opened
from residua.recipes.recipe import Recipe
from residua.run.expressible import expressible
from residua.run.resolve import resolve
from residua.run.spec import sound_rank, spec_for
from residua.run.start import (
    Start,
    describe_start,
    keeps_classifier,
    open_start,
    preprocess_for,
    series_preprocess_for,
)
from residua.run.task import for_task, with_units
from residua.run.terminal import Terminal
from residua.training.config import TrainingConfig
from residua.training.distributed import Ranks
from residua.training.loop import Trainer
from residua.training.precision import Arithmetic, choose_arithmetic
from residua.training.sync_norm import synchronise_norms
from residua.training.transfer import freeze

_EVALUATION_BATCH = 256


@dataclass(frozen=True, kw_only=True, eq=False)
class Session:
    """One run, ready to go.

    Attributes:
        recipe: With every "auto" resolved.
        dataset: Opened.
        preprocess: Fitted to the training split, or taken from a checkpoint.
        ranks: This process among its peers.
        start: Weights to start from; None for a fresh or a resumed run.
        origin: What a resumed run had started from.
    """

    recipe: Recipe
    dataset: Dataset
    preprocess: Preprocess
    ranks: Ranks
    terminal: Terminal
    start: Start | None = None
    origin: tuple[Origin, ...] = ()

    @staticmethod
    def prepare(
        recipe: Recipe,
        ranks: Ranks,
        *,
        terminal: Terminal,
        resumed: Checkpoint | None = None,
    ) -> Session:
        """Opens the data and the weights to start from, and settles what the recipe leaves open.

        Args:
            resumed: A checkpoint of this run, which takes the place of weights to start from.

        Raises:
            ResiduaError: For data that cannot be trained on, or an unknown network.
        """
        dataset = open_dataset(recipe.data)
        return Session.on(dataset, recipe, ranks, terminal=terminal, resumed=resumed)

    @staticmethod
    def on(
        dataset: Dataset,
        recipe: Recipe,
        ranks: Ranks,
        *,
        terminal: Terminal,
        resumed: Checkpoint | None = None,
    ) -> Session:
        """`prepare` with a data set that is open already."""
        if not len(dataset.rows(Split.TRAIN)):
            raise LabelError("nothing to train on", where=dataset.name)
        for problem in dataset.reader.problems:
            terminal.problem(problem)
        recipe = for_task(recipe, with_units(dataset))
        _check_batches(recipe.training, dataset, ranks)
        _check_validation(recipe.training, dataset)
        start = None if resumed is not None else _opened_start(recipe, terminal)
        if start is not None:
            recipe = _for_network(recipe, start.card)
        preprocess = _preprocess(recipe, dataset, start, resumed)
        session = Session(
            recipe=resolve(recipe, dataset, preprocess, ranks.device),
            dataset=dataset,
            preprocess=preprocess,
            ranks=ranks,
            terminal=terminal,
            start=start,
            origin=() if resumed is None else resumed.origin,
        )
        session.check_size()
        return session.with_expressible() if session.schema.task is Task.CTC else session

    def with_expressible(self) -> Session:
        """The session without transcripts that the network's output cannot hold."""
        with torch.device("meta"):
            reduction = self._built().feature_info[-1].reduction
        dataset = expressible(
            self.dataset,
            self.preprocess,
            self.recipe.data,
            reduction=reduction,
            warn=self.terminal.warn,
            progress=lambda done, total: self.terminal.progress("decoding train", done, total),
        )
        return replace(self, dataset=dataset)

    @cached_property
    def schema(self) -> Schema:
        """That of the data, with the units of the targets."""
        return with_units(self.dataset)

    def fingerprint(self) -> str:
        """Changes when samples are added or taken away, or labels or splits change."""
        table = self.dataset.table
        digest = hashlib.sha256("\0".join(table.keys).encode("utf-8", "surrogateescape"))
        for array in (table.labels, *(self.dataset.rows(split) for split in Split)):
            digest.update(array.tobytes() + b"|")
        if table.values is not None:
            digest.update(table.values.tobytes())
        if table.tokens is not None:
            digest.update(repr(list(table.tokens)).encode())
        return digest.hexdigest()

    def check_size(self) -> None:
        """Raises a `UsageError` where the pictures, or most series, are too small for the
        network."""
        smallest = self.smallest
        if not isinstance(self.preprocess, ImagePreprocess):
            self._check_length(smallest)
            return
        height, width = self.preprocess.size
        if min(height, width) < smallest:
            raise UsageError(
                f"the pictures are too small for network '{self.recipe.network.network}'",
                expected=f"at least {smallest}x{smallest}",
                received=f"{height}x{width}",
                where=self.dataset.name,
                fix=f"Enlarge them: --size {max(height, smallest)} {max(width, smallest)}",
            )

    def _check_length(self, smallest: int) -> None:
        """Of usual series; single ones that are too short are left out and told."""
        length = usual_length(self.dataset, self.preprocess)
        if length is not None and length < smallest:
            raise UsageError(
                f"the series are too short for network '{self.recipe.network.network}'",
                expected=f"at least {smallest} steps",
                received=length,
                where=self.dataset.name,
                fix="Take another network",
            )
        if isinstance(self.preprocess, SoundPreprocess) and self.preprocess.rank == 2:
            self._check_bands(self.preprocess.mels, smallest)

    def _check_bands(self, mels: int, smallest: int) -> None:
        if mels < smallest:
            raise UsageError(
                f"too few mel bands for network '{self.recipe.network.network}'",
                expected=f"at least {smallest}",
                received=mels,
                fix=f"Take more: --mels {smallest}",
            )

    @cached_property
    def smallest(self) -> int:
        """Pixels along each side, or steps, that the network needs to see."""
        with torch.device("meta"):
            return self._built().min_size

    def _built(self) -> Network:
        """The network as its paper draws its weights."""
        length = usual_length(self.dataset, self.preprocess)
        return build(spec_for(self.recipe.network, self.schema, self.preprocess, length=length))

    def network(self) -> Network:
        """The network as the recipe says, fresh or from other weights, in training layout."""
        config = self.recipe.network
        torch.manual_seed(self.recipe.training.seed)
        network = self._built()
        if config.initialisation == "xavier":
            initialise_xavier(network)
        if self.start is not None:
            card = self.start.card
            keep = keeps_classifier(card, self.schema.classes)
            loaded = load_opened(network, self.start.weights, adapt=True, keep_classifier=keep)
            self.terminal.say(f"start    {describe_start(card, self.preprocess, loaded)}")
        network.use_checkpointing(config.recompute)
        return self.on_device(network)

    def on_device(self, network: Network) -> Network:
        network = network.to(self.ranks.device)
        if network.spec.rank == 2:
            network = network.to(memory_format=torch.channels_last)  # pyright: ignore
        return network

    def trainer(self) -> Trainer:
        """The loop with all that it drives."""
        recipe = self.recipe
        network = self.network()
        if recipe.training.sync_batchnorm and self.ranks.world > 1:
            synchronise_norms(
                network,
                self.ranks.device,
                unequal=self.schema.modality is not Modality.IMAGE,
            )
        if recipe.network.freeze:
            freeze(network, recipe.network.freeze)
        method = method_for(
            self.schema,
            network,
            views=self.views(),
            config=recipe.method,
            class_weights=self._class_weights(),
        ).to(self.ranks.device)
        return Trainer(
            method,
            self.loader(Split.TRAIN),
            recipe.training,
            self.ranks,
            name_samples=self._names,
        )

    def views(self) -> Views:
        """From loaded training samples to what the network learns from."""
        return make_views(
            self.preprocess,
            augment=self.recipe.augment,
            signal=self.recipe.signal,
            sound=self.recipe.sound,
            num_classes=self.schema.num_classes,
        )

    def _names(self, ids: Sequence[int]) -> list[str]:
        """Keys of samples, looked up when something is wrong with them."""
        rows = {int(id): row for row, id in enumerate(self.dataset.table.ids)}
        return [self.dataset.table.keys[rows[id]] for id in ids]

    def _class_weights(self) -> torch.Tensor | None:
        if self.recipe.method.balance != "loss":
            return None
        labels = self.dataset.table.labels[self.dataset.rows(Split.TRAIN)]
        counts = np.bincount(labels[labels >= 0], minlength=self.schema.num_classes)
        return balanced_class_weights(torch.from_numpy(counts))

    def loader(self, split: Split) -> Loader:
        """Batches of a split: augmentable for training, in evaluation form otherwise."""
        training = self.recipe.training
        is_train = split is Split.TRAIN
        form = (
            training_form(self.preprocess, crop=self.recipe.augment.crop, shortest=self.smallest)
            if is_train
            else evaluation_form(self.preprocess, shortest=self.smallest)
        )
        what = f"decoding {split.value}"
        return Loader(
            self.dataset,
            split,
            form,
            self.recipe.data,
            batch_size=training.batch_size if is_train else _EVALUATION_BATCH,
            seed=training.seed,
            rank=self.ranks.rank,
            world=self.ranks.world,
            accumulate=training.accumulate if is_train else 1,
            balance=is_train and self.recipe.method.balance == "sampling",
            pin=self.ranks.device.type == "cuda",
            progress=lambda done, total: self.terminal.progress(what, done, total),
            on_problem=self.terminal.problem,
        )

    def predict(self, network: Network, loader: Loader) -> Predictions:
        """The network's answers to the split of ``loader``, from all ranks."""
        return predict_split(
            network,
            (item.batch for item in loader.evaluation(_EVALUATION_BATCH)),
            preprocess=self.preprocess,
            table=self.dataset.table,
            device=self.ranks.device,
            dtype=self.arithmetic.dtype,
        )

    @property
    def arithmetic(self) -> Arithmetic:
        return choose_arithmetic(self.recipe.training.precision, self.ranks.device)

    def checkpoint(self, trainer: Trainer, *, fingerprint: str) -> Checkpoint:
        """What the run has reached, with all that resuming needs."""
        best, state = trainer.best.scores, trainer.state()
        return Checkpoint(
            spec=cast(Spec, trainer.method.network.spec),
            weights=trainer.weights(),
            schema=self.schema,
            preprocess=self.preprocess,
            recipe=self.recipe.to_json(),
            step=trainer.position.step,
            scores={} if best is None else {f"validation_{best.name}": best.score},
            training=replace(state, values={**state.values, "data": fingerprint}),
            origin=self.origin if self.start is None else self.start.card.chain,
        )


def _opened_start(recipe: Recipe, terminal: Terminal) -> Start | None:
    config = recipe.network
    if config.start is None:
        return None
    network = None if config.network == "auto" else get_spec(config.network).name
    return open_start(config.start, network=network, warn=terminal.warn)


def _for_network(recipe: Recipe, card: WeightsCard) -> Recipe:
    """Where the recipe leaves it open, the network is that of the weights."""
    config = recipe.network
    if config.network != "auto" or card.network is None:
        return recipe
    return replace(recipe, network=replace(config, network=card.network))


def _preprocess(
    recipe: Recipe, dataset: Dataset, start: Start | None, resumed: Checkpoint | None
) -> Preprocess:
    """That of the checkpoint, of the weights, or of the data."""
    if resumed is not None:
        return resumed.preprocess
    rank = sound_rank(recipe.network.network)
    found: Preprocess | None = None
    if start is not None:
        found = preprocess_for(start.card, dataset, recipe.data) or series_preprocess_for(
            start, dataset, recipe.series, rank=rank
        )
    return found or choose_preprocess(dataset, recipe.data, recipe.series, sound_rank=rank)


def _check_batches(training: TrainingConfig, dataset: Dataset, ranks: Ranks) -> None:
    """Said before hours of decoding: each update must have a sample for each rank and part."""
    samples = len(dataset.rows(Split.TRAIN))
    smallest = samples // steps_per_epoch(samples, training.batch_size)
    shard(smallest, rank=ranks.rank, world=ranks.world, accumulate=training.accumulate)


def _check_validation(training: TrainingConfig, dataset: Dataset) -> None:
    """What is decided by validation needs a validation split."""
    waits = {
        "--early-stopping": training.early_stopping is not None,
        "--schedule plateau": training.schedule.schedule == "plateau",
    }
    for option, used in waits.items():
        if used and not len(dataset.rows(Split.VALIDATION)):
            raise UsageError(
                f"{option} needs a validation split",
                received="none",
                where=dataset.name,
                fix="Draw one with --validation-fraction",
            )
