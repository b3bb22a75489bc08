"""Targets of another data set in the order and the words of what a network was trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from residua.batch import Modality, Schema, Task
from residua.errors import FormatError, LabelError
from residua.evaluation.results import Predictions

Translate = Callable[[Predictions], Predictions]


def check_samples(theirs: Schema, ours: Schema, *, where: str) -> None:
    """Raises a `FormatError` where the samples of ``theirs`` are of another kind than ``ours``."""
    same = theirs.modality is ours.modality
    if same and (ours.modality is not Modality.SIGNAL or theirs.channels == ours.channels):
        return
    raise FormatError(
        "the data has other samples than the network was trained on",
        expected=_kind(ours, counted=same),
        received=_kind(theirs, counted=same),
        where=where,
    )


def _kind(schema: Schema, *, counted: bool) -> str:
    channels = f" of {schema.channels} channel{'s' * (schema.channels != 1)}" if counted else ""
    return f"{schema.modality.value}{channels}"


def translation(theirs: Schema, ours: Schema, *, where: str) -> Translate:
    """What gives predictions on the data of ``theirs`` targets in the terms of ``ours``.

    Data whose samples happen to have one label each looks like classes, and so do quantities that
    happen to be whole numbers; they are taken for what the network was trained on.

    Raises:
        LabelError: Another task, or a class, quantity or token that the network does not know.
    """
    match theirs.task, ours.task:
        case Task.CLASSIFICATION, Task.CLASSIFICATION:
            return _classes(_positions(theirs.classes, ours.classes, where))
        case Task.CLASSIFICATION, Task.MULTILABEL:
            return _one_of_many(_positions(theirs.classes, ours.classes, where), ours.num_classes)
        case Task.MULTILABEL, Task.MULTILABEL:
            return _labels(_positions(theirs.classes, ours.classes, where), ours.num_classes)
        case Task.CLASSIFICATION, Task.REGRESSION if _are_numbers(theirs, ours):
            return _numbers(theirs.classes)
        case Task.REGRESSION, Task.REGRESSION:
            return _quantities(_positions(ours.classes, theirs.classes, where))
        case Task.CTC, Task.CTC:
            return _tokens(_positions(theirs.classes, ours.classes, where))
        case _:
            raise LabelError(
                "the data has other targets than the network was trained on",
                expected=ours.task.value,
                received=theirs.task.value,
                where=where,
            )


def _positions(names: Sequence[str], among: Sequence[str], where: str) -> npt.NDArray[np.int64]:
    """Where ``names`` lie ``among`` others."""
    known = {name: position for position, name in enumerate(among)}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise LabelError(
            f"the network does not know {len(unknown)} of the classes",
            expected=f"among {', '.join(among[:5])}" + (", ..." if len(among) > 5 else ""),
            received=", ".join(unknown[:5]) + (", ..." if len(unknown) > 5 else ""),
            where=where,
        )
    return np.array([known[name] for name in names], dtype=np.int64)


def _classes(positions: npt.NDArray[np.int64]) -> Translate:
    table = np.append(positions, -1)  # at -1, no label, lies -1
    return lambda found: replace(found, labels=table[found.labels])


def _one_of_many(positions: npt.NDArray[np.int64], k: int) -> Translate:
    def translate(found: Predictions) -> Predictions:
        values = np.zeros((len(found.labels), k), dtype=np.float32)
        known = np.flatnonzero(found.labels >= 0)
        values[known, positions[found.labels[known]]] = 1
        values[found.labels < 0] = np.nan
        return replace(found, values=values, labels=np.full_like(found.labels, -1))

    return translate


def _labels(positions: npt.NDArray[np.int64], k: int) -> Translate:
    """A label that the other data does not mention is one that none of its samples has."""

    def translate(found: Predictions) -> Predictions:
        assert found.values is not None
        values = np.zeros((len(found.values), k), dtype=np.float32)
        values[:, positions] = found.values
        return replace(found, values=values)

    return translate


def _are_numbers(theirs: Schema, ours: Schema) -> bool:
    whole = (name.removeprefix("-").isdigit() for name in theirs.classes)
    return ours.num_classes == 1 and all(whole)


def _numbers(names: Sequence[str]) -> Translate:
    table = np.array([*map(float, names), np.nan], dtype=np.float32)
    return lambda found: replace(
        found, values=table[found.labels][:, None], labels=np.full_like(found.labels, -1)
    )


def _quantities(positions: npt.NDArray[np.int64]) -> Translate:
    def translate(found: Predictions) -> Predictions:
        assert found.values is not None
        return replace(found, values=found.values[:, positions])

    return translate


def _tokens(positions: npt.NDArray[np.int64]) -> Translate:
    def translate(found: Predictions) -> Predictions:
        assert found.tokens is not None
        tokens = tuple(tuple(positions[list(each)].tolist()) for each in found.tokens)
        return replace(found, tokens=tokens)

    return translate
