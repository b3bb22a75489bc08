"""What all readers need: labels from names, channels from headers, files by name."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from residua.batch import Split
from residua.data.dataset import Raw
from residua.data.decode import decoded_mode, image_header
from residua.errors import LabelError, UnreadableSampleError

HEADERS = 64
"""How many pictures are looked at to say whether a data set is grey."""

SPLIT_NAMES = {
    "train": Split.TRAIN,
    "training": Split.TRAIN,
    "val": Split.VALIDATION,
    "valid": Split.VALIDATION,
    "validation": Split.VALIDATION,
    "dev": Split.VALIDATION,
    "test": Split.TEST,
    "testing": Split.TEST,
}
"""What sources call their splits, in lower case."""


def spaced(count: int, at_most: int = HEADERS) -> list[int]:
    """Up to ``at_most`` evenly spaced positions below ``count``, ascending and distinct."""
    if count <= at_most:
        return list(range(count))
    return [i * count // at_most for i in range(at_most)]


def count_channels(pictures: Iterable[Raw | Path]) -> int:
    """1 if all pictures are grey, else 3; what has no readable header has no say."""
    modes: set[str] = set()
    for picture in pictures:
        try:
            modes.add(decoded_mode(image_header(picture)[2]))
        except UnreadableSampleError:
            continue
    return 1 if modes == {"L"} else 3


def natural_order(names: Iterable[str]) -> list[str]:
    """Whole numbers by value if all names are whole numbers, else by code point."""
    distinct = set(names)
    if all(name.isascii() and name.removeprefix("-").isdigit() for name in distinct):
        return sorted(distinct, key=lambda name: (int(name), name))
    return sorted(distinct)


def encode_labels(
    names: Sequence[str],
    splits: Sequence[Split | None],
    keys: Sequence[str],
    where: object,
    classes: Sequence[str] | None = None,
) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """Class names, and the index among them of each sample's name.

    Without ``classes`` the classes are those of the training samples; samples without a named split
    may be drawn for training, so theirs count as well.

    Raises:
        LabelError: A sample has another class.
    """
    if classes is None:
        learnt = {name for name, split in zip(names, splits, strict=True) if _teaches(split)}
        classes = natural_order(learnt or names)
    index = {name: position for position, name in enumerate(classes)}
    labels = np.fromiter((index.get(name, -1) for name in names), np.int64, count=len(names))
    unknown = np.flatnonzero(labels < 0)
    if len(unknown):
        row = int(unknown[0])
        split = f" of split {splits[row]}" if splits[row] else ""
        raise LabelError(
            f"class '{names[row]}'{split} is not among the training classes",
            expected=f"one of {shorten(classes)}",
            where=f"{where}: {keys[row]}",
            fix="Add training samples of it, or remove it there",
        )
    return tuple(classes), labels


def _teaches(split: Split | None) -> bool:
    return split is None or split is Split.TRAIN


def shorten(names: Iterable[object], at_most: int = 5) -> str:
    """A list for an error message: the first few, and how many more."""
    texts = [str(name) for name in names]
    more = f", ... ({len(texts)} in all)" if len(texts) > at_most else ""
    return ", ".join(texts[:at_most]) + more


def read_file(path: Path, key: str) -> bytes:
    """A whole file.

    Raises:
        UnreadableSampleError: It is not there or may not be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableSampleError(
            "cannot read the file", received=error.strerror or str(error), where=key
        ) from error


def files_identity(kind: str, root: Path, names: Iterable[str]) -> str:
    """Hex hash over what kind of source it is and the name, size and time of each file."""
    digest = hashlib.blake2b(kind.encode(), digest_size=16)
    for name in names:
        try:
            stat = os.stat(root / name)  # noqa: PTH116 (called once a file, a million times)
            facts = f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}\n"
        except OSError:
            facts = f"{name}\0missing\n"
        digest.update(facts.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
