"""Folders of WFDB records with annotated heart beats: a sample is a window around a beat.

``RECORDS`` lists the records; ``RECORDS-train``, ``RECORDS-test`` (or ``-DS1``, ``-DS2``) say to
which split they belong.

Legend: n beats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from residua.batch import Split
from residua.data.dataset import Problem, Table
from residua.data.readers.beats import AAMI, BEAT_CLASS, Division, known_division
from residua.data.readers.segments import SegmentReader, signal_schema, with_common_channels
from residua.data.readers.shared import SPLIT_NAMES, encode_labels, shorten
from residua.data.readers.wfdb_record import (
    WfdbRecording,
    open_record,
    read_annotations,
    segments_of,
)
from residua.errors import DataError, FormatError, UsageError

BEFORE = 2.0
AFTER = 1.25
"""Seconds of a window before and behind a beat. What tells a premature beat from a normal one is
when it comes, not only its shape (de Chazal et al., 2004, use the RR intervals): of the beats of
MIT-BIH, 98.3% have the next beat within 1.25 s, 85% two beats within the 2 s before."""

WFDB_SUFFIXES = (".hea", ".dat", ".atr")
"""Endings of the files of a record."""

_LIST = "RECORDS"
_SPLIT_NAMES = SPLIT_NAMES | {"ds1": Split.TRAIN, "ds2": Split.TEST}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    """A record and its beats: steps int64 ``[n]`` ascending, and a class each."""

    recording: WfdbRecording
    steps: npt.NDArray[np.int64]
    classes: list[str]


def is_wfdb(root: Path) -> bool:
    """Whether the folder holds WFDB headers, or a list of them."""
    return any(root.glob("*.hea")) or (root / _LIST).is_file()


def open_wfdb(
    path: Path,
    *,
    before: float = BEFORE,
    after: float = AFTER,
    annotator: str = "atr",
    channels: Sequence[str] = (),
    position: bool = True,
    strict: bool = False,
) -> SegmentReader:
    """Reads headers and annotations, and the last step of each record.

    The records of MIT-BIH are divided as `residua.data.readers.beats.MIT_BIH` says. A sample's
    key is ``RECORD@STEP``, its group the record or, where records lie in folders, the folder.

    Args:
        path: A folder, or the header of one record.
        before: Seconds before the beat; what lies before the record's start is NaN.
        after: Seconds from the beat on; what lies behind the record's end is NaN.
        annotator: Ending of the annotation files.
        channels: Names of the channels to take; by default those that all records have.
        position: Add `residua.data.recordings.with_position` as the last channel.
        strict: A record that cannot be used is an error; otherwise it is left out and told.

    Raises:
        UsageError: A window without steps.
        FormatError: No records, or not one with annotated beats.
        LabelError: A class that only the test records have.
        DataError: ``strict``, and a record is damaged or lacks a file.
    """
    _check_window(before, after)
    root = path if path.is_dir() else path.parent
    names = _record_names(root) if path.is_dir() else [path.name.removesuffix(".hea")]
    problems: list[Problem] = []
    recordings = _open_records(root, names, problems, strict=strict)
    division = known_division([r.name for r in recordings], [r.rate for r in recordings])
    splits = _named_splits(root)
    if division is not None:
        recordings = _with_part(recordings, division, problems)
        splits = splits or division.splits
    records = _with_beats(recordings, annotator, problems, strict=strict)
    if not records:
        raise _no_beats(root, annotator, problems)
    records = _aligned(records, problems, channels)
    steps = [_window(record, before, after) for record in records]
    classes, table = _table(records, splits, division.patients if division else {}, root)
    return SegmentReader(
        kind=f"beats {before} {after} {annotator} {position} {' '.join(channels)}",
        root=root,
        files=_files(root, records, annotator),
        name=division.name if division else root.resolve().name,
        schema=signal_schema([r.recording for r in records], classes, problems, position=position),
        table=table,
        problems=problems,
        recordings=[r.recording for r in records],
        owners=np.repeat(np.arange(len(records)), [len(r.classes) for r in records]),
        starts=np.concatenate([start for start, _ in steps]),
        stops=np.concatenate([stop for _, stop in steps]),
        before=before if position else None,
    )


def _check_window(before: float, after: float) -> None:
    if min(before, after) < 0 or before + after <= 0:
        raise UsageError(
            "wrong window around a beat", expected="seconds >= 0", received=f"{before}, {after}"
        )


def _table(
    records: Sequence[_Record], splits: Mapping[str, Split], patients: Mapping[str, str], root: Path
) -> tuple[tuple[str, ...], Table]:
    """The classes, and a row for each beat."""
    keys = [f"{r.recording.name}@{step}" for r in records for step in r.steps.tolist()]
    names = [r.recording.name for r in records for _ in r.classes]
    beats = [each for r in records for each in r.classes]
    assigned = [splits.get(name) for name in names]
    classes, labels = encode_labels(beats, assigned, keys, root, [c for c in AAMI if c in beats])
    groups = [patients.get(name) or _person(name) for name in names]
    return classes, Table(keys=keys, labels=labels, splits=assigned, groups=groups)


def _record_names(root: Path) -> list[str]:
    """Those that RECORDS lists, else all headers of the folder, without parts of other records."""
    try:
        listed = (root / _LIST).read_text("utf-8").split()
    except FileNotFoundError:
        headers = sorted(file.name.removesuffix(".hea") for file in root.glob("*.hea"))
        parts = {part for name in headers for part in segments_of(root / name)}
        listed = [name for name in headers if name not in parts]
    except UnicodeDecodeError as error:
        raise FormatError(
            "this is no list of records", received=error, where=root / _LIST
        ) from error
    if not listed:
        raise FormatError("there are no records", expected="RECORDS and *.hea", where=root)
    return list(dict.fromkeys(listed))


def _named_splits(root: Path) -> dict[str, Split]:
    """The split of each record that a file ``RECORDS-SPLIT`` lists."""
    found: dict[str, Split] = {}
    for file in sorted(root.glob(f"{_LIST}-*")):
        split = _SPLIT_NAMES.get(file.name.removeprefix(f"{_LIST}-").lower())
        if split is not None:
            found |= dict.fromkeys(file.read_text("utf-8").split(), split)
    return found


def _open_records(
    root: Path, names: Sequence[str], problems: list[Problem], *, strict: bool
) -> list[WfdbRecording]:
    found: list[WfdbRecording] = []
    for name in names:
        try:
            found.append(open_record(root / name, name))
        except DataError as error:
            if strict:
                raise
            problems.append(Problem(key=name, reason=f"left out: {error}"))
    if not found:
        raise FormatError(
            "not one of the records can be read",
            expected="a header (.hea) and its signal file a record",
            received=problems[0].reason if problems else None,
            where=root,
        )
    return found


def _with_part(
    recordings: Sequence[WfdbRecording], division: Division, problems: list[Problem]
) -> list[WfdbRecording]:
    """Those that a known division uses; what it means is told."""
    present = {each.name for each in recordings}
    problems += [
        Problem(key=name, reason=f"left out: {reason}")
        for name, reason in division.left_out.items()
        if name in present
    ]
    shared = [name for name in division.patients if name in present]
    if len(shared) > 1:
        reason = "one person, and yet in training and test: so is this division, everywhere"
        problems.append(Problem(key=" and ".join(shared), reason=reason))
    return [each for each in recordings if each.name in division.splits]


def _with_beats(
    recordings: Sequence[WfdbRecording], annotator: str, problems: list[Problem], *, strict: bool
) -> list[_Record]:
    found: list[_Record] = []
    for recording in recordings:
        try:
            record = _beats(recording, annotator, problems)
        except DataError as error:
            if strict:
                raise
            problems.append(Problem(key=recording.name, reason=f"left out: {error}"))
            continue
        if record.classes:
            found.append(record)
        else:
            reason = f"left out: no beats among its annotations ({annotator})"
            problems.append(Problem(key=recording.name, reason=reason))
    return found


def _beats(recording: WfdbRecording, annotator: str, problems: list[Problem]) -> _Record:
    """All beats inside the record, one a step; others are told."""
    annotations = read_annotations(recording, annotator)
    beats: dict[int, str] = {}
    outside: list[int] = []
    twice: list[int] = []
    for step, symbol in zip(annotations.steps.tolist(), annotations.symbols, strict=True):
        if symbol not in BEAT_CLASS:
            continue
        if not 0 <= step < recording.steps:
            outside.append(step)
        elif step in beats:
            twice.append(step)
        else:
            beats[step] = BEAT_CLASS[symbol]
    for found, what in ((outside, f"beyond its {recording.steps} steps"), (twice, "on another")):
        if found:
            reason = f"beats left out that are {what}: {shorten(found)}"
            problems.append(Problem(key=recording.name, reason=reason))
    steps = np.array(sorted(beats), dtype=np.int64)
    return _Record(recording=recording, steps=steps, classes=[beats[s] for s in steps.tolist()])


def _aligned(
    records: Sequence[_Record], problems: list[Problem], channels: Sequence[str]
) -> list[_Record]:
    """Those that have the common channels, with these only."""
    found = with_common_channels([each.recording for each in records], problems, channels)
    if not found:
        raise FormatError(
            "no record has the channels",
            expected=", ".join(channels),
            where=records[0].recording.name,
        )
    by_name = {each.recording.name: each for each in records}
    return [replace(by_name[each.name], recording=each) for each in found]


def _window(
    record: _Record, before: float, after: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """First steps, and the steps behind the last ones; at least the beat's own."""
    rate = record.recording.rate
    return record.steps - round(before * rate), record.steps + max(round(after * rate), 1)


def _person(name: str) -> str:
    """Records in a folder of their own are of one person, as PhysioNet keeps them."""
    return name.rpartition("/")[0] or name


def _files(root: Path, records: Sequence[_Record], annotator: str) -> list[str]:
    """Headers, annotations and signals, as far as they are called by their record's name."""
    names = [each.recording.name for each in records]
    lists = sorted(file.name for file in root.glob(f"{_LIST}*"))
    return [*lists, *(f"{name}.{end}" for name in names for end in ("hea", "dat", annotator))]


def _no_beats(root: Path, annotator: str, problems: Sequence[Problem]) -> FormatError:
    return FormatError(
        "no record has annotated beats",
        expected=f"a file .{annotator} beside each header, with beats in it",
        received=shorten((f"{each.key} {each.reason}" for each in problems), at_most=1) or None,
        where=root,
        fix="Records without annotations can be predicted, not learnt from",
    )
