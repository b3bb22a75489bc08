"""The bytes of IDX files: header, length, plain or gzipped content.

A file is a magic number (0, 0, type of value, number of dimensions), the sizes, each a 32 bit
big-endian integer, then the values.
"""

from __future__ import annotations

import gzip
import math
import os
import shutil
import struct
import tempfile
import zlib
from pathlib import Path
from typing import BinaryIO, cast

from residua.data.readers.locations import cache_folder
from residua.data.readers.shared import files_identity
from residua.errors import DataError, FormatError
from residua.files import naming_full_disk

_UINT8 = 0x08
GZIP_ERRORS = (EOFError, gzip.BadGzipFile, zlib.error)


def open_content(path: Path) -> BinaryIO:
    """The file, decompressed on the fly if its name ends with .gz."""
    return cast(BinaryIO, gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _read_header(path: Path) -> tuple[tuple[int, ...], int]:
    try:
        with open_content(path) as file:
            zero, kind, dimensions = struct.unpack(">HBB", file.read(4))
            shape = struct.unpack(f">{dimensions}I", file.read(4 * dimensions))
    except (struct.error, *GZIP_ERRORS) as error:
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
    except GZIP_ERRORS as error:
        raise FormatError("the gzip file is damaged", received=error, where=path) from error


def checked_header(path: Path) -> tuple[tuple[int, ...], int]:
    """The sizes, and the offset of the first value.

    Raises:
        FormatError: It is no IDX file of bytes, or its length is not what the sizes ask for.
    """
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


def plain_copy(path: Path) -> Path:
    """``path``, or of a gzipped file the decompressed copy in the cache folder, which is made at
    the first call.

    Raises:
        DiskFullError: There is no room for the copy.
        DataError: The cache folder cannot be written.
        FormatError: The gzip file is damaged.
    """
    if path.suffix != ".gz":
        return path
    identity = files_identity("gunzip", path.parent.resolve(), [path.name])
    copy = cache_folder() / "idx" / f"{identity}-{path.stem}"
    if not copy.is_file():
        try:
            with naming_full_disk(copy):
                _decompress(path, copy)
        except GZIP_ERRORS as error:
            raise FormatError("the gzip file is damaged", received=error, where=path) from error
        except OSError as error:
            raise DataError(
                "cannot keep a decompressed copy",
                received=error.strerror or error,
                where=copy.parent,
                fix=f"Set RESIDUA_CACHE to a folder that you may write, or gunzip {path}",
            ) from error
    return copy


def _decompress(path: Path, copy: Path) -> None:
    """Wholly or not at all, whatever other processes do at the same time."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=copy.parent) as scratch, gzip.open(path) as source:
        whole = Path(scratch) / "content"
        with whole.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        whole.replace(copy)
