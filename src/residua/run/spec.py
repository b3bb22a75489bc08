"""Which network a run trains: the recipe's row of the catalog, fitted to the data."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from residua.batch import Schema, Task
from residua.data.preprocess import Preprocess
from residua.data.text_preprocess import TextPreprocess
from residua.errors import UsageError
from residua.networks.catalog import Spec, get_spec, without_auxiliary
from residua.networks.specs.crnn import CRNNSpec
from residua.networks.specs.inception_time import InceptionTimeSpec
from residua.networks.specs.multiscale import MultiScaleSpec
from residua.recipes.recipe import NetworkConfig

_EMBEDDING = 32
"""Numbers that stand for a byte of text."""


_VOTES: dict[Task, Literal["softmax", "sigmoid", "mean"]] = {
    Task.CLASSIFICATION: "softmax",
    Task.MULTILABEL: "sigmoid",
    Task.REGRESSION: "mean",
}
"""How the members of an ensemble agree."""


def spec_for(
    config: NetworkConfig, schema: Schema, preprocess: Preprocess, *, length: int | None
) -> Spec:
    """The network of ``config`` for this data.

    Args:
        config: Of the recipe, with the network's name.
        schema: Says how many outputs there are, and for what task.
        preprocess: Says what the network sees.
        length: Steps of a usual series; None for pictures.

    Raises:
        UsageError: The network cannot take such inputs, or learn such a task.
    """
    row = get_spec(config.network)
    vocabulary = preprocess.vocabulary if isinstance(preprocess, TextPreprocess) else 0
    spec = replace(
        row if config.aux else without_auxiliary(row),
        num_classes=schema.num_outputs,
        in_chans=_EMBEDDING if vocabulary else preprocess.channels,
        vocabulary=vocabulary,
        rank=preprocess.rank,
        drop_rate=config.drop_rate,
        drop_path_rate=config.drop_path_rate,
    )
    if isinstance(spec, CRNNSpec):
        bands = getattr(preprocess, "mels", spec.bands)
        spec = replace(spec, bands=bands, head="ctc" if schema.task is Task.CTC else "clip")
    if schema.task is Task.CTC and not isinstance(spec, CRNNSpec):
        raise UsageError(
            f"network '{spec.name}' cannot learn transcriptions",
            expected="one that answers step by step",
            fix="Use --network crnn_small",
        )
    if isinstance(spec, InceptionTimeSpec):
        spec = replace(spec, vote=_VOTES[schema.task])
    if config.shortest_map is not None:
        spec = _shortest(spec, config.shortest_map)
    return spec if length is None else spec.adapted(length=length)


def _shortest(spec: Spec, steps: int) -> Spec:
    if not isinstance(spec, MultiScaleSpec) or spec.layout == "2018":
        raise UsageError(
            f"network '{spec.name}' has strides of its own",
            expected="no --shortest-map, or --network multiscale_resnet1d",
            received=f"--shortest-map {steps}",
        )
    return replace(spec, shortest_map=steps)


def sound_rank(network: str) -> int:
    """2 where the network takes spectrograms as pictures of bands and time, else 1: bands as
    channels."""
    spec = get_spec("crnn_small" if network == "auto" else network)
    try:
        return replace(spec, rank=2).rank
    except UsageError:
        return 1
