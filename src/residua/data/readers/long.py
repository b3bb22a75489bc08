"""Long CSV tables: a row is one step of a series, or one step of one of its channels.

Columns ``id``, if wanted ``time``, then either ``channel`` and ``value`` or a column a channel, and
``label``. Rows of a series may lie anywhere. With times, they order the steps, and a channel
without a value at a time of its series has a missing value there. The values are kept in memory.

Legend: n samples, c channels, t steps.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from residua.batch import Modality, Schema, Split
from residua.data.readers.records import cells_of, decoded, head_lines
from residua.data.readers.series import (
    Findings,
    SeriesFiles,
    SeriesReader,
    Signal,
    held,
    is_number,
    numbers,
)
from residua.data.readers.shared import natural_order
from residua.data.readers.table_columns import TableColumns, split_of
from residua.data.readers.targets import Case, Meaning, encode_targets
from residua.errors import FormatError, LabelError, UnreadableSampleError

_UNIT = re.compile(r"(?P<name>.+?)\s*[\[(](?P<unit>[^\])]+)[\])]")


@dataclass(slots=True)
class _Series:
    """The rows of one series so far; ``times`` are numbers or, until the end, texts."""

    key: str
    label: tuple[str, ...]
    split: Split | None
    group: str
    times: list[str] = field(default_factory=list[str])
    places: array[int] = field(default_factory=lambda: array("l"))
    values: array[float] = field(default_factory=lambda: array("f"))
    wrong: UnreadableSampleError | None = None


class _Collection:
    """Series by id, in the order in which they begin, and the channels met so far."""

    def __init__(self, channels: Sequence[str]) -> None:
        self.series: dict[str, _Series] = {}
        self.channels = {name: place for place, name in enumerate(channels)}


def open_long(files: SeriesFiles, columns: Sequence[TableColumns], *, strict: bool) -> SeriesReader:
    """Errors as in `residua.data.readers.delimited.open_delimited`. A damaged row spoils its
    series, which is left out and told; the others stay."""
    names = _value_names(columns[0])
    for path, each in zip(files.paths, columns, strict=True):
        if _value_names(each) != names:
            what, expected = "the tables of a data set have different channels", ", ".join(names)
            raise FormatError(what, expected=expected, where=path)
    findings = Findings(strict=strict)
    collection = _Collection(() if columns[0].channel >= 0 else names)
    for number, each in enumerate(columns):
        _read(files, number, each, collection, findings)
    channels = natural_order(collection.channels) if columns[0].channel >= 0 else list(names)
    order = [collection.channels[name] for name in channels]
    good: list[tuple[_Series, Signal]] = []
    for series in collection.series.values():
        try:
            good.append((series, _grid(series, order)))
        except UnreadableSampleError as error:
            findings.leave_out(error, series.key)
    findings.check_any(len(good), files.paths[0])
    cases = [
        Case(key=each.key, label=each.label, split=each.split, group=each.group) for each, _ in good
    ]
    targets = encode_targets(cases, Meaning(quantities=columns[0].quantities), strict=strict)
    labels, units = _units(channels)
    return SeriesReader(
        kind="table long",
        files=files,
        schema=Schema(
            modality=Modality.SIGNAL,
            task=targets.task,
            channels=len(channels),
            classes=targets.classes,
            channel_names=labels,
            units=units,
        ),
        table=targets.table,
        problems=[*findings.problems, *targets.problems],
        source=held([good[int(i)][1] for i in targets.kept]),
    )


def _value_names(columns: TableColumns) -> tuple[str, ...]:
    return tuple(columns.names[i] for i in columns.values)


def _units(channels: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """``speed [km/h]`` is a name and a unit, if all channels are called so."""
    matches = [_UNIT.fullmatch(name) for name in channels]
    if not all(matches):
        return tuple(channels), ()
    found = [match for match in matches if match]
    return tuple(m["name"] for m in found), tuple(m["unit"] for m in found)


def _read(
    files: SeriesFiles,
    number: int,
    columns: TableColumns,
    collection: _Collection,
    findings: Findings,
) -> None:
    path, split = files.parts[number]
    name = files.names[number]
    first = next(line for line, _, text in head_lines(path) if text.strip())
    with path.open("rb") as lines:
        for line, content in enumerate(lines, 1):
            if line <= first or not content.strip():
                continue
            where = f"{name}:{line}"
            try:
                cells = cells_of(decoded(content), columns.delimiter)
                if len(cells) != len(columns.names):
                    raise UnreadableSampleError(
                        "another number of cells than the header",
                        expected=len(columns.names),
                        received=len(cells),
                    )
            except UnreadableSampleError as error:
                findings.leave_out(error, where)
                _spoil(collection, name, content, columns, where)
                continue
            series = _series_of(cells, columns, collection, name, split, path, line)
            _add(series, cells, columns, collection, where)


def _spoil(
    collection: _Collection, name: str, content: bytes, columns: TableColumns, where: str
) -> None:
    """A row is lost; if its id can still be read, its series is not whole."""
    cells = content.decode("utf-8", "replace").split(columns.delimiter)
    if len(cells) > columns.id and (series := collection.series.get(f"{name}#{cells[columns.id]}")):
        series.wrong = series.wrong or UnreadableSampleError("a row is lost", received=where)


def _series_of(
    cells: Sequence[str],
    columns: TableColumns,
    collection: _Collection,
    name: str,
    split: Split | None,
    path: Path,
    line: int,
) -> _Series:
    key = f"{name}#{cells[columns.id]}"
    label = tuple(cells[i] for i in columns.label)
    group = cells[columns.group] if columns.group >= 0 else ""
    try:
        own = split or (split_of(cells[columns.split]) if columns.split >= 0 else None)
    except LabelError as error:
        where = f"{path}, line {line}"
        what, expected = error.what, error.expected
        raise LabelError(what, expected=expected, received=error.received, where=where) from error
    series = collection.series.get(key)
    if series is None:
        series = collection.series[key] = _Series(key, label, own, group)
    elif (series.label, series.split, series.group) != (label, own, group):
        facts = "label, split or group"
        what = f"the rows of a series differ in {facts}, first in line {line}"
        series.wrong = series.wrong or UnreadableSampleError(what)
    return series


def _add(
    series: _Series,
    cells: Sequence[str],
    columns: TableColumns,
    collection: _Collection,
    where: str,
) -> None:
    try:
        values = numbers([cells[i] for i in columns.values])
    except UnreadableSampleError as error:
        received = str(error.received).split(" at step")[0]
        wrong = UnreadableSampleError(f"{error.what}, {where}", received=received)
        series.wrong = series.wrong or wrong
        return
    if columns.channel >= 0:
        channels = collection.channels
        place = channels.setdefault(cells[columns.channel], len(channels))
        series.places.append(place)
    if columns.time >= 0:
        series.times.append(cells[columns.time])
    series.values.extend(values.tolist())


def _grid(series: _Series, order: Sequence[int]) -> Signal:
    """float32 ``[c, t]``, channels in ``order``, NaN where the table has no row."""
    if series.wrong:
        raise series.wrong
    values = np.frombuffer(series.values, dtype=np.float32)
    together = not series.places  # a row has all channels
    rows = values.reshape(-1, len(order)) if together else values[:, np.newaxis]
    places = np.array(series.places, dtype=np.int64)
    if series.times:
        steps, index = np.unique(_times(series.times), return_inverse=True)
        count = len(steps)
    else:
        index = np.arange(len(rows)) if together else _ranks(places)
        count = int(index.max()) + 1 if len(index) else 0
    if not count:
        raise UnreadableSampleError("the series has no values")
    grid = np.full((len(order), count), np.nan, dtype=np.float32)
    cells = index if together else places * count + index
    if len(np.unique(cells)) < len(cells):
        raise UnreadableSampleError("a time of the series comes twice")
    if together:
        grid[:, index] = rows.T
    else:
        grid[places, index] = rows[:, 0]
    return grid[list(order)]


def _times(texts: Sequence[str]) -> npt.NDArray[np.generic]:
    """Numbers, or ISO 8601 dates and times."""
    if all(is_number(text) for text in texts):
        return np.array([float(text) for text in texts])
    try:
        return np.array([text.replace("Z", "") for text in texts], dtype="datetime64[us]")
    except ValueError as error:
        shown = next(text for text in texts if not is_number(text))
        raise UnreadableSampleError(
            "a time is no number and no date", expected="2024-01-31T12:00:00", received=f"'{shown}'"
        ) from error


def _ranks(places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """How often each place came before: the step, where a channel's rows follow each other."""
    order = np.argsort(places, kind="stable")
    ranked = places[order]
    starts = np.searchsorted(ranked, ranked)
    ranks = np.empty(len(places), dtype=np.int64)
    ranks[order] = np.arange(len(places)) - starts
    return ranks
