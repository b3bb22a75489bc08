"""The network's answers to the batches of a split.

Legend: b samples of a batch, n samples, k classes, t steps.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from residua.batch import Batch
from residua.data.dataset import Table
from residua.data.preprocess import Preprocess
from residua.errors import LabelError
from residua.evaluation.gather import gather_rows, largest, slowest
from residua.evaluation.results import Predictions
from residua.networks.sequences import Sequences


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


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[object]:
    """Torch's; float32 is none."""
    return torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)


def answers_of(
    network: nn.Module, preprocess: Preprocess, batch: Batch, dtype: torch.dtype
) -> tuple[Tensor, Tensor | None]:
    """float32 ``[b, k]`` and None; or of a network with a CTC head ``[b, k, t]`` and the steps
    ``[b]`` of each sample. On the device of ``batch``."""
    seen = preprocess.on_device(batch)
    with autocast(batch.inputs.device, dtype):
        padded = {} if seen.lengths is None else {"lengths": seen.lengths}
        found = network(seen.inputs, **padded)
    if isinstance(found, Sequences):
        return found.logits.float(), found.lengths
    return found.float(), None


def logits_of(
    network: nn.Module, preprocess: Preprocess, batch: Batch, dtype: torch.dtype
) -> Tensor:
    """float32 ``[b, k]`` on the device of ``batch``."""
    return answers_of(network, preprocess, batch, dtype)[0]


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
        network: On ``device``; gives logits ``[b, k]``, or `Sequences`.
        batches: Inputs as loaded, targets and sample ids.
        preprocess: Makes them what the network takes.
        table: The data set's table, which gives names, rows and targets to the sample ids; but
            classes come with the batches.
        dtype: The dtype of autocast; float32 is none.

    Returns:
        The predictions in ascending order of rows, each sample once.
    """
    ids: list[Tensor] = []
    targets: list[Tensor] = []
    answers: list[tuple[Tensor, Tensor | None]] = []
    start = time.perf_counter()
    with evaluating(network):
        for batch in batches:
            answers.append(answers_of(network, preprocess, batch.to(device), dtype))
            ids.append(batch.ids.cpu())
            targets.append(batch.targets.cpu())
        logits, lengths = _side_by_side(answers, sequences=table.tokens is not None)
    seconds = slowest(time.perf_counter() - start, device)
    empty = torch.empty(0, dtype=torch.int64)
    all_ids = gather_rows(torch.cat([empty, *ids]), device)
    rows, first = rows_of(table, all_ids.numpy())
    places: list[int] = rows.tolist()
    labels, tokens = table.labels[rows], table.tokens
    if table.values is None and tokens is None:
        labels = gather_rows(torch.cat([empty, *targets]), device).numpy()[first]
    return Predictions(
        keys=tuple(table.keys[row] for row in places),
        rows=rows,
        labels=labels,
        logits=_gathered(logits, device).numpy()[first],
        seconds=seconds,
        device=describe_device(device, dtype),
        values=None if table.values is None else table.values[rows],
        tokens=None if tokens is None else tuple(tokens[row] for row in places),
        lengths=None if lengths is None else gather_rows(lengths, device).numpy()[first],
    )


def _side_by_side(
    answers: list[tuple[Tensor, Tensor | None]], *, sequences: bool
) -> tuple[Tensor, Tensor | None]:
    """All logits ``[n, k]`` on the processor; sequences, as long as the longest, with the steps of
    each."""
    if not sequences:
        return torch.cat([each for each, _ in answers]).cpu() if answers else torch.empty(
            0, 0
        ), None
    longest = max((each.shape[-1] for each, _ in answers), default=0)
    logits = [pad(each, (0, longest - each.shape[-1])).cpu() for each, _ in answers]
    steps = [each.cpu() for _, each in answers if each is not None]
    empty = torch.empty(0, dtype=torch.int64)
    return torch.cat(logits) if logits else torch.empty(0, 0, 0), torch.cat([empty, *steps])


def _gathered(logits: Tensor, device: torch.device) -> Tensor:
    """The logits of all ranks, also where one rank's sequences are longer than another's."""
    if logits.dim() == 2:
        return gather_rows(logits, device)
    longest = largest(logits.shape[-1], device)
    padded = pad(logits, (0, longest - logits.shape[-1]))
    flat = gather_rows(padded.flatten(1), device)
    return flat.reshape(len(flat), -1, longest)


def rows_of(
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
