"""From a recipe to everything that a run is made of."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import cast

import numpy as np
import torch
from torch import nn

from residua.batch import Modality, Schema, Split, Task
from residua.checkpoint import Checkpoint
from residua.data.choose import (
    choose_preprocess,
    evaluation_form,
    training_form,
    usual_length,
)
from residua.data.dataset import Dataset
from residua.data.loader import Loader
from residua.data.paired import PairedLoader
from residua.data.preprocess import Preprocess
from residua.errors import LabelError
from residua.evaluation.embed import Features, embed_split
from residua.evaluation.predict import predict_split
from residua.evaluation.results import Predictions
from residua.losses.classification import balanced_class_weights
from residua.networks.catalog import Spec, build, get_spec
from residua.networks.initialise import initialise_xavier
from residua.networks.network import Network
from residua.networks.pretrained.card import Origin
from residua.networks.weights import WeightsCard, load_opened
from residua.recipes.recipe import Recipe
from residua.run.checks import check_batches, check_groups, check_size, check_validation
from residua.run.expressible import expressible
from residua.run.flat import name_flat
from residua.run.learning import learning_method
from residua.run.opening import Opened, opened
from residua.run.resolve import resolve
from residua.run.spec import sound_rank, spec_for
from residua.run.start import (
    Start,
    check_start,
    describe_start,
    keeps_classifier,
    open_start,
    preprocess_for,
    series_preprocess_for,
)
from residua.run.task import for_task, with_units
from residua.run.terminal import Terminal
from residua.training.distributed import Ranks
from residua.training.loop import Trainer
from residua.training.precision import Arithmetic, choose_arithmetic
from residua.training.pseudo_quality import PseudoLabelMeter
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
        opened: The data with what training must not see.
    """

    recipe: Recipe
    dataset: Dataset
    preprocess: Preprocess
    ranks: Ranks
    terminal: Terminal
    start: Start | None = None
    origin: tuple[Origin, ...] = ()
    opened: Opened

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
        return Session.on(opened(recipe), recipe, ranks, terminal=terminal, resumed=resumed)

    @staticmethod
    def on(
        opened: Opened,
        recipe: Recipe,
        ranks: Ranks,
        *,
        terminal: Terminal,
        resumed: Checkpoint | None = None,
    ) -> Session:
        """`prepare` with a data set that is open already."""
        dataset = opened.dataset
        if not len(dataset.rows(Split.TRAIN)):
            raise LabelError("nothing to train on", where=dataset.name)
        for problem in dataset.reader.problems:
            terminal.problem(problem)
        if not recipe.pretrain.active:
            recipe = for_task(recipe, with_units(dataset))
        check_batches(recipe, dataset, ranks)
        check_groups(recipe, dataset)
        check_validation(recipe, dataset)
        start = None if resumed is not None else _opened_start(recipe, terminal)
        if start is not None:
            check_start(start, dataset.schema)
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
            opened=opened,
        )
        check_size(dataset, preprocess, recipe.network.network, smallest=session.smallest)
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
        """That of the data, with the units of the targets; in pre-training, without targets."""
        if not self.recipe.pretrain.active:
            return with_units(self.dataset)
        schema = self.dataset.schema
        classes = schema.classes if schema.task is Task.CLASSIFICATION else ()
        return replace(schema, task=Task.CLASSIFICATION, classes=classes)

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
        if self.recipe.pretrain.active:
            network.reset_classifier(0)
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
        self._synchronise(network)
        if recipe.network.freeze:
            freeze(network, recipe.network.freeze)
        method = learning_method(
            recipe,
            self.schema,
            self.preprocess,
            network,
            class_weights=self._class_weights(),
            smallest=self.smallest,
        ).to(self.ranks.device)
        for head in method.children():
            if head is not network:
                self._synchronise(head)
        return Trainer(
            method,
            self.batches(),
            recipe.training,
            self.ranks,
            name_samples=self._names,
            pseudo=self._pseudo_meter(),
        )

    def _synchronise(self, module: nn.Module) -> None:
        if self.recipe.training.sync_batchnorm and self.ranks.world > 1:
            unequal = self.schema.modality is not Modality.IMAGE
            synchronise_norms(module, self.ranks.device, unequal=unequal)

    def _pseudo_meter(self) -> PseudoLabelMeter | None:
        hidden = self.opened.hidden
        if hidden is None or not self.recipe.semi.active:
            return None
        ids, labels = torch.from_numpy(hidden.ids), torch.from_numpy(hidden.labels)
        return PseudoLabelMeter(ids, labels, self.ranks.device)

    def batches(self) -> Loader | PairedLoader:
        """What the method learns from."""
        labelled = self.loader(Split.TRAIN)
        if self.ranks.is_main:
            name_flat(
                self.dataset,
                self.preprocess,
                self.recipe.data,
                warn=self.terminal.warn,
                shortest=self.smallest,
            )
        if not self.recipe.semi.active:
            return labelled
        ratio = self.recipe.semi.unlabelled_ratio
        return PairedLoader(labelled, self.loader(Split.UNLABELLED), ratio=ratio)

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

    def loader(
        self, split: Split, *, dataset: Dataset | None = None, evaluation: bool = False
    ) -> Loader:
        """Batches of a split: augmentable for training, in evaluation form otherwise.

        Args:
            split: Of the data.
            dataset: In place of the run's own.
            evaluation: In that form though they are of the train split.
        """
        training = self.recipe.training
        is_train = split in (Split.TRAIN, Split.UNLABELLED) and not evaluation
        form = (
            training_form(self.preprocess, crop=self.recipe.augment.crop, shortest=self.smallest)
            if is_train
            else evaluation_form(self.preprocess, shortest=self.smallest)
        )
        what = f"decoding {split.value}"
        return Loader(
            self.dataset if dataset is None else dataset,
            split,
            form,
            self.recipe.data,
            batch_size=training.batch_size if is_train else _EVALUATION_BATCH,
            seed=training.seed,
            rank=self.ranks.rank,
            world=self.ranks.world,
            accumulate=training.accumulate if is_train else 1,
            balance=is_train and self.recipe.method.balance == "sampling",
            repeated=training.repeated if is_train and split is Split.TRAIN else 1,
            stored=self.dataset.learning_rows if is_train else None,
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

    def embed(self, network: Network, loader: Loader) -> Features:
        """What the network's classifier would see of the split of ``loader``, from all ranks."""
        return embed_split(
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
