"""Data sets that are known by name: built in, or downloaded once through torchvision.

A download is kept as IDX files in the cache folder, with its class names in ``classes.txt``:
lossless, free of pickle, and every picture at a known place.
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from residua.batch import Split
from residua.data.dataset import Reader
from residua.data.readers.builtin import open_digits
from residua.data.readers.idx import open_idx
from residua.data.readers.locations import cache_folder, data_folder
from residua.data.readers.wfdb import open_wfdb
from residua.errors import DataNotFoundError
from residua.files import naming_full_disk

Fetch = Callable[[Any, Path], Mapping[Split, Any]]
"""From the module torchvision.datasets and a download folder, the data set of each split."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One name.

    Attributes:
        name: As the user writes it.
        about: Pictures and classes, in a few words.
        fetch: How torchvision downloads it; None for what is built in.
        classes: Class names where the files have none; None: those that torchvision gives.
        folders: What it may be called in $RESIDUA_DATA, where it is read as it is and nobody
            downloads it.
    """

    name: str
    about: str
    fetch: Fetch | None
    classes: tuple[str, ...] | None = None
    folders: tuple[str, ...] = ()


def _by_flag(kind: str) -> Fetch:
    def fetch(datasets: Any, root: Path) -> Mapping[Split, Any]:
        make = getattr(datasets, kind)
        return {
            Split.TRAIN: make(root, train=True, download=True),
            Split.TEST: make(root, train=False, download=True),
        }

    return fetch


def _by_word(kind: str) -> Fetch:
    def fetch(datasets: Any, root: Path) -> Mapping[Split, Any]:
        make = getattr(datasets, kind)
        return {
            Split.TRAIN: make(root, split="train", download=True),
            Split.TEST: make(root, split="test", download=True),
        }

    return fetch


def _unsplit(kind: str) -> Fetch:
    def fetch(datasets: Any, root: Path) -> Mapping[Split, Any]:
        return {Split.TRAIN: getattr(datasets, kind)(root, download=True)}

    return fetch


_DIGITS = tuple(str(digit) for digit in range(10))
# fmt: off
_CLOTHES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)
_KANA = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
# fmt: on

KNOWN: tuple[Known, ...] = (
    Known(
        name="digits",
        about="1,797 grey 8x8, 10 digits; comes with scikit-learn",
        fetch=None,
        classes=_DIGITS,
    ),
    Known(
        name="mnist",
        about="60,000 + 10,000 grey 28x28, 10 digits",
        fetch=_by_flag("MNIST"),
        classes=_DIGITS,
    ),
    Known(
        name="fashion-mnist",
        about="60,000 + 10,000 grey 28x28, 10 kinds of clothes",
        fetch=_by_flag("FashionMNIST"),
        classes=_CLOTHES,
    ),
    Known(
        name="kmnist",
        about="60,000 + 10,000 grey 28x28, 10 hiragana",
        fetch=_by_flag("KMNIST"),
        classes=_KANA,
    ),
    Known(
        name="usps",
        about="7,291 + 2,007 grey 16x16, 10 digits",
        fetch=_by_flag("USPS"),
        classes=_DIGITS,
    ),
    Known(
        name="cifar10",
        about="50,000 + 10,000 colour 32x32, 10 classes",
        fetch=_by_flag("CIFAR10"),
    ),
    Known(
        name="cifar100",
        about="50,000 + 10,000 colour 32x32, 100 classes",
        fetch=_by_flag("CIFAR100"),
    ),
    Known(
        name="svhn",
        about="73,257 + 26,032 colour 32x32, 10 digits",
        fetch=_by_word("SVHN"),
        classes=_DIGITS,
    ),
    Known(
        name="stl10",
        about="5,000 + 8,000 colour 96x96, 10 classes",
        fetch=_by_word("STL10"),
    ),
    Known(
        name="eurosat",
        about="27,000 colour 64x64, 10 kinds of land, no official split",
        fetch=_unsplit("EuroSAT"),
    ),
    Known(
        name="mit-bih",
        about="51,021 + 49,712 heart beats at 360 Hz, 5 classes, other patients in the test",
        fetch=None,
        folders=("mit-bih", "mitdb", "ecg-mitdb"),
    ),
)


def find_known(name: str) -> Known | None:
    """The entry of ``name``; case, hyphens and underscores do not matter (FashionMNIST)."""
    return next((known for known in KNOWN if plain_name(known.name) == plain_name(name)), None)


def plain_name(name: str) -> str:
    """``name`` without what people spell differently."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def open_known(known: Known) -> Reader:
    """Opens it, after a download if this is the first time.

    Raises:
        DataNotFoundError: It is not in the cache folder and cannot be downloaded.
    """
    if known.folders:
        return open_wfdb(_found(known))
    if known.fetch is None:
        return open_digits()
    folder = cache_folder() / "datasets" / known.name
    if not folder.is_dir():
        _download(known, known.fetch, folder)
    return open_idx(folder)


def _found(known: Known) -> Path:
    above = data_folder()
    places = [above / name for name in known.folders] if above else []
    for place in places:
        if place.is_dir():
            return place
    raise DataNotFoundError(
        f"'{known.name}' is not there",
        expected=f"a folder {' or '.join(known.folders)} in $RESIDUA_DATA ({above or 'not set'})",
        fix="Download it: python -c \"import wfdb; wfdb.dl_database('mitdb', 'mitdb')\"",
    )


def _download(known: Known, fetch: Fetch, folder: Path) -> None:
    """Fills ``folder``, wholly or not at all."""
    import torchvision

    folder.parent.mkdir(parents=True, exist_ok=True)
    with naming_full_disk(folder), tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        try:
            parts = fetch(torchvision.datasets, Path(scratch) / "source")
        except (OSError, RuntimeError) as error:  # what torchvision raises without a network
            raise DataNotFoundError(
                f"cannot download '{known.name}'",
                received=error,
                fix=f"Connect to the network, or put the files into $RESIDUA_DATA/{known.name} as"
                " an image folder, Parquet, IDX or a CSV manifest",
            ) from error
        target = Path(scratch) / "idx"
        target.mkdir()
        for split, pictures in parts.items():
            _write_idx(target, split, pictures)
        names = known.classes or next(iter(parts.values())).classes
        (target / "classes.txt").write_text("\n".join(names) + "\n", "utf-8")
        try:
            target.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was quicker
                raise


def _write_idx(folder: Path, split: Split, pictures: Any) -> None:
    """``pictures`` has a length and pairs (PIL image, label), all of one size."""
    pairs: Iterable[tuple[Any, Any]] = (pictures[i] for i in range(len(pictures)))
    with ExitStack() as stack:
        images = labels = None
        for image, label in pairs:
            pixels = np.asarray(image, dtype=np.uint8)
            if images is None or labels is None:
                shape = (len(pictures), *pixels.shape)
                name = f"{split}-images-idx{len(shape)}-ubyte"
                images = stack.enter_context((folder / name).open("wb"))
                labels = stack.enter_context((folder / f"{split}-labels-idx1-ubyte").open("wb"))
                images.write(_header(*shape))
                labels.write(_header(len(pictures)))
            images.write(pixels.tobytes())
            labels.write(bytes([int(label)]))


def _header(*shape: int) -> bytes:
    """IDX of unsigned bytes (type 8)."""
    return struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape)
