"""What the columns of a CSV or TSV table of series or texts mean, by their names and first rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from pathlib import Path

from residua.batch import Split
from residua.data.readers.records import cells_of, head_lines
from residua.data.readers.series import is_missing, is_number
from residua.data.readers.shared import SPLIT_NAMES, shorten
from residua.errors import FormatError, LabelError, UnreadableSampleError

LABEL_NAMES = ("label", "labels", "class")
TARGET_NAMES = ("target", "y")
GROUP_NAMES = ("group", "patient", "patient_id", "subject", "subject_id", "speaker", "speaker_id")
TEXT_NAMES = ("text", "sentence", "sequence")
# fmt: off
ID_NAMES = (
    "id", "series", "series_id", "case", "case_id", "sample", "sample_id", "unique_id",
)
TIME_NAMES = ("time", "step", "t", "timestep", "time_step", "timestamp", "reading_id")
CHANNEL_NAMES = ("channel", "dim", "dim_id", "dimension", "variable", "kind")
# fmt: on
VALUE_NAMES = ("value", "reading")

_ROWS = 100
_CHARACTERS = 1 << 20
"""At most so many rows, and no more once there are so many characters, are looked at."""


class Shape(StrEnum):
    WIDE = "wide"
    LONG = "long"
    TEXT = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableColumns:
    """Positions of columns; -1 where there is none.

    Attributes:
        header: Whether the first row names the columns.
        names: Names of all, lower case apart from those of values; empty without a header.
        label: Of the label, or of several targets.
        quantities: Names of the targets, if they are called so.
        values: Steps (wide), or channels (long).
        ignored: Names of columns that are neither numbers nor known.
    """

    shape: Shape
    delimiter: str
    header: bool
    names: tuple[str, ...]
    label: tuple[int, ...]
    quantities: tuple[str, ...] = ()
    split: int = -1
    group: int = -1
    id: int = -1
    time: int = -1
    channel: int = -1
    text: int = -1
    values: tuple[int, ...] = ()
    ignored: tuple[str, ...] = ()


def find_table_columns(path: Path) -> TableColumns:
    """Looks at the first rows.

    Raises:
        FormatError: The file is empty, or it cannot be told which column is what.
    """
    texts = _first_lines(path)
    if not texts:
        expected = "path,label[,split,group] in the first line, or a table of series or texts"
        raise FormatError("the file is empty", expected=expected, where=path)
    if any("\0" in line for line in texts):
        raise FormatError("this is not a CSV file in UTF-8", received="a NUL byte", where=path)
    delimiter = "\t" if "\t" in texts[0] else max(",;", key=texts[0].count)
    rows = [cells for line in texts if (cells := _cells(line, delimiter))]
    if not rows or len(rows[0]) < 2:
        expected = "at least two columns, separated by comma, semicolon or tab"
        received = f"'{texts[0][:40]}'"
        raise FormatError("this is no table", expected=expected, received=received, where=path)
    if not _is_header(rows[0]):
        label = _label_without_name(rows, path)
        return TableColumns(
            shape=Shape.WIDE, delimiter=delimiter, header=False, names=(), label=(label,)
        )
    if len(texts) == 1:
        what, received = "there are no rows below the header", shorten(rows[0], at_most=12)
        raise FormatError(what, received=received, where=path)
    return _named_columns(rows, delimiter, path)


def _first_lines(path: Path) -> list[str]:
    texts: list[str] = []
    lines = (line for _, _, line in head_lines(path) if line.strip())
    for line in islice(lines, _ROWS + 1):
        texts.append(line)
        if len(texts) > 2 and sum(map(len, texts)) > _CHARACTERS:
            break
    return texts


def split_of(cell: str) -> Split | None:
    """Raises `LabelError` without a place for a word that is no split."""
    if not cell:
        return None
    split = SPLIT_NAMES.get(cell.lower())
    if split is None:
        expected = "train, validation, test, or nothing"
        raise LabelError("unknown split", expected=expected, received=f"'{cell}'")
    return split


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return cells_of(line, delimiter)
    except UnreadableSampleError:  # a cell goes on in the next line, or the row is damaged
        return []


def _is_header(row: Sequence[str]) -> bool:
    known = {*LABEL_NAMES, *TARGET_NAMES, *TEXT_NAMES, *ID_NAMES}
    if any(cell.lower() in known for cell in row):
        return True
    words = [i for i, cell in enumerate(row) if not is_number(cell)]
    if not words:
        return list(row) in (_counted(row, 0), _counted(row, 1))
    return len(words) > 1 or words[0] not in (0, len(row) - 1)


def _counted(row: Sequence[str], first: int) -> list[str]:
    """What `pandas` writes above columns without names."""
    return [str(first + i) for i in range(len(row))]


def _label_without_name(rows: Sequence[Sequence[str]], path: Path) -> int:
    """The column of words or else of whole numbers, if only the first or only the last is one. In
    .tsv files it is the first, as in the UCR archive."""
    if path.suffix.lower() == ".tsv":
        return 0
    for is_label in (_is_word, _is_whole):
        found = [place for place in (0, -1) if all(is_label(row[place]) for row in rows)]
        if len(found) == 1:
            return found[0]
    raise FormatError(
        "it cannot be told which column is the label",
        expected="the first or the last one, of words or whole numbers, or a header with its name",
        where=path,
        fix="Add a first line that names the columns, as label,1,2,3",
    )


def _is_word(cell: str) -> bool:
    return not is_number(cell)


def _is_whole(cell: str) -> bool:
    return is_number(cell) and not is_missing(cell) and float(cell).is_integer()


def _named_columns(rows: Sequence[Sequence[str]], delimiter: str, path: Path) -> TableColumns:
    raw, body = rows[0], [row for row in rows[1:] if len(row) == len(rows[0])]
    names = [name.lower() for name in raw]
    _check_distinct(names, path)
    text, time = _first(names, TEXT_NAMES), _first(names, TIME_NAMES)
    identity = _first(names, ID_NAMES)
    if identity < 0 and not names[0]:
        identity = 0  # the index that pandas writes
    channel = _first(names, CHANNEL_NAMES)
    shape = _shape(names, body, text=text, time=time, channel=channel, identity=identity)
    long = shape is Shape.LONG
    label, quantities = _labels(names, raw, body, path)
    taken = {text if shape is Shape.TEXT else -1, identity, *label}
    taken |= {time, channel} if long else set()
    special = {_first(names, GROUP_NAMES), _first(names, ("split",))}
    free = [i for i in range(len(names)) if i not in taken | special]
    values = [] if shape is Shape.TEXT else [i for i in free if _numeric(body, i)]
    if long and (value := _first(names, VALUE_NAMES)) >= 0:
        values = [value]
    _check_values(shape, raw, values, channel, path)
    return TableColumns(
        shape=shape,
        delimiter=delimiter,
        header=True,
        names=tuple(raw[i] if i in values else names[i] for i in range(len(raw))),
        label=label,
        quantities=quantities,
        split=_first(names, ("split",)),
        group=_first(names, GROUP_NAMES),
        id=identity,
        time=time if long else -1,
        channel=channel if long else -1,
        text=text,
        values=tuple(values),
        ignored=tuple(raw[i] for i in free if i not in values),
    )


def _check_distinct(names: Sequence[str], path: Path) -> None:
    double = [name for name in dict.fromkeys(names) if name and names.count(name) > 1]
    if double:
        raise FormatError("a column name comes twice", received=shorten(double), where=path)


def _check_values(
    shape: Shape, raw: Sequence[str], values: Sequence[int], channel: int, path: Path
) -> None:
    what, expected = "", ""
    if shape is not Shape.TEXT and not values:
        what = "the table holds neither series nor texts nor files"
        expected = "columns of numbers, or text,label, or path,label[,split,group]"
    elif shape is Shape.LONG and channel >= 0 and len(values) != 1:
        what = "it cannot be told which column holds the values of the channels"
        expected = "one called value"
    if what:
        received = shorten(raw, at_most=12)
        raise FormatError(what, expected=expected, received=received, where=path)


def _first(names: Sequence[str], wanted: Sequence[str]) -> int:
    return next((names.index(name) for name in wanted if name in names), -1)


def _shape(
    names: Sequence[str],
    body: Sequence[Sequence[str]],
    *,
    text: int,
    time: int,
    channel: int,
    identity: int,
) -> Shape:
    if text >= 0 and not (body and _numeric(body, text)):
        return Shape.TEXT
    ids = [row[identity] for row in body] if identity >= 0 else []
    repeated = len(set(ids)) < len(ids)
    values = _first(names, VALUE_NAMES) >= 0
    several = identity >= 0 and (time >= 0 or (channel >= 0 and values) or (values and repeated))
    mostly = repeated and len(set(ids)) * 2 <= len(ids)
    return Shape.LONG if several or mostly else Shape.WIDE


def _numeric(body: Sequence[Sequence[str]], column: int) -> bool:
    """Whether most of its cells are numbers or empty; a damaged cell does not make it text."""
    good = sum(is_number(row[column]) for row in body)
    return 2 * good > len(body) or not body


def _labels(
    names: Sequence[str], raw: Sequence[str], body: Sequence[Sequence[str]], path: Path
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Columns of the label, and the names of quantities if they are called targets."""
    if (column := _first(names, LABEL_NAMES)) >= 0:
        return (column,), ()
    targets = [i for i, name in enumerate(names) if re.match(r"target[_ ]\S", name)]
    if targets:
        return tuple(targets), tuple(raw[i][len("target_") :] for i in targets)
    if (column := _first(names, TARGET_NAMES)) >= 0:
        return (column,), (raw[column],)
    known = {*GROUP_NAMES, *ID_NAMES, *TEXT_NAMES, "split", ""}
    ends = [
        i
        for i in dict.fromkeys((0, len(names) - 1))
        if names[i] not in known and body and all(_is_word(row[i]) for row in body)
    ]
    if len(ends) == 1:
        return (ends[0],), ()
    if body and all(name.isdigit() for name in names):
        return (_label_without_name(body, path) % len(names),), ()
    raise FormatError(
        "there is no label column",
        expected="one called label, class, target or y",
        received=shorten(raw, at_most=12),
        where=path,
    )
