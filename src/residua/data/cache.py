"""Decoded pictures on disk: the work of decoding is done once, not once an epoch or a run.

Legend: n samples of the split, b samples asked for, c channels, h height, w width.
"""

from __future__ import annotations

import hashlib
import math
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL
import torch

from residua.data.dataset import Problem, Reader
from residua.data.preprocess import StorageForm
from residua.data.readers.locations import cache_folder
from residua.data.records import Record, RecordFile, load_records, records_once
from residua.data.storage import (
    Gathered,
    Progress,
    Rows,
    cores,
    problem,
    scan_decoded,
    unreadable,
)
from residua.errors import DataError
from residua.files import canonical_json


class CachedStorage:
    """A `Storage` that reads decoded pictures from one file.

    Args:
        file: Pictures of ``rows``, in that order.
        rows: int64 ``[n]`` ascending rows of the table.
        form: The form in which they were decoded.
    """

    def __init__(self, file: RecordFile, rows: Rows, form: StorageForm) -> None:
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
        values = np.empty((len(positions), *self._form.shape), dtype=np.uint8)
        flat, length = values.reshape(-1).data, math.prod(self._form.shape)
        for slot, start in enumerate(self._file.offsets[positions].tolist()):
            self._file.read_into(flat[slot * length : (slot + 1) * length], start)
        aspects = None
        if not self._form.keeps_aspect:
            aspects = torch.from_numpy(self._file.aspects[positions].astype(np.float32))
        return Gathered(values=torch.from_numpy(values), aspects=aspects, ok=ok)


class DecodedCache:
    """The cache of one split in one form: whether it is there, what it would take, how to get it.

    Args:
        reader: The source.
        rows: int64 ``[n]`` ascending rows of the table.
        form: The form in which pictures are kept.
    """

    def __init__(self, reader: Reader, rows: Rows, form: StorageForm) -> None:
        self._reader = reader
        self._rows = rows
        self._form = form
        self._key = records_key("decoded", reader, rows, form)

    @property
    def path(self) -> Path:
        return cache_folder() / f"{self._key}.decoded"

    @property
    def size(self) -> int:
        """Bytes that the pictures take."""
        return len(self._rows) * math.prod(self._form.shape)

    def exists(self) -> bool:
        return load_records(self.path, self._key) is not None

    def is_affordable(self) -> bool:
        """Whether the pictures take at most a quarter of the free disk."""
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
                yield Record(content=stored[0].reshape(-1).data, aspect=stored[1])
        if progress is not None:
            progress(n, n)


def records_key(kind: str, reader: Reader, rows: Rows, form: StorageForm | None = None) -> str:
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
