"""The .arff files of the UCR and UEA archives.

Univariate: an attribute a step, and one for the class (nominal) or the target (numeric, the last).
Multivariate: a relational attribute, whose quoted value has a line (backslash n) a channel.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from residua.batch import Task
from residua.data.readers.lines import Facts, Layout, open_lines
from residua.data.readers.records import cells_of, head_lines
from residua.data.readers.series import (
    SeriesFiles,
    SeriesReader,
    Signal,
    is_missing,
    numbers,
    trimmed,
)
from residua.data.readers.shared import shorten
from residua.data.readers.targets import Meaning
from residua.errors import FormatError, UnreadableSampleError

_ATTRIBUTE = re.compile(
    r"""@attribute\s+('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\S+)\s*(\{.*\}|\S+).*""", re.IGNORECASE
)
_NUMERIC = ("numeric", "real", "integer")


def open_arff(files: SeriesFiles, *, strict: bool = False) -> SeriesReader:
    """Errors as in `residua.data.readers.lines.open_lines`."""
    return open_lines("arff", files, [_layout(path) for path in files.paths], strict=strict)


@dataclass(frozen=True, slots=True)
class ArffLines:
    """``1,2,3,label``, the label at position ``label`` of ``width``."""

    width: int
    label: int

    def facts(self, line: str) -> Facts:
        cells = _cells(line)
        if len(cells) != self.width:
            raise UnreadableSampleError(
                "another number of values than attributes",
                expected=self.width,
                received=len(cells),
            )
        return Facts(label=(_label(cells[self.label]),), channels=1)

    def values(self, line: str) -> Signal:
        cells = _cells(line)
        del cells[self.label]
        return trimmed(numbers(cells)[np.newaxis])


@dataclass(frozen=True, slots=True)
class RelationalLines:
    """``'1,2,3\\n4,5,6',label``."""

    def facts(self, line: str) -> Facts:
        channels, label = _relation(line)
        lengths = {channel.count(",") + 1 for channel in channels}
        if len(lengths) > 1:
            raise UnreadableSampleError(
                "the channels of a case differ in length",
                received=" and ".join(map(str, sorted(lengths))) + " values",
            )
        return Facts(label=(_label(label),), channels=len(channels))

    def values(self, line: str) -> Signal:
        channels, _ = _relation(line)
        return trimmed(np.stack([numbers(channel.split(",")) for channel in channels]))


def _cells(line: str) -> list[str]:
    if line.lstrip().startswith("{"):
        raise UnreadableSampleError("sparse rows are not supported", received=f"'{line[:20]}'")
    return cells_of(line.replace("'", '"'), ",")


def _relation(line: str) -> tuple[list[str], str]:
    line = line.strip()
    end = line.rfind(line[0])
    if line[0] not in "'\"" or end == 0:
        expected, received = "'channel\\nchannel',label", f"'{line[:20]}'"
        raise UnreadableSampleError("no quoted series", expected=expected, received=received)
    return line[1:end].split("\\n"), line[end + 1 :].strip(" ,\t")


def _label(text: str) -> str:
    if is_missing(text):
        raise UnreadableSampleError("the case has no label", received=f"'{text}'")
    return _bare(text)


def _bare(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def _layout(path: Path) -> Layout:
    kinds: list[str] = []
    names: list[str] = []
    inner = False
    for number, end, text in head_lines(path, at_most=1_000_000):
        line = text.strip()
        word = line.split(None, 1)[0].lower() if line else "%"
        if word == "@attribute" and not inner:
            name, kind = _attribute(line, number, path)
            names.append(name)
            kinds.append(kind)
            inner = kind == "relational"
        elif word == "@end":
            inner = False
        elif word == "@data":
            return _with_attributes(names, kinds, end, number + 1, path)
        elif not (word.startswith("%") or word in ("@relation", "@attribute")):
            what, where = "a line that is no header before @data", f"{path}, line {number}"
            raise FormatError(what, received=f"'{line[:30]}'", where=where)
    what = "the header does not end" if kinds else "the file is empty"
    raise FormatError(what, expected="a line @data", where=path)


def _attribute(line: str, number: int, path: Path) -> tuple[str, str]:
    match = _ATTRIBUTE.fullmatch(line)
    if not match:
        what, expected = "this is no attribute", "@attribute name type"
        where = f"{path}, line {number}"
        raise FormatError(what, expected=expected, received=f"'{line[:40]}'", where=where)
    kind = match[2]
    return _bare(match[1]), kind if kind.startswith("{") else kind.lower()


def _with_attributes(
    names: list[str], kinds: list[str], start: int, number: int, path: Path
) -> Layout:
    nominal = [i for i, kind in enumerate(kinds) if kind.startswith("{")]
    relational = kinds.count("relational")
    others = [kind for kind in kinds if kind not in (*_NUMERIC, "relational") and kind[0] != "{"]
    fits = kinds[:1] == ["relational"] and len(kinds) == 2 if relational else len(kinds) > 1
    if others or len(nominal) > 1 or not fits:
        raise FormatError(
            "these attributes are no series with a class",
            expected="numeric ones and one nominal, or one relational and one nominal",
            received=shorten(f"{name} {kind}" for name, kind in zip(names, kinds, strict=True)),
            where=path,
        )
    label = nominal[0] if nominal else len(kinds) - 1
    return Layout(
        format=RelationalLines() if relational else ArffLines(width=len(kinds), label=label),
        start=start,
        number=number,
        comment=b"%",
        channels=None if relational else 1,
        meaning=_meaning(names[label], kinds[label]),
    )


def _meaning(name: str, kind: str) -> Meaning:
    if not kind.startswith("{"):
        return Meaning(task=Task.REGRESSION, quantities=(name,))
    cells = cells_of(kind.strip("{} ").replace("'", '"'), ",")
    return Meaning(task=Task.CLASSIFICATION, classes=tuple(cells))
