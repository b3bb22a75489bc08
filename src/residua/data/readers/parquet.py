"""Parquet files in the layout of Hugging Face's `datasets`.

A file, or a folder with ``train-*.parquet`` and ``test-*.parquet`` in it, in ``data/`` or in a
folder a split. The picture column is ``struct<bytes, path>``, binary, or text with paths; it and
the label column are found from the features in the metadata (Image, ClassLabel), else by name and
type. Instead of pictures there may be series, as lists of numbers or lists of such lists (one a
channel), or a column ``text``.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from residua.batch import Modality, Schema, Split
from residua.data.dataset import Problem, Raw, Table
from residua.data.readers import parquet_cells
from residua.data.readers.columns import Columns, find_columns
from residua.data.readers.series import usual
from residua.data.readers.shared import (
    SPLIT_NAMES,
    count_channels,
    encode_labels,
    files_identity,
    read_file,
    shorten,
    spaced,
)
from residua.errors import DataError, FormatError, LabelError, UnreadableSampleError

_BATCH = 16
_BUFFER = 1 << 20
_HEADER_GROUPS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One file. ``ends`` are the rows before the end of each row group, ascending."""

    path: Path
    split: Split | None
    first: int
    ends: Sequence[int]

    @property
    def rows(self) -> int:
        return self.ends[-1] if self.ends else 0


@dataclass(frozen=True, kw_only=True, eq=False)
class ParquetReader:
    """Pictures, series or texts in Parquet files; keys are ``train-00000-of-00001.parquet#17``.

    `read` keeps the row group that it read last, as that is what the format can fetch; `scan` reads
    page by page. So a file of one huge row group takes as much memory when read at random.
    """

    root: Path
    name: str
    parts: Sequence[_Part]
    column: str
    schema: Schema
    table: Table
    problems: Sequence[Problem]
    _last: dict[tuple[int, int], Any] = field(default_factory=dict[tuple[int, int], Any])

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_last": {}}

    def identity(self) -> str:
        names = [part.path.relative_to(self.root).as_posix() for part in self.parts]
        return files_identity("parquet", self.root, names)

    def read(self, row: int) -> Raw:
        number, part = self._part(row)
        index = row - part.first
        group = bisect.bisect_right(part.ends, index)
        start = part.ends[group - 1] if group else 0
        value = self._group(number, group)[index - start].as_py()
        return self._value(value, part, row)

    def scan(self, rows: Sequence[int]) -> Iterator[tuple[int, Raw | DataError]]:
        for part in self.parts:
            low = bisect.bisect_left(rows, part.first)
            high = bisect.bisect_left(rows, part.first + part.rows)
            for index, value in _values(part, self.column, rows[low:high]):
                row = part.first + index
                try:
                    yield row, self._value(value, part, row)
                except DataError as error:
                    yield row, error

    def _value(self, value: Any, part: _Part, row: int) -> Raw:
        key = self.table.keys[row]
        if self.schema.modality is Modality.SIGNAL:
            return parquet_cells.signal(value, self.schema.channels or None, key)
        if self.schema.modality is Modality.TEXT:
            return parquet_cells.text(value, key)
        return _raw(value, part.path, key)

    def _group(self, number: int, group: int) -> Any:
        """The samples' column of one row group."""
        column = self._last.get((number, group))
        if column is None:
            with _opened(self.parts[number].path) as file:
                column = file.read_row_group(group, [self.column], use_threads=False).column(0)
            self._last.clear()
            self._last[number, group] = column
        return column

    def _part(self, row: int) -> tuple[int, _Part]:
        number = bisect.bisect_right([part.first for part in self.parts], row) - 1
        return number, self.parts[number]


def find_parquet(folder: Path) -> list[Path]:
    """The Parquet files of a data set: in the folder, in ``data/``, or in a folder a split."""
    places = [folder, folder / "data", folder / "default"]
    branches = [place / name for place in places for name in SPLIT_NAMES]
    for group in ([place] for place in places):
        if files := _parquet_in(group):
            return files
    return _parquet_in(branches)


