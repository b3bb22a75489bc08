"""What the samples themselves are like: sizes, lengths, rates, gaps, silence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from residua.batch import Modality
from residua.data.audit_targets import share, some
from residua.data.dataset import Dataset
from residua.data.findings import Finding, PictureFacts, SeriesFacts
from residua.data.fingerprints import Fingerprints

_MOSTLY = 0.5
"""Share of missing values from which a series says more about the filling than about itself."""


def picture_facts(dataset: Dataset, prints: Fingerprints) -> PictureFacts | None:
    """None where no picture can be read."""
    del dataset
    heights, widths = prints.fact("height"), prints.fact("width")
    if not len(heights):
        return None
    sizes = np.stack([heights, widths], axis=1)
    distinct, counts = np.unique(sizes, axis=0, return_counts=True)
    usual = int(counts.argmax())
    return PictureFacts(
        n=len(sizes),
        heights=_range(heights),
        widths=_range(widths),
        sizes=len(distinct),
        usual_size=(int(distinct[usual, 0]), int(distinct[usual, 1])),
        usual_n=int(counts[usual]),
        modes=_modes(prints),
    )


def _range(values: npt.NDArray[Any]) -> tuple[int, int, int]:
    return int(values.min()), int(np.median(values)), int(values.max())


def _modes(prints: Fingerprints) -> dict[str, int]:
    """The most frequent one first, of equally frequent ones the one that came first."""
    names, first, counts = np.unique(prints.fact("mode"), return_index=True, return_counts=True)
    order = np.lexsort((first, -counts))
    return {bytes(names[i]).decode(): int(counts[i]) for i in order}


def picture_findings(dataset: Dataset, prints: Fingerprints) -> Iterator[Finding]:
    """Pictures of several kinds."""
    modes = _modes(prints)
    if len(modes) > 1:
        counts = ", ".join(f"{count:,} {mode}" for mode, count in modes.items())
        form = "grey" if dataset.schema.channels == 1 else "colour"
        yield Finding(
            severity="info",
            code="mixed-modes",
            message=f"pictures of several kinds ({counts}) are all read as {form}",
        )


def series_facts(dataset: Dataset, prints: Fingerprints) -> SeriesFacts | None:
    """None where no sample can be read."""
    schema, lengths, missing = dataset.schema, prints.fact("length"), prints.fact("missing")
    if not len(lengths):
        return None
    values = int(lengths.sum()) * (schema.channels if schema.modality is Modality.SIGNAL else 1)
    tokens = dataset.table.tokens
    return SeriesFacts(
        n=len(lengths),
        lengths=_range(lengths),
        rate=schema.rate,
        rates={f"{rate:g}": count for rate, count in _rates(prints)},
        seconds=_seconds(prints),
        total_seconds=_total_seconds(prints),
        channel_names=schema.channel_names,
        units=schema.units,
        with_missing=int((missing > 0).sum()),
        missing_share=int(missing.sum()) / values,
        constant=int(prints.fact("constant").sum()),
        clipped=int(prints.fact("clipped").sum()),
        transcripts=None if not tokens else _range(np.array([len(each) for each in tokens])),
    )


def _rates(prints: Fingerprints) -> list[tuple[float, int]]:
    """Rates that are known, the most frequent one first."""
    rates, counts = np.unique(prints.fact("rate"), return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return [(float(rates[i]), int(counts[i])) for i in order if rates[i] > 0]


def _durations(prints: Fingerprints) -> npt.NDArray[np.float64] | None:
    rates = prints.fact("rate")
    return prints.fact("length") / rates if len(rates) and (rates > 0).all() else None


def _seconds(prints: Fingerprints) -> tuple[float, float, float] | None:
    found = _durations(prints)
    if found is None:
        return None
    return float(found.min()), float(np.median(found)), float(found.max())


def _total_seconds(prints: Fingerprints) -> float | None:
    found = _durations(prints)
    return None if found is None else float(found.sum())


def series_findings(dataset: Dataset, prints: Fingerprints) -> Iterator[Finding]:
    """Samples that say little, channels that say nothing, rates that differ."""
    is_sound = dataset.schema.modality is Modality.SOUND
    constant = prints.facts["constant"]
    if is_sound:
        yield from _named(dataset, prints, constant, "silent", "silent")
        clipped = prints.facts["clipped"]
        yield from _named(dataset, prints, clipped, "clipped", "clipped at full scale")
        yield from _mixed_rates(dataset, prints)
        return
    yield from _named(
        dataset, prints, constant, "constant", "constant: they have no shape to learn"
    )
    yield from _dead_channels(dataset, prints)
    gaps = prints.facts["missing"] > _MOSTLY * dataset.schema.channels * prints.facts["length"]
    what = "mostly missing: more than half of their values are made up"
    yield from _named(dataset, prints, gaps, "mostly-missing", what)


def _named(
    dataset: Dataset, prints: Fingerprints, found: npt.NDArray[np.bool_], code: str, what: str
) -> Iterator[Finding]:
    rows = np.flatnonzero(found & prints.readable).tolist()
    if rows:
        n, keys = int(prints.readable.sum()), dataset.table.keys
        yield Finding(
            severity="warning",
            code=code,
            message=f"{share(len(rows), n)} {prints.kind.words.many} are {what}",
            keys=tuple((str(keys[row]),) for row in rows),
        )


def _dead_channels(dataset: Dataset, prints: Fingerprints) -> Iterator[Finding]:
    """Channels that are constant in every sample, unless all are."""
    flat = prints.fact("flat")
    if not len(flat) or prints.fact("constant").all():
        return
    always = int(np.bitwise_and.reduce(flat))
    names = dataset.schema.channel_names
    dead = [
        names[i] if names else str(i)
        for i in range(min(dataset.schema.channels, 64))
        if always >> i & 1
    ]
    if dead:
        yield Finding(
            severity="warning",
            code="dead-channels",
            message=f"{len(dead)} of {dataset.schema.channels} channels are constant in every "
            f"sample: {some(dead)}",
        )


def _mixed_rates(dataset: Dataset, prints: Fingerprints) -> Iterator[Finding]:
    rates = _rates(prints)
    if len(rates) > 1:
        counts = ", ".join(f"{count:,} at {rate:,g} Hz" for rate, count in rates)
        yield Finding(
            severity="info",
            code="mixed-rates",
            message=f"clips of several rates ({counts}) all become {dataset.schema.rate:,g} Hz",
        )
