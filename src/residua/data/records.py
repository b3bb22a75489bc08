"""Files of byte records in the cache folder: written once, whole or not there, read from any place.

    header (one page, JSON) | records | n + 1 offsets | n aspects | problems (JSON)

A record of no bytes is a sample that could not be read; the problems say why.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import tempfile
import weakref
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from residua.data.dataset import Problem
from residua.errors import DataError, FormatError
from residua.files import naming_full_disk, sync_folder

_MAGIC = "residua records"
_VERSION = 1
_PAGE = 4096
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOENT}
"""What a system says of a folder that cannot be made or written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is kept of one sample; ``content`` is empty and ``problem`` set where nothing is."""

    content: bytes | memoryview = b""
    aspect: float = 1.0
    problem: Problem | None = None


class RecordFile:
    """An open file of records.

    Records are read with ``pread`` into buffers of the caller, not mapped into memory: mapped pages
    count as the process's own while they stay in the page cache, so its resident memory would grow
    with the data set, and limits on containers and ``ulimit`` would strike. One call that copies a
    record costs about a microsecond, less than the page fault it replaces.

    Attributes:
        offsets: int64 ``[n + 1]``; record ``i`` lies between offsets ``i`` and ``i + 1``.
        aspects: float32 ``[n]``.
        problems: Why records are empty.
    """

    def __init__(self, path: Path, header: dict[str, Any], descriptor: int) -> None:
        self.path = path
        n, end = int(header["records"]), int(header["end"])
        self.offsets = np.frombuffer(os.pread(descriptor, 8 * (n + 1), end), dtype="<i8")
        self.aspects = np.frombuffer(
            os.pread(descriptor, 4 * n, end + self.offsets.nbytes), dtype="<f4"
        )
        start = end + self.offsets.nbytes + self.aspects.nbytes
        problems = json.loads(os.pread(descriptor, int(header["size"]) - start, start))
        self.problems = tuple(Problem(key=key, reason=reason) for key, reason in problems)
        self._key = str(header["key"])
        self._descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)

    def __reduce__(self) -> tuple[Callable[[Path, str], RecordFile | None], tuple[Path, str]]:
        """A process that was not forked opens the file anew."""
        return load_records, (self.path, self._key)

    def read_into(self, buffer: memoryview, start: int) -> None:
        """Fills ``buffer`` with the bytes from offset ``start`` on."""
        read = os.preadv(self._descriptor, [buffer], start)
        if read != buffer.nbytes:
            raise FormatError(
                "a cache file has been cut short",
                expected=f"{buffer.nbytes} bytes at {start}",
                received=read,
                where=self.path,
                fix="Delete it and start again",
            )

    def read(self, position: int) -> bytearray:
        """The record at ``position``."""
        start, end = self.offsets[position : position + 2].tolist()
        content = bytearray(end - start)
        self.read_into(memoryview(content), start)
        return content


def load_records(path: Path, key: str) -> RecordFile | None:
    """The file at ``path``, if it is whole and was written for ``key``."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        header = json.loads(os.pread(descriptor, _PAGE, 0).rstrip(b"\0"))
        expected = {"magic": _MAGIC, "version": _VERSION, "key": key}
        if {name: header[name] for name in expected} != expected:
            raise ValueError(path)
        if os.fstat(descriptor).st_size != header["size"]:
            raise ValueError(path)
        return RecordFile(path, header, descriptor)
    except (ValueError, KeyError, TypeError):
        # Cut short, or not one of ours: to be written anew, which replaces it.
        os.close(descriptor)
        return None


def records_once(
    path: Path, key: str, records: Callable[[], Iterable[Record]], *, size: int
) -> RecordFile:
    """Loads the file, or writes it first. Of several processes that ask at once, one writes and
    the others wait for it.

    Args:
        path: Where it is or will be.
        key: What its content depends on.
        records: Gives the records in their order; called only if they must be written.
        size: Their bytes in all, roughly; reserved at once so that a full disk shows at the start.

    Raises:
        DiskFullError: Nothing is left behind.
        DataError: The folder cannot be written.
    """
    if (found := load_records(path, key)) is not None:
        return found
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path), naming_full_disk(path):
            if (found := load_records(path, key)) is not None:
                return found
            _write(path, key, records(), size)
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
        raise DataError(
            "cannot write the cache",
            where=path.parent,
            received=error.strerror,
            fix="Set RESIDUA_CACHE to a folder that you may write",
        ) from error
    written = load_records(path, key)
    assert written is not None, path
    return written


@contextmanager
def _alone(path: Path) -> Generator[None]:
    """Keeps other processes from writing ``path``, where the file system knows locks; elsewhere two
    of them waste work, but the temporary names still keep their files apart."""
    with path.with_suffix(".lock").open("wb") as lock:
        locked = False
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
            locked = True
        if locked:  # what lies there now was left by a process that was killed
            for stale in path.parent.glob(f".{path.name}.*"):
                stale.unlink(missing_ok=True)
        yield


def _write(path: Path, key: str, records: Iterable[Record], size: int) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, _PAGE + size)
            _fill(file, key, records)
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _fill(file: IO[bytes], key: str, records: Iterable[Record]) -> None:
    offsets, aspects, problems = [_PAGE], list[float](), list[tuple[str, str]]()
    file.seek(_PAGE)
    for record in records:
        file.write(record.content)
        offsets.append(offsets[-1] + len(record.content))
        aspects.append(record.aspect)
        if record.problem is not None:
            problems.append((record.problem.key, record.problem.reason))
    file.write(np.asarray(offsets, dtype="<i8").tobytes())
    file.write(np.asarray(aspects, dtype="<f4").tobytes())
    file.write(json.dumps(problems).encode())
    size = file.tell()
    file.truncate()
    header = {"magic": _MAGIC, "version": _VERSION, "key": key, "records": len(aspects)}
    page = json.dumps(header | {"end": offsets[-1], "size": size}).encode()
    assert len(page) <= _PAGE
    file.seek(0)
    file.write(page.ljust(_PAGE, b"\0"))
    file.flush()
