"""Table, Reader, Dataset: what is known of a data set before anything is decoded.

A reader says which samples there are (`Table`) and hands out their encoded or raw form. It never
resizes, shuffles or splits. `Dataset` adds the splits. Decoding and storage come after.

Legend: n samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

from residua.batch import Schema, Split
from residua.errors import DataError
from residua.files import hash64

Raw = bytes | npt.NDArray[np.uint8] | npt.NDArray[np.float32]
"""An encoded file, or what needs no decoding: pixels, uint8 ``[h, w]`` or ``[h, w, 3]``; a signal,
float32 ``[c, t]`` with NaN where a value is missing; text, uint8 ``[t]``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A sample that was left out, or a fact that deserves a warning."""

    key: str
    reason: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """One row a sample, in the order in which the source stores them.

    Attributes:
        keys: ``n`` unique and stable names: ``train/cat/1.jpg``, ``part-0.parquet#17``.
        labels: int64 ``[n]`` class indices, -1 where there is none.
        values: float32 ``[n, k]`` targets of multi-label classification (0 or 1) and regression;
            NaN where there is none. None for other tasks.
        tokens: ``n`` target sequences for CTC, as positions in `Schema.classes`, or None.
        splits: ``n`` official splits, None where the source names none.
        groups: ``n`` names of what must not be torn apart (patient, speaker), or None.
    """

    keys: Sequence[str]
    labels: npt.NDArray[np.int64]
    splits: Sequence[Split | None]
    groups: Sequence[str] | None = None
    values: npt.NDArray[np.float32] | None = None
    tokens: Sequence[tuple[int, ...]] | None = None

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def ids(self) -> npt.NDArray[np.int64]:
        """int64 ``[n]`` sample ids, see `residua.batch.Sample`."""
        return np.fromiter((hash64(key) for key in self.keys), dtype=np.int64, count=len(self))

    @cached_property
    def group_numbers(self) -> npt.NDArray[np.int64] | None:
        """int64 ``[n]``, the same number for the same group; None without groups."""
        if self.groups is None:
            return None
        return np.unique(np.asarray(self.groups, dtype=np.str_), return_inverse=True)[1]


class Reader(Protocol):
    """One file format. Opening it reads names and labels, never all of the contents."""

    @property
    def name(self) -> str: ...

    @property
    def schema(self) -> Schema: ...

    @property
    def table(self) -> Table: ...

    @property
    def problems(self) -> Sequence[Problem]: ...

    def identity(self) -> str:
        """Hex hash over paths, sizes and modification times: the key of caches."""
        ...

    def read(self, row: int) -> Raw:
        """One sample, from any place."""
        ...

    def scan(self, rows: Sequence[int]) -> Iterator[tuple[int, Raw | DataError]]:
        """Pairs (row, sample) of ascending ``rows``, in one pass over the files and in memory
        that does not grow with their number. What cannot be read comes as the error itself."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """A reader and where each of its samples belongs.

    Attributes:
        reader: The source.
        assignment: For each split, the ascending rows of the table that belong to it.
        official: The splits that the source itself names; the others were drawn.
        fitted: Ascending rows that the preprocessing is fitted to, where these are not the rows of
            the train split: what has its label hidden still counts, what was joined does not.
    """

    reader: Reader
    assignment: dict[Split, npt.NDArray[np.int64]]
    official: frozenset[Split] = field(default_factory=frozenset[Split])
    fitted: npt.NDArray[np.int64] | None = None

    @property
    def name(self) -> str:
        return self.reader.name

    @property
    def schema(self) -> Schema:
        return self.reader.schema

    @property
    def table(self) -> Table:
        return self.reader.table

    def rows(self, split: Split) -> npt.NDArray[np.int64]:
        """Ascending rows of ``split``; empty where there is none."""
        return self.assignment.get(split, np.empty(0, dtype=np.int64))

    @property
    def fitting_rows(self) -> npt.NDArray[np.int64]:
        """Ascending rows that say what the data is like: see ``fitted``."""
        return self.rows(Split.TRAIN) if self.fitted is None else self.fitted

    @property
    def learning_rows(self) -> npt.NDArray[np.int64]:
        """Ascending rows to learn from, with labels and without."""
        return np.union1d(self.rows(Split.TRAIN), self.rows(Split.UNLABELLED))
