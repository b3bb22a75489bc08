"""Series, texts and their labels in the cells of Parquet files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from residua.batch import Split
from residua.data.readers.series import Signal, Text, single
from residua.data.readers.targets import SEPARATOR, Case, Meaning, Targets, encode_targets
from residua.errors import UnreadableSampleError


def signal(value: Any, channels: int | None, key: str) -> Signal:
    """float32 ``[c, t]`` of a list of numbers or a list of such lists; null is NaN.

    Args:
        value: The cell.
        channels: Expected number, or None.
        key: Of the sample, for the error.

    Raises:
        UnreadableSampleError: There is nothing, or no rectangle of finite numbers.
    """
    if value is None or not len(value):
        raise UnreadableSampleError("the series has no values", where=key)
    rows = value if isinstance(value[0], list) else [value]
    lengths = {0 if row is None else len(row) for row in rows}
    if len(lengths) > 1 or not lengths.pop():
        raise UnreadableSampleError("the channels of a sample differ in length", where=key)
    if channels not in (None, len(rows)):
        what = "another number of channels"
        raise UnreadableSampleError(what, expected=channels, received=len(rows), where=key)
    try:
        return single(np.array(rows, dtype=np.float64))
    except UnreadableSampleError as error:
        raise UnreadableSampleError(error.what, received=error.received, where=key) from error


def text(value: Any, key: str) -> Text:
    """uint8 ``[t]``, UTF-8."""
    if not value:
        raise UnreadableSampleError("the text is empty", where=key)
    return np.frombuffer(str(value).encode(), dtype=np.uint8)


def targets(
    values: Sequence[Any],
    quantities: tuple[str, ...],
    splits: Sequence[Split | None],
    groups: Sequence[Any] | None,
    keys: Sequence[str],
) -> Targets:
    """The table of all samples; a list of labels is multi-label.

    Raises:
        LabelError: A class that no training sample has, a target that is no number.
    """
    cases = [
        Case(
            key=key,
            label=(_label(value),),
            split=split,
            group="" if groups is None or groups[row] is None else str(groups[row]),
        )
        for row, (value, split, key) in enumerate(zip(values, splits, keys, strict=True))
    ]
    return encode_targets(cases, Meaning(quantities=quantities), strict=True)


def _label(value: Any) -> str:
    if isinstance(value, list):  # one label alone is still one of several
        return SEPARATOR.join(str(each) for each in value) + SEPARATOR
    return str(value)
