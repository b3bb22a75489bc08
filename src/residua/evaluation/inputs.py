"""Which pictures a user means: files, folders, patterns, a list on standard input."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from residua.data.decode import IMAGE_SUFFIXES
from residua.errors import DataNotFoundError


def find_inputs(inputs: Iterable[str]) -> Iterator[str]:
    """The paths that ``inputs`` stand for, lazily and in their order.

    - ``-`` reads more inputs from standard input, one a line;
    - a folder gives the pictures below it, sorted by name, without hidden ones;
    - a pattern (``*``, ``?``, ``[...]``, ``**``) gives the files that match, sorted;
    - anything else is a path, whether there is a file or not.

    Raises:
        DataNotFoundError: A pattern or folder without a picture.
    """
    for item in inputs:
        if item == "-":
            lines = (line.rstrip("\r\n") for line in sys.stdin)
            yield from find_inputs(line for line in lines if line.strip() and line != "-")
        elif Path(item).is_dir():
            yield from _or_nothing_found(_below(item), item, "a folder with pictures")
        elif glob.has_magic(item) and not Path(item).exists():
            yield from _or_nothing_found(_matching(item), item, "a pattern that matches pictures")
        else:
            yield item


def _is_picture(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in IMAGE_SUFFIXES


def _below(folder: str) -> Iterator[str]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (str(Path(parent, name)) for name in sorted(files) if _is_picture(name))


def _matching(pattern: str) -> Iterator[str]:
    for path in sorted(glob.iglob(pattern, recursive=True)):  # noqa: PTH207 (absolute patterns)
        if Path(path).is_file() and _is_picture(Path(path).name):
            yield path


def _or_nothing_found(paths: Iterator[str], item: str, expected: str) -> Iterator[str]:
    found = False
    for path in paths:
        found = True
        yield path
    if not found:
        raise DataNotFoundError(
            "no pictures found",
            expected=expected,
            received=f"'{item}'",
            fix=f"Pictures end in {' '.join(sorted(IMAGE_SUFFIXES))}",
        )