def _parquet_in(folders: Sequence[Path]) -> list[Path]:
    found = {file for folder in folders for file in folder.glob("*.parquet")}
    return sorted(file for file in found if not file.name.startswith("."))


def open_parquet(path: Path) -> ParquetReader:
    """Reads the metadata, the label column and a few pictures' headers.

    Raises:
        FormatError: A file is not Parquet, the columns cannot be told, files differ in them.
        LabelError: A label outside the class names; a class that only the test knows.
    """
    files = [path] if path.is_file() else find_parquet(path)
    root = path.parent if path.is_file() else path
    problems: list[Problem] = []
    parts, columns = _open_parts(root, files, problems)
    keys = [
        f"{part.path.relative_to(root).as_posix()}#{row}"
        for part in parts
        for row in range(part.rows)
    ]
    splits = [part.split for part in parts for _ in range(part.rows)]
    values = [value for part in parts for value in _read_labels(part, columns)]
    table, schema = _described(parts, columns, values, splits, keys, root)
    reader = ParquetReader(
        root=root,
        name=path.stem if path.is_file() else path.resolve().name,
        parts=parts,
        column=columns.content,
        schema=schema,
        table=table,
        problems=problems,
    )
    return replace(reader, schema=replace(schema, channels=_channels(reader)))


def _described(
    parts: Sequence[_Part],
    columns: Columns,
    values: Sequence[Any],
    splits: Sequence[Split | None],
    keys: Sequence[str],
    root: Path,
) -> tuple[Table, Schema]:
    """All but the number of channels, which is 0 until samples are seen."""
    schema = Schema(modality=columns.modality, channels=0)
    if columns.modality is Modality.IMAGE or columns.classes:
        classes, labels = _encode(values, columns.classes, splits, keys, root)
        table = Table(keys=keys, labels=labels, splits=splits)
        if columns.group:
            groups = [str(name) for part in parts for name in _read_column(part, columns.group)]
            table = replace(table, groups=groups)
        return table, replace(schema, classes=classes)
    groups = None
    if columns.group:
        groups = [name for part in parts for name in _read_column(part, columns.group)]
    found = parquet_cells.targets(values, columns.quantities, splits, groups, keys)
    return found.table, replace(schema, classes=found.classes, task=found.task)


def _channels(reader: ParquetReader) -> int:
    if reader.schema.modality is Modality.TEXT:
        return 1
    first = list(_first_samples(reader))
    if reader.schema.modality is Modality.IMAGE:
        return count_channels(raw for raw in first if isinstance(raw, bytes))
    counts = [len(raw) for raw in first if not isinstance(raw, bytes)]
    if not counts:
        raise FormatError("no series can be read", expected="lists of numbers", where=reader.root)
    return usual(counts)


