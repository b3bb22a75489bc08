"""IDX files, written here by the format's description."""

import gzip
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from residua.batch import Split
from residua.data.readers.idx import find_idx, open_idx
from residua.errors import DataError, FormatError, LabelError


def idx(values: np.ndarray) -> bytes:
    header = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
    return header + values.astype(np.uint8).tobytes()


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def pictures(count: int, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


TRAIN = pictures(12, 5, 4)
TEST = pictures(6, 5, 4, seed=1)
LABELS = np.arange(12) % 3


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("RESIDUA_CACHE", str(folder))
    return folder


@pytest.fixture(params=["", ".gz"])
def end(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def root(tmp_path: Path, end: str) -> Path:
    write(tmp_path / f"train-images-idx3-ubyte{end}", idx(TRAIN))
    write(tmp_path / f"train-labels-idx1-ubyte{end}", idx(LABELS))
    write(tmp_path / f"t10k-images-idx3-ubyte{end}", idx(TEST))
    write(tmp_path / f"t10k-labels-idx1-ubyte{end}", idx(LABELS[:6]))
    return tmp_path


def test_table(root: Path) -> None:
    reader = open_idx(root)
    assert len(reader.table) == 18
    assert reader.table.keys[11] == "train-images-idx3-ubyte#11"
    assert reader.table.keys[12] == "t10k-images-idx3-ubyte#0"
    assert list(reader.table.splits) == [Split.TRAIN] * 12 + [Split.TEST] * 6
    np.testing.assert_array_equal(reader.table.labels, [*LABELS, *LABELS[:6]])
    assert reader.schema.classes == ("0", "1", "2")
    assert reader.schema.channels == 1
    assert reader.name == root.name


def test_reading(root: Path) -> None:
    reader = pickle.loads(pickle.dumps(open_idx(root)))
    both = np.concatenate([TRAIN, TEST])
    for row in (17, 0, 12, 11, 3):
        np.testing.assert_array_equal(reader.read(row), both[row])
    chosen = np.array([0, 5, 11, 12, 17])
    for (row, raw), wanted in zip(reader.scan(chosen), chosen, strict=True):
        assert row == wanted
        np.testing.assert_array_equal(raw, both[row])
    assert list(reader.scan([])) == []


def test_scan_writes_nothing_and_read_keeps_one_copy(root: Path, end: str, cache: Path) -> None:
    reader = open_idx(root)
    list(reader.scan(range(18)))
    assert not list(cache.rglob("*"))
    for row in (0, 3, 0):
        reader.read(row)
    copies = [path.read_bytes() for path in cache.rglob("*") if path.is_file()]
    assert copies == ([idx(TRAIN)] if end else [])


def test_a_changed_file_is_not_read_from_its_old_copy(root: Path, end: str) -> None:
    open_idx(root).read(0)
    write(root / f"train-images-idx3-ubyte{end}", idx(TRAIN[::-1] // 2))
    np.testing.assert_array_equal(open_idx(root).read(0), TRAIN[11] // 2)


def test_plain_files_come_first(root: Path) -> None:
    write(root / "train-images-idx3-ubyte", idx(TRAIN))
    write(root / "train-images-idx3-ubyte.gz", idx(TRAIN[:2]))
    assert open_idx(root).parts[0].images.suffix == ""


def test_names_of_emnist_and_torchvision(tmp_path: Path) -> None:
    for name in ("emnist-letters", "emnist-digits"):
        write(tmp_path / f"{name}-train-images-idx3-ubyte.gz", idx(TRAIN))
        write(tmp_path / f"{name}-train-labels-idx1-ubyte.gz", idx(LABELS + 1))
        write(tmp_path / f"{name}-test-images-idx3-ubyte.gz", idx(TEST))
        write(tmp_path / f"{name}-test-labels-idx1-ubyte.gz", idx(LABELS[:6] + 1))
    with pytest.raises(FormatError, match=r"several.*emnist-digits-\*, emnist-letters-\*"):
        open_idx(tmp_path)
    reader = open_idx(tmp_path / "emnist-letters-train-images-idx3-ubyte.gz")
    assert len(reader.table) == 18
    assert reader.schema.classes == ("1", "2", "3")
    np.testing.assert_array_equal(reader.table.labels[:12], LABELS)
    raw = tmp_path / "MNIST" / "raw"
    write(raw / "train-images.idx3-ubyte", idx(TRAIN))
    write(raw / "train-labels.idx1-ubyte", idx(LABELS))
    assert find_idx(tmp_path / "MNIST") == raw
    assert open_idx(raw).name == "MNIST"


def test_colour_and_class_names(tmp_path: Path) -> None:
    colour = pictures(4, 5, 4, 3)
    write(tmp_path / "train-images-idx4-ubyte", idx(colour))
    write(tmp_path / "train-labels-idx1-ubyte", idx(np.array([0, 1, 1, 0])))
    (tmp_path / "classes.txt").write_text("plane\ncar\n")
    reader = open_idx(tmp_path)
    assert (reader.schema.channels, reader.schema.classes) == (3, ("plane", "car"))
    np.testing.assert_array_equal(reader.read(2), colour[2])
    assert open_idx(tmp_path, classes=("a", "b")).schema.classes == ("a", "b")
    with pytest.raises(LabelError, match=r"expected 0 to 0.*received 1.*ubyte#1"):
        open_idx(tmp_path, classes=("a",))


def test_errors(root: Path, end: str) -> None:
    images = root / f"train-images-idx3-ubyte{end}"
    write(images, idx(TRAIN)[:-1])
    with pytest.raises(FormatError, match=r"12 items.*expected 256 bytes.*received 255 bytes"):
        open_idx(root)
    write(images, idx(TRAIN) + b"x")
    with pytest.raises(FormatError, match="received 257 bytes"):
        open_idx(root)
    write(images, b"\0\0\x0d\x03" + idx(TRAIN)[4:])
    with pytest.raises(FormatError, match="received 0x0d03"):
        open_idx(root)
    write(images, b"\0")
    with pytest.raises(FormatError, match="not an IDX file"):
        open_idx(root)
    write(images, idx(TRAIN[:5]))
    with pytest.raises(LabelError, match="expected 5 labels, received 12"):
        open_idx(root)
    write(images, idx(TRAIN))
    (root / f"t10k-labels-idx1-ubyte{end}").unlink()
    with pytest.raises(FormatError, match=r"missing.*t10k-labels-idx1-ubyte\[\.gz\]"):
        open_idx(root)


def test_test_label_that_training_lacks(root: Path, end: str) -> None:
    write(root / f"t10k-labels-idx1-ubyte{end}", idx(np.array([0, 1, 2, 3, 0, 0])))
    with pytest.raises(LabelError, match=r"'3' of split test.*t10k-images-idx3-ubyte#3"):
        open_idx(root)


def test_gzip_of_several_members_and_damaged_ones(tmp_path: Path) -> None:
    content = idx(TRAIN)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    write(tmp_path / "train-labels-idx1-ubyte", idx(LABELS))
    path.write_bytes(gzip.compress(content[:100]) + gzip.compress(content[100:]))
    np.testing.assert_array_equal(open_idx(tmp_path).read(11), TRAIN[11])
    whole = gzip.compress(content)
    path.write_bytes(whole[:-30])
    with pytest.raises(FormatError, match=r"damaged.*train-images"):
        open_idx(tmp_path)
    path.write_bytes(whole[:60] + b"\xff" * 40 + whole[100:])
    with pytest.raises(FormatError, match=r"train-images"):
        list(open_idx(tmp_path).scan(range(12)))
    with pytest.raises(FormatError, match=r"train-images"):
        open_idx(tmp_path).read(0)


def test_a_cache_folder_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "train-images-idx3-ubyte.gz", idx(TRAIN))
    write(tmp_path / "train-labels-idx1-ubyte", idx(LABELS))
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("RESIDUA_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"decompressed copy.*Set RESIDUA_CACHE.*gunzip"):
        open_idx(tmp_path).read(0)


def test_identity(root: Path, end: str) -> None:
    first = open_idx(root).identity()
    assert open_idx(root).identity() == first
    write(root / f"t10k-images-idx3-ubyte{end}", idx(TEST[::-1]))
    assert open_idx(root).identity() != first


def test_fashion_mnist(shared_data: Path) -> None:
    reader = open_idx(shared_data / "fashion-mnist")
    splits = list(reader.table.splits)
    assert (splits.count(Split.TRAIN), splits.count(Split.TEST)) == (60000, 10000)
    assert reader.schema.channels == 1
    np.testing.assert_array_equal(np.bincount(reader.table.labels[:60000]), [6000] * 10)
    total = squares = 0.0
    for _, raw in reader.scan(range(60000)):
        values = np.asarray(raw, dtype=np.float64) / 255
        total += float(values.sum())
        squares += float((values**2).sum())
    mean = total / (60000 * 784)
    assert mean == pytest.approx(0.28604, abs=1e-5)
    assert (squares / (60000 * 784) - mean**2) ** 0.5 == pytest.approx(0.35302, abs=1e-5)
