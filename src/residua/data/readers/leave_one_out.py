"""Manifests that hold a group out: all clips of one speaker for the test, those of others to learn
from. What a network makes of people whom it never heard is another figure than an official split's.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path

from residua.batch import Split
from residua.data.readers.folder import FolderReader
from residua.data.readers.shared import natural_order, shorten
from residua.errors import LabelError, UsageError


def speakers(keys: Sequence[str]) -> list[str]:
    """The speaker of each clip named ``{label}_{speaker}_{index}.wav``.

    Raises:
        LabelError: A file is named otherwise.
    """
    return [_speaker(key) for key in keys]


def _speaker(key: str) -> str:
    parts = Path(key).stem.split("_")
    if len(parts) != 3 or not parts[1]:
        raise LabelError(
            "a clip whose name does not say its speaker",
            expected="{label}_{speaker}_{index}.wav",
            received=key,
        )
    return parts[1]


def write_leave_one_out(
    file: Path, reader: FolderReader, groups: Sequence[str], *, held_out: str
) -> None:
    """Writes a manifest with the columns path, label, split, group; validation is left to be drawn,
    group by group. Splits that the folders name are given up.

    Args:
        file: Where to write it; paths in it are relative to its folder.
        reader: The class folders.
        groups: One name a sample, in the reader's order.
        held_out: The group that becomes the test split.

    Raises:
        UsageError: There is no such group.
    """
    if held_out not in groups:
        known = shorten(natural_order(groups))
        raise UsageError("no such group", expected=f"one of {known}", received=f"'{held_out}'")
    table, classes = reader.table, reader.schema.classes
    folder = os.path.relpath(reader.root, file.parent)
    with file.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(("path", "label", "split", "group"))
        for key, label, group in zip(table.keys, table.labels.tolist(), groups, strict=True):
            split = Split.TEST if group == held_out else Split.TRAIN
            writer.writerow((os.path.join(folder, key), classes[label], split.value, group))  # noqa: PTH118
