"""Stretches of long recordings as samples: windows around events, and annotated segments.

Legend: n samples, c channels, t steps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from residua.batch import Modality, Schema
from residua.data.dataset import Problem, Raw, Table
from residua.data.readers.shared import files_identity, shorten
from residua.data.recordings import (
    POSITION,
    Ahead,
    Recording,
    Values,
    read_padded,
    with_position,
)
from residua.data.signal_values import filled, resampled
from residua.errors import DataError

AnyRecording = TypeVar("AnyRecording", bound=Recording)


@dataclass(frozen=True, kw_only=True, eq=False)
class SegmentReader:
    """Samples are float32 ``[c, t]``, NaN where they reach beyond their recording.

    A recording of another rate than the schema's is resampled, sample by sample.

    Attributes:
        kind: What the samples are, with all parameters that decide it.
        root: Where ``files`` lie.
        files: All that the samples depend on.
        recordings: The sources, all with the channels of the schema.
        owners: int64 ``[n]``, for each sample its recording; ascending.
        starts: int64 ``[n]`` first steps, counted in the recording; may be negative.
        stops: int64 ``[n]`` the steps behind the last ones; may lie behind the end.
        before: Seconds from a sample's start to its event, which one more channel then marks;
            None where samples have no event.
    """

    kind: str
    root: Path
    files: Sequence[str]
    name: str
    schema: Schema
    table: Table
    problems: Sequence[Problem]
    recordings: Sequence[Recording]
    owners: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    stops: npt.NDArray[np.int64]
    before: float | None = None

    def identity(self) -> str:
        return files_identity(self.kind, self.root, self.files)

    def read(self, row: int) -> Raw:
        recording = self.recordings[self.owners[row]]
        values = read_padded(recording, int(self.starts[row]), int(self.stops[row]))
        return self._finished(values, recording.rate, row)

    def scan(self, rows: Sequence[int]) -> Iterator[tuple[int, Raw | DataError]]:
        owner, ahead = -1, None
        for row in map(int, rows):
            if ahead is None or owner != self.owners[row]:
                owner = int(self.owners[row])
                ahead = Ahead(self.recordings[owner])
            try:
                values = ahead.read(int(self.starts[row]), int(self.stops[row]))
                yield row, self._finished(values, self.recordings[owner].rate, row)
            except DataError as error:
                yield row, error

    def _finished(self, values: Values, rate: float, row: int) -> Values:
        values = self._at_rate(values, rate)
        if self.before is None:
            return values
        return with_position(values, self.schema.rate or rate, self.before, self.table.keys[row])

    def _at_rate(self, values: Values, rate: float) -> Values:
        wanted = self.schema.rate
        if wanted is None or wanted == rate:
            return values
        steps = round(values.shape[1] * wanted / rate)
        found = resampled(filled(values, "interpolate", self.name), rate, wanted, self.name)
        nearest = np.minimum(np.arange(steps) * rate / wanted, values.shape[1] - 1).astype(np.int64)
        return np.where(np.isnan(values[:, nearest]), np.float32(np.nan), found[:, :steps])


def common_rate(recordings: Sequence[Recording], problems: list[Problem]) -> float:
    """The rate of most recordings, of equally many the higher; the others are told."""
    counts = Counter(each.rate for each in recordings)
    rate = max(counts, key=lambda each: (counts[each], each))
    problems += [
        Problem(key=each.name, reason=f"resampled from {each.rate:g} Hz to {rate:g} Hz")
        for each in recordings
        if each.rate != rate
    ]
    return rate


def with_common_channels(
    recordings: Sequence[AnyRecording], problems: list[Problem], channels: Sequence[str] = ()
) -> list[AnyRecording]:
    """The recordings with the same channels, by name, in the same order.

    These are ``channels``, else those that all recordings have, in the order of the first; where
    all have none in common, the one that most have. Recordings that lack one are left out; they
    and the channels that are left out are told in ``problems``.
    """
    counts = Counter(name for each in recordings for name in each.channel_names)
    wanted = list(channels) or [name for name, n in counts.items() if n == len(recordings)]
    wanted = wanted or [counts.most_common(1)[0][0]]
    if spare := [name for name in counts if name not in wanted]:
        reason = f"channels left out that not all recordings have: {shorten(spare)}"
        problems.append(Problem(key=f"channel {', '.join(wanted)}", reason=reason))
    kept: list[AnyRecording] = []
    for each in recordings:
        if missing := [name for name in wanted if name not in each.channel_names]:
            problems.append(
                Problem(
                    key=each.name,
                    reason=f"left out: it has no channel {', '.join(missing)}"
                    f" but {shorten(each.channel_names)}",
                )
            )
        else:
            kept.append(each.picked([each.channel_names.index(name) for name in wanted]))
    return kept


def common_units(recordings: Sequence[Recording], problems: list[Problem]) -> tuple[str, ...]:
    """The unit of each channel, that of the first recording; other ones are told."""
    units = recordings[0].units
    problems += [
        Problem(
            key=each.name,
            reason=f"units {', '.join(each.units)}, other than {', '.join(units)} of"
            f" {recordings[0].name}; values are taken as they are",
        )
        for each in recordings
        if each.units != units
    ]
    return units


def signal_schema(
    recordings: Sequence[Recording],
    classes: tuple[str, ...],
    problems: list[Problem],
    *,
    position: bool = False,
) -> Schema:
    """Of recordings with the same channels, and with the position of an event if so."""
    names, units = recordings[0].channel_names, common_units(recordings, problems)
    return Schema(
        modality=Modality.SIGNAL,
        channels=len(names) + position,
        classes=classes,
        rate=common_rate(recordings, problems),
        channel_names=(*names, POSITION) if position else names,
        units=(*units, "s") if position else units,
    )
