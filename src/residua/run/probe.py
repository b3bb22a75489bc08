"""How good the features of a network are: kNN and linear probes of runs, and kNN on validation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from residua.batch import Batch, Split, Task
from residua.data.config import DataConfig
from residua.data.dataset import Dataset, Table
from residua.data.open import open_dataset
from residua.data.open_unlabelled import open_unlabelled_dataset
from residua.data.preprocess import Preprocess
from residua.errors import LabelError, UsageError
from residua.evaluation.embed import Features, embed_split
from residua.evaluation.linear_probe import linear_probe
from residua.evaluation.metrics import log_loss
from residua.evaluation.probes import check_bank, knn_probe, usual_neighbours
from residua.evaluation.results import Predictions
from residua.evaluation.scores import Scores as Evaluated
from residua.evaluation.scoring import score
from residua.networks.network import Network
from residua.random import permutation
from residua.run.classifier import Classifier, choose_split
from residua.run.translation import check_samples
from residua.training.meter import Scores

Probe = Literal["knn", "linear"]

MOST_IN_BANK = 5000
"""Training samples that are enough to compare epochs by."""

_ONE_STRENGTH = (0.01,)
"""Of the linear probe's penalty, while a network learns."""


# ---- of a run -----------------------------------------------------------------------------------


def probe(
    classifier: Classifier, kind: Probe, *, split: str | None = None, data: str | None = None
) -> tuple[Evaluated, Predictions]:
    """Scores of a probe that learns from the labelled training samples and answers for ``split``.

    The network, with or without a classifier of its own, stays as it is.

    Args:
        classifier: Gives the features.
        kind: knn, or linear, whose penalty the validation split chooses.
        split: test (by default) or validation.
        data: A path or known name: its training samples teach the probe all their labels, and its
            split is answered for; by default what the run was trained on, with the labels that the
            run could see.

    Raises:
        FormatError: For samples of another kind.
        LabelError: There are too few labels, or the split is empty.
        UsageError: The samples have no classes that exclude each other; or ``split`` is what the
            probe learns from.
    """
    config, dataset = _opened(classifier.recipe.data, data)
    for problem in dataset.reader.problems:
        classifier.terminal.problem(problem)
    check_samples(dataset.schema, classifier.checkpoint.schema, where=dataset.name)
    _check_task(dataset)
    name = Split.TEST.value if split is None else split
    taught = bank_rows(dataset)
    check_bank(dataset.table.labels[taught], len(dataset.rows(Split.TRAIN)), where=dataset.name)
    queries, _ = choose_split(dataset, name, own=True)
    _check_split(name)
    bank = _embed(classifier, dataset, taught, config, Split.TRAIN.value)
    seen = classifier.embed_dataset(queries, config, name)
    if kind == "knn":
        found = _knn(classifier, dataset, bank, seen)
    else:
        found = _linear(classifier, dataset, bank, seen, config, name)
    return score(found, dataset.schema, name), found


def _opened(config: DataConfig, data: str | None) -> tuple[DataConfig, Dataset]:
    """The run's own data as it was pre-trained on, with what labels there are; or other data, with
    all of its labels. Samples that teach a probe nothing are left out."""
    if data is None:
        config = replace(config, unlabelled=None)
        return config, open_unlabelled_dataset(config)
    config = replace(config, path=data, labels_per_class=None, unlabelled=None)
    return config, open_dataset(config)


def _knn(
    classifier: Classifier, dataset: Dataset, bank: Features, queries: Features
) -> Predictions:
    k, classes = usual_neighbours(bank), dataset.schema.num_classes
    classifier.terminal.say(f"kNN (k {k}) on {_what(bank)}")
    return knn_probe(bank, queries, num_classes=classes, device=classifier.device, neighbours=k)


def _linear(
    classifier: Classifier,
    dataset: Dataset,
    bank: Features,
    queries: Features,
    config: DataConfig,
    name: str,
) -> Predictions:
    rows = dataset.rows(Split.VALIDATION)
    validation = queries if name == Split.VALIDATION else None
    if validation is None and len(rows):
        validation = _embed(classifier, dataset, rows, config, Split.VALIDATION.value)
    classes = dataset.schema.num_classes
    fitted = linear_probe(
        bank, validation=validation, num_classes=classes, device=classifier.device
    )
    by = {"validation": "validation samples", "folds": "training samples in turn", "none": ""}
    chosen = f", best of {fitted.chosen_on:,} {by[fitted.chosen_by]}" if fitted.chosen_on else ""
    classifier.terminal.say(f"linear probe (L2 {fitted.strength:g}{chosen}) on {_what(bank)}")
    return fitted.predict(queries)


