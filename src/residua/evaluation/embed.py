"""What a network's classifier would see of the samples of a split: its features.

Legend: b samples of a batch, n samples, d features.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from residua.batch import Batch
from residua.data.dataset import Table
from residua.data.preprocess import Preprocess
from residua.evaluation.features import embedded
from residua.evaluation.gather import gather_rows, slowest
from residua.evaluation.predict import autocast, describe_device, evaluating, rows_of
from residua.networks.layers import global_average
from residua.networks.network import Network
from residua.networks.padded import with_lengths


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Features:
    """What a network makes of the samples of a split.

    Attributes:
        keys: ``n`` sample names.
        rows: int64 ``[n]`` rows of the data set's table.
        labels: int64 ``[n]`` classes, -1 where unknown.
        values: float32 ``[n, d]``.
        seconds: Time in the network and the loading of its inputs.
        device: The hardware in words.
    """

    keys: tuple[str, ...]
    rows: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    values: npt.NDArray[np.float32]
    seconds: float
    device: str

    @property
    def labelled(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Values ``[m, d]`` and labels ``[m]`` of the samples that have one."""
        known = self.labels >= 0
        return self.values[known], self.labels[known]


def features_of(network: Network, inputs: Tensor, lengths: Tensor | None = None) -> Tensor:
    """What the classifier would see: ``[b, d]``.

    Where it would see a map (Network in Network, CTC), the average over the map; with lengths over
    what is valid of it.

    Args:
        network: Its mode is left as it is.
        inputs: Float ``[b, c, *s]``, preprocessed; for a network of texts int64 tokens ``[b, t]``.
        lengths: int64 ``[b]`` valid steps along the last axis; None where all are.
    """
    maps = network.forward_features(with_lengths(embedded(network, inputs), lengths))
    seen = network.forward_head(maps, pre_logits=True)
    if seen.dim() > 2:
        seen = global_average(seen.dim() - 2)(seen)
    return seen.flatten(1)


def embed_split(
    network: Network,
    batches: Iterable[Batch],
    *,
    preprocess: Preprocess,
    table: Table,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> Features:
    """Features of the samples of a split, as `residua.evaluation.predict.predict_split` has logits.

    Args:
        network: On ``device``, with or without classifier.
        batches: Inputs as loaded, targets and sample ids; under several ranks each rank's share.
        preprocess: Makes them what the network takes.
        table: The data set's table, which gives names and rows to the sample ids; classes come
            with the batches.
        dtype: The dtype of autocast; float32 is none.

    Returns:
        In ascending order of rows, each sample once; the same on all ranks.
    """
    ids: list[Tensor] = []
    targets: list[Tensor] = []
    found: list[Tensor] = []
    start = time.perf_counter()
    with evaluating(network):
        for batch in batches:
            seen = preprocess.on_device(batch.to(device))
            with autocast(device, dtype):
                found.append(features_of(network, seen.inputs, seen.lengths).float())
            ids.append(batch.ids.cpu())
            targets.append(batch.targets.cpu())
        values = torch.cat(found).cpu() if found else torch.empty(0, 0)
    seconds = slowest(time.perf_counter() - start, device)
    empty = torch.empty(0, dtype=torch.int64)
    rows, first = rows_of(table, gather_rows(torch.cat([empty, *ids]), device).numpy())
    places: list[int] = rows.tolist()
    return Features(
        keys=tuple(table.keys[row] for row in places),
        rows=rows,
        labels=gather_rows(torch.cat([empty, *targets]), device).numpy()[first],
        values=gather_rows(values, device).numpy()[first],
        seconds=seconds,
        device=describe_device(device, dtype),
    )
