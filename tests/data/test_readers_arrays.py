"""Series in numpy arrays and in Parquet's lists."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from residua.batch import Modality, Split, Task
from residua.data.config import DataConfig
from residua.data.dataset import Reader
from residua.data.open import open_dataset, open_reader
from residua.data.readers import arrays
from residua.errors import FormatError, LabelError, UnreadableSampleError

X = np.linspace(-1, 1, 24).reshape(4, 6)


def archive(folder: Path, **content: Any) -> Reader:
    np.savez(folder / "x.npz", **content)
    return open_reader(str(folder / "x.npz"))


def names(reader: Reader) -> list[str]:
    return [reader.schema.classes[i] for i in reader.table.labels]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("large", [False, True])
def test_archive_with_splits_and_facts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save: Any, large: bool
) -> None:
    if large:
        monkeypatch.setattr(arrays, "HELD", 0)
    x = X.reshape(4, 2, 3).astype(">f8")
    save(
        tmp_path / "x.npz",
        X_train=x,
        y_train=[0, 1, 0, 1],
        X_test=np.asfortranarray(x[:2]),
        y_test=[0, 2],
        groups_train=list("ppqq"),
        fs=360,
        channels=["I", "II"],
        units=["mV", "mV"],
        classes=["N", "S", "V"],
    )
    reader = pickle.loads(pickle.dumps(open_reader(str(tmp_path / "x.npz"))))
    schema = reader.schema
    assert (schema.channels, schema.rate, schema.classes) == (2, 360, ("N", "S"))
    assert (schema.channel_names, schema.units) == (("I", "II"), ("mV", "mV"))
    assert names(reader) == ["N", "S", "N", "S", "N"]
    assert list(reader.table.keys[3:]) == ["X_train#3", "X_test#0"]
    assert list(reader.table.splits[3:]) == [Split.TRAIN, Split.TEST]
    assert reader.table.groups == [*"ppqq", "X_test#0"]
    assert [problem.key for problem in reader.problems] == ["X_test#1"]
    for row, raw in reader.scan(range(5)):
        assert raw.dtype == np.float32
        np.testing.assert_array_equal(raw, x[row % 4].astype(np.float32))


@pytest.mark.parametrize("spelling", ["x_{}", "{}_x", "X{}", "{}_data"])
def test_spellings(tmp_path: Path, spelling: str) -> None:
    content: dict[str, Any] = {}
    for split in ("train", "test"):
        content[spelling.format(split)] = X
        content[f"{split}_labels"] = ["b", "a", "a", "b"]
    reader = archive(tmp_path, **content)
    assert len(reader.table) == 8
    assert names(reader)[:4] == ["b", "a", "a", "b"]


def test_files(tmp_path: Path) -> None:
    for split in ("train", "test"):
        np.save(tmp_path / f"X_{split}.npy", X.astype(np.int16) if split == "test" else X)
        np.save(tmp_path / f"y_{split}.npy", np.array([b"u", b"v", b"u", b"v"]))
    np.save(tmp_path / "notes.npy", X)
    dataset = open_dataset(DataConfig(path=str(tmp_path), validation_fraction=0))
    assert dataset.official == {Split.TRAIN, Split.TEST}
    assert dataset.reader.read(4).dtype == np.float32  # pyright: ignore
    assert dataset.schema.classes == ("u", "v")
    alone = open_reader(str(tmp_path / "X_test.npy"))
    assert len(alone.table) == 4
    with pytest.raises(FormatError, match=r"no series.*X\.npy.*y_test\.npy"):
        open_reader(str(tmp_path / "y_test.npy"))
    (tmp_path / "X_test.npy").write_bytes((tmp_path / "X_test.npy").read_bytes()[:-4])
    with pytest.raises(FormatError, match=r"no whole array.*X_test\.npy"):
        open_reader(str(tmp_path))


def test_cut_file_read_by_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "y.npy", [0, 1, 0, 1])
    np.save(tmp_path / "X.npy", X)
    monkeypatch.setattr(arrays, "HELD", 0)
    (tmp_path / "X.npy").write_bytes((tmp_path / "X.npy").read_bytes()[:-4])
    found = dict(open_reader(str(tmp_path)).scan(range(4)))
    np.testing.assert_array_equal(found[2], X[2:3].astype(np.float32))  # pyright: ignore
    assert isinstance(found[3], UnreadableSampleError)
    assert "ends before" in str(found[3])
    assert "X.npy#3" in str(found[3])


def test_missing_and_infinite_values(tmp_path: Path) -> None:
    x = X.reshape(4, 2, 3).copy()
    x[0, :, 2] = x[0, 0, 0] = x[1, 0, 2] = np.nan
    x[2, 1, 1] = np.inf
    reader = archive(tmp_path, X=x, y=[0.0, 1.0, 0.0, np.nan])
    np.testing.assert_array_equal(np.asarray(reader.read(0)), x[0, :, :2].astype(np.float32))
    assert np.asarray(reader.read(1)).shape == (2, 3)
    reasons = {problem.key: problem.reason for problem in reader.problems}
    assert "infinite" in reasons["X#2"]
    assert "no label" in reasons["X#3"]
    assert names(reader) == ["0", "1"]


def test_targets(tmp_path: Path) -> None:
    reader = archive(tmp_path, X=X, y=[0.5, 1, 2, np.nan])
    assert reader.schema.task is Task.REGRESSION
    assert reader.table.values is not None
    assert reader.table.values.tolist() == [[0.5], [1], [2]]
    assert [problem.key for problem in reader.problems] == ["X#3"]
    y = np.arange(8).reshape(4, 2)
    reader = archive(tmp_path, X=X, y=y, target_names=["flow", "speed"])
    assert reader.schema.classes == ("flow", "speed")
    assert reader.table.values is not None
    assert reader.table.values.tolist() == y.tolist()
    reader = archive(tmp_path, X=X, y=[[0, 1], [1, 1], [0, 0], [1, 0]], classes=["u", "v"])
    assert (reader.schema.task, reader.schema.classes) == (Task.MULTILABEL, ("u", "v"))
    assert reader.table.values is not None
    assert reader.table.values.tolist() == [[0, 1], [1, 1], [0, 0], [1, 0]]
    reader = archive(tmp_path, X=X, y=np.eye(3)[[2, 0, 1, 1]])
    assert names(reader) == ["2", "0", "1", "1"]


@pytest.mark.parametrize(
    ("content", "pattern"),
    [
        ({"X": np.array([[1], [1, 2]], dtype=object), "y": [0, 1]}, "Python objects.*NaN"),
        ({"X": np.zeros((2, 50, 1)), "y": [0, 1]}, r"\[2, 50, 1\].*transpose"),
        ({"X": np.zeros((2, 8, 8), np.uint8), "y": [0, 1]}, "no pictures but series"),
        ({"X": np.zeros((2, 3, 4, 5)), "y": [0, 1]}, r"no series.*\[2, 3, 4, 5\]"),
        ({"X": np.zeros((2, 3), complex), "y": [0, 1]}, "complex128"),
        ({"X": X, "y": [0, 1]}, r"do not fit together.*4 entries.*\[2\]"),
        ({"X": X}, "X has no labels"),
        ({"X_train": X, "y_train": [0, 1, 0, 1], "X_test": X}, "X_test has no labels"),
        ({"q": X}, "there are no series.*received q"),
        ({"X": X, "y": [0, 1, 0, 1], "rate": -1}, "the rate is no rate"),
        ({"X": X, "y": [0, 1, 0, 1], "channels": ["a", "b"]}, "one name or unit a channel"),
        (
            {"X_train": X, "y_train": [0] * 4, "X_test": X.reshape(4, 2, 3), "y_test": [0] * 4},
            "differ in channels.*1, 2",
        ),
    ],
)
def test_wrong_arrays(tmp_path: Path, content: dict[str, Any], pattern: str) -> None:
    with pytest.raises(FormatError, match=pattern):
        archive(tmp_path, **content)


def test_broken_archive_and_swapped_axes(tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(b"PK nothing")
    with pytest.raises(FormatError, match=r"no whole array.*x\.npz"):
        open_reader(str(tmp_path / "x.npz"))
    reader = archive(tmp_path, X=np.zeros((2, 50, 2)), y=[0, 1])
    assert "50 channels of 2 steps" in reader.problems[0].reason


def parquet(folder: Path, name: str = "train.parquet", **columns: Any) -> Path:
    pq.write_table(pa.table(columns), folder / name, row_group_size=2)
    return folder


def test_lists_of_parquet(tmp_path: Path) -> None:
    parquet(tmp_path, signal=[[1.5, None, 3], [4], [5, np.inf]], label=[*"aba"], patient=[*"ppq"])
    parquet(tmp_path, "test.parquet", signal=[[1.0], []], label=["a", "b"], patient=["r", "r"])
    reader = pickle.loads(pickle.dumps(open_reader(str(tmp_path))))
    assert reader.schema.modality is Modality.SIGNAL
    assert (reader.schema.channels, reader.schema.classes) == (1, ("a", "b"))
    assert reader.table.groups == [*"rrppq"]  # test.parquet comes first
    found = dict(reader.scan(range(5)))
    np.testing.assert_array_equal(found[2], np.array([[1.5, np.nan, 3]], np.float32))
    assert found[3].tolist() == [[4]] == reader.read(3).tolist()
    assert "infinite" in str(found[4])
    assert "train.parquet#2" in str(found[4])
    assert "no values" in str(found[1])
    parquet(tmp_path, "test.parquet", signal=[[1.0]], label=["c"], patient=["r"])
    with pytest.raises(LabelError, match=r"class 'c'.*test\.parquet#0"):
        open_reader(str(tmp_path))


def test_channels_and_targets_of_parquet(tmp_path: Path) -> None:
    x = [[[1.0, 2.0], [3.0, 4.0]], [[5.0], [6.0]], [[7.0]]]
    reader = open_reader(str(parquet(tmp_path, x=x, target=[0.5, 1, 2])))
    assert (reader.schema.task, reader.schema.channels) == (Task.REGRESSION, 2)
    assert reader.table.values is not None
    assert reader.table.values.tolist() == [[0.5], [1], [2]]
    assert np.asarray(reader.read(0)).tolist() == x[0]
    with pytest.raises(UnreadableSampleError, match=r"channels.*expected 2, received 1.*#2"):
        reader.read(2)
    reader = open_reader(str(parquet(tmp_path, x=[[1], [2]], labels=[["u", "v"], ["v"]])))
    assert reader.schema.task is Task.MULTILABEL
    assert reader.table.values is not None
    assert reader.table.values.tolist() == [[1, 1], [0, 1]]


def test_texts_of_parquet(tmp_path: Path) -> None:
    reader = open_reader(str(parquet(tmp_path, text=["hi", "h\u00f6"], label=[0, 1])))
    assert reader.schema.modality is Modality.TEXT
    assert np.asarray(reader.read(1)).tobytes().decode() == "h\u00f6"
