"""CSV manifests: tables with the columns ``path``, ``label``, and if wanted ``split``, ``group``.

The delimiter is a comma, semicolon or tab; paths are relative to the file. A group names what must
not be torn apart by the split, such as a patient; without one a sample is its own group. A column
``tokens`` in place of ``label`` holds a transcript: tokens in their order, between spaces. In a
column ``transcript`` each character is a token, unless there are spaces; then each word is one.
Samples of the split ``unlabelled`` need no label, and lose the one they have.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from residua.batch import Schema, Split, Task
from residua.data.dataset import Problem, Raw, Table
from residua.data.readers.kinds import KINDS, FileKind
from residua.data.readers.shared import (
    SPLIT_NAMES,
    encode_labels,
    files_identity,
    read_file,
    shorten,
    spaced,
)
from residua.errors import DataError, FormatError, LabelError, UnreadableSampleError

_TRANSCRIPTS = ("tokens", "transcript")
_COLUMNS = ("path", "label", *_TRANSCRIPTS, "split", "group")
_LONGEST_HEADER = 10_000
_SPLITS = SPLIT_NAMES | {"unlabelled": Split.UNLABELLED, "unlabeled": Split.UNLABELLED}


@dataclass(frozen=True, kw_only=True, eq=False)
class ManifestReader:
    """The files that a CSV file names; keys are the paths written there."""

    file: Path
    name: str
    schema: Schema
    table: Table
    problems: Sequence[Problem]

    def identity(self) -> str:
        return files_identity("manifest", self.file.parent, [self.file.name, *self.table.keys])

    def read(self, row: int) -> Raw:
        key = self.table.keys[row]
        return read_file(self.file.parent / key, key)

    def scan(self, rows: Sequence[int]) -> Iterator[tuple[int, Raw | DataError]]:
        for row in map(int, rows):
            try:
                yield row, self.read(row)
            except DataError as error:
                yield row, error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One line; ``number`` counts lines of the file from 1, the header included; ``label`` is the
    transcript where there is one."""

    number: int
    path: str
    label: str
    split: Split | None
    group: str


def open_manifest(
    file: Path,
    *,
    classes: Sequence[str] | None = None,
    strict: bool = False,
    some_unlabelled: bool = False,
) -> ManifestReader:
    """Reads the table, sees whether each file is there, and looks at a few headers.

    Args:
        file: The CSV file.
        classes: The allowed labels, in their order; by default those of the training samples.
            Of transcripts the allowed tokens.
        strict: A file that is not there is an error; otherwise it is left out and told.
        some_unlabelled: Samples that are not for validation or test may lack a label.

    Raises:
        FormatError: No column ``path``, or none of ``label``, ``tokens`` and ``transcript``, or a
            line that is not full.
        LabelError: An unknown split, a label that is empty or not allowed, a path that comes twice.
        UnreadableSampleError: ``strict``, and a file is not there; or sound without any header.
    """
    rows, header = _read_rows(file, some_unlabelled=some_unlabelled)
    _check_unique(rows, file)
    rows, problems = _existing(rows, file, strict=strict)
    keys = [row.path for row in rows]
    splits = [row.split for row in rows]
    transcribed = _target(header) in _TRANSCRIPTS
    if classes is not None and not transcribed:
        _check_labels(rows, classes, file)
    if transcribed:
        spaced_out = _target(header) == "tokens"
        names, labels, tokens = _transcripts(rows, file, classes, spaced_out=spaced_out)
    else:
        names, labels, tokens = _labels(rows, file, classes)
    kind = _kind(keys)
    schema, warnings = kind.describe([file.parent / keys[row] for row in spaced(len(keys))], names)
    if transcribed:
        schema = replace(schema, task=Task.CTC)
    return ManifestReader(
        file=file,
        name=file.stem,
        schema=schema,
        table=Table(
            keys=keys,
            labels=labels,
            splits=splits,
            tokens=tokens,
            groups=[row.group for row in rows] if "group" in header else None,
        ),
        problems=[*problems, *warnings],
    )


_Targets = tuple[tuple[str, ...], npt.NDArray[np.int64], Sequence[tuple[int, ...]] | None]
"""Classes, labels, tokens."""


def _labels(rows: Sequence[_Row], file: Path, classes: Sequence[str] | None) -> _Targets:
    labels = np.full(len(rows), -1, dtype=np.int64)
    known = [number for number, row in enumerate(rows) if row.label]
    named = [rows[number] for number in known]
    splits, keys = [row.split for row in named], [row.path for row in named]
    names, found = encode_labels([row.label for row in named], splits, keys, file, classes)
    labels[known] = found
    return names, labels, None


def _transcripts(
    rows: Sequence[_Row], file: Path, classes: Sequence[str] | None, *, spaced_out: bool
) -> _Targets:
    """The classes are the training transcripts' tokens; no sample has a label. Tokens lie between
    spaces if ``spaced_out``, or where there are any spaces."""
    between = spaced_out or any(len(row.label.split()) > 1 for row in rows)
    texts = [row.label.split() if between else list(row.label) for row in rows]
    flat = [(token, row) for text, row in zip(texts, rows, strict=True) for token in text]
    splits, keys = [row.split for _, row in flat], [row.path for _, row in flat]
    names, indices = encode_labels([token for token, _ in flat], splits, keys, file, classes)
    ends = np.cumsum([len(text) for text in texts])[:-1]
    tokens = [tuple(part.tolist()) for part in np.split(indices, ends)]
    return names, np.full(len(rows), -1), tokens


