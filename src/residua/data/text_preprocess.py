"""The fixed way from a text to the network's input: its bytes, as positions in an embedding.

Legend: b samples, t bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch

from residua.batch import Batch, Modality
from residua.data.config import SeriesConfig
from residua.data.dataset import Dataset, Raw
from residua.errors import FormatError, UnreadableSampleError, UsageError

USUAL_LENGTH = 1014
"""Bytes that the network sees at most: those of Zhang, Zhao & LeCun (2015), 2.2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPreprocess:
    """What every text goes through before the network: its first bytes, whatever the language.

    Attributes:
        length: Bytes that are kept; what comes after them is not seen.
    """

    modality: ClassVar[Modality] = Modality.TEXT
    channels: ClassVar[int] = 1
    rank: ClassVar[int] = 1
    vocabulary: ClassVar[int] = 257
    """Rows of the embedding: 0 for padding, then one for each byte."""

    length: int = USUAL_LENGTH

    def __post_init__(self) -> None:
        if self.length < 1:
            raise UsageError("wrong length of texts", expected=">= 1 byte", received=self.length)

    def on_host(self, raw: Raw, where: str) -> npt.NDArray[np.uint8]:
        """uint8 ``[1, t]``: the first ``length`` bytes. UTF-8 may be cut inside a character.

        Raises:
            UnreadableSampleError: ``where`` is empty, or no text.
        """
        text = np.frombuffer(raw, dtype=np.uint8) if isinstance(raw, bytes) else raw
        if text.dtype != np.uint8 or text.ndim != 1:
            received = f"{text.dtype} of shape {list(text.shape)}"
            raise UnreadableSampleError(
                "not a text", expected="bytes", received=received, where=where
            )
        if not len(text):
            raise UnreadableSampleError("an empty text", expected=">= 1 byte", where=where)
        return np.ascontiguousarray(text[: self.length], dtype=np.uint8)[None]

    def on_device(self, batch: Batch) -> Batch:
        """int64 ``[b, t]`` from 1 to 256, 0 behind ``batch.lengths``, of uint8 ``[b, 1, t]``."""
        tokens = batch.inputs[:, 0].to(torch.int64) + 1
        if batch.lengths is not None:
            steps = torch.arange(tokens.shape[1], device=tokens.device)
            tokens = tokens.masked_fill_(steps >= batch.lengths[:, None], 0)
        return replace(batch, inputs=tokens)

    def identity(self) -> dict[str, Any]:
        """What the stored bytes depend on."""
        return self.to_json()

    def describe(self) -> str:
        return f"bytes, up to {self.length}"

    def to_json(self) -> dict[str, Any]:
        """Plain values, for ``json.dumps``."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> TextPreprocess:
        """The inverse of `to_json`.

        Raises:
            FormatError: Values that are missing, unknown or of another kind.
        """
        try:
            return cls(**dict(value) | {"length": int(value["length"])})
        except (TypeError, ValueError, KeyError, UsageError) as error:
            raise FormatError(f"not a description of a preprocessing: {error}") from error


def choose_text(dataset: Dataset, config: SeriesConfig) -> TextPreprocess:
    """The first ``config.length`` bytes, by default 1,014."""
    del dataset  # bytes are bytes: nothing about them has to be measured
    return TextPreprocess(length=USUAL_LENGTH if config.length is None else config.length)
