"""Decoded samples on disk: the work of decoding is done once, not once an epoch or a run.

Legend: n samples of the split.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
import PIL

from residua.data.dataset import Problem, Reader
from residua.data.forms import Form
from residua.data.readers.locations import cache_folder
from residua.data.records import Record, RecordFile, load_records, records_once
from residua.data.rows import Rows
from residua.data.storage import (
    Gathered,
    Progress,
    cores,
    problem,
    scan_decoded,
    unreadable,
)
from residua.errors import DataError
from residua.files import canonical_json


class CachedStorage:
    """A `Storage` that reads decoded samples from one file.

    Args:
        file: Samples of ``rows``, in that order.
        rows: int64 ``[n]`` ascending rows of the table.
        form: The form in which they were decoded.
    """

    def __init__(self, file: RecordFile, rows: Rows, form: Form) -> None:
        self._file = file
        self._rows = rows
        self._form = form
        self._ok = np.diff(file.offsets) > 0

    @property
    def problems(self) -> tuple[Problem, ...]:
        return self._file.problems

    def gather(self, rows: Rows) -> Gathered:
        """See `residua.data.storage.Storage`."""
        positions = np.searchsorted(self._rows, rows)
        assert np.array_equal(self._rows[positions], rows), "rows of another split"
        ok = self._ok[positions]
        positions = positions[ok]
        return Gathered(stack=self._form.from_file(self._file, positions), ok=ok)


class DecodedCache:
    """The cache of one split in one form: whether it is there, what it would take, how to get it.

    Args:
        reader: The source.
        rows: int64 ``[n]`` ascending rows of the table.
        form: The form in which samples are kept.
    """

    def __init__(self, reader: Reader, rows: Rows, form: Form) -> None:
        self._reader = reader
        self._rows = rows
        self._form = form
        self._key = records_key("decoded", reader, rows, form)

    @property
    def path(self) -> Path:
        return cache_folder() / f"{self._key}.decoded"

    @cached_property
    def size(self) -> int:
        """Bytes that the samples take."""
        return self._form.size(self._reader, self._rows)

    def exists(self) -> bool:
        return load_records(self.path, self._key) is not None

    def is_affordable(self) -> bool:
        """Whether the samples take at most a quarter of the free disk."""
        return self.size <= free_bytes(self.path.parent) // 4

    def open(self, *, strict: bool = False, progress: Progress | None = None) -> CachedStorage:
        """Loads the cache, or first builds it with all cores and in bounded memory.

        Raises:
            UnreadableSampleError: In strict mode, for the first sample that cannot be decoded.
            DiskFullError: The disk is full; nothing is left behind.
        """
        file = records_once(
            self.path, self._key, lambda: self._records(strict, progress), size=self.size
        )
        if strict and file.problems:
            raise unreadable(file.problems[0])
        return CachedStorage(file, self._rows, self._form)

    def _records(self, strict: bool, progress: Progress | None) -> Iterator[Record]:
        keys, n = self._reader.table.keys, len(self._rows)
        decoded = scan_decoded(self._reader, self._rows, self._form, threads=cores())
        for done, (row, stored) in enumerate(decoded):
            assert row == self._rows[done], "a reader scanned out of order"
            if progress is not None and done % 100 == 0:
                progress(done, n)
            if isinstance(stored, DataError):
                found = problem(keys[row], stored)
                if strict:
                    raise unreadable(found) from stored
                yield Record(problem=found)
            else:
                content = np.ascontiguousarray(stored.values).reshape(-1).view(np.uint8).data
                yield Record(content=content, aspect=stored.aspect)
        if progress is not None:
            progress(n, n)


def records_key(kind: str, reader: Reader, rows: Rows, form: Form | None = None) -> str:
    """Hex hash of all that the content of a cache file depends on."""
    facts = {
        "kind": kind,
        "reader": reader.identity(),
        "rows": hashlib.sha256(np.ascontiguousarray(rows).data).hexdigest(),
        # Another Pillow may bring another JPEG decoder, with other rounding.
        "form": None if form is None else [form.identity(), PIL.__version__],
    }
    return hashlib.sha256(canonical_json(facts).encode()).hexdigest()[:32]


def free_bytes(folder: Path) -> int:
    """Free space on the disk of ``folder``, which need not exist yet."""
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return shutil.disk_usage(there).free