def _what(bank: Features) -> str:
    return f"{len(bank.rows):,} training features of {bank.values.shape[1]:,}"


def _embed(
    classifier: Classifier,
    dataset: Dataset,
    rows: npt.NDArray[np.int64],
    config: DataConfig,
    name: str,
) -> Features:
    chosen = replace(dataset, assignment={Split.TEST: rows})
    return classifier.embed_dataset(chosen, config, name)


def _check_task(dataset: Dataset) -> None:
    if dataset.schema.task is not Task.CLASSIFICATION:
        raise UsageError(
            "a probe tells classes apart that exclude each other",
            expected=f"data for {Task.CLASSIFICATION.value}",
            received=dataset.schema.task.value,
            where=dataset.name,
            fix="Leave --probe out",
        )


def _check_split(name: str) -> None:
    if name not in (Split.VALIDATION, Split.TEST):
        raise UsageError(
            "a probe cannot be scored on samples that it may learn from",
            expected="--split validation or test",
            received=name,
        )


# ---- while a network learns ---------------------------------------------------------------------


def bank_rows(dataset: Dataset, *, most: int | None = None) -> npt.NDArray[np.int64]:
    """Ascending rows of the training samples that have a class; of more than ``most``, those that
    the hash of their names puts first, whatever else is in the data."""
    table, rows = dataset.table, dataset.rows(Split.TRAIN)
    rows = rows[table.labels[rows] >= 0]
    if most is None or len(rows) <= most:
        return rows
    order = permutation(0, 0, torch.from_numpy(table.ids[rows])).numpy()
    return np.sort(rows[order[:most]])


def can_probe(dataset: Dataset, split: Split = Split.VALIDATION) -> bool:
    """Whether training samples have labels of two classes or more, and samples of ``split`` have
    any."""
    if dataset.schema.task is not Task.CLASSIFICATION:
        return False
    labels = dataset.table.labels
    return len(np.unique(labels[bank_rows(dataset)])) > 1 and bool(
        (labels[dataset.rows(split)] >= 0).any()
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answers:
    """What the two probes say about the same samples."""

    knn: Predictions
    linear: Predictions


def probe_answers(
    network: Network,
    bank: Iterable[Batch],
    queries: Iterable[Batch],
    *,
    preprocess: Preprocess,
    table: Table,
    device: torch.device,
    dtype: torch.dtype,
    num_classes: int,
) -> Answers:
    """What a kNN and a linear probe of one strength say about ``queries``.

    Under several ranks each gives its share of the batches, and each receives the same answers.

    Args:
        network: On ``device``, in any mode, in which it is left.
        bank: Labelled training samples as loaded, such as those of `bank_rows`.
        queries: Validation samples as loaded.
        preprocess: Makes them what the network takes.
        table: Of the data set from which both come.
        dtype: The dtype of autocast; float32 is none.
        num_classes: Classes of the data.

    Raises:
        LabelError: The bank has labels of fewer than two classes; see `can_probe`.
        NetworkError: A feature is not a finite number.
    """

    def embed(batches: Iterable[Batch]) -> Features:
        return embed_split(
            network, batches, preprocess=preprocess, table=table, device=device, dtype=dtype
        )

    taught, asked = embed(bank), embed(queries)
    knn = knn_probe(
        taught,
        asked,
        num_classes=num_classes,
        device=device,
        neighbours=usual_neighbours(taught),
    )
    linear = linear_probe(
        taught, validation=None, num_classes=num_classes, device=device, strengths=_ONE_STRENGTH
    )
    return Answers(knn=knn, linear=linear.predict(asked))


def probe_scores(found: Answers) -> Scores:
    """Cross-entropy and accuracy of the kNN probe, and beside them the accuracy of the linear one,
    on labelled samples.

    Raises:
        LabelError: No sample has a label.
    """
    labels = found.knn.labels
    known = labels >= 0
    if not known.any():
        raise LabelError("no labels to score the kNN probe with", expected="labelled samples")
    knn, linear = (
        float((each.logits[known].argmax(axis=1) == labels[known]).mean())
        for each in (found.knn, found.linear)
    )
    return Scores(
        loss=log_loss(found.knn.logits[known], labels[known]),
        score=knn,
        n=int(known.sum()),
        name="knn_accuracy",
        also={"linear_accuracy": linear},
    )
