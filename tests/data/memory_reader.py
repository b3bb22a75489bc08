"""A data set of samples in memory."""

import dataclasses
from collections.abc import Iterator, Sequence

from residua.batch import Schema
from residua.data.dataset import Problem, Raw, Table
from residua.errors import DataError


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class MemoryReader:
    """Samples that lie in memory, encoded or not."""

    samples: Sequence[Raw]
    table: Table
    schema: Schema
    name: str = "memory"
    problems: Sequence[Problem] = ()

    def identity(self) -> str:
        return "memory"

    def read(self, row: int) -> Raw:
        return self.samples[row]

    def scan(self, rows: Sequence[int]) -> Iterator[tuple[int, Raw | DataError]]:
        for row in rows:
            yield row, self.samples[row]
