"""Manifests of class folders that name each sample's group, such as its speaker.

Also such that hold a group out: all clips of one speaker for the test, those of others to learn
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


def write_groups(file: Path, reader: FolderReader, groups: Sequence[str]) -> None:
    """Writes a manifest (path, label, split, group) whose splits are those of the folders.

    Args:
        file: Where to write it; paths in it are relative to its folder.
        reader: The class folders.
        groups: One name a sample, in the reader's order.
    """
    _write(file, reader, groups, reader.table.splits)


def write_leave_one_out(
    file: Path, reader: FolderReader, groups: Sequence[str], *, held_out: str
) -> None:
    """As `write_groups`, with a group for the test and all others to learn from; validation is left
    to be drawn, group by group. Splits that the folders name are given up.

    Args:
        file, reader, groups: See `write_groups`.
        held_out: The group that becomes the test split.

    Raises:
        UsageError: There is no such group.
    """
    if held_out not in groups:
        known = shorten(natural_order(groups))
        raise UsageError("no such group", expected=f"one of {known}", received=f"'{held_out}'")
    splits = [Split.TEST if group == held_out else Split.TRAIN for group in groups]
    _write(file, reader, groups, splits)


def _write(
    file: Path, reader: FolderReader, groups: Sequence[str], splits: Sequence[Split | None]
) -> None:
    table, classes = reader.table, reader.schema.classes
    folder = os.path.relpath(reader.root, file.parent)
    with file.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(("path", "label", "split", "group"))
        for key, label, split, group in zip(
            table.keys, table.labels.tolist(), splits, groups, strict=True
        ):
            path = os.path.join(folder, key)  # noqa: PTH118
            writer.writerow((path, classes[label], split.value if split else "", group))
