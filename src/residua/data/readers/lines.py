"""Files that hold one sample a line: where each is, and its values when they are wanted.

Legend: n samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from residua.batch import Modality, Schema, Split
from residua.data.readers.records import decoded, records
from residua.data.readers.series import (
    Findings,
    SeriesFiles,
    SeriesReader,
    Signal,
    Source,
    Text,
    held,
    usual,
)
from residua.data.readers.targets import Case, Meaning, encode_targets
from residua.errors import FormatError, LabelError, UnreadableSampleError


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a line says of its sample, apart from the values."""

    label: tuple[str, ...]
    channels: int
    id: str = ""
    split: Split | None = None
    group: str = ""


class LineFormat(Protocol):
    """How one line is read. Both raise `UnreadableSampleError` without a place."""

    def facts(self, line: str) -> Facts: ...

    def values(self, line: str) -> Signal | Text: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What the head of a file says.

    Attributes:
        format: Of its lines.
        start: Byte where the first sample begins.
        number: Its line, counted from 1.
        comment: How lines begin that are no samples; empty if all are.
        delimiter: Of CSV files whose cells may hold line breaks, in quotes; else empty.
        modality: SIGNAL or TEXT.
        channels: As declared.
        meaning: Of the labels.
    """

    format: LineFormat
    start: int
    number: int
    comment: bytes = b""
    delimiter: str = ""
    modality: Modality = Modality.SIGNAL
    channels: int | None = None
    meaning: Meaning


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A sample's bytes in its file."""

    file: int
    offset: int
    size: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Lines:
    """Samples that are parsed when they are read.

    Attributes:
        spans: int64 ``[n, 3]`` file, first byte, bytes.
    """

    paths: Sequence[Path]
    formats: Sequence[LineFormat]
    spans: npt.NDArray[np.int64]

    def values(self, row: int) -> Signal | Text:
        file, offset, size = (int(number) for number in self.spans[row])
        with self.paths[file].open("rb") as lines:
            lines.seek(offset)
            return self.formats[file].values(decoded(lines.read(size)))

    def select(self, rows: npt.NDArray[np.int64]) -> Lines:
        return replace(self, spans=self.spans[rows])


def open_lines(
    kind: str, files: SeriesFiles, layouts: Sequence[Layout], *, strict: bool
) -> SeriesReader:
    """Reads all lines once; of small files the values are kept.

    Args:
        kind: Of the format, for the identity.
        files: The files.
        layouts: What the head of each says.
        strict: A line that cannot be read is an error; otherwise it is left out and told.

    Raises:
        FormatError: The files have no samples, or do not belong together.
        LabelError: A split that is none, or with ``strict`` an unknown class.
        UnreadableSampleError: ``strict``, and a line cannot be read.
    """
    layout = layouts[0]
    _check_alike(files, layouts)
    findings = Findings(strict=strict)
    rows = [
        row
        for number, each in enumerate(layouts)
        for row in _read_part(files, number, each, findings, keep=files.are_small())
    ]
    rows = _with_usual_channels(_distinct(rows, findings), layout, findings)
    findings.check_any(len(rows), files.paths[0])
    cases = [row.case for row in rows]
    targets = encode_targets(cases, layout.meaning, strict=strict)
    return SeriesReader(
        kind=kind,
        files=files,
        schema=Schema(
            modality=layout.modality,
            task=targets.task,
            channels=rows[0].channels,
            classes=targets.classes,
        ),
        table=targets.table,
        problems=[*findings.problems, *targets.problems],
        source=_source(files, layouts, [rows[int(i)] for i in targets.kept]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    case: Case
    line: str
    channels: int
    span: Span
    values: Signal | Text | None


def _check_alike(files: SeriesFiles, layouts: Sequence[Layout]) -> None:
    first = layouts[0]
    for path, each in zip(files.paths, layouts, strict=True):
        same = (
            each.modality == first.modality
            and each.meaning.task == first.meaning.task
            and each.meaning.quantities == first.meaning.quantities
            and (None in (each.channels, first.channels) or each.channels == first.channels)
        )
        if not same:
            raise FormatError(
                "the files of a data set differ in channels or targets",
                expected=f"the same as in {files.paths[0].name}",
                where=path,
            )


def _read_part(
    files: SeriesFiles, number: int, layout: Layout, findings: Findings, *, keep: bool
) -> Iterator[_Row]:
    path, split = files.parts[number]
    name = files.names[number]
    rows = records(
        path,
        start=layout.start,
        number=layout.number,
        comment=layout.comment,
        delimiter=layout.delimiter,
    )
    for line, offset, content in rows:
        place = f"{name}:{line}"
        try:
            text = decoded(content)
            facts = layout.format.facts(text)
            values = layout.format.values(text) if keep else None
        except UnreadableSampleError as error:
            findings.leave_out(error, place)
            continue
        except LabelError as error:
            raise LabelError(
                error.what,
                expected=error.expected,
                received=error.received,
                where=f"{path}, line {line}",
            ) from error
        case = Case(
            key=f"{name}#{facts.id}" if facts.id else place,
            label=facts.label,
            split=split or facts.split,
            group=facts.group,
        )
        span = Span(file=number, offset=offset, size=len(content))
        yield _Row(case=case, line=place, channels=facts.channels, span=span, values=values)


def _distinct(rows: Sequence[_Row], findings: Findings) -> list[_Row]:
    first: dict[str, str] = {}
    kept: list[_Row] = []
    for row in rows:
        if row.case.key in first:
            what = f"the id comes twice, first in {first[row.case.key]}"
            findings.leave_out(UnreadableSampleError(what), row.line)
            continue
        first[row.case.key] = row.line
        kept.append(row)
    return kept


def _with_usual_channels(rows: Sequence[_Row], layout: Layout, findings: Findings) -> list[_Row]:
    expected = layout.channels or usual([row.channels for row in rows])
    for row in rows:
        if row.channels != expected:
            error = UnreadableSampleError(
                "another number of channels", expected=expected, received=row.channels
            )
            findings.leave_out(error, row.line)
    return [row for row in rows if row.channels == expected]


def _source(files: SeriesFiles, layouts: Sequence[Layout], rows: Sequence[_Row]) -> Source:
    samples = [row.values for row in rows if row.values is not None]
    if len(samples) == len(rows):
        return held(samples)
    spans = [(row.span.file, row.span.offset, row.span.size) for row in rows]
    return Lines(
        paths=files.paths,
        formats=[layout.format for layout in layouts],
        spans=np.array(spans, dtype=np.int64).reshape(-1, 3),
    )
