"""CSV and TSV tables of series or texts: which of them a table is, and one series or text a row.

Wide: a row is a series. Text: a row is a text and its label. Long tables are in
`residua.data.readers.long`. Cells that are empty, ``?`` or ``NaN`` are missing values.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from residua.batch import Modality
from residua.data.dataset import Problem
from residua.data.readers.lines import Facts, Layout, open_lines
from residua.data.readers.long import open_long
from residua.data.readers.records import cells_of, first_byte, head_lines
from residua.data.readers.series import (
    SeriesFiles,
    SeriesReader,
    Signal,
    Text,
    numbers,
    trimmed,
)
from residua.data.readers.table_columns import (
    Shape,
    TableColumns,
    find_table_columns,
    split_of,
)
from residua.data.readers.targets import Meaning
from residua.errors import FormatError, UnreadableSampleError


def open_delimited(files: SeriesFiles, *, strict: bool = False) -> SeriesReader:
    """Opens a table, or several with the same columns.

    Raises:
        FormatError: It cannot be told which column is what, or there are no rows.
        LabelError: A word that is no split, or with ``strict`` an unknown class.
        UnreadableSampleError: ``strict``, and a row cannot be read.
    """
    columns = [find_table_columns(path) for path in files.paths]
    for path, each in zip(files.paths, columns, strict=True):
        if each.shape is not columns[0].shape:
            expected = f"a {columns[0].shape} one as {files.paths[0].name}"
            what = "the tables of a data set differ"
            raise FormatError(what, expected=expected, received=each.shape, where=path)
    notes = [
        Problem(key=files.names[0], reason=f"column '{name}' is left out: it is not of numbers")
        for name in (columns[0].ignored if columns[0].shape is not Shape.TEXT else ())
    ]
    if columns[0].shape is Shape.LONG:
        reader = open_long(files, columns, strict=strict)
    else:
        layouts = [_layout(path, each) for path, each in zip(files.paths, columns, strict=True)]
        reader = open_lines(f"table {columns[0].shape}", files, layouts, strict=strict)
    return replace(reader, problems=[*notes, *reader.problems])


@dataclass(frozen=True, slots=True)
class WideLines:
    """``label,1.5,2.5,...``; without a header rows may differ in length."""

    columns: TableColumns

    def facts(self, line: str) -> Facts:
        facts = row_facts(cells_of(line, self.columns.delimiter), self.columns)
        return replace(facts, channels=1)

    def values(self, line: str) -> Signal:
        cells = cells_of(line, self.columns.delimiter)
        if self.columns.header:
            cells = [cells[i] for i in self.columns.values]
        else:
            del cells[self.columns.label[0]]
        return trimmed(numbers(cells)[np.newaxis])


@dataclass(frozen=True, slots=True)
class TextLines:
    """``"some words",label``."""

    columns: TableColumns

    def facts(self, line: str) -> Facts:
        cells = cells_of(line, self.columns.delimiter)
        facts = row_facts(cells, self.columns)
        if not cells[self.columns.text]:
            raise UnreadableSampleError("the text is empty")
        return facts

    def values(self, line: str) -> Text:
        text = cells_of(line, self.columns.delimiter)[self.columns.text]
        return np.frombuffer(text.encode(), dtype=np.uint8)


def row_facts(cells: list[str], columns: TableColumns) -> Facts:
    """What all tables say of a row.

    Raises:
        UnreadableSampleError: Another number of cells than the header.
        LabelError: A word that is no split.
    """
    if columns.header and len(cells) != len(columns.names):
        raise UnreadableSampleError(
            "another number of cells than the header",
            expected=len(columns.names),
            received=len(cells),
        )
    if not columns.header and len(cells) < 2:
        raise UnreadableSampleError("the row has no values")

    def cell(column: int) -> str:
        return cells[column] if column >= 0 else ""

    return Facts(
        label=tuple(cells[i] for i in columns.label),
        channels=1,
        id=cell(columns.id),
        split=split_of(cell(columns.split)),
        group=cell(columns.group),
    )


def _layout(path: Path, columns: TableColumns) -> Layout:
    start, number = first_byte(path), 1
    if columns.header:
        number, start, _ = next(each for each in head_lines(path) if each[2].strip())
        number += 1
    text = columns.shape is Shape.TEXT
    return Layout(
        format=TextLines(columns) if text else WideLines(columns),
        start=start,
        number=number,
        delimiter=columns.delimiter if text else "",
        modality=Modality.TEXT if text else Modality.SIGNAL,
        meaning=Meaning(quantities=columns.quantities),
    )