def _kind(keys: Sequence[str]) -> FileKind:
    """What most of the files are by their endings; pictures where these say nothing."""
    return max(KINDS, key=lambda kind: sum(kind.has(Path(key).name) for key in keys))


def is_manifest(file: Path) -> bool:
    """Whether the first line names the columns ``path`` and ``label`` or that of a transcript."""
    header = _header_of(file)
    return "path" in header and not header.isdisjoint(("label", *_TRANSCRIPTS))


def has_paths(file: Path) -> bool:
    """Whether the first line names a column ``path``: a table of files, if perhaps a wrong one."""
    return "path" in _header_of(file)


def _header_of(file: Path) -> set[str]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            line = lines.readline(_LONGEST_HEADER)
    except UnicodeDecodeError:
        return set()
    return set(_names(line.rstrip().split(_delimiter(line))))


def _names(header: Sequence[str]) -> list[str]:
    return [name.strip().strip('"').lower() for name in header]


def _read_rows(file: Path, *, some_unlabelled: bool) -> tuple[list[_Row], list[str]]:
    """All rows, and the names of the columns."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            delimiter = _delimiter(lines.readline())
            lines.seek(0)
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            header = _names(next(reader, []))
            _check_header(header, file)
            rows = [
                _row(header, cells, reader.line_num, file, some_unlabelled=some_unlabelled)
                for cells in reader
                if any(cells)
            ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise FormatError("this is not a CSV file in UTF-8", received=error, where=file) from error
    if not rows:
        raise FormatError("the manifest names no files", expected="a row each", where=file)
    return rows, header


def _delimiter(line: str) -> str:
    return max(",;\t", key=line.count)


def _target(header: Sequence[str]) -> str:
    """The column of what is to be learnt; a table that has labels too is one of labels."""
    return next((name for name in ("label", *_TRANSCRIPTS) if name in header), "label")


def _check_header(header: Sequence[str], file: Path) -> None:
    required = ("path", _target(header))
    missing = [name for name in required if name not in header]
    double = [name for name in _COLUMNS if header.count(name) > 1]
    if missing or double:
        kind, names = ("missing", missing) if missing else ("double", double)
        raise FormatError(
            f"{kind} column {' and '.join(names)}",
            expected="path,label[,split,group] (or tokens, transcript for label) in the first line",
            received=shorten(header, at_most=12) or "an empty line",
            where=file,
        )


def _row(
    header: Sequence[str], cells: Sequence[str], number: int, file: Path, *, some_unlabelled: bool
) -> _Row:
    where = f"{file}, line {number}"
    if len(cells) != len(header):
        raise FormatError(
            "a line has another number of cells than the header",
            expected=len(header),
            received=len(cells),
            where=where,
            fix="Quote cells that contain the delimiter",
        )
    values = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
    split = _split(values.get("split", ""), where)
    target, unlabelled = _target(header), split is Split.UNLABELLED
    if not values["path"]:
        raise FormatError("no path", where=where)
    lacking = unlabelled or (some_unlabelled and split in (None, Split.TRAIN))
    if not values[target] and not lacking:
        raise LabelError(f"no {target}", where=where)
    path = os.path.normpath(values["path"])
    return _Row(
        number=number,
        path=path,
        label="" if unlabelled else values[target],
        split=split,
        group=values.get("group", "") or path,
    )


def _split(value: str, where: str) -> Split | None:
    if not value:
        return None
    split = _SPLITS.get(value.lower())
    if split is None:
        raise LabelError(
            "unknown split",
            expected="train, validation, test, unlabelled, or nothing",
            received=f"'{value}'",
            where=where,
        )
    return split


def _check_unique(rows: Sequence[_Row], file: Path) -> None:
    first: dict[str, int] = {}
    for row in rows:
        if row.path in first:
            raise LabelError(
                f"the path '{row.path}' comes twice",
                where=f"{file}, lines {first[row.path]} and {row.number}",
            )
        first[row.path] = row.number


def _check_labels(rows: Sequence[_Row], classes: Sequence[str], file: Path) -> None:
    for row in rows:
        if row.label and row.label not in classes:
            raise LabelError(
                f"the label '{row.label}' is not in the class list",
                expected=f"one of {shorten(classes)}",
                where=f"{file}, line {row.number}",
            )


def _existing(
    rows: Sequence[_Row], file: Path, *, strict: bool
) -> tuple[list[_Row], list[Problem]]:
    kept: list[_Row] = []
    problems: list[Problem] = []
    for row in rows:
        if (file.parent / row.path).is_file():
            kept.append(row)
        elif strict:
            where = f"{file}, line {row.number}"
            raise UnreadableSampleError(f"the file '{row.path}' is not there", where=where)
        else:
            reason = f"left out: the file is not there (line {row.number} of {file.name})"
            problems.append(Problem(key=row.path, reason=reason))
    if not kept:
        raise FormatError(
            "none of the manifest's files is there",
            expected=f"paths relative to {file.parent}",
            received=shorten((row.path for row in rows), at_most=3),
            where=file,
        )
    return kept, problems
