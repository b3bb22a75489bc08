"""IDX files (LeCun, "The MNIST database of handwritten digits", 1998), plain or gzipped.

``[PREFIX-]train-images-idx3-ubyte[.gz]`` with ``...-labels-idx1-ubyte[.gz]``, the test part as
``t10k-`` or ``test-``. Pictures are uint8 ``[n, h, w]``, or ``[n, h, w, 3]`` (idx4) for colour.
The format has no class names: a file ``classes.txt`` beside them, one name a line, gives them.
"""

from __future__ import annotations

import bisect
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from residua.batch import Modality, Schema, Split
from residua.data.dataset import Problem, Raw, Table
from residua.data.readers.idx_file import (
    GZIP_ERRORS,
    checked_header,
    open_content,
    plain_copy,
)
from residua.data.readers.shared import SPLIT_NAMES, encode_labels, files_identity
from residua.errors import DataError, FormatError, LabelError

_NAME = re.compile(
    r"(?P<prefix>(?:.+[-_])?)(?P<split>train|t10k|test|val|validation)-images[-.]idx[34]-ubyte"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """The pictures and labels of one split.

    Attributes:
        stem: Name of the picture file without ``.gz``: keys survive its decompression.
        shape: ``n, h, w`` or ``n, h, w, 3``.
        offset: Bytes before the first pixel.
    """

    stem: str
    split: Split
    images: Path
    labels: Path
    shape: tuple[int, ...]
    offset: int

    @property
    def picture_bytes(self) -> int:
        return math.prod(self.shape[1:])


@dataclass(frozen=True, kw_only=True, eq=False)
class IdxReader:
    """Pictures in IDX files; keys are ``train-images-idx3-ubyte#17``.

    Random access needs plain files: of a gzipped one, `read` keeps a decompressed copy in the cache
    folder. `scan` decompresses as it goes and writes nothing.
    """

    root: Path
    name: str
    parts: Sequence[_Part]
    schema: Schema
    table: Table
    problems: Sequence[Problem] = ()

    def identity(self) -> str:
        files = [path.name for part in self.parts for path in (part.images, part.labels)]
        return files_identity("idx", self.root, files)

    def read(self, row: int) -> Raw:
        part, index = self._locate(row)
        with plain_copy(part.images).open("rb") as file:
            return _pixels(file, part, index)

    def scan(self, rows: Sequence[int]) -> Iterator[tuple[int, Raw | DataError]]:
        first = 0
        for part in self.parts:
            last = first + part.shape[0]
            chosen = rows[bisect.bisect_left(rows, first) : bisect.bisect_left(rows, last)]
            if len(chosen):
                with open_content(part.images) as file:
                    for row in map(int, chosen):
                        yield row, _pixels(file, part, row - first)
                    if chosen[-1] == last - 1:
                        _check_end(file, part)
            first = last

    def _locate(self, row: int) -> tuple[_Part, int]:
        for part in self.parts:
            if row < part.shape[0]:
                return part, row
            row -= part.shape[0]
        raise IndexError(row)


def find_idx(folder: Path) -> Path | None:
    """Where below ``folder`` the files lie: in it, or in raw/ as torchvision keeps them."""
    nested = [place for place in folder.glob("*/raw") if place.is_dir() and _find_images(place)]
    for place in (folder, folder / "raw", *(nested if len(nested) == 1 else ())):
        if place.is_dir() and _find_images(place):
            return place
    return None


def idx_name(folder: Path) -> str:
    """What the data set is called: the folder, or the one above torchvision's raw/."""
    folder = folder.resolve()
    return folder.parent.name if folder.name == "raw" else folder.name


def is_idx(path: Path) -> bool:
    """By the name."""
    return _NAME.fullmatch(path.name.removesuffix(".gz")) is not None


def open_idx(path: Path, *, classes: Sequence[str] | None = None) -> IdxReader:
    """Reads headers and labels.

    Args:
        path: The folder, or one picture file where a folder holds several data sets.
        classes: Class names by label, where they are known.

    Raises:
        FormatError: A file is missing, is not IDX, or is shorter or longer than its header says.
        LabelError: Pictures and labels differ in number; a label has no class.
    """
    folder, images = _choose(path)
    parts = [_open_part(folder, file) for file in images]
    numbers = [_read_labels(part) for part in parts]
    keys = [f"{part.stem}#{i}" for part in parts for i in range(part.shape[0])]
    splits = [part.split for part in parts for _ in range(part.shape[0])]
    class_names, labels = _name_labels(
        np.concatenate(numbers), classes or _names_beside(folder), splits, keys, folder
    )
    channels = {3 if len(part.shape) == 4 else 1 for part in parts}
    return IdxReader(
        root=folder,
        name=idx_name(folder),
        parts=parts,
        schema=Schema(modality=Modality.IMAGE, channels=max(channels), classes=class_names),
        table=Table(keys=keys, labels=labels, splits=splits),
    )


def _find_images(folder: Path) -> dict[str, dict[Split, Path]]:
    """By prefix and split; a plain file comes before a gzipped one."""
    found: dict[str, dict[Split, Path]] = {}
    for path in sorted(folder.iterdir(), reverse=True):
        match = _NAME.fullmatch(path.name.removesuffix(".gz"))
        if match and path.is_file():
            split = SPLIT_NAMES.get(match["split"], Split.TEST)
            found.setdefault(match["prefix"], {})[split] = path
    return found


def _choose(path: Path) -> tuple[Path, list[Path]]:
    folder = path if path.is_dir() else path.parent
    found = _find_images(folder)
    match = None if path.is_dir() else _NAME.fullmatch(path.name.removesuffix(".gz"))
    if match:
        found = {match["prefix"]: found[match["prefix"]]}
    if len(found) != 1:
        raise FormatError(
            "there are several IDX data sets" if found else "there are no IDX files",
            expected="one of train-images-idx3-ubyte[.gz]",
            received=", ".join(prefix + "*" for prefix in sorted(found)) or None,
            where=folder,
            fix="Give the path of the wanted train-images file" if found else "",
        )
    files = next(iter(found.values()))
    return folder, [files[split] for split in Split if split in files]


def _open_part(folder: Path, images: Path) -> _Part:
    stem = images.name.removesuffix(".gz")
    name = re.sub(r"-images([-.])idx[34]-ubyte$", r"-labels\1idx1-ubyte", stem)
    labels = next((p for p in (folder / name, folder / f"{name}.gz") if p.is_file()), None)
    if labels is None:
        raise FormatError("a label file is missing", expected=f"{name}[.gz]", where=folder)
    shape, offset = checked_header(images)
    if len(shape) < 3:
        raise FormatError("these are labels, not pictures", received=shape, where=images)
    match = _NAME.fullmatch(stem)
    assert match, "only matching names come here"
    split = SPLIT_NAMES.get(match["split"], Split.TEST)
    return _Part(stem=stem, split=split, images=images, labels=labels, shape=shape, offset=offset)


def _read_labels(part: _Part) -> npt.NDArray[np.int64]:
    shape, offset = checked_header(part.labels)
    if shape != part.shape[:1]:
        raise LabelError(
            "pictures and labels differ in number",
            expected=f"{part.shape[0]} labels",
            received=" x ".join(str(size) for size in shape),
            where=part.labels,
        )
    with open_content(part.labels) as file:
        file.seek(offset)
        return np.frombuffer(file.read(), np.uint8).astype(np.int64)


def _names_beside(folder: Path) -> list[str] | None:
    path = folder / "classes.txt"
    return path.read_text("utf-8").splitlines() if path.is_file() else None


def _name_labels(
    numbers: npt.NDArray[np.int64],
    names: Sequence[str] | None,
    splits: Sequence[Split],
    keys: Sequence[str],
    where: Path,
) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    if names is None:
        return encode_labels([str(number) for number in numbers], splits, keys, where)
    if len(numbers) and numbers.max() >= len(names):
        row = int(np.argmax(numbers))
        raise LabelError(
            "a label has no class",
            expected=f"0 to {len(names) - 1}, as there are {len(names)} class names",
            received=numbers[row],
            where=f"{where}: {keys[row]}",
        )
    return tuple(names), numbers


def _pixels(file: BinaryIO, part: _Part, index: int) -> npt.NDArray[np.uint8]:
    try:
        file.seek(part.offset + index * part.picture_bytes)
        data = file.read(part.picture_bytes)
    except GZIP_ERRORS as error:
        raise FormatError("the gzip file is damaged", received=error, where=part.images) from error
    if len(data) != part.picture_bytes:
        raise FormatError("the file is shorter than when it was opened", where=part.images)
    return np.frombuffer(data, np.uint8).reshape(part.shape[1:])


def _check_end(file: BinaryIO, part: _Part) -> None:
    """At its end, and only there, a gzip stream is held against its checksum."""
    try:
        file.read(1)
    except GZIP_ERRORS as error:
        raise FormatError("the gzip file is damaged", received=error, where=part.images) from error
