"""Which samples a user means: files, folders, patterns, a list on standard input."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from residua.batch import Modality
from residua.data.decode import IMAGE_SUFFIXES
from residua.data.sound import SOUND_SUFFIXES
from residua.errors import DataNotFoundError

SERIES_SUFFIXES = frozenset({".ts", ".tsv", ".arff", ".csv", ".npy", ".npz", ".parquet"})


@dataclass(frozen=True, slots=True, kw_only=True)
class InputKind:
    """What files of a modality are called: a noun in the plural, and their endings."""

    noun: str
    suffixes: frozenset[str]

    def includes(self, name: str) -> bool:
        return not name.startswith(".") and Path(name).suffix.lower() in self.suffixes


INPUT_KINDS: Mapping[Modality, InputKind] = {
    Modality.IMAGE: InputKind(noun="pictures", suffixes=IMAGE_SUFFIXES),
    Modality.SIGNAL: InputKind(noun="series", suffixes=SERIES_SUFFIXES),
    Modality.SOUND: InputKind(noun="sounds", suffixes=SOUND_SUFFIXES),
    Modality.TEXT: InputKind(noun="texts", suffixes=frozenset({".txt"})),
}


def find_inputs(inputs: Iterable[str], kind: InputKind) -> Iterator[str]:
    """The paths that ``inputs`` stand for, lazily and in their order.

    - ``-`` reads more inputs from standard input, one a line;
    - a folder gives the files of the kind below it, sorted by name, without hidden ones;
    - a pattern (``*``, ``?``, ``[...]``, ``**``) gives the files that match, sorted;
    - anything else is a path, whether there is a file or not.

    Raises:
        DataNotFoundError: A pattern or folder without a file of the kind.
    """
    for item in inputs:
        if item == "-":
            lines = (line.rstrip("\r\n") for line in sys.stdin)
            wanted = (line for line in lines if line.strip() and line != "-")
            yield from find_inputs(wanted, kind)
        elif Path(item).is_dir():
            yield from _or_nothing_found(_below(item, kind), item, "a folder", kind)
        elif glob.has_magic(item) and not Path(item).exists():
            yield from _or_nothing_found(_matching(item, kind), item, "a pattern", kind)
        else:
            yield item


def _below(folder: str, kind: InputKind) -> Iterator[str]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (str(Path(parent, name)) for name in sorted(files) if kind.includes(name))


def _matching(pattern: str, kind: InputKind) -> Iterator[str]:
    for path in sorted(glob.iglob(pattern, recursive=True)):  # noqa: PTH207 (absolute patterns)
        if Path(path).is_file() and kind.includes(Path(path).name):
            yield path


def _or_nothing_found(paths: Iterator[str], item: str, what: str, kind: InputKind) -> Iterator[str]:
    found = False
    for path in paths:
        found = True
        yield path
    if not found:
        raise DataNotFoundError(
            f"no {kind.noun} found",
            expected=f"{what} with {kind.noun}",
            received=f"'{item}'",
            fix=f"They end in {' '.join(sorted(kind.suffixes))}",
        )
