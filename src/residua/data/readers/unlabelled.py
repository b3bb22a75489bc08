"""Folders of files without classes: pictures, sound clips or arrays, at any depth.

Legend: n samples, c channels, t steps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from residua.batch import Modality, Schema, Split
from residua.data.dataset import Problem, Reader, Table
from residua.data.readers.folder import FolderReader, files_below, kind_below
from residua.data.readers.kinds import PICTURES, SOUNDS, FileKind
from residua.data.readers.segments import SegmentReader
from residua.data.readers.shared import SPLIT_NAMES, spaced
from residua.data.recording_files import ArrayRecording, open_array
from residua.errors import DataError, FormatError


def _describe_arrays(
    files: Sequence[Path], classes: tuple[str, ...]
) -> tuple[Schema, Sequence[Problem]]:
    """What `open_array_files` replaces once it has opened all of the files."""
    del files
    return Schema(modality=Modality.SIGNAL, channels=1, classes=classes), ()


ARRAYS = FileKind(
    noun="array",
    nouns="arrays",
    usual=".npy",
    suffixes=frozenset({".npy"}),
    describe=_describe_arrays,
)

PLAIN_KINDS = (PICTURES, SOUNDS, ARRAYS)
"""What a folder without classes may hold."""


def plain_kind(root: Path, modality: Modality | None = None) -> FileKind | None:
    """The commonest kind of samples below ``root``, or the one of ``modality``; None if there are
    none."""
    wanted = {Modality.IMAGE: (PICTURES,), Modality.SOUND: (SOUNDS,), Modality.SIGNAL: (ARRAYS,)}
    return kind_below(root, PLAIN_KINDS if modality is None else wanted.get(modality, ()))


def open_files(root: Path, kind: FileKind, *, strict: bool = False) -> Reader:
    """All samples of ``kind`` below ``root``, without labels.

    Where a folder of ``root`` is called train, those called validation or test are these splits.

    Args:
        root: The folder.
        kind: One of `PLAIN_KINDS`.
        strict: An array that cannot be used is an error; otherwise it is left out and told. What
            pictures and sound clips cannot be read shows when they are decoded.

    Raises:
        FormatError: Not one array can be used.
        UnreadableSampleError: Not one sound clip has a header.
    """
    keys = files_below(root, kind)
    schema, warnings = kind.describe([root / keys[row] for row in spaced(len(keys))], ())
    reader = FolderReader(
        root=root,
        name=root.resolve().name,
        schema=schema,
        table=Table(keys=keys, labels=_none(len(keys)), splits=_splits(keys)),
        problems=warnings,
    )
    return open_array_files(reader, strict=strict) if kind is ARRAYS else reader


def open_array_files(named: FolderReader, *, strict: bool = False) -> SegmentReader:
    """Each .npy file, ``[t]``, ``[c, t]`` or ``[t, c]`` with time as the longer axis, as a sample.

    Files with another number of channels than most have are left out and told. The rate of arrays
    is not known.

    Raises:
        FormatError: Not one can be used.
        DataError: ``strict``, and a file is damaged.
    """
    problems: list[Problem] = []
    found: list[tuple[int, ArrayRecording]] = []
    for row, key in enumerate(named.table.keys):
        try:
            found.append((row, replace(open_array(named.root / key, 1.0), name=key)))
        except DataError as error:
            if strict:
                raise
            problems.append(Problem(key=key, reason=f"left out: {error}"))
    if not found:
        received = problems[0].reason if problems else "no such file"
        what = "not one of the arrays can be read"
        raise FormatError(what, expected=".npy files", received=received, where=named.root)
    channels = _usual_channels(found, problems)
    found = [each for each in found if len(each[1].channels) == channels]
    rows, recordings = [row for row, _ in found], [recording for _, recording in found]
    return SegmentReader(
        kind="whole arrays",
        root=named.root,
        files=[each.name for each in recordings],
        name=named.name,
        schema=replace(named.schema, channels=channels),
        table=Table(
            keys=[each.name for each in recordings],
            labels=_none(len(rows)),
            splits=[named.table.splits[row] for row in rows],
        ),
        problems=problems,
        recordings=recordings,
        owners=np.arange(len(rows)),
        starts=np.zeros(len(rows), dtype=np.int64),
        stops=np.array([each.steps for each in recordings], dtype=np.int64),
    )


def _usual_channels(found: Sequence[tuple[int, ArrayRecording]], problems: list[Problem]) -> int:
    counts = Counter(len(each.channels) for _, each in found)
    usual = max(counts, key=lambda channels: (counts[channels], -channels))
    for _, each in found:
        if len(each.channels) != usual:
            reason = f"left out: it has {len(each.channels)} channels; most have {usual}"
            problems.append(Problem(key=each.name, reason=reason))
    return usual


def _splits(keys: Sequence[str]) -> list[Split | None]:
    """By the first folder of each path, if one of them is called train."""
    found = [SPLIT_NAMES.get(key.partition("/")[0].lower()) if "/" in key else None for key in keys]
    return found if Split.TRAIN in found else [None] * len(keys)


def _none(count: int) -> np.ndarray:
    return np.full(count, -1, dtype=np.int64)