@contextmanager
def _opened(path: Path) -> Generator[Any]:
    """A `pyarrow.parquet.ParquetFile` that reads page by page, not a row group at once."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        raise FormatError("this is not a whole Parquet file", received=error, where=path) from error


def _open_parts(
    root: Path, files: Sequence[Path], problems: list[Problem]
) -> tuple[list[_Part], Columns]:
    splits = {file: _split_of(file.relative_to(root)) for file in files}
    parts: list[_Part] = []
    columns: Columns | None = None
    for file, split in splits.items():
        if split is None and any(splits.values()):
            reason = "left out: its name has no split, others' have"
            problems.append(Problem(key=file.name, reason=reason))
            continue
        with _opened(file) as opened:
            columns = columns or find_columns(opened.schema_arrow, file)
            _check_columns(opened.schema_arrow.names, columns, file)
            sizes = [opened.metadata.row_group(i).num_rows for i in range(opened.num_row_groups)]
        first = parts[-1].first + parts[-1].rows if parts else 0
        ends = [int(end) for end in np.cumsum(sizes)]
        parts.append(_Part(path=file, split=split, first=first, ends=ends))
    assert columns, "there is at least one file"
    return parts, columns


def _split_of(file: Path) -> Split | None:
    """From ``train-00000-of-00001.parquet``, ``train.parquet`` or ``train/0000.parquet``, which
    are relative: what lies above the data set says nothing."""
    word = re.split(r"[-_.]", file.stem.lower(), maxsplit=1)[0]
    return SPLIT_NAMES.get(word) or SPLIT_NAMES.get(file.parent.name.lower())


def _check_columns(names: Sequence[str], columns: Columns, file: Path) -> None:
    if not {columns.content, columns.label} <= set(names):
        raise FormatError(
            "the files of a data set have different columns",
            expected=f"{columns.content} and {columns.label}",
            received=shorten(names),
            where=file,
        )


def _read_labels(part: _Part, columns: Columns) -> list[Any]:
    values = _read_column(part, columns.label)
    if None in values:
        raise LabelError("a label is missing", where=f"{part.path}#{values.index(None)}")
    return values


def _read_column(part: _Part, name: str) -> list[Any]:
    with _opened(part.path) as file:
        return file.read(columns=[name], use_threads=False).column(0).to_pylist()


def _encode(
    values: Sequence[Any],
    classes: tuple[str, ...] | None,
    splits: Sequence[Split | None],
    keys: Sequence[str],
    where: Path,
) -> tuple[tuple[str, ...], Any]:
    """With declared names a label is a position among them, -1 where it is unknown."""
    if classes is None:
        return encode_labels([str(value) for value in values], splits, keys, where)
    labels = np.array(values, dtype=np.int64)
    wrong = np.flatnonzero((labels < -1) | (labels >= len(classes)))
    if len(wrong):
        raise LabelError(
            "a label has no class",
            expected=f"0 to {len(classes) - 1}, as there are {len(classes)} class names",
            received=labels[wrong[0]],
            where=where / keys[int(wrong[0])],
        )
    return classes, labels


def _values(part: _Part, column: str, rows: Sequence[int]) -> Iterator[tuple[int, Any]]:
    """Pairs (row of the file, value) of ascending ``rows`` of the table, batch by batch."""
    wanted = [int(row) - part.first for row in rows]
    if not wanted:
        return
    with _opened(part.path) as file:
        for group, end in enumerate(part.ends):
            start = part.ends[group - 1] if group else 0
            chosen = wanted[bisect.bisect_left(wanted, start) : bisect.bisect_left(wanted, end)]
            if not chosen:
                continue
            batches = file.iter_batches(_BATCH, [group], [column], use_threads=False)
            yield from _pick(batches, start, chosen)


def _pick(batches: Any, start: int, chosen: Sequence[int]) -> Iterator[tuple[int, Any]]:
    """The values of ascending rows ``chosen`` from batches that begin at row ``start``."""
    position = 0
    for batch in batches:
        values = batch.column(0)
        while position < len(chosen) and chosen[position] < start + len(values):
            yield chosen[position], values[chosen[position] - start].as_py()
            position += 1
        if position == len(chosen):
            return
        start += len(values)


def _raw(value: Any, file: Path, key: str) -> bytes:
    """The picture of a cell: its bytes, or the file that its path names."""
    content, path = value, None
    if isinstance(value, dict):
        content, path = cast("tuple[Any, Any]", (value.get("bytes"), value.get("path")))
    elif isinstance(value, str):
        content, path = None, value
    if content is not None:
        return bytes(content)
    if path is None:
        raise UnreadableSampleError("the picture is missing", received="null", where=key)
    return read_file(file.parent / path, key)


def _first_samples(reader: ParquetReader) -> Iterator[Raw]:
    """The first samples of a few row groups over all files: evenly spaced ones would have to
    read through everything between."""
    starts = [
        (part, end_of_previous)
        for part in reader.parts
        for end_of_previous in (0, *part.ends[:-1])
        if part.rows
    ]
    for position in spaced(len(starts), _HEADER_GROUPS):
        part, start = starts[position]
        stop = min(start + _BATCH, part.rows)
        for _, raw in reader.scan(range(part.first + start, part.first + stop)):
            if not isinstance(raw, DataError):
                yield raw
