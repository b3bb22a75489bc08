"""The network's answers, to the batches of a split and to files that a user names.

Legend: b samples of a batch, n samples, c channels, h height, w width, k classes.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from residua.batch import Batch
from residua.data.dataset import Table
from residua.data.decode import decode
from residua.data.preprocess import Preprocess
from residua.errors import DataError, LabelError
from residua.evaluation.gather import gather_rows, slowest
from residua.evaluation.inputs import find_inputs
from residua.evaluation.metrics import log_softmax
from residua.evaluation.results import Prediction, Predictions


@contextmanager
def evaluating(network: nn.Module) -> Generator[None]:
    """Evaluation mode and no gradients inside; afterwards each module is as it was."""
    training = [module for module in network.modules() if module.training]
    network.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module in training:
            module.training = True


def _autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[object]:
    return torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)


def _logits(
    network: nn.Module, preprocess: Preprocess, inputs: Tensor, dtype: torch.dtype
) -> Tensor:
    """float32 ``[b, k]`` on the device of the uint8 ``inputs``."""
    if inputs.dim() == 4:  # as bytes, a quarter of what the floats would take to rearrange
        inputs = inputs.contiguous(memory_format=torch.channels_last)
    with _autocast(inputs.device, dtype):
        return network(preprocess.on_device(inputs)).float()


def describe_device(device: torch.device, dtype: torch.dtype) -> str:
    """The hardware in words: ``cpu, 2 threads, bf16``."""
    precision = {torch.bfloat16: "bf16", torch.float16: "fp16"}.get(dtype, "float32")
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, {precision}"
    return f"{device.type}, {torch.get_num_threads()} threads, {precision}"


def predict_split(
    network: nn.Module,
    batches: Iterable[Batch],
    *,
    preprocess: Preprocess,
    table: Table,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> Predictions:
    """Runs ``network`` over the batches of a split.

    Nothing waits for the device until the last batch is on its way. Under several ranks each
    gives its own share of the batches, and each receives the predictions for all.

    Args:
        network: On ``device``; gives logits ``[b, k]``.
        batches: uint8 inputs, int64 targets (-1 without a label) and sample ids.
        preprocess: Standardises on the device.
        table: The data set's table, which gives names and rows to the sample ids.
        dtype: The dtype of autocast; float32 is none.

    Returns:
        The predictions in ascending order of rows, each sample once.
    """
    ids: list[Tensor] = []
    targets: list[Tensor] = []
    logits: list[Tensor] = []
    start = time.perf_counter()
    with evaluating(network):
        for batch in batches:
            inputs = batch.inputs.to(device, non_blocking=True)
            logits.append(_logits(network, preprocess, inputs, dtype))
            ids.append(batch.ids.cpu())
            targets.append(batch.targets.cpu())
        found = torch.cat(logits).cpu() if logits else torch.empty(0, 0)
    seconds = slowest(time.perf_counter() - start, device)
    empty = torch.empty(0, dtype=torch.int64)
    all_ids = gather_rows(torch.cat([empty, *ids]), device)
    all_targets = gather_rows(torch.cat([empty, *targets]), device)
    all_logits = gather_rows(found, device)
    rows, first = _rows(table, all_ids.numpy())
    places: list[int] = rows.tolist()
    return Predictions(
        keys=tuple(table.keys[row] for row in places),
        rows=rows,
        labels=all_targets.numpy()[first],
        logits=all_logits.numpy()[first],
        seconds=seconds,
        device=describe_device(device, dtype),
    )


def _rows(
    table: Table, ids: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The rows of the sample ids, ascending and each once; and where each comes first in
    ``ids``: a sampler may repeat samples so that all ranks take as many steps."""
    if not len(ids):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    order = np.argsort(table.ids, kind="stable")
    places = np.searchsorted(table.ids, ids, sorter=order)
    rows = order[np.minimum(places, len(order) - 1)]
    if (table.ids[rows] != ids).any():
        raise LabelError("a batch holds samples that are not in the data set's table")
    rows, first = np.unique(rows, return_index=True)
    return rows.astype(np.int64), first.astype(np.int64)


_Input = tuple[str, npt.NDArray[np.uint8] | str]
"""A path, and the prepared picture or the reason why there is none."""


def predict_files(
    network: nn.Module,
    *,
    preprocess: Preprocess,
    classes: Sequence[str],
    inputs: Iterable[str],
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    temperature: float = 1.0,
    batch_size: int = 32,
    workers: int | None = None,
    top: int = 5,
) -> Iterator[Prediction]:
    """Answers to pictures in files, one after the other in the order of ``inputs``.

    Args:
        network: On ``device``; gives logits ``[b, k]``.
        preprocess: Makes the picture what the network takes.
        classes: ``k`` names.
        inputs: Files, folders (with all that is below), patterns, or ``-`` for a list of these,
            one a line, on standard input; see `residua.evaluation.inputs.find_inputs`.
        dtype: The dtype of autocast; float32 is none.
        temperature: Divides the logits.
        batch_size: Pictures that go through the network together. Memory is bounded by three
            batches, however many inputs there are.
        workers: Threads that decode; by default one a core, at most 8.
        top: How many classes a prediction lists.

    Yields:
        One prediction an input; for what cannot be read, one with ``error``.

    Raises:
        DataNotFoundError: A pattern or folder without a picture.
    """
    pictures = _decoded(find_inputs(inputs), preprocess, workers, ahead=2 * batch_size)
    while batch := list(islice(pictures, batch_size)):
        good = [values for _, values in batch if not isinstance(values, str)]
        answers = iter(())
        if good:
            stacked = torch.from_numpy(np.stack(good)).to(device)
            with evaluating(network):
                logits = _logits(network, preprocess, stacked, dtype).cpu().numpy()
            answers = iter(np.exp(log_softmax(logits.astype(np.float64) / temperature)))
        for path, values in batch:
            if isinstance(values, str):
                yield Prediction(path=path, error=values)
            else:
                yield _prediction(path, next(answers), classes, top)


def _decoded(
    paths: Iterator[str], preprocess: Preprocess, workers: int | None, *, ahead: int
) -> Iterator[_Input]:
    """Prepared pictures in the order of ``paths``, at most ``ahead`` before they are asked for."""
    threads = workers or min(8, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        waiting: deque[Future[_Input]] = deque()
        try:
            for path in paths:
                waiting.append(pool.submit(_prepare, path, preprocess))
                if len(waiting) >= ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _prepare(path: str, preprocess: Preprocess) -> _Input:
    try:
        return path, preprocess.on_host(decode(Path(path).read_bytes(), where=path))
    except DataError as error:
        return path, str(error)
    except OSError as error:
        return path, f"cannot be opened: {error.strerror or error}"


def _prediction(
    path: str, probabilities: npt.NDArray[np.float64], classes: Sequence[str], top: int
) -> Prediction:
    best: list[int] = np.argsort(-probabilities, kind="stable")[:top].tolist()
    pairs = tuple((classes[i], float(probabilities[i])) for i in best)
    return Prediction(path=path, label=pairs[0][0], probability=pairs[0][1], top=pairs)
