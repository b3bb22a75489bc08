"""The digits that come with scikit-learn: 1,797 pictures of 8x8, good for a first run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from residua.batch import Modality, Schema
from residua.data.dataset import Problem, Raw, Table
from residua.errors import DataError, DataNotFoundError


@dataclass(frozen=True, kw_only=True, eq=False)
class DigitsReader:
    """Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits" (UCI, 1998), test part.

    Attributes:
        pixels: uint8 ``[n, 8, 8]``.
    """

    pixels: npt.NDArray[np.uint8]
    schema: Schema
    table: Table
    name: str = "digits"
    problems: Sequence[Problem] = ()

    def identity(self) -> str:
        return hashlib.blake2b(self.pixels.tobytes(), digest_size=16).hexdigest()

    def read(self, row: int) -> Raw:
        return self.pixels[row]

    def scan(self, rows: Sequence[int]) -> Iterator[tuple[int, Raw | DataError]]:
        for row in map(int, rows):
            yield row, self.pixels[row]


def open_digits() -> DigitsReader:
    """The 17 grey levels 0..16 become 0..255.

    Reads scikit-learn's file without importing scikit-learn, which takes seconds.

    Raises:
        DataNotFoundError: The installed scikit-learn does not have the file.
    """
    values = np.loadtxt(_find_file(), delimiter=",", dtype=np.int64)
    labels = values[:, -1].copy()
    count = len(labels)
    return DigitsReader(
        pixels=np.rint(values[:, :-1].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8),
        schema=Schema(
            modality=Modality.IMAGE, channels=1, classes=tuple(str(digit) for digit in range(10))
        ),
        table=Table(
            keys=[f"digits#{row}" for row in range(count)], labels=labels, splits=[None] * count
        ),
    )


def _find_file() -> Path:
    package = find_spec("sklearn")
    for folder in (package and package.submodule_search_locations) or ():
        file = Path(folder) / "datasets" / "data" / "digits.csv.gz"
        if file.is_file():
            return file
    raise DataNotFoundError(
        "scikit-learn's digits are not there",
        expected="sklearn/datasets/data/digits.csv.gz",
        fix="Install scikit-learn again",
    )
