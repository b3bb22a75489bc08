"""Where decoded samples come from: the protocol that the cache and the stream share.

Legend: b samples asked for, m of them readable.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import Protocol

import numpy as np
import numpy.typing as npt

from residua.data.dataset import Problem, Raw, Reader
from residua.data.forms import Form, Kept, Stack
from residua.data.rows import Rows
from residua.errors import DataError, UnreadableSampleError

Progress = Callable[[int, int], None]
"""Called with (done, total) samples."""

_CHUNK = 32  # samples handed to a thread at once: small ones cost less than the handing over


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gathered:
    """The readable ones among the samples asked for, in the order asked for.

    Attributes:
        stack: The ``m`` that could be read, side by side.
        ok: bool ``[b]``, true for the ``m`` that could be read.
        problems: The others, by name.
    """

    stack: Stack
    ok: npt.NDArray[np.bool_]
    problems: tuple[Problem, ...] = ()

    def pin_memory(self) -> Gathered:
        """A copy in page-locked memory, from which transfers to a GPU do not block."""
        stack = self.stack
        pinned = Stack(
            values=stack.values.pin_memory(),
            aspects=None if stack.aspects is None else stack.aspects.pin_memory(),
            lengths=None if stack.lengths is None else stack.lengths.pin_memory(),
        )
        return replace(self, stack=pinned)


class Storage(Protocol):
    """Samples by their row in the data set's table, in the same bits from every implementation."""

    @property
    def problems(self) -> Sequence[Problem]:
        """Samples known to be unreadable; a stream learns of them as it goes."""
        ...

    def gather(self, rows: Rows) -> Gathered:
        """The samples of ``rows``, in any order and with repetitions. Safe to call from any
        thread or forked process.

        Raises:
            UnreadableSampleError: In strict mode, for the first that cannot be decoded.
        """
        ...


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


Stored = Kept | DataError
"""A decoded sample, or why there is none."""


def store_one(raw: Raw | DataError, key: str, form: Form) -> Stored:
    """Decodes one sample into ``form``; an unreadable one comes as its error."""
    if isinstance(raw, DataError):
        return raw
    try:
        return form.stored(raw, key)
    except DataError as error:
        return error


def scan_decoded(
    reader: Reader, rows: Rows, form: Form, threads: int
) -> Iterator[tuple[int, Stored]]:
    """Pairs (row, sample) of ascending ``rows``, decoded by ``threads`` threads (Pillow works
    without the interpreter's lock). At most ``2 * threads`` chunks are in memory."""
    keys = reader.table.keys

    def work(chunk: list[tuple[int, Raw | DataError]]) -> list[tuple[int, Stored]]:
        return [(row, store_one(raw, keys[row], form)) for row, raw in chunk]

    source = reader.scan(list(map(int, rows)))
    pending: deque[Future[list[tuple[int, Stored]]]] = deque()
    with ThreadPoolExecutor(max_workers=threads, thread_name_prefix="decode") as pool:
        try:
            while chunk := list(islice(source, _CHUNK)):
                pending.append(pool.submit(work, chunk))
                if len(pending) >= 2 * threads:
                    yield from pending.popleft().result()
            while pending:
                yield from pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def problem(key: str, error: DataError) -> Problem:
    return Problem(key=key, reason=str(error))


def unreadable(found: Problem) -> UnreadableSampleError:
    """The error of strict mode; the reason already names the sample."""
    return UnreadableSampleError(found.reason)
