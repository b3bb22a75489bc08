"""The network's answers to files that a user names.

Legend: b samples of a batch, k classes, t steps.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from residua.batch import Batch, Modality, Schema
from residua.data.choose import evaluation_form
from residua.data.dataset import Raw
from residua.data.forms import Form, Kept
from residua.data.open import open_reader
from residua.data.preprocess import Preprocess
from residua.errors import DataError, UnreadableSampleError
from residua.evaluation.answers import answer
from residua.evaluation.inputs import INPUT_KINDS, find_inputs
from residua.evaluation.predict import answers_of, evaluating
from residua.evaluation.results import Prediction

_Named = tuple[str, Callable[[], Raw]]
"""A sample's name, and how to read it."""

_LEFT_OUT = "left out: "

_Input = tuple[str, Kept | str]
"""A sample's name, and its values or the reason why there are none."""


def predict_files(
    network: nn.Module,
    *,
    preprocess: Preprocess,
    schema: Schema,
    inputs: Iterable[str],
    shortest: int = 1,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    temperature: float = 1.0,
    batch_size: int = 32,
    workers: int | None = None,
    top: int = 5,
) -> Iterator[Prediction]:
    """Answers to samples in files, one after the other in the order of ``inputs``.

    Args:
        network: On ``device``; gives logits ``[b, k]``, or `Sequences`.
        preprocess: Makes the sample what the network takes.
        schema: Task and names of what the network answers; the units of quantities.
        inputs: Files, folders (with all that is below), patterns, or ``-`` for a list of these,
            one a line, on standard input; see `residua.evaluation.inputs.find_inputs`. A file of
            series holds any number of samples, which are named by the reader.
        shortest: Steps that the network needs to see of a series; for shorter ones there is an
            error in place of an answer.
        dtype: The dtype of autocast; float32 is none.
        temperature: Divides the logits of classes.
        batch_size: Samples that go through the network together. Memory is bounded by three
            batches, however many inputs there are.
        workers: Threads that decode; by default one a core, at most 8.
        top: How many classes a prediction lists at most.

    Yields:
        One prediction a sample; for what cannot be read, one with ``error``.

    Raises:
        DataNotFoundError: A pattern or folder without a file of the kind.
    """
    form = evaluation_form(preprocess, shortest=shortest)
    paths = find_inputs(inputs, INPUT_KINDS[preprocess.modality])
    named = _named(paths, preprocess.modality)
    samples = _decoded(named, form, workers, ahead=2 * batch_size)
    while batch := list(islice(samples, batch_size)):
        kept = [values for _, values in batch if not isinstance(values, str)]
        answers = iter(())
        if kept:
            found = _answers(network, preprocess, _batch(form, kept).to(device), dtype)
            answers = (answer(each, schema, temperature=temperature, top=top) for each in found)
        for name, values in batch:
            if isinstance(values, str):
                yield Prediction(path=name, task=schema.task, error=values)
            else:
                yield replace(next(answers), path=name)


def _answers(
    network: nn.Module, preprocess: Preprocess, batch: Batch, dtype: torch.dtype
) -> list[npt.NDArray[np.float64]]:
    """What the network gives for each sample: ``[k]``, or ``[k, t]`` with its own steps."""
    with evaluating(network):
        logits, lengths = answers_of(network, preprocess, batch, dtype)
    rows = list(logits.cpu().numpy().astype(np.float64))
    if lengths is None:
        return rows
    return [row[:, :steps] for row, steps in zip(rows, lengths.tolist(), strict=True)]


def _batch(form: Form, kept: Sequence[Kept]) -> Batch:
    stack = form.stacked(kept)
    unknown = torch.full((len(kept),), -1)
    return Batch(inputs=stack.values, targets=unknown, ids=unknown, lengths=stack.lengths)


def _named(paths: Iterable[str], modality: Modality) -> Iterator[_Named]:
    """Every sample in ``paths``; pictures, sounds and texts have a file each."""
    for path in paths:
        if modality is Modality.SIGNAL:
            yield from _series_in(path)
        else:
            yield path, Path(path).read_bytes


def _series_in(path: str) -> Iterator[_Named]:
    """Samples that the reader left out come last, each with its reason."""
    try:
        reader = open_reader(path)
    except DataError as error:
        yield path, partial(_raise, _no_series(path) or error)
        return
    for row, key in enumerate(reader.table.keys):
        yield _row_name(path, key), partial(reader.read, row)
    for problem in reader.problems:
        if problem.reason.startswith(_LEFT_OUT):
            error = UnreadableSampleError(problem.reason.removeprefix(_LEFT_OUT))
            yield _row_name(path, problem.key), partial(_raise, error)


def _no_series(path: str) -> DataError | None:
    """For files that are plainly something else, less than a list of all layouts."""
    name = Path(path).name
    for modality, kind in INPUT_KINDS.items():
        if modality is not Modality.SIGNAL and kind.includes(name):
            return UnreadableSampleError(
                "not a file of series", expected="signals", received=kind.noun, where=path
            )
    return None


def _row_name(path: str, key: str) -> str:
    """``new.ts:23`` or ``new.csv#id``; keys of single files begin with the file's name."""
    file = Path(path).name
    return path + key.removeprefix(file) if key.startswith(file) else f"{path}#{key}"


def _raise(error: DataError) -> Raw:
    raise error


def _decoded(
    named: Iterator[_Named], form: Form, workers: int | None, *, ahead: int
) -> Iterator[_Input]:
    """Prepared samples in the order of ``named``, at most ``ahead`` before they are asked for."""
    threads = workers or min(8, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        waiting: deque[Future[_Input]] = deque()
        try:
            for name, read in named:
                waiting.append(pool.submit(_prepare, name, read, form))
                if len(waiting) >= ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _prepare(name: str, read: Callable[[], Raw], form: Form) -> _Input:
    try:
        return name, form.stored(read(), name)
    except DataError as error:
        return name, str(error)
    except OSError as error:
        return name, f"cannot be opened: {error.strerror or error}"
