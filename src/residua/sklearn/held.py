"""Samples that the caller holds, as a data set like any other.

Legend: n samples, k quantities.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from residua.batch import Schema, Split
from residua.data.dataset import Dataset, Problem, Raw, Table
from residua.data.splits import assign_splits
from residua.errors import DataError, UnreadableSampleError

Held = Raw | Path
"""A sample, or the file that holds it, encoded."""


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldReader:
    """A `residua.data.dataset.Reader` of what is in memory."""

    samples: Sequence[Held]
    schema: Schema
    table: Table
    name: str = "X"
    problems: Sequence[Problem] = ()

    def identity(self) -> str:
        """Nothing in memory is ever cached, so nothing depends on it."""
        return self.name

    def read(self, row: int) -> Raw:
        sample = self.samples[row]
        if not isinstance(sample, Path):
            return sample
        try:
            return sample.read_bytes()
        except OSError as error:
            where, reason = f"{self.table.keys[row]} ({sample})", error.strerror or error
            raise UnreadableSampleError("no such file", received=reason, where=where) from error

    def scan(self, rows: Sequence[int]) -> Iterator[tuple[int, Raw | DataError]]:
        for row in map(int, rows):
            try:
                yield row, self.read(row)
            except DataError as error:
                yield row, error


def training_data(
    samples: Sequence[Held],
    schema: Schema,
    *,
    labels: npt.NDArray[np.int64] | None = None,
    values: npt.NDArray[np.float32] | None = None,
    validation_fraction: float,
    seed: int,
) -> Dataset:
    """Samples to learn from, some of them held out for validation.

    Args:
        samples: ``n`` of them, called X#0 to X#(n - 1).
        labels: int64 ``[n]`` classes, or None.
        values: float32 ``[n, k]`` quantities, or None.
        validation_fraction: Share that is held out.
        seed: Another seed holds out others.
    """
    reader = HeldReader(
        samples=samples, schema=schema, table=_table(len(samples), labels=labels, values=values)
    )
    assignment, _ = assign_splits(
        reader.table, validation_fraction=validation_fraction, test_fraction=0.0, seed=seed
    )
    return Dataset(reader=reader, assignment=assignment)


def unlabelled_data(samples: Sequence[Held], schema: Schema) -> Dataset:
    """Samples to answer for, all in the test split."""
    reader = HeldReader(samples=samples, schema=schema, table=_table(len(samples)))
    rows = np.arange(len(samples), dtype=np.int64)
    return Dataset(reader=reader, assignment={Split.TEST: rows})


def _table(
    count: int,
    *,
    labels: npt.NDArray[np.int64] | None = None,
    values: npt.NDArray[np.float32] | None = None,
) -> Table:
    return Table(
        keys=[f"X#{row}" for row in range(count)],
        labels=np.full(count, -1, dtype=np.int64) if labels is None else labels,
        splits=[None] * count,
        values=values,
    )
