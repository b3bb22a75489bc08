"""The built-in digits, and downloads through a stand-in for torchvision."""

import pickle
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from residua.batch import Split
from residua.data.readers.builtin import open_digits
from residua.data.readers.known import KNOWN, find_known, open_known
from residua.errors import DataNotFoundError


def test_digits_are_scikit_learns() -> None:
    from sklearn.datasets import load_digits

    source = load_digits()
    reader = pickle.loads(pickle.dumps(open_digits()))
    assert len(reader.table) == 1797
    np.testing.assert_array_equal(reader.table.labels, source.target)
    scanned = np.stack([raw for _, raw in reader.scan(range(1797))])
    assert scanned.dtype == np.uint8
    np.testing.assert_array_equal(scanned, np.floor(source.images * 255 / 16 + 0.5))
    np.testing.assert_array_equal(reader.read(5), scanned[5])
    assert reader.schema.classes == tuple("0123456789")
    assert reader.table.keys[17] == "digits#17"
    assert reader.identity() == open_digits().identity()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RESIDUA_CACHE", str(tmp_path))
    return tmp_path


def use(monkeypatch: pytest.MonkeyPatch, **datasets: object) -> None:
    fake = SimpleNamespace(datasets=SimpleNamespace(**datasets))
    monkeypatch.setitem(sys.modules, "torchvision", fake)


class Pictures:
    """What torchvision's CIFAR10 looks like from outside."""

    classes = ("plane", "car")
    made = 0

    def __init__(self, root: Path, *, train: bool, download: bool) -> None:
        assert download
        Pictures.made += 1
        root.mkdir(exist_ok=True)
        (root / "archive.tar").write_bytes(b"x")
        self.pixels = np.random.default_rng(int(train)).integers(
            0, 256, (6 if train else 4, 5, 7, 3), dtype=np.uint8
        )

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        return Image.fromarray(self.pixels[index]), index % 2


def test_download_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, CIFAR10=Pictures)
    known = find_known("CIFAR-10")
    assert known is not None
    reader = open_known(known)
    assert reader.name == "cifar10"
    assert reader.schema.classes == ("plane", "car")
    assert reader.schema.channels == 3
    assert list(reader.table.splits) == [Split.TRAIN] * 6 + [Split.TEST] * 4
    assert list(reader.table.labels) == [0, 1, 0, 1, 0, 1, 0, 1, 0, 1]
    source = Pictures(cache / "other", train=True, download=True)
    np.testing.assert_array_equal(reader.read(3), source.pixels[3])
    made = Pictures.made
    assert open_known(known).identity() == reader.identity()
    assert Pictures.made == made
    names = {path.name for path in (cache / "datasets").rglob("*")}
    assert "archive.tar" not in names, "what was downloaded is not kept twice"


def test_two_processes_that_download_at_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one is ready while this one still downloads."""
    known = find_known("cifar10")
    assert known is not None

    class Slow(Pictures):
        def __init__(self, root: Path, *, train: bool, download: bool) -> None:
            super().__init__(root, train=train, download=download)
            if train:
                use(monkeypatch, CIFAR10=Pictures)
                open_known(known)

    use(monkeypatch, CIFAR10=Slow)
    assert len(open_known(known).table) == 10
    assert [path.name for path in (cache / "datasets").iterdir()] == ["cifar10"]


def test_no_network(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise OSError("<urlopen error Name or service not known>")

    use(monkeypatch, KMNIST=refuse)
    known = find_known("kmnist")
    assert known is not None
    with pytest.raises(DataNotFoundError, match=r"'kmnist'.*not known.*\$RESIDUA_DATA/kmnist"):
        open_known(known)
    assert not list((cache / "datasets").iterdir()), "nothing half-made is left"


def test_names() -> None:
    names = [known.name for known in KNOWN]
    assert len(names) == len(set(names))
    for spelling in ("FashionMNIST", "fashion_mnist", "fashion-mnist"):
        found = find_known(spelling)
        assert found is not None
        assert found.name == "fashion-mnist"
    assert find_known("birds") is None
