"""The samples of a source, known by another table than its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from residua.batch import Schema, Task
from residua.data.dataset import Problem, Raw, Reader, Table
from residua.errors import DataError


@dataclass(frozen=True, kw_only=True, eq=False)
class RetabledReader:
    """A reader that hands out the samples of ``source``, row by row the same, with other labels.

    Attributes:
        source: Where the samples come from. Its table is not shown.
        schema, table: What takes the place of its own; as many rows.
    """

    source: Reader
    schema: Schema
    table: Table

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def problems(self) -> Sequence[Problem]:
        return self.source.problems

    def identity(self) -> str:
        """That of the source: labels do not change samples, so caches of them stay of use."""
        return self.source.identity()

    def read(self, row: int) -> Raw:
        return self.source.read(row)

    def scan(self, rows: Sequence[int]) -> Iterator[tuple[int, Raw | DataError]]:
        return self.source.scan(rows)


def without_labels(reader: Reader, *, keep_classes: bool = False) -> RetabledReader:
    """``reader`` with labels of -1 and no other targets.

    Args:
        reader: The source.
        keep_classes: Leave the schema as it is; otherwise it has no classes, and is one of
            classification.
    """
    table = reader.table
    schema = reader.schema
    if not keep_classes:
        schema = replace(schema, task=Task.CLASSIFICATION, classes=(), offsets=(), scales=())
    nothing = np.full(len(table), -1, dtype=np.int64)
    return RetabledReader(
        source=reader,
        schema=schema,
        table=replace(table, labels=nothing, values=None, tokens=None),
    )
