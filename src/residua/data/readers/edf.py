"""EDF and BDF files (with +): annotated stretches as samples, or one file, one sample.

Legend: n samples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from residua.batch import Modality, Schema
from residua.data.dataset import Problem, Reader, Table
from residua.data.readers.edf_record import (
    EDF_SUFFIXES,
    EdfRecording,
    Segment,
    open_edf_file,
    read_segments,
)
from residua.data.readers.segments import SegmentReader, signal_schema, with_common_channels
from residua.data.readers.shared import SPLIT_NAMES, encode_labels, shorten
from residua.data.readers.wfdb_record import WfdbRecording, open_record
from residua.errors import DataError, FormatError

RECORDING_SUFFIXES = frozenset({*EDF_SUFFIXES, ".hea"})
"""Endings of files that are recordings: EDF, BDF, and the headers of WFDB records."""

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stretch:
    """An annotation inside its recording, in steps."""

    owner: int
    start: int
    stop: int
    label: str


def find_edf(root: Path) -> list[str]:
    """Paths of the EDF files of a folder, relative to it, sorted, without hidden ones."""
    files = (file for file in root.rglob("*") if file.suffix.lower() in EDF_SUFFIXES)
    names = sorted(file.relative_to(root).as_posix() for file in files)
    return [name for name in names if not any(part.startswith(".") for part in name.split("/"))]


def has_edf(root: Path) -> bool:
    """Whether there are EDF files in the folder itself, or in folders that are called as splits."""
    above = (name.rpartition("/")[0].lower() for name in find_edf(root))
    return any(not folder or folder in SPLIT_NAMES for folder in above)


def open_edf(path: Path, *, channels: Sequence[str] = (), strict: bool = False) -> SegmentReader:
    """The annotated stretches of an EDF+ file, or of all in a folder.

    A sample's key is ``FILE@STEP``, its group the file, its split that of the first folder above
    it that is called like one. Annotations that only mark a moment are no samples.

    Args:
        path: A file or a folder.
        channels: Names of the channels to take; by default those that all files have.
        strict: A file that cannot be used is an error; otherwise it is left out and told.

    Raises:
        FormatError: No files, or no annotated stretches.
        LabelError: A class that only another split than training has.
        DataError: ``strict``, and a file is damaged.
    """
    root = path if path.is_dir() else path.parent
    names = find_edf(root) if path.is_dir() else [path.name]
    problems: list[Problem] = []
    found = _usable(names, lambda name: open_edf_file(root / name, name), problems, strict, root)
    recordings = with_common_channels(found, problems, channels)
    stretches = [
        each
        for owner, recording in enumerate(recordings)
        for each in _inside(recording, owner, read_segments(recording.path), problems)
    ]
    if not stretches:
        raise FormatError(
            "there are no annotated stretches",
            expected="EDF+ annotations with a duration, or a CSV file with path,label beside",
            received=shorten((f"{p.key}: {p.reason}" for p in problems), at_most=1) or None,
            where=path,
            fix="Recordings without annotations can be predicted, not learnt from",
        )
    keys = _distinct([f"{recordings[each.owner].name}@{each.start}" for each in stretches])
    groups = [recordings[each.owner].name for each in stretches]
    splits = [SPLIT_NAMES.get(name.partition("/")[0].lower()) for name in groups]
    classes, labels = encode_labels([each.label for each in stretches], splits, keys, root)
    return SegmentReader(
        kind=f"edf segments {' '.join(channels)}",
        root=root,
        files=[each.name for each in recordings],
        name=path.resolve().stem,
        schema=signal_schema(recordings, classes, problems),
        table=Table(keys=keys, labels=labels, splits=splits, groups=groups),
        problems=problems,
        recordings=recordings,
        owners=np.array([each.owner for each in stretches], dtype=np.int64),
        starts=np.array([each.start for each in stretches], dtype=np.int64),
        stops=np.array([each.stop for each in stretches], dtype=np.int64),
    )


def whole_recordings(named: Reader, root: Path, *, strict: bool = False) -> SegmentReader:
    """Each recording that a manifest or class folders name, from start to end, as one sample.

    Args:
        named: Says keys (paths relative to ``root``), labels, splits and groups.
        root: Where the files lie.
        strict: A file that cannot be used is an error; otherwise it is left out and told.

    Raises:
        FormatError: Not one file can be used.
        DataError: ``strict``, and a file is damaged.
    """
    problems, table = list(named.problems), named.table
    found = _usable(table.keys, lambda name: _open(root, name), problems, strict, root)
    recordings = with_common_channels(found, problems)
    row_of = {key: row for row, key in enumerate(table.keys)}
    rows = [row_of[each.name] for each in recordings]
    n = len(rows)
    return SegmentReader(
        kind="whole recordings",
        root=root,
        files=[each.name for each in recordings],
        name=named.name,
        schema=signal_schema(recordings, named.schema.classes, problems),
        table=replace(
            table,
            keys=[table.keys[row] for row in rows],
            labels=table.labels[rows],
            splits=[table.splits[row] for row in rows],
            groups=None if table.groups is None else [table.groups[row] for row in rows],
        ),
        problems=problems,
        recordings=recordings,
        owners=np.arange(n),
        starts=np.zeros(n, dtype=np.int64),
        stops=np.array([each.steps for each in recordings], dtype=np.int64),
    )


def describe_recordings(
    files: Sequence[Path], classes: tuple[str, ...]
) -> tuple[Schema, Sequence[Problem]]:
    """What `whole_recordings` replaces once it has opened all of the files."""
    del files
    return Schema(modality=Modality.SIGNAL, channels=1, classes=classes), ()


def _open(root: Path, name: str) -> EdfRecording | WfdbRecording:
    path = root / name
    return open_record(path, name) if path.suffix == ".hea" else open_edf_file(path, name)


def _usable(
    names: Sequence[str],
    opened: Callable[[str], R],
    problems: list[Problem],
    strict: bool,
    root: Path,
) -> list[R]:
    found: list[R] = []
    for name in names:
        try:
            found.append(opened(name))
        except DataError as error:
            if strict:
                raise
            problems.append(Problem(key=name, reason=f"left out: {error}"))
    if not found:
        raise FormatError(
            "not one of the recordings can be read",
            expected="EDF or BDF files, or WFDB headers with their signals",
            received=problems[0].reason if problems else "no such file",
            where=root,
        )
    return found


def _inside(
    recording: EdfRecording, owner: int, segments: Sequence[Segment], problems: list[Problem]
) -> list[_Stretch]:
    """The annotations that last, in order; those beyond the recording are cut or told."""
    found: list[_Stretch] = []
    moments = 0
    for each in segments:
        start = round(each.onset * recording.rate)
        stop = round((each.onset + each.duration) * recording.rate)
        if each.duration <= 0 or not each.label:
            moments += 1
        elif start < 0 or start >= recording.steps:
            reason = f"left out: '{each.label}' begins beyond {recording.steps} steps"
            problems.append(Problem(key=f"{recording.name}@{start}", reason=reason))
        else:
            stop = min(max(stop, start + 1), recording.steps)
            found.append(_Stretch(owner=owner, start=start, stop=stop, label=each.label))
    if moments:
        reason = f"{moments} annotations left out: they have no duration or no text"
        problems.append(Problem(key=recording.name, reason=reason))
    return sorted(found, key=lambda each: (each.start, each.stop, each.label))


def _distinct(keys: Sequence[str]) -> list[str]:
    """Keys of stretches that begin together get their number behind."""
    seen: dict[str, int] = {}
    found: list[str] = []
    for key in keys:
        seen[key] = seen.get(key, 0) + 1
        found.append(key if seen[key] == 1 else f"{key}#{seen[key]}")
    return found
