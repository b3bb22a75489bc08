"""Transcripts that the network's output has too few steps for: named before training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from residua.batch import Batch, Split
from residua.data.choose import evaluation_form
from residua.data.config import DataConfig
from residua.data.dataset import Dataset
from residua.data.loader import Loader
from residua.data.preprocess import Preprocess
from residua.errors import LabelError
from residua.losses.ctc import frames_needed, inexpressible

_BATCH = 64
_NAMED = 5
_FIX = "Correct their transcripts, or shorten the stride of time (--hop-ms for sound)"


def expressible(
    dataset: Dataset,
    preprocess: Preprocess,
    config: DataConfig,
    *,
    reduction: int,
    warn: Callable[[str], None],
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """``dataset`` without the training samples whose tokens no output of the network can say.

    Other splits keep theirs: what cannot be said there is an error of the network.

    Args:
        dataset: Of transcriptions.
        preprocess: Says how many steps the network sees.
        config: Its ``strict`` makes it an error to leave samples out.
        reduction: Steps of the input for one of the output.
        warn: Hears of what is left out.
        progress: Called with (done, total) while a cache is built.

    Raises:
        LabelError: With ``strict``, or if no sample would be left.
    """
    tokens, rows = dataset.table.tokens, dataset.rows(Split.TRAIN)
    assert tokens is not None
    steps = _steps(dataset, preprocess, config, reduction, progress)
    seen = [row for row in rows.tolist() if row in steps]
    frames = [steps[row] for row in seen]
    long = inexpressible([tokens[row] for row in seen], frames)
    if not long:
        return dataset
    names = ", ".join(
        f"{dataset.table.keys[seen[i]]} ({frames_needed(tokens[seen[i]])} of {frames[i]} steps)"
        for i in long[:_NAMED]
    ) + (", ..." if len(long) > _NAMED else "")
    what = f"{len(long)} of {len(rows)} transcripts are longer than the network's output"
    if config.strict or len(long) == len(seen):
        raise LabelError(what, where=names, fix=_FIX)
    warn(f"left out: {what}: {names}")
    kept = np.setdiff1d(rows, [seen[i] for i in long])
    return replace(dataset, assignment={**dataset.assignment, Split.TRAIN: kept})


def _steps(
    dataset: Dataset,
    preprocess: Preprocess,
    config: DataConfig,
    reduction: int,
    progress: Callable[[int, int], None] | None,
) -> dict[int, int]:
    """By row, the steps of the network's output for each training sample that can be read."""
    loader = Loader(
        dataset,
        Split.TRAIN,
        evaluation_form(preprocess),
        config,
        batch_size=_BATCH,
        progress=progress,
    )
    found: dict[int, int] = {}
    for item in loader.evaluation(_BATCH):
        lengths = _seen(preprocess, item.batch)
        found |= zip(item.rows.tolist(), (-(-n // reduction) for n in lengths), strict=True)
    return found


def _seen(preprocess: Preprocess, batch: Batch) -> list[int]:
    with torch.inference_mode():
        seen = preprocess.on_device(batch)
    if seen.lengths is None:
        return [seen.inputs.shape[-1]] * len(batch)
    return seen.lengths.tolist()
