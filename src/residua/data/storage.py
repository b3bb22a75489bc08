"""Where decoded pictures come from: the protocol that the cache and the stream share.

Legend: b samples asked for, m of them readable, c channels, h height, w width.
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
import torch
from torch import Tensor

from residua.data.dataset import Problem, Raw, Reader
from residua.data.decode import decode
from residua.data.preprocess import Pixels, StorageForm
from residua.errors import DataError, UnreadableSampleError

Rows = npt.NDArray[np.int64]
Progress = Callable[[int, int], None]
"""Called with (done, total) pictures."""

_CHUNK = 32  # pictures handed to a thread at once: small ones cost less than the handing over


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gathered:
    """The readable ones among the pictures asked for, in the order asked for.

    Attributes:
        values: uint8 ``[m, c, h, w]``.
        aspects: float32 ``[m]``, see `residua.batch.Sample`; None where all are 1.
        ok: bool ``[b]``, true for the ``m`` that could be read.
        problems: The others, by name.
    """

    values: Tensor
    aspects: Tensor | None
    ok: npt.NDArray[np.bool_]
    problems: tuple[Problem, ...] = ()

    def pin_memory(self) -> Gathered:
        """A copy in page-locked memory, from which transfers to a GPU do not block."""
        aspects = None if self.aspects is None else self.aspects.pin_memory()
        return replace(self, values=self.values.pin_memory(), aspects=aspects)


class Storage(Protocol):
    """Pictures by their row in the data set's table, in the same bits from every implementation."""

    @property
    def problems(self) -> Sequence[Problem]:
        """Samples known to be unreadable; a stream learns of them as it goes."""
        ...

    def gather(self, rows: Rows) -> Gathered:
        """The pictures of ``rows``, in any order and with repetitions. Safe to call from any
        thread or forked process.

        Raises:
            UnreadableSampleError: In strict mode, for the first that cannot be decoded.
        """
        ...


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


Stored = tuple[Pixels, float] | DataError
"""A decoded picture with its aspect, or why there is none."""


def store_one(raw: Raw | DataError, key: str, form: StorageForm) -> Stored:
    """Decodes one sample into ``form``; an unreadable one comes as its error."""
    if isinstance(raw, DataError):
        return raw
    try:
        return form.stored(decode(raw, where=key))
    except DataError as error:
        return error


def scan_decoded(
    reader: Reader, rows: Rows, form: StorageForm, threads: int
) -> Iterator[tuple[int, Stored]]:
    """Pairs (row, picture) of ascending ``rows``, decoded by ``threads`` threads (Pillow works
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


def stacked(
    pictures: Sequence[tuple[Pixels, float]], form: StorageForm
) -> tuple[Tensor, Tensor | None]:
    """``values`` and ``aspects`` of `Gathered`."""
    values = np.empty((len(pictures), *form.shape), dtype=np.uint8)
    for position, (pixels, _) in enumerate(pictures):
        values[position] = pixels
    aspects = torch.tensor([aspect for _, aspect in pictures], dtype=torch.float32)
    return torch.from_numpy(values), None if form.keeps_aspect else aspects
