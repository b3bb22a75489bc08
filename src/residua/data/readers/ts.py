"""The .ts files of the UCR and UEA archives.

Comments ``#``, header lines ``@key value``, then behind ``@data`` one case a line: channels
separated by colons, values by commas, ``?`` for missing ones, and last the class or the target.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from residua.batch import Task
from residua.data.readers.lines import Facts, Layout, open_lines
from residua.data.readers.records import head_lines
from residua.data.readers.series import SeriesFiles, SeriesReader, Signal, is_missing, numbers
from residua.data.readers.targets import Meaning
from residua.errors import FormatError, UnreadableSampleError


def open_ts(files: SeriesFiles, *, strict: bool = False) -> SeriesReader:
    """Errors as in `residua.data.readers.lines.open_lines`."""
    return open_lines("ts", files, [_layout(path) for path in files.paths], strict=strict)


@dataclass(frozen=True, slots=True)
class TsLines:
    """``1,2,3:4,5,6:label``."""

    def facts(self, line: str) -> Facts:
        *channels, label = line.split(":")
        if not channels or is_missing(label):
            what, form = "the case has no label", "values:label"
            raise UnreadableSampleError(what, expected=form, received=f"'{line[-20:]}'")
        lengths = [channel.count(",") + 1 for channel in channels]
        if len(set(lengths)) > 1:
            raise UnreadableSampleError(
                "the channels of a case differ in length",
                received=" and ".join(map(str, sorted(set(lengths)))) + " values",
            )
        if not any(channel.strip() for channel in channels):
            raise UnreadableSampleError("the series has no values")
        return Facts(label=(label.strip(),), channels=len(channels))

    def values(self, line: str) -> Signal:
        *channels, _ = line.split(":")
        return np.stack([numbers(channel.split(",")) for channel in channels])


def _layout(path: Path) -> Layout:
    header: dict[str, list[str]] = {}
    for number, end, text in head_lines(path):
        line = text.strip()
        if not line or line.startswith("#"):
            continue
        if not line.startswith("@"):
            what, expected = "a line that is no header before @data", "@key value"
            where = f"{path}, line {number}"
            raise FormatError(what, expected=expected, received=f"'{line[:30]}'", where=where)
        key, *words = line[1:].split()
        header[key.lower()] = words
        if key.lower() == "data":
            return Layout(
                format=TsLines(),
                start=end,
                number=number + 1,
                comment=b"#",
                channels=_channels(header, path),
                meaning=_meaning(header, path),
            )
    what = "the header does not end" if header else "the file is empty"
    raise FormatError(what, expected="a line @data", where=path)


def _true(header: dict[str, list[str]], key: str, *, otherwise: bool = False) -> bool:
    words = header.get(key)
    return words[0].lower() == "true" if words else otherwise


def _channels(header: dict[str, list[str]], path: Path) -> int | None:
    words = header.get("dimensions") or header.get("dimension")
    if words:
        if not words[0].isdigit():
            what = "@dimensions is no number"
            raise FormatError(what, received=f"'{words[0]}'", where=path)
        return int(words[0])
    return 1 if _true(header, "univariate") else None


def _meaning(header: dict[str, list[str]], path: Path) -> Meaning:
    if _true(header, "timestamps"):
        raise FormatError(
            "series with time stamps are not supported",
            expected="@timestamps false",
            where=path,
            fix="Write the values at equal steps",
        )
    if _true(header, "targetlabel"):
        return Meaning(task=Task.REGRESSION)
    if not _true(header, "classlabel", otherwise=True):
        what, expected = "the file has no labels", "@classLabel true or @targetlabel true"
        raise FormatError(what, expected=expected, where=path)
    names = tuple(header.get("classlabel", ["true"])[1:])
    return Meaning(task=Task.CLASSIFICATION, classes=names or None)
