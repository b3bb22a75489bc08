"""One pass over all pictures of a data set: what each is, in a few hundred bytes.

Legend: n samples, m samples asked for.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt
from PIL import Image

from residua.data.dataset import Problem, Raw, Reader
from residua.data.decode import decode, image_header
from residua.data.storage import Progress, Rows, cores, problem
from residua.errors import DataError

SIDE = 16
"""Height and width of the thumbnails."""

_CHUNK = 32  # pictures handed to a thread at once: small ones cost less than the handing over


@dataclass(frozen=True, kw_only=True, eq=False)
class Fingerprints:
    """What is left of the pictures after the pass.

    Attributes:
        readable: bool ``[n]``; elsewhere the other arrays hold zeros.
        sizes: int32 ``[n, 2]`` heights and widths, upright.
        digests: ``[n]``, 16 bytes each; equal where the decoded pixels are.
        thumbnails: uint8 ``[n, 16, 16]`` grey.
        modes: For each mode as stored ("RGB", "L", "CMYK"), how many pictures have it.
        problems: The unreadable pictures, in the order of the table.
    """

    readable: npt.NDArray[np.bool_]
    sizes: npt.NDArray[np.int32]
    digests: npt.NDArray[np.void]
    thumbnails: npt.NDArray[np.uint8]
    modes: dict[str, int]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Print:
    size: tuple[int, int]
    mode: str
    digest: bytes
    thumbnail: npt.NDArray[np.uint8]


def thumbnail(image: Image.Image, side: int) -> npt.NDArray[np.uint8]:
    """uint8 ``[side, side]``: the grey picture, averaged over areas, whatever its shape."""
    grey = image if image.mode == "L" else image.convert("L")
    return np.asarray(grey.resize((side, side), Image.Resampling.BOX))


def take_fingerprints(
    reader: Reader, *, threads: int | None = None, progress: Progress | None = None
) -> Fingerprints:
    """Decodes every picture of ``reader`` once, in memory that does not depend on their size."""
    keys, n = reader.table.keys, len(reader.table)
    readable = np.zeros(n, dtype=np.bool_)
    sizes = np.zeros((n, 2), dtype=np.int32)
    digests = np.zeros(n, dtype="V16")
    thumbnails = np.zeros((n, SIDE, SIDE), dtype=np.uint8)
    modes: dict[str, int] = {}
    problems: list[Problem] = []
    for done, (row, found) in enumerate(_prints(reader, threads or cores())):
        if progress is not None and done % 100 == 0:
            progress(done, n)
        if isinstance(found, DataError):
            problems.append(problem(keys[row], found))
            continue
        readable[row] = True
        sizes[row] = found.size
        digests[row] = found.digest
        thumbnails[row] = found.thumbnail
        modes[found.mode] = modes.get(found.mode, 0) + 1
    if progress is not None:
        progress(n, n)
    return Fingerprints(
        readable=readable,
        sizes=sizes,
        digests=digests,
        thumbnails=thumbnails,
        modes=dict(sorted(modes.items(), key=lambda item: -item[1])),
        problems=tuple(problems),
    )


def take_thumbnails(reader: Reader, rows: Rows, side: int) -> npt.NDArray[np.uint8]:
    """uint8 ``[m, side, side]`` of ascending readable ``rows``, from a second look at them."""
    found = np.zeros((len(rows), side, side), dtype=np.uint8)
    keys = reader.table.keys
    for place, (row, raw) in enumerate(reader.scan([int(row) for row in rows])):
        if not isinstance(raw, DataError):
            found[place] = thumbnail(decode(raw, where=keys[row]), side)
    return found


def _prints(reader: Reader, threads: int) -> Iterator[tuple[int, _Print | DataError]]:
    """By ascending row, decoded by ``threads`` threads (Pillow works without the interpreter's
    lock). At most ``2 * threads`` chunks are in memory."""
    keys = reader.table.keys

    def work(chunk: list[tuple[int, Raw | DataError]]) -> list[tuple[int, _Print | DataError]]:
        return [(row, _print(raw, keys[row])) for row, raw in chunk]

    source = reader.scan(range(len(reader.table)))
    pending: deque[Future[list[tuple[int, _Print | DataError]]]] = deque()
    with ThreadPoolExecutor(max_workers=threads, thread_name_prefix="check") as pool:
        while chunk := list(islice(source, _CHUNK)):
            pending.append(pool.submit(work, chunk))
            if len(pending) >= 2 * threads:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()


def _print(raw: Raw | DataError, key: str) -> _Print | DataError:
    if isinstance(raw, DataError):
        return raw
    try:
        image = decode(raw, where=key)
        mode = image_header(raw)[2]
    except DataError as error:
        return error
    shape = f"{image.mode} {image.width} {image.height} "
    return _Print(
        size=(image.height, image.width),
        mode=mode,
        digest=hashlib.blake2b(shape.encode() + image.tobytes(), digest_size=16).digest(),
        thumbnail=thumbnail(image, SIDE),
    )
