"""Where the rows of a text file begin and end, and the cells of a row of CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from residua.errors import UnreadableSampleError

_BOM = b"\xef\xbb\xbf"
_LONGEST_ROW = 1 << 20
"""A quote that is open for so many bytes was none."""


def decoded(content: bytes) -> str:
    """Text of a line.

    Raises:
        UnreadableSampleError: It is not UTF-8.
    """
    try:
        return content.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise UnreadableSampleError("the line is not UTF-8", received=error.reason) from error


def records(
    path: Path, *, start: int, number: int, comment: bytes, delimiter: str
) -> Iterator[tuple[int, int, bytes]]:
    """Line number, first byte and bytes of each row.

    Args:
        path: The file.
        start: Byte where the first row begins.
        number: Its line, counted from 1.
        comment: How lines begin that are no rows; empty if all are.
        delimiter: Of CSV whose cells may hold line breaks, in quotes; else empty.
    """
    with path.open("rb") as file:
        file.seek(start)
        tape = _Tape(file, number, start)
        for line, offset, content in tape:
            if not content.strip() or (comment and content.startswith(comment)):
                continue
            if delimiter and b'"' in content:
                content = _whole(content, tape, delimiter)
            yield line, offset, content


class _Tape:
    """Lines of an open file with their numbers and places; it can be wound back."""

    def __init__(self, file: io.BufferedReader, number: int, offset: int) -> None:
        self._file = file
        self._place = number, offset

    def __iter__(self) -> Iterator[tuple[int, int, bytes]]:
        while content := self._file.readline():
            number, offset = self._place
            self._place = number + 1, offset + len(content)
            yield number, offset, content

    def more(self) -> bytes:
        return next(iter(self), (0, 0, b""))[2]

    def mark(self) -> tuple[int, int]:
        return self._place

    def rewind(self, place: tuple[int, int]) -> None:
        self._place = place
        self._file.seek(place[1])


def _whole(content: bytes, tape: _Tape, delimiter: str) -> bytes:
    """With the lines that follow inside of quotes. A quote that never closes is an error of its
    own line and swallows no others."""
    mark, first = tape.mark(), content
    while not _closed(content, delimiter):
        line = tape.more()
        while line and b'"' not in line and len(content) <= _LONGEST_ROW:
            content += line
            line = tape.more()
        content += line
        if not line or len(content) > _LONGEST_ROW:
            tape.rewind(mark)
            return first
    return content


def _closed(content: bytes, delimiter: str) -> bool:
    """Whether the quotes of a CSV row are closed. A field that begins with none has none."""
    try:
        cells_of(content.decode("utf-8", "replace"), delimiter)
    except UnreadableSampleError as error:
        return "unexpected end" not in str(error)
    return True


def cells_of(line: str, delimiter: str) -> list[str]:
    """The cells of one CSV row, without the blanks around them.

    Raises:
        UnreadableSampleError: Its quotes do not close, or it is none.
    """
    if '"' not in line:
        cells = line.split(delimiter)
        return [cell.strip() for cell in cells] if " " in line else cells
    try:
        rows = list(csv.reader(io.StringIO(line, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise UnreadableSampleError("this is no row of CSV", received=error) from error
    if len(rows) != 1:
        raise UnreadableSampleError("this is no row of CSV", received=f"{len(rows)} rows")
    return [cell.strip() for cell in rows[0]]


def head_lines(path: Path, at_most: int = 10_000) -> Iterator[tuple[int, int, str]]:
    """Line number, byte of the next line, and text of the first lines; for comments' sake,
    characters that are not UTF-8 are replaced."""
    with path.open("rb") as file:
        end = 0
        for number, content in zip(range(1, at_most + 1), file, strict=False):
            end += len(content)
            content = content.removeprefix(_BOM) if number == 1 else content
            yield number, end, content.decode("utf-8", "replace").rstrip("\r\n")


def first_byte(path: Path) -> int:
    """Where the text begins, behind a byte order mark."""
    with path.open("rb") as file:
        return len(_BOM) if file.read(len(_BOM)) == _BOM else 0
