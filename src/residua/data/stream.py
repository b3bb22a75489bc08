"""Samples decoded each time they are asked for, for data that is too large to keep decoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from residua.data.cache import DecodedCache, records_key
from residua.data.config import DataConfig
from residua.data.dataset import Problem, Raw, Reader
from residua.data.forms import Form, Kept
from residua.data.joined import JoinedReader
from residua.data.readers.locations import cache_folder
from residua.data.readers.parquet import ParquetReader
from residua.data.records import Record, RecordFile, records_once
from residua.data.retabled import RetabledReader
from residua.data.rows import Rows
from residua.data.storage import (
    Gathered,
    Progress,
    Storage,
    problem,
    store_one,
    unreadable,
)
from residua.errors import DataError, UnreadableSampleError


class Source(Protocol):
    """Random access to encoded samples; every `Reader` has it, some only at a price."""

    def read(self, row: int) -> Raw: ...


class StreamStorage:
    """A `Storage` that decodes on demand.

    Args:
        source: Hands out encoded samples.
        keys: Names of all rows of the table.
        form: The form in which samples are decoded.
        strict: Raise at the first unreadable sample instead of naming it.
    """

    problems: tuple[Problem, ...] = ()

    def __init__(
        self, source: Source, keys: Sequence[str], form: Form, *, strict: bool = False
    ) -> None:
        self._source = source
        self._keys = keys
        self._form = form
        self._strict = strict

    def gather(self, rows: Rows) -> Gathered:
        """See `residua.data.storage.Storage`."""
        ok = np.zeros(len(rows), dtype=np.bool_)
        kept: list[Kept] = []
        problems: list[Problem] = []
        for position, row in enumerate(map(int, rows)):
            stored = store_one(self._read(row), self._keys[row], self._form)
            if not isinstance(stored, DataError):
                ok[position] = True
                kept.append(stored)
                continue
            problems.append(problem(self._keys[row], stored))
            if self._strict:
                raise unreadable(problems[-1]) from stored
        return Gathered(stack=self._form.stacked(kept), ok=ok, problems=tuple(problems))

    def _read(self, row: int) -> Raw | DataError:
        try:
            return self._source.read(row)
        except DataError as error:
            return error


class Spool:
    """A `Source`: the encoded samples of one split in one flat file.

    Column files and compressed streams must be decoded in large pieces: to read their samples in
    random order costs a piece for each. One pass copies them, still encoded, to where any of them
    is one read away.
    """

    def __init__(self, file: RecordFile, rows: Rows) -> None:
        self._file = file
        self._rows = rows
        self._reasons = {found.key: found.reason for found in file.problems}

    def read(self, row: int) -> Raw:
        position = int(np.searchsorted(self._rows, row))
        content = self._file.read(position)
        if not content:
            raise UnreadableSampleError(self._reasons[str(row)])
        return _unpacked(content)


def open_spool(reader: Reader, rows: Rows, *, progress: Progress | None = None) -> Spool:
    """The spool of ``rows``; written first, in one pass and bounded memory, where there is none.

    Raises:
        DiskFullError: The disk is full; nothing is left behind.
    """
    key = records_key("encoded", reader, rows)

    def records() -> Iterator[Record]:
        for done, (row, raw) in enumerate(reader.scan(list(map(int, rows)))):
            if progress is not None and done % 100 == 0:
                progress(done, len(rows))
            if isinstance(raw, DataError):
                yield Record(problem=Problem(key=str(row), reason=str(raw)))
            else:
                yield Record(content=_packed(raw))
        if progress is not None:
            progress(len(rows), len(rows))

    path = cache_folder() / f"{key}.encoded"
    return Spool(records_once(path, key, records, size=0), rows)


def _packed(raw: Raw) -> bytes:
    """A byte that counts the dimensions (0 for an encoded file), the shape, the content."""
    if isinstance(raw, bytes):
        return b"\0" + raw
    shape = np.asarray(raw.shape, dtype="<i8")
    return bytes([raw.ndim]) + shape.tobytes() + np.ascontiguousarray(raw).tobytes()


def _unpacked(content: bytearray) -> Raw:
    dimensions = content[0]
    if dimensions == 0:
        return bytes(memoryview(content)[1:])
    start = 1 + 8 * dimensions
    shape = np.frombuffer(content, dtype="<i8", count=dimensions, offset=1)
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)


def open_storage(
    reader: Reader,
    rows: Rows,
    form: Form,
    config: DataConfig,
    *,
    progress: Progress | None = None,
) -> Storage:
    """The cache or the stream, as `DataConfig.cache` says.

    Raises:
        UnreadableSampleError: With ``config.strict``, while a cache is built.
        DiskFullError: No space for it.
    """
    cache = DecodedCache(reader, rows, form)
    if config.cache == "always" or (
        config.cache == "auto" and (cache.exists() or cache.is_affordable())
    ):
        return cache.open(strict=config.strict, progress=progress)
    source = open_spool(reader, rows, progress=progress) if _is_piecewise(reader) else reader
    return StreamStorage(source, reader.table.keys, form, strict=config.strict)


def _is_piecewise(reader: Reader) -> bool:
    """Whether one sample costs a large piece, of the source itself or of one below it."""
    if isinstance(reader, RetabledReader):
        return _is_piecewise(reader.source)
    if isinstance(reader, JoinedReader):
        return _is_piecewise(reader.first) or _is_piecewise(reader.second)
    return isinstance(reader, ParquetReader)
