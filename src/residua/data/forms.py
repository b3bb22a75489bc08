"""The form in which the samples of a split wait for the network, and how they become a batch.

A form turns what a reader hands out into what is kept, and kept samples into arrays side by side.
The cache and the stream know no more about pictures, signals and sound than this.

Legend: m samples, c channels, t steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

from residua.data.dataset import Raw, Reader
from residua.data.records import RecordFile
from residua.data.rows import Rows


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kept:
    """One sample as it is kept: its values, and `residua.batch.Sample.aspect`."""

    values: npt.NDArray[np.generic]
    aspect: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stack:
    """Samples side by side.

    Attributes:
        values: ``[m, c, h, w]`` uint8, or ``[m, c, t]`` with zeros behind shorter samples.
        aspects: float32 ``[m]``; None where all are 1.
        lengths: int64 ``[m]`` steps of each; None where all have ``t``.
    """

    values: Tensor
    aspects: Tensor | None = None
    lengths: Tensor | None = None


class Form(Protocol):
    """What storage needs to know about a kind of samples."""

    def stored(self, raw: Raw, where: str) -> Kept:
        """One sample, decoded.

        Raises:
            UnreadableSampleError: It cannot be; ``where`` names it.
        """
        ...

    def stacked(self, kept: Sequence[Kept]) -> Stack:
        """Samples from memory as a batch."""
        ...

    def from_file(self, file: RecordFile, positions: Rows) -> Stack:
        """Samples from a cache file as a batch, the same as `stacked` would make."""
        ...

    def size(self, reader: Reader, rows: Rows) -> int:
        """Bytes that ``rows`` take, roughly."""
        ...

    def identity(self) -> dict[str, Any]:
        """All that the kept values depend on, for the name of the cache."""
        ...
