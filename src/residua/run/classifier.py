"""A checkpoint at work: it scores data sets and answers for files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from residua import checkpoint as checkpoints
from residua.batch import Split
from residua.checkpoint import Checkpoint
from residua.data.choose import evaluation_form
from residua.data.config import DataConfig
from residua.data.dataset import Dataset
from residua.data.loader import Loader
from residua.data.open import open_dataset
from residua.errors import CheckpointError, LabelError, UnknownNameError
from residua.evaluation.embed import Features, embed_split
from residua.evaluation.predict import predict_split
from residua.evaluation.predict_files import predict_files
from residua.evaluation.results import Prediction, Predictions
from residua.evaluation.scores import Scores
from residua.evaluation.scoring import score
from residua.recipes.recipe import Recipe
from residua.run.folder import RunFolder
from residua.run.start import check_classifier, usable_checkpoint
from residua.run.terminal import Terminal
from residua.run.translation import check_samples, translation
from residua.training.distributed import available_cores, choose_device
from residua.training.precision import choose_arithmetic

_BATCH = 256
_ALL = "all"


class Classifier:
    """A trained network with its preprocessing and labels.

    Args:
        checkpoint: What was trained.
        device: Where it computes.
        terminal: What it says on the way.
    """

    def __init__(self, checkpoint: Checkpoint, device: torch.device, terminal: Terminal) -> None:
        self.checkpoint = checkpoint
        self.recipe = Recipe.from_json(dict(checkpoint.recipe), where="the checkpoint")
        self.device = device
        self.terminal = terminal
        self.arithmetic = choose_arithmetic(self._precision(), device)
        network = checkpoint.network().to(device)
        if checkpoint.spec.rank == 2:
            network = network.to(memory_format=torch.channels_last)  # pyright: ignore
        self.network = network

    def _precision(self):
        """As in training, unless this machine computes it in emulation only."""
        precision = self.recipe.training.precision
        return "auto" if self.device.type == "cpu" and precision != "float32" else precision

    @staticmethod
    def open(
        path: Path,
        *,
        device: str = "auto",
        threads: int | None = None,
        terminal: Terminal,
        headless: bool = False,
    ) -> Classifier:
        """The classifier in a run folder or a checkpoint folder.

        Args:
            headless: A pre-trained network without classifier will do, for its features.

        Raises:
            CheckpointError: If there is none.
        """
        torch.set_num_threads(threads or available_cores())
        if (path / "recipe.json").is_file():
            found = usable_checkpoint(RunFolder.open(path), warn=terminal.warn)
        elif (path / "checkpoint.json").is_file():
            found = checkpoints.load(path)
        else:
            weights = "Weights alone, such as a .pth file, can start a training: --start"
            raise CheckpointError(
                "neither a run nor a checkpoint",
                expected="a folder with recipe.json or checkpoint.json",
                received=f"{path} ({_kind(path)})",
                fix=weights if path.is_file() else "Give the folder that train printed",
            )
        if not headless:
            check_classifier(found, source=str(path))
        return Classifier(found, choose_device(device), terminal)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.checkpoint.schema.classes

    # ---- scores ---------------------------------------------------------------------------------

    def evaluate(
        self, split: str | None = None, data: str | None = None
    ) -> tuple[Scores, Predictions]:
        """Scores on a split of the run's own data, or of another data set with the same classes.

        Args:
            split: train, validation, test or all; by default the test split, or all of a data set
                that names no test split.
            data: A path or known name; by default what the run was trained on.

        Raises:
            FormatError: For samples of another kind.
            LabelError: For another task, classes that the network does not know, or an empty split.
        """
        config = self.recipe.data if data is None else replace(self.recipe.data, path=data)
        dataset = open_dataset(config, some_unlabelled=True)
        for problem in dataset.reader.problems:
            self.terminal.problem(problem)
        chosen, name = choose_split(dataset, split, own=data is None)
        schema = self.checkpoint.schema
        check_samples(dataset.schema, schema, where=dataset.name)
        translate = translation(dataset.schema, schema, where=dataset.name)
        found = translate(self.predict_dataset(chosen, config, name))
        return score(found, schema, name, temperature=self.checkpoint.temperature), found

    def predict_dataset(self, dataset: Dataset, config: DataConfig, name: str) -> Predictions:
        """What the network gives for the test split of ``dataset``, which people call ``name``."""
        loader = self._loader(dataset, config, name)
        return predict_split(
            self.network,
            (item.batch for item in loader.evaluation(_BATCH)),
            preprocess=self.checkpoint.preprocess,
            table=dataset.table,
            device=self.device,
            dtype=self.arithmetic.dtype,
        )

    def embed_dataset(self, dataset: Dataset, config: DataConfig, name: str) -> Features:
        """What the classifier would see of the test split of ``dataset``, as in
        `predict_dataset`."""
        loader = self._loader(dataset, config, name)
        return embed_split(
            self.network,
            (item.batch for item in loader.evaluation(_BATCH)),
            preprocess=self.checkpoint.preprocess,
            table=dataset.table,
            device=self.device,
            dtype=self.arithmetic.dtype,
        )

    def _loader(self, dataset: Dataset, config: DataConfig, name: str) -> Loader:
        return Loader(
            dataset,
            Split.TEST,
            evaluation_form(self.checkpoint.preprocess, shortest=self.network.min_size),
            config,
            batch_size=_BATCH,
            pin=self.device.type == "cuda",
            progress=lambda done, total: self.terminal.progress(f"decoding {name}", done, total),
            on_problem=self.terminal.problem,
        )

    # ---- answers --------------------------------------------------------------------------------

    def predict(self, inputs: str | Iterable[str], *, batch_size: int = 32) -> Iterator[Prediction]:
        """Answers for files, folders, globs, or ``-`` for a list on standard input, in order.

        Raises:
            DataNotFoundError: For a name that matches nothing.
        """
        return predict_files(
            self.network,
            preprocess=self.checkpoint.preprocess,
            schema=self.checkpoint.schema,
            shortest=self.network.min_size,
            inputs=[inputs] if isinstance(inputs, str) else inputs,
            device=self.device,
            dtype=self.arithmetic.dtype,
            temperature=self.checkpoint.temperature or 1.0,
            batch_size=batch_size,
        )


def _kind(path: Path) -> str:
    if not path.exists():
        return "does not exist"
    return "a file" if path.is_file() else "a folder without either"


def choose_split(dataset: Dataset, split: str | None, *, own: bool) -> tuple[Dataset, str]:
    """The data set with the wanted rows as its test split, and what they are called."""
    if split is None:
        split = Split.TEST.value if own or Split.TEST in dataset.official else _ALL
    names = [*(known.value for known in Split if known is not Split.UNLABELLED), _ALL]
    if split not in names:
        raise UnknownNameError("split", split, names)
    rows = (
        np.setdiff1d(np.arange(len(dataset.table)), dataset.rows(Split.UNLABELLED))
        if split == _ALL
        else dataset.rows(Split(split))
    )
    if not len(rows):
        raise LabelError(f"the {split} split is empty", where=dataset.name)
    return replace(dataset, assignment={Split.TEST: rows}), split
