"""Parquet as Hugging Face's `datasets` writes it, and as others do."""

import io
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from residua.batch import Split
from residua.data.decode import decode
from residua.data.readers.parquet import find_parquet, open_parquet
from residua.errors import FormatError, LabelError, UnreadableSampleError

NAMES = ("bee", "ant", "fly")


def png(level: int, mode: str = "L") -> bytes:
    file = io.BytesIO()
    Image.new("L", (3, 2), int(level)).convert(mode).save(file, "PNG")
    return file.getvalue()


def write(
    path: Path,
    labels: list[Any],
    *,
    mode: str = "L",
    names: tuple[str, ...] | None = NAMES,
    image: str = "img",
    label: str = "label",
    first: int = 0,
    extra: dict[str, list[Any]] | None = None,
) -> Path:
    cells = [{"bytes": png(first + i, mode), "path": f"{i}.png"} for i in range(len(labels))]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({image: pa.array(cells, kind), label: labels, **(extra or {})})
    if names:
        features = {image: {"_type": "Image"}, label: {"_type": "ClassLabel", "names": list(names)}}
        info = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": info})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=4)
    return path


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train-00000-of-00001.parquet", "test-00000-of-00001.parquet"),
        ("data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"),
        ("train/0000.parquet", "test/0000.parquet"),
        ("default/train/0000.parquet", "default/test/0000.parquet"),
        ("train.parquet", "test.parquet"),
    ],
)
def test_layouts(tmp_path: Path, train: str, test: str) -> None:
    write(tmp_path / train, [0, 1, 2, 2, 1, 0])
    write(tmp_path / test, [2, 1], first=100)
    reader = open_parquet(tmp_path)
    assert reader.schema.classes == NAMES
    assert reader.schema.channels == 1
    order = sorted([(test, [2, 1], Split.TEST), (train, [0, 1, 2, 2, 1, 0], Split.TRAIN)])
    assert list(reader.table.keys) == [
        f"{name}#{row}" for name, labels, _ in order for row in range(len(labels))
    ]
    assert list(reader.table.labels) == [label for _, labels, _ in order for label in labels]
    assert list(reader.table.splits) == [split for _, labels, split in order for _ in labels]


def test_reading_across_files_and_row_groups(tmp_path: Path) -> None:
    for part in range(3):
        write(tmp_path / f"train-{part}.parquet", [0, 1, 2] * 3, first=9 * part)
    reader = pickle.loads(pickle.dumps(open_parquet(tmp_path)))
    count = len(reader.table)
    assert count == 27
    for row in (26, 0, 13, 4, 5, 12, 9, 8):
        assert reader.read(row) == png(row)
    chosen = np.array([0, 3, 4, 8, 9, 20, 26])
    assert [(row, raw) for row, raw in reader.scan(chosen)] == [(row, png(row)) for row in chosen]
    assert list(reader.scan([])) == []
    assert len(list(reader.scan(range(count)))) == count
    assert len(pickle.dumps(reader)) < len(pickle.dumps(reader.table)) + 5000, "no pixels travel"


@pytest.mark.parametrize(
    ("labels", "classes", "numbers"),
    [
        ([3, 10, 3, 2], ("2", "3", "10"), [1, 2, 1, 0]),
        (["b", "a", "b", "a"], ("a", "b"), [1, 0, 1, 0]),
        ([True, False, True, True], ("False", "True"), [1, 0, 1, 1]),
        ([-1, 1, -1, 1], ("-1", "1"), [0, 1, 0, 1]),
        (pa.array(["x", "y", "y", "x"]).dictionary_encode(), ("x", "y"), [0, 1, 1, 0]),
    ],
)
def test_labels_without_metadata(
    tmp_path: Path, labels: Any, classes: tuple[str, ...], numbers: list[int]
) -> None:
    reader = open_parquet(write(tmp_path / "x.parquet", labels, names=None, mode="RGB"))
    assert reader.schema.classes == classes
    assert list(reader.table.labels) == numbers
    assert list(reader.table.splits) == [None] * 4
    assert reader.schema.channels == 3
    assert reader.name == "x"


def test_what_lies_above_names_no_split(tmp_path: Path) -> None:
    path = write(tmp_path / "test" / "x.parquet", [0, 1, 2])
    assert list(open_parquet(path).table.splits) == [None] * 3
    assert list(open_parquet(path.parent).table.splits) == [None] * 3


def test_any_column_name_that_the_metadata_tells(tmp_path: Path) -> None:
    extra = {"label": ["not", "this", "one"], "image": [b"1", b"2", b"3"]}
    path = write(tmp_path / "x.parquet", [0, 1, 2], image="scan", label="finding", extra=extra)
    reader = open_parquet(path)
    assert (reader.column, reader.schema.classes) == ("scan", NAMES)


def test_fine_labels_come_before_coarse_ones(tmp_path: Path) -> None:
    extra = {"coarse_label": [5, 5, 5]}
    path = write(tmp_path / "x.parquet", [0, 1, 2], names=None, label="fine_label", extra=extra)
    assert open_parquet(path).schema.classes == ("0", "1", "2")


