"""IDX files (LeCun, "The MNIST database of handwritten digits", 1998), plain or gzipped.

``[PREFIX-]train-images-idx3-ubyte[.gz]`` with ``...-labels-idx1-ubyte[.gz]``, the test part as
``t10k-`` or ``test-``. Pictures are uint8 ``[n, h, w]``, or ``[n, h, w, 3]`` (idx4) for colour.
The format has no class names: a file ``classes.txt`` beside them, one name a line, gives them.
"""

from __future__ import annotations

import bisect
import gzip
import math
import os
import re
import shutil
import struct
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt

from residua.batch import Modality, Schema, Split
from residua.data.dataset import Problem, Raw, Table
from residua.data.readers.locations import cache_folder
from residua.data.readers.shared import SPLIT_NAMES, encode_labels, files_identity
from residua.errors import DataError, FormatError, LabelError
from residua.files import naming_full_disk

_NAME = re.compile(
    r"(?P<prefix>(?:.+[-_])?)(?P<split>train|t10k|test|val|validation)-images[-.]idx[34]-ubyte"
)
_UINT8 = 0x08
_GZIP_ERRORS = (EOFError, gzip.BadGzipFile, zlib.error)


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
        with _plain(part.images).open("rb") as file:
            return _pixels(file, part, index)

    def scan(self, rows: Sequence[int]) -> Iterator[tuple[int, Raw | DataError]]:
        first = 0
        for part in self.parts:
            last = first + part.shape[0]
            chosen = rows[bisect.bisect_left(rows, first) : bisect.bisect_left(rows, last)]
            if len(chosen):
                with _open(part.images) as file:
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
    nested = [place for place in folder.glob("*/raw") if _find_images(place)]
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


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _read_header(path: Path) -> tuple[tuple[int, ...], int]:
    """Shape and offset of the values. Magic number: 0, 0, type, dimensions; big endian."""
    try:
        with _open(path) as file:
            zero, kind, dimensions = struct.unpack(">HBB", file.read(4))
            shape = struct.unpack(f">{dimensions}I", file.read(4 * dimensions))
    except (struct.error, *_GZIP_ERRORS) as error:
        raise FormatError("this is not an IDX file", received=error, where=path) from error
    if zero != 0 or kind != _UINT8 or not (dimensions in (1, 3) or shape[3:] == (3,)):
        raise FormatError(
            "this is not an IDX file of pictures or labels",
            expected="magic number 0x0801, 0x0803, or 0x0804 with 3 channels",
            received=f"0x{zero << 16 | kind << 8 | dimensions:04x}",
            where=path,
        )
    return shape, 4 + 4 * dimensions


def _content_bytes(path: Path, expected: int) -> int:
    """Bytes of the uncompressed content, from gzip's own trailer where that agrees."""
    if path.suffix != ".gz":
        return path.stat().st_size
    with path.open("rb") as file:
        file.seek(-4, os.SEEK_END)
        if struct.unpack("<I", file.read(4))[0] == expected % 2**32:
            return expected
    try:
        with gzip.open(path) as file:  # several members, or cut off: only reading can tell
            return sum(map(len, iter(lambda: file.read(1 << 20), b"")))
    except _GZIP_ERRORS as error:
        raise FormatError("the gzip file is damaged", received=error, where=path) from error


def _checked_header(path: Path) -> tuple[tuple[int, ...], int]:
    shape, offset = _read_header(path)
    expected = offset + math.prod(shape)
    received = _content_bytes(path, expected)
    if received != expected:
        raise FormatError(
            f"the file does not hold the {shape[0]} items that its header announces",
            expected=f"{expected} bytes",
            received=f"{received} bytes",
            where=path,
            fix="Download it again",
        )
    return shape, offset


def _open_part(folder: Path, images: Path) -> _Part:
    stem = images.name.removesuffix(".gz")
    name = re.sub(r"-images([-.])idx[34]-ubyte$", r"-labels\1idx1-ubyte", stem)
    labels = next((p for p in (folder / name, folder / f"{name}.gz") if p.is_file()), None)
    if labels is None:
        raise FormatError("a label file is missing", expected=f"{name}[.gz]", where=folder)
    shape, offset = _checked_header(images)
    if len(shape) < 3:
        raise FormatError("these are labels, not pictures", received=shape, where=images)
    match = _NAME.fullmatch(stem)
    assert match, "only matching names come here"
    split = SPLIT_NAMES.get(match["split"], Split.TEST)
    return _Part(stem=stem, split=split, images=images, labels=labels, shape=shape, offset=offset)


def _read_labels(part: _Part) -> npt.NDArray[np.int64]:
    shape, offset = _checked_header(part.labels)
    if shape != part.shape[:1]:
        raise LabelError(
            "pictures and labels differ in number",
            expected=f"{part.shape[0]} labels",
            received=" x ".join(str(size) for size in shape),
            where=part.labels,
        )
    with _open(part.labels) as file:
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
    except _GZIP_ERRORS as error:
        raise FormatError("the gzip file is damaged", received=error, where=part.images) from error
    if len(data) != part.picture_bytes:
        raise FormatError("the file is shorter than when it was opened", where=part.images)
    return np.frombuffer(data, np.uint8).reshape(part.shape[1:])


def _check_end(file: BinaryIO, part: _Part) -> None:
    """At its end, and only there, a gzip stream is held against its checksum."""
    try:
        file.read(1)
    except _GZIP_ERRORS as error:
        raise FormatError("the gzip file is damaged", received=error, where=part.images) from error


def _plain(path: Path) -> Path:
    """``path``, or the decompressed copy of it; made at the first call, whole or not at all."""
    if path.suffix != ".gz":
        return path
    identity = files_identity("gunzip", path.parent.resolve(), [path.name])
    copy = cache_folder() / "idx" / f"{identity}-{path.stem}"
    if copy.is_file():
        return copy
    copy.parent.mkdir(parents=True, exist_ok=True)
    with (
        naming_full_disk(copy),
        tempfile.TemporaryDirectory(dir=copy.parent) as scratch,
        gzip.open(path) as source,
    ):
        whole = Path(scratch) / "content"
        try:
            with whole.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        except _GZIP_ERRORS as error:
            raise FormatError("the gzip file is damaged", received=error, where=path) from error
        whole.replace(copy)
    return copy
