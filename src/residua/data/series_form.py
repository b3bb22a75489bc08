"""The form in which signals, sound and text wait for the network: of any length.

Legend: m samples, c channels, t steps of the longest one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from residua.batch import Modality
from residua.data.dataset import Raw, Reader
from residua.data.forms import Kept, Stack
from residua.data.preprocess import SeriesPreprocess
from residua.data.readers.shared import spaced
from residua.data.records import RecordFile
from residua.data.rows import Rows
from residua.data.sound_preprocess import SoundPreprocess
from residua.errors import DataError, UnreadableSampleError

Values = npt.NDArray[np.generic]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesForm:
    """Series of ``c`` channels, each as long as it is; a batch is as long as its longest one.

    Attributes:
        preprocess: What is kept of a sample.
        shortest: Steps that the network needs to see; a shorter sample counts as unreadable.
    """

    preprocess: SeriesPreprocess
    shortest: int = 1

    @property
    def channels(self) -> int:
        """c, which for sound is not what the network sees."""
        return self.preprocess.channels if self.preprocess.modality is Modality.SIGNAL else 1

    @property
    def dtype(self) -> np.dtype[np.generic]:
        return np.dtype(np.uint8 if self.preprocess.modality is Modality.TEXT else np.float32)

    def stored(self, raw: Raw, where: str) -> Kept:
        values = self.preprocess.on_host(raw, where)
        if values.shape[1] < self._fewest:
            raise UnreadableSampleError(
                "too short for the network",
                expected=f"at least {self._fewest} steps",
                received=values.shape[1],
                where=where,
            )
        return Kept(values=values)

    @property
    def _fewest(self) -> int:
        """Kept steps of which the network sees `shortest`: of sound it sees frames."""
        if isinstance(self.preprocess, SoundPreprocess):
            return max((self.shortest - 1) * self.preprocess.hop, 1)
        return self.shortest

    def stacked(self, kept: Sequence[Kept]) -> Stack:
        return self._side_by_side([each.values for each in kept])

    def from_file(self, file: RecordFile, positions: Rows) -> Stack:
        found = (np.frombuffer(file.read(int(p)), dtype=self.dtype) for p in positions)
        return self._side_by_side([values.reshape(self.channels, -1) for values in found])

    def _side_by_side(self, series: Sequence[Values]) -> Stack:
        lengths = np.array([each.shape[1] for each in series], dtype=np.int64)
        longest = int(lengths.max(initial=0))
        values = np.zeros((len(series), self.channels, longest), dtype=self.dtype)
        for slot, each in zip(values, series, strict=True):
            slot[:, : each.shape[1]] = each
        same = bool((lengths == longest).all())
        return Stack(
            values=torch.from_numpy(values), lengths=None if same else torch.from_numpy(lengths)
        )

    def size(self, reader: Reader, rows: Rows) -> int:
        """Going by a few of them."""
        some = rows[spaced(len(rows))]
        sizes = [self._bytes(raw) for _, raw in reader.scan(some.tolist())]
        return round(float(np.mean(sizes)) * len(rows)) if sizes else 0

    def _bytes(self, raw: Raw | DataError) -> int:
        try:
            return 0 if isinstance(raw, DataError) else self.stored(raw, "").values.nbytes
        except DataError:
            return 0

    def identity(self) -> dict[str, Any]:
        needed = {} if self.shortest == 1 else {"shortest": self.shortest}
        return self.preprocess.identity() | needed