def test_pictures_by_path_and_as_plain_binary(tmp_path: Path) -> None:
    (tmp_path / "pics").mkdir()
    for level in (1, 2):
        (tmp_path / "pics" / f"{level}.png").write_bytes(png(level))
    paths = ["pics/1.png", "pics/2.png", "pics/3.png"]
    labels = ["a", "b", "a"]
    cells = pa.array(
        [{"bytes": None, "path": path} for path in paths],
        pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    )
    for number, column in enumerate((cells, paths)):
        path = tmp_path / f"{number}.parquet"
        pq.write_table(pa.table({"image": column, "label": labels}), path)
        reader = open_parquet(path)
        assert reader.read(1) == png(2)
        with pytest.raises(UnreadableSampleError, match="parquet#2"):
            reader.read(2)
        assert isinstance(dict(reader.scan([1, 2]))[2], UnreadableSampleError)
    path = tmp_path / "binary.parquet"
    pq.write_table(pa.table({"image": [png(5), png(6), None], "label": labels}), path)
    reader = open_parquet(path)
    assert reader.read(1) == png(6)
    with pytest.raises(UnreadableSampleError, match=r"missing.*binary\.parquet#2"):
        reader.read(2)


def test_errors(tmp_path: Path) -> None:
    bad = tmp_path / "bad.parquet"
    bad.write_text("PAR1 this is not it")
    with pytest.raises(FormatError, match=r"not a whole Parquet file.*bad\.parquet"):
        open_parquet(bad)
    whole = write(tmp_path / "whole.parquet", [0, 1, 2])
    bad.write_bytes(whole.read_bytes()[:-100])
    with pytest.raises(FormatError, match="not a whole Parquet file"):
        open_parquet(bad)
    with pytest.raises(LabelError, match=r"expected 0 to 2.*received 3.*x\.parquet#1"):
        open_parquet(write(tmp_path / "x.parquet", [0, 3, 2]))
    with pytest.raises(LabelError, match=r"missing.*n\.parquet#1"):
        open_parquet(write(tmp_path / "n.parquet", [0, None, 2]))
    pq.write_table(pa.table({"a": [1.5], "label": [1]}), bad)
    with pytest.raises(FormatError, match=r"no picture column.*a \(double\), label \(int64\)"):
        open_parquet(bad)
    pq.write_table(pa.table({"image": [b"1"], "score": [1.5]}), bad)
    with pytest.raises(FormatError, match="no label column"):
        open_parquet(bad)
    pq.write_table(pa.table({"image": [b"1"], "a": [1], "b": [1]}), bad)
    with pytest.raises(FormatError, match="several columns could be the label"):
        open_parquet(bad)


def test_files_that_disagree(tmp_path: Path) -> None:
    write(tmp_path / "train-0.parquet", [0, 1, 2])
    write(tmp_path / "train-1.parquet", [0, 1, 2], label="other")
    with pytest.raises(FormatError, match=r"different columns.*img and label.*train-1\.parquet"):
        open_parquet(tmp_path)


def test_unknown_label_in_the_test_split(tmp_path: Path) -> None:
    write(tmp_path / "train-0.parquet", ["a", "b"], names=None)
    write(tmp_path / "test-0.parquet", ["a", "c"], names=None)
    with pytest.raises(LabelError, match=r"'c' of split test.*a, b.*test-0\.parquet#1"):
        open_parquet(tmp_path)


def test_file_of_no_split_among_others_is_left_out(tmp_path: Path) -> None:
    write(tmp_path / "train-0.parquet", [0, 1, 2])
    write(tmp_path / "unsupervised-0.parquet", [0, 1, 2])
    reader = open_parquet(tmp_path)
    assert len(reader.table) == 3
    assert [problem.key for problem in reader.problems] == ["unsupervised-0.parquet"]


def test_damage_in_the_pixels_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet", [0, 1, 2] * 50)
    reader = open_parquet(path)
    data = bytearray(path.read_bytes())
    start = pq.ParquetFile(path).metadata.row_group(20).column(0).data_page_offset
    data[start : start + 60] = b"\xff" * 60
    path.write_bytes(data)
    with pytest.raises(FormatError, match=r"x\.parquet"):
        list(reader.scan(range(150)))
    with pytest.raises(FormatError, match=r"x\.parquet"):
        reader.read(81)


def test_identity(tmp_path: Path) -> None:
    write(tmp_path / "train-0.parquet", [0, 1, 2])
    first = open_parquet(tmp_path).identity()
    write(tmp_path / "train-1.parquet", [0, 1, 2])
    assert open_parquet(tmp_path).identity() != first


@pytest.mark.parametrize("rows_a_group", [8, 48])
def test_a_scan_does_not_hold_the_file(tmp_path: Path, rows_a_group: int) -> None:
    """48 MB of incompressible pictures: at most a small row group, or a page of a large one."""
    noise = np.random.default_rng(0)
    pictures = [noise.bytes(1 << 20) for _ in range(48)]
    table = pa.table({"image": pictures, "label": [0, 1] * 24})
    path = tmp_path / "big.parquet"
    pq.write_table(
        table, path, use_dictionary=["label"], row_group_size=rows_a_group, write_batch_size=1
    )
    del table, pictures
    reader = open_parquet(tmp_path / "big.parquet")
    pa.default_memory_pool().release_unused()
    base = pa.total_allocated_bytes()
    peak = 0
    for _, raw in reader.scan(range(48)):
        assert isinstance(raw, bytes)
        peak = max(peak, pa.total_allocated_bytes() - base)
    assert peak < 30 << 20


def test_cifar10(shared_data: Path) -> None:
    folder = shared_data / "cifar10"
    assert len(find_parquet(folder)) == 2
    reader = open_parquet(folder)
    splits = list(reader.table.splits)
    assert (splits.count(Split.TRAIN), splits.count(Split.TEST)) == (50000, 10000)
    assert reader.schema.classes[:3] == ("airplane", "automobile", "bird")
    assert reader.schema.channels == 3
    assert np.array_equal(np.bincount(reader.table.labels), [6000] * 10)
    rows = [5, 9_999, 10_000, 59_999]
    for row, raw in reader.scan(rows):
        assert raw == reader.read(row)
        assert decode(reader.read(row), where="x").size == (32, 32)
