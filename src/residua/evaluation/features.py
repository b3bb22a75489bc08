"""What a network has learnt to see: its first filters, and how its stages respond to a sample.

Legend: n filters, c channels, m maps, k kernel sizes, s sizes of a map: one or two axes each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from residua.networks.layers import Conv
from residua.networks.network import FeatureInfo, Network
from residua.networks.padded import unpadded, with_lengths

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Filters:
    """Filters of a convolution.

    Attributes:
        layer: Its name in the network.
        total: Filters that it has.
        shown: Positions of those that are here.
        values: float32 ``[n, c, *k]``: their weights.
    """

    layer: str
    total: int
    shown: tuple[int, ...]
    values: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StageMaps:
    """What a stage makes of one sample.

    Attributes:
        stage: Its name, see `residua.networks.network.FeatureInfo`.
        total: Channels that it has.
        shown: Channels that are here, the strongest first.
        values: float32 ``[m, *s]``: their maps.
    """

    stage: str
    total: int
    shown: tuple[int, ...]
    values: Floats


def first_filters(network: Network, *, most: int = 96) -> Filters:
    """The filters of the first convolution, in its own order.

    Of more than ``most`` those with the largest weights (Euclidean norm).
    """
    layer = network.get_submodule(network.input_name)
    assert isinstance(layer, Conv), network.input_name
    values = layer.weight.detach().float().cpu()
    norms = values.flatten(1).norm(dim=1)
    shown = norms.argsort(descending=True, stable=True)[:most].sort().values
    return Filters(
        layer=network.input_name,
        total=len(values),
        shown=tuple(shown.tolist()),
        values=values[shown].numpy(),
    )


def feature_maps(
    network: Network,
    inputs: Tensor,
    lengths: Tensor | None = None,
    *,
    most: int = 8,
    most_stages: int = 6,
) -> list[list[StageMaps]]:
    """For each sample and stage, the maps of the channels that respond most strongly.

    The strength of a channel is its largest absolute value on the sample.

    Args:
        network: In evaluation mode.
        inputs: Float ``[b, c, *s]``, preprocessed; for a network of texts int64 tokens ``[b, t]``.
        lengths: int64 ``[b]`` valid steps along the last axis; None where all are.
        most: Channels of each stage.
        most_stages: Of a network with more stages, so many are taken evenly from stem to last.

    Returns:
        ``b`` lists, from stem to last stage; maps are as long as their sample makes them.
    """
    assert not network.training
    count = len(network.feature_info)
    evenly = np.linspace(0, count - 1, min(count, most_stages)).round().astype(int)
    positions: list[int] = evenly.tolist()
    with torch.inference_mode():
        x = with_lengths(embedded(network, inputs), lengths)
        maps = [unpadded(each) for each in network.forward_intermediates(x, positions)[1]]
    rows: Sequence[FeatureInfo] = [network.feature_info[position] for position in positions]
    return [
        [
            _strongest(row, _valid(each, steps, sample), most)
            for row, (each, steps) in zip(rows, maps, strict=True)
        ]
        for sample in range(len(inputs))
    ]


def embedded(network: Network, inputs: Tensor) -> Tensor:
    """What the first stage of ``network`` takes: ``inputs``, or vectors in place of tokens."""
    return network._embedded(inputs)  # pyright: ignore[reportPrivateUsage]


def _valid(maps: Tensor, lengths: Tensor | None, sample: int) -> Tensor:
    return maps[sample] if lengths is None else maps[sample][..., : int(lengths[sample])]


def _strongest(row: FeatureInfo, maps: Tensor, most: int) -> StageMaps:
    values = maps.float().cpu()
    peaks = values.flatten(1).abs().amax(dim=1)
    shown = peaks.argsort(descending=True, stable=True)[:most]
    return StageMaps(
        stage=row.name,
        total=len(values),
        shown=tuple(shown.tolist()),
        values=values[shown].numpy(),
    )
