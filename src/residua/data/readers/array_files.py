"""Arrays in .npy files and .npz archives: their headers, and their rows without the rest.

Archives written by `numpy.savez` hold their arrays as they are, so that rows can be read at their
place; those of `numpy.savez_compressed` are read whole.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from residua.errors import FormatError

_LOCAL_HEADER = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayFile:
    """An array that is not read yet.

    Attributes:
        path: File or archive.
        member: Its name in the archive, or empty.
        offset: Byte of the file where its values begin, -1 where they are compressed.
        fortran: Whether the first index runs fastest.
    """

    path: Path
    member: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    offset: int

    @property
    def name(self) -> str:
        return self.member.removesuffix(".npy") or self.path.name

    @property
    def has_places(self) -> bool:
        """Whether a row can be read without the others."""
        return self.offset >= 0 and not self.fortran

    def load(self) -> npt.NDArray[Any]:
        """All of it.

        Raises:
            FormatError: The file is shorter than its header says.
        """
        try:
            with _opened(self.path, self.member) as stream:
                return cast("npt.NDArray[Any]", np.lib.format.read_array(stream))
        except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
            raise _damaged(self.path, self.member, error) from error

    def row(self, row: int) -> npt.NDArray[Any]:
        """One entry along the first axis; short where the file is cut."""
        count = int(np.prod(self.shape[1:]))
        offset = self.offset + row * count * self.dtype.itemsize
        return np.fromfile(self.path, dtype=self.dtype, count=count, offset=offset)


def find_arrays(path: Path) -> dict[str, ArrayFile]:
    """The arrays of a .npz archive by name, or the one of a .npy file by its stem.

    Raises:
        FormatError: The file is damaged, or holds Python objects, which are never loaded.
    """
    if path.suffix.lower() != ".npz":
        return {path.stem: _described(path, "", 0)}
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
    except (zipfile.BadZipFile, OSError) as error:
        raise _damaged(path, "", error) from error
    return {
        info.filename.removesuffix(".npy"): _described(path, info.filename, _start(path, info))
        for info in members
    }


def _start(path: Path, info: zipfile.ZipInfo) -> int:
    """The byte where an uncompressed member begins, else -1."""
    if info.compress_type != zipfile.ZIP_STORED:
        return -1
    with path.open("rb") as file:
        file.seek(info.header_offset)
        name, extra = struct.unpack("<HH", file.read(_LOCAL_HEADER)[26:])
    return info.header_offset + _LOCAL_HEADER + name + extra


def _described(path: Path, member: str, start: int) -> ArrayFile:
    try:
        with _opened(path, member) as stream:
            version = np.lib.format.read_magic(stream)
            if version == (1, 0):
                header = np.lib.format.read_array_header_1_0(stream)
            else:
                header = np.lib.format.read_array_header_2_0(stream)
            length = stream.tell()
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise _damaged(path, member, error) from error
    shape, fortran, dtype = header
    if dtype.hasobject:
        raise FormatError(
            "an array of Python objects is not read, as that could run a program",
            expected="numbers or text",
            where=f"{path}, {member.removesuffix('.npy')}" if member else path,
            fix="Fill short series with NaN at their end, and save one float32 array",
        )
    return ArrayFile(
        path=path,
        member=member,
        shape=tuple(shape),
        dtype=dtype,
        fortran=fortran and len(shape) > 1,
        offset=start + length if start >= 0 else -1,
    )


@contextmanager
def _opened(path: Path, member: str) -> Generator[BinaryIO]:
    if not member:
        with path.open("rb") as file:
            yield file
        return
    with zipfile.ZipFile(path) as archive, archive.open(member) as file:
        yield cast("BinaryIO", file)


def _damaged(path: Path, member: str, error: Exception) -> FormatError:
    where = f"{path}, {member}" if member else path
    return FormatError("this is no whole array of numpy", received=error, where=where)
