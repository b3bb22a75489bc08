"""CSV tables of series (wide and long) and of texts."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from residua.batch import Modality, Split, Task
from residua.data.config import DataConfig
from residua.data.dataset import Reader
from residua.data.open import open_dataset, open_reader
from residua.data.readers import series
from residua.errors import FormatError, LabelError, UnreadableSampleError


def table(folder: Path, *lines: str, name: str = "x.csv", strict: bool = False) -> Reader:
    file = folder / name
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return open_reader(str(file), strict=strict)


def rows(reader: Reader) -> list[list[list[float | None]]]:
    raws = (np.asarray(reader.read(row)) for row in range(len(reader.table)))
    return [[[None if np.isnan(v) else v for v in c] for c in raw.tolist()] for raw in raws]


def names(reader: Reader) -> list[str]:
    return [reader.schema.classes[i] for i in reader.table.labels]


def reasons(reader: Reader) -> dict[str, str]:
    return {problem.key: problem.reason for problem in reader.problems}


def text(reader: Reader, row: int) -> str:
    return np.asarray(reader.read(row)).tobytes().decode()


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_wide_with_all_columns(tmp_path: Path, delimiter: str) -> None:
    lines = [
        "ID,Label,Patient,split,0,1,2,note",
        "a,x,p1,train,1,2,3,hm",
        "b,y,p2,train,1,?,3,",
        "c,y,,test,1,,,ho",
        '"d",x,p2,,,"5",,ho',
    ]
    reader = table(tmp_path, *(line.replace(",", delimiter) for line in lines))
    assert rows(reader) == [[[1, 2, 3]], [[1, None, 3]], [[1]], [[None, 5]]]
    assert list(reader.table.keys) == [f"x.csv#{name}" for name in "abcd"]
    assert names(reader) == ["x", "y", "y", "x"]
    assert list(reader.table.splits) == [Split.TRAIN, Split.TRAIN, Split.TEST, None]
    assert reader.table.groups == ["p1", "p2", "x.csv#c", "p2"]
    assert reasons(reader) == {"x.csv": "column 'note' is left out: it is not of numbers"}


def test_wide_bad_rows(tmp_path: Path) -> None:
    lines = ["id,label,a,b", "1,x,1,2", "2,x,1", "3,y,1,inf", "1,y,3,4", "4,,1,2", "5,y,?,?"]
    reader = table(tmp_path, *lines)
    assert rows(reader) == [[[1, 2]], [[None, None]]]
    found = reasons(reader)
    assert "expected 4, received 3" in found["x.csv:3"]
    assert "infinite" in found["x.csv:4"]
    assert "id comes twice, first in x.csv:2" in found["x.csv:5"]
    assert "no label" in found["x.csv#4"]
    with pytest.raises(UnreadableSampleError, match=r"x\.csv:3"):
        table(tmp_path, *lines, strict=True)
    with pytest.raises(LabelError, match=r"unknown split.*'trian'.*x\.csv, line 2"):
        table(tmp_path, "label,split,0", "x,trian,1")


@pytest.mark.parametrize(
    ("lines", "labels", "values"),
    [
        (["0.5,0.25,1.0", "0.1,0.3,0.0"], ["1", "0"], [[[0.5, 0.25]], [[0.1, 0.3]]]),
        (["walk,1,1.5", "run,3"], ["walk", "run"], [[[1, 1.5]], [[3]]]),
        (["1,1.5,walk", "3,2,run"], ["walk", "run"], [[[1, 1.5]], [[3, 2]]]),
        (["0,1,2", "0.5,0.25,3", "1.5,0.5,4"], ["3", "4"], [[[0.5, 0.25]], [[1.5, 0.5]]]),
        ([",label,a", "0,x,1", "1,y,2"], ["x", "y"], [[[1]], [[2]]]),
        (["activity,a,b", "walk,1,2", "run,3,4"], ["walk", "run"], [[[1, 2]], [[3, 4]]]),
    ],
)
def test_wide_without_a_label_called_so(
    tmp_path: Path, lines: list[str], labels: list[str], values: list[list[list[float]]]
) -> None:
    reader = table(tmp_path, *lines)
    assert names(reader) == labels
    for row, expected in enumerate(values):
        np.testing.assert_array_equal(np.asarray(reader.read(row)), np.array(expected, np.float32))


@pytest.mark.parametrize(
    ("lines", "pattern"),
    [
        (["0.5,0.25", "0.1,0.3"], "cannot be told which column is the label.*label,1,2,3"),
        (["1,2.5,3", "4,5.5,6"], "cannot be told which column is the label"),
        (["a,b,c", "1,2,3"], "there is no label column.*a, b, c"),
        (["name,class", "x,y"], "neither series nor texts nor files"),
        (["label,a,b"], "no rows below the header.*label, a, b"),
        (["label,a,A", "x,1,2"], "a column name comes twice.*: received a"),
        (["just one"], "this is no table"),
        (["id,t,channel,u,v,label", "a,0,x,1,2,k"], "which column holds the values"),
        (["label,a", "x,u1", "y,1", "x,2"], ""),
    ],
)
def test_tables_that_are_none(tmp_path: Path, lines: list[str], pattern: str) -> None:
    if not pattern:
        assert len(table(tmp_path, *lines).table) == 2
        return
    with pytest.raises(FormatError, match=pattern):
        table(tmp_path, *lines)
    (tmp_path / "x.csv").write_bytes(b"")
    with pytest.raises(FormatError, match="the file is empty"):
        open_reader(str(tmp_path / "x.csv"))


def test_pairs_of_tables(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("a,label\n1,x\n2,new\n")
    (tmp_path / "train.csv").write_text("label,a,b\nx,1,2\ny,3,4\n")
    (tmp_path / "README.md").write_text("label,a\n")
    reader = open_reader(str(tmp_path))
    assert list(reader.table.splits) == [Split.TRAIN, Split.TRAIN, Split.TEST]
    assert rows(reader) == [[[1, 2]], [[3, 4]], [[1]]]
    assert "class 'new'" in reasons(reader)["test.csv:3"]
    (tmp_path / "test.csv").write_text("id,t,value,label\n1,0,1,x\n")
    with pytest.raises(FormatError, match=r"tables.*differ.*a wide one.*received long"):
        open_reader(str(tmp_path))


def test_regression(tmp_path: Path) -> None:
    reader = table(tmp_path, "target,a", "0.5,1", "2,2", "?,3")
    assert reader.schema.task is Task.REGRESSION
    assert reader.table.values is not None
    assert reader.table.values.tolist() == [[0.5], [2]]
    assert list(reasons(reader)) == ["x.csv:4"]
    reader = table(tmp_path, "a,target_speed,target_flow", "1,2,3", "4,5,6")
    assert reader.schema.classes == ("speed", "flow")
    assert reader.table.values is not None
    assert reader.table.values.tolist() == [[2, 3], [5, 6]]
    assert table(tmp_path, "y,a", "1.0,1", "0.0,2").schema.classes == ("0", "1")
    assert table(tmp_path, "label,a", "0.5,1", "1,2").schema.task is Task.CLASSIFICATION


def test_multilabel(tmp_path: Path) -> None:
    lines = ["label,split,a", "u|v,train,1", "v,train,2", ",train,3", "u|w,test,4"]
    reader = table(tmp_path, *lines)
    assert reader.schema.task is Task.MULTILABEL
    assert reader.schema.classes == ("u", "v")
    assert reader.table.values is not None
    assert reader.table.values.tolist() == [[1, 1], [0, 1], [0, 0]]
    assert "'w'" in reasons(reader)["x.csv:5"]


def test_targets_through_splits(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    lines = [f"{i / 7},{i},{i + 1}" for i in range(60)]
    file.write_text("\n".join(["target,a,b", *lines]))
    dataset = open_dataset(DataConfig(path=str(file), limit=20))
    assert len(dataset.rows(Split.TRAIN)) == 20
    assert all(len(dataset.rows(s)) for s in (Split.TRAIN, Split.VALIDATION, Split.TEST))
    groups = [f"{i / 7},{i},{i % 6}" for i in range(60)]
    file.write_text("\n".join(["target,a,patient", *groups]))
    dataset = open_dataset(DataConfig(path=str(file), test_fraction=0.3))
    assert dataset.table.groups is not None
    places = [{dataset.table.groups[i] for i in rows} for rows in dataset.assignment.values()]
    assert sum(map(len, places)) == len(set.union(*places)) == 6


def test_long_with_channels(tmp_path: Path) -> None:
    lines = [
        "id,time,channel,value,label,patient",
        "a,1,x,2,A,p",
        "a,0,x,1,A,p",
        "b,0,x,7,B,q",
        "a,0,y,5,A,p",
        "b,0,y,9,B,q",
        "c,0,x,oops,B,q",
        "d,0,x,1,B,q",
        "d,1,x,1,A,q",
        "e,0,x,1,A,q",
        "e,0,x,2,A,q",
        "f,0,x,1,A",
        "g,yesterday,x,1,A,q",
    ]
    reader = pickle.loads(pickle.dumps(table(tmp_path, *lines)))
    assert reader.schema.channel_names == ("x", "y")
    assert rows(reader) == [[[1, 2], [5, None]], [[7], [9]]]
    assert list(reader.table.keys) == ["x.csv#a", "x.csv#b"]
    assert reader.table.groups == ["p", "q"]
    found = reasons(reader)
    assert "x.csv:7" in found["x.csv#c"]
    assert "'oops'" in found["x.csv#c"]
    assert "differ" in found["x.csv#d"]
    assert "line 9" in found["x.csv#d"]
    assert "twice" in found["x.csv#e"]
    assert "expected 6, received 5" in found["x.csv:12"]
    assert "'yesterday'" in found["x.csv#g"]


def test_long_with_a_column_a_channel(tmp_path: Path) -> None:
    lines = [
        "series_id,timestamp,speed [km/h],flow (1/h),target",
        "a,2024-01-01T00:05:00Z,1,10,0.5",
        "a,2024-01-01T00:00:00Z,2,,0.5",
        "b,2024-01-01T00:00:00Z,3,30,1.5",
    ]
    reader = table(tmp_path, *lines)
    assert reader.schema.task is Task.REGRESSION
    assert reader.schema.channel_names == ("speed", "flow")
    assert reader.schema.units == ("km/h", "1/h")
    assert rows(reader) == [[[2, 1], [None, 10]], [[3], [30]]]
    reader = table(tmp_path, "id,ax,ay,label", "a,1,2,u", "a,3,4,u", "b,5,6,v", "b,7,8,v")
    assert rows(reader) == [[[1, 3], [2, 4]], [[5, 7], [6, 8]]]
    reader = table(tmp_path, "id,dim,value,label", "a,0,1,u", "a,1,3,u", "a,0,2,u", "b,1,3,v")
    assert rows(reader) == [[[1, 2], [3, None]], [[None], [3]]]


def test_text(tmp_path: Path) -> None:
    lines = [
        "text,label,group",
        '"hello, ""you""',
        'there",pos,g1',
        "sch\u00f6n,neg,g2",
        '5" wide,pos,g2',
        '"open,pos,g3',
        "last,neg,g4",
        ",neg,g5",
    ]
    reader = table(tmp_path, *lines)
    assert reader.schema.modality is Modality.TEXT
    assert reader.schema.channels == 1
    assert reader.schema.classes == ("neg", "pos")
    texts = ['hello, "you"\nthere', "sch\u00f6n", '5" wide', "last"]
    assert [text(reader, row) for row in range(4)] == texts
    assert np.asarray(reader.read(0)).dtype == np.uint8
    assert list(reader.table.keys) == [f"x.csv:{line}" for line in (2, 4, 5, 7)]
    assert reader.table.groups == ["g1", "g2", "g2", "g4"]
    assert "unexpected end" in reasons(reader)["x.csv:6"]
    assert "empty" in reasons(reader)["x.csv:8"]


@pytest.mark.parametrize("large", [False, True])
def test_text_in_other_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: bool) -> None:
    if large:
        monkeypatch.setattr(series, "HELD", 0)
    file = tmp_path / "x.tsv"
    content = b'\xef\xbb\xbfsequence\tclass\r\nACGT\tpromoter\r\n\xff\tnone\r\n"A\r\nC"\tnone\r\n'
    file.write_bytes(content)
    reader = pickle.loads(pickle.dumps(open_reader(str(file))))
    assert [text(reader, row) for row in range(2)] == ["ACGT", "A\r\nC"]
    assert names(reader) == ["promoter", "none"]
    assert "not UTF-8" in reasons(reader)["x.tsv:3"]


def test_wide_begins_behind_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"\xef\xbb\xbf1,2.5\r\n0,3.5\r\n")
    reader = open_reader(str(tmp_path / "x.csv"))
    assert names(reader) == ["1", "0"]
    assert rows(reader) == [[[2.5]], [[3.5]]]
