"""One pass over all samples of a data set: what each is, in a few hundred bytes.

What is taken of a sample is said by a `Kind`: one for pictures, signals, sound and text each.

Legend: n samples, m samples asked for, d numbers of a thumbnail.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from residua.data.dataset import Problem, Raw, Reader
from residua.data.rows import Rows
from residua.data.storage import Progress, cores, problem
from residua.errors import DataError

_CHUNK = 32  # samples handed to a thread at once: small ones cost less than the handing over

Thumbnails = npt.NDArray[np.uint8 | np.float16]
"""``[m, d]``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What people call the samples, and what they consist of."""

    one: str
    many: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Print:
    """What is kept of one sample.

    Attributes:
        digest: 16 bytes; equal where the decoded values are.
        thumbnail: ``[d]``.
        facts: As `Kind.facts` says.
    """

    digest: bytes
    thumbnail: Thumbnails
    facts: tuple[object, ...]


class Kind(Protocol):
    """How samples of one modality are looked at.

    Attributes:
        words: For messages.
        facts: Names and types of what is kept of a sample beside its thumbnail.
        highest: Correlation that copies still reach when they were stored anew; see
            `residua.data.duplicates`.
        rivals: How many other training samples may be as near as a copy is; 0 does not ask.
    """

    words: ClassVar[Words]
    facts: ClassVar[np.dtype[np.void]]
    highest: ClassVar[float]
    rivals: ClassVar[int]

    def blank(self, n: int, *, fine: bool = False) -> Thumbnails:
        """``[n, d]`` zeros, for thumbnails or for finer ones."""
        ...

    def take(self, raw: Raw, where: str) -> Print:
        """Decodes a sample.

        Raises:
            DataError: It cannot be.
        """
        ...

    def fine(self, raw: Raw, where: str) -> Thumbnails:
        """A thumbnail with more detail, for a second look; some multiple of ``d``."""
        ...

    def shows_something(self, thumbnails: Thumbnails) -> npt.NDArray[np.bool_]:
        """bool ``[m]``: whether there is enough in ``[m, d]`` to compare."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Fingerprints:
    """What is left of the samples after the pass.

    Attributes:
        kind: How they were taken.
        readable: bool ``[n]``; elsewhere the other arrays hold zeros.
        digests: ``[n]``, 16 bytes each; equal where the decoded values are.
        thumbnails: ``[n, d]``.
        facts: ``[n]`` records, see `Kind.facts`.
        problems: The unreadable samples, in the order of the table.
    """

    kind: Kind
    readable: npt.NDArray[np.bool_]
    digests: npt.NDArray[np.void]
    thumbnails: Thumbnails
    facts: npt.NDArray[np.void]
    problems: tuple[Problem, ...]

    def fact(self, name: str) -> npt.NDArray[Any]:
        """One fact of the readable samples."""
        return self.facts[name][self.readable]


def digest(shape: str, content: bytes | memoryview) -> bytes:
    """16 bytes that stand for the content."""
    found = hashlib.blake2b(shape.encode(), digest_size=16)
    found.update(content)
    return found.digest()


def take_fingerprints(
    reader: Reader, kind: Kind, *, threads: int | None = None, progress: Progress | None = None
) -> Fingerprints:
    """Decodes every sample of ``reader`` once, in memory that does not depend on their size."""
    keys, n = reader.table.keys, len(reader.table)
    readable = np.zeros(n, dtype=np.bool_)
    digests = np.zeros(n, dtype="V16")
    thumbnails, facts = kind.blank(n), np.zeros(n, dtype=kind.facts)
    problems: list[Problem] = []
    for done, (row, found) in enumerate(_prints(reader, kind, threads or cores())):
        if progress is not None and done % 100 == 0:
            progress(done, n)
        if isinstance(found, DataError):
            problems.append(problem(keys[row], found))
            continue
        readable[row] = True
        digests[row] = found.digest
        thumbnails[row] = found.thumbnail
        facts[row] = found.facts
    if progress is not None:
        progress(n, n)
    return Fingerprints(
        kind=kind,
        readable=readable,
        digests=digests,
        thumbnails=thumbnails,
        facts=facts,
        problems=tuple(problems),
    )


def take_fine(reader: Reader, kind: Kind, rows: Rows) -> Thumbnails:
    """`Kind.fine` of ascending readable ``rows``, from a second look at them."""
    keys = reader.table.keys
    found = kind.blank(len(rows), fine=True)
    for place, (row, raw) in enumerate(reader.scan([int(row) for row in rows])):
        if not isinstance(raw, DataError):
            found[place] = kind.fine(raw, keys[row])
    return found


def _prints(reader: Reader, kind: Kind, threads: int) -> Iterator[tuple[int, Print | DataError]]:
    """By ascending row, decoded by ``threads`` threads (decoders work without the interpreter's
    lock). At most ``2 * threads`` chunks are in memory."""
    keys = reader.table.keys

    def work(chunk: list[tuple[int, Raw | DataError]]) -> list[tuple[int, Print | DataError]]:
        return [(row, _print(raw, kind, keys[row])) for row, raw in chunk]

    source = reader.scan(range(len(reader.table)))
    pending: deque[Future[list[tuple[int, Print | DataError]]]] = deque()
    with ThreadPoolExecutor(max_workers=threads, thread_name_prefix="check") as pool:
        while chunk := list(islice(source, _CHUNK)):
            pending.append(pool.submit(work, chunk))
            if len(pending) >= 2 * threads:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()


def _print(raw: Raw | DataError, kind: Kind, key: str) -> Print | DataError:
    if isinstance(raw, DataError):
        return raw
    try:
        return kind.take(raw, key)
    except DataError as error:
        return error
