"""Series that never change and clips that are silent: named before training, and kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from residua.batch import Batch, Modality, Split
from residua.data.audit_targets import share, some
from residua.data.choose import evaluation_form
from residua.data.config import DataConfig
from residua.data.dataset import Dataset
from residua.data.loader import Loader
from residua.data.measure import training_sample
from residua.data.preprocess import Preprocess
from residua.data.series_prints import varies
from residua.data.signal_values import Signal
from residua.data.sound_prints import is_silent

_BATCH = 64


def name_flat(
    dataset: Dataset,
    preprocess: Preprocess,
    config: DataConfig,
    *,
    warn: Callable[[str], None],
    shortest: int = 1,
) -> None:
    """Says of which training samples nothing can be learnt, in one line.

    Looks at `residua.data.measure.MOST` of them, `residua check` at all.

    Args:
        dataset: Of signals or sound; of anything else nothing is said.
        preprocess, config, shortest: As the run has them, so that its cache serves.
        warn: Hears the line.
    """
    if dataset.schema.modality not in (Modality.SIGNAL, Modality.SOUND):
        return
    rows = np.sort(training_sample(dataset))
    loader = Loader(
        replace(dataset, assignment={Split.TRAIN: rows}),
        Split.TRAIN,
        evaluation_form(preprocess, shortest=shortest),
        config,
        batch_size=_BATCH,
        stored=dataset.learning_rows,
    )
    is_sound = dataset.schema.modality is Modality.SOUND
    flat = [
        str(dataset.table.keys[row])
        for item in loader.evaluation(_BATCH)
        for row, values in zip(item.rows.tolist(), _each(item.batch), strict=True)
        if (is_silent(values) if is_sound else not varies(values).any())
    ]
    if flat:
        what = "are silent" if is_sound else "are constant: they have no shape to learn"
        warn(f"{share(len(flat), len(rows))} training samples {what}: {some(flat)}")


def _each(batch: Batch) -> Iterator[Signal]:
    """``[channels, steps]`` of each sample, without what stands behind it."""
    for i, values in enumerate(batch.inputs.numpy()):
        yield values if batch.lengths is None else values[:, : int(batch.lengths[i])]
