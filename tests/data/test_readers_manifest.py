"""CSV manifests, right ones and wrong ones."""

import pickle
from pathlib import Path

import pytest
from PIL import Image

from residua.batch import Split
from residua.data.readers.manifest import open_manifest
from residua.errors import FormatError, LabelError, UnreadableSampleError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pics").mkdir()
    for name in "abcd":
        Image.new("L", (3, 2), ord(name)).save(tmp_path / "pics" / f"{name}.png")
    return tmp_path


def write(folder: Path, *lines: str) -> Path:
    file = folder / "birds.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


ROWS = ("pics/a.png,owl", "pics/b.png,hen", "pics/c.png,owl")


def test_path_and_label(folder: Path) -> None:
    reader = open_manifest(write(folder, "path,label", *ROWS))
    assert list(reader.table.keys) == ["pics/a.png", "pics/b.png", "pics/c.png"]
    assert reader.schema.classes == ("hen", "owl")
    assert list(reader.table.labels) == [1, 0, 1]
    assert list(reader.table.splits) == [None] * 3
    assert reader.table.groups is None
    assert reader.schema.channels == 1
    assert reader.name == "birds"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiters_order_and_other_columns(folder: Path, delimiter: str) -> None:
    lines = [
        "Group,note,split , LABEL,path",
        "p1,x y,train,owl,pics/a.png",
        "p2,,Valid,hen,./pics/b.png",
        "",
        ",,,hen,pics/c.png",
        "p1,,test,owl,pics/d.png",
    ]
    reader = open_manifest(write(folder, *(line.replace(",", delimiter) for line in lines)))
    assert list(reader.table.splits) == [Split.TRAIN, Split.VALIDATION, None, Split.TEST]
    assert reader.table.groups == ["p1", "p2", "pics/c.png", "p1"]
    assert reader.table.keys[1] == "pics/b.png"


def test_quotes_and_byte_order_mark(folder: Path) -> None:
    file = folder / "x.csv"
    Image.new("L", (1, 1)).save(folder / "a, b.png")
    file.write_bytes('\ufeffpath,label\r\n"a, b.png","big, owl"\r\npics/a.png,hen\r\n'.encode())
    reader = open_manifest(file)
    assert reader.schema.classes == ("big, owl", "hen")
    assert reader.table.keys[0] == "a, b.png"


def test_reading(folder: Path) -> None:
    reader = pickle.loads(pickle.dumps(open_manifest(write(folder, "path,label", *ROWS))))
    expected = [(folder / key).read_bytes() for key in reader.table.keys]
    assert [reader.read(row) for row in range(3)] == expected
    assert [raw for _, raw in reader.scan(range(3))] == expected
    (folder / "pics/b.png").unlink()
    assert isinstance(dict(reader.scan([0, 1]))[1], UnreadableSampleError)


def test_missing_file_is_left_out_or_stops(folder: Path) -> None:
    file = write(folder, "path,label", *ROWS, "pics/gone.png,owl")
    reader = open_manifest(file)
    assert len(reader.table) == 3
    assert [problem.key for problem in reader.problems] == ["pics/gone.png"]
    assert "line 5" in reader.problems[0].reason
    with pytest.raises(UnreadableSampleError, match=r"gone\.png.*line 5"):
        open_manifest(file, strict=True)


@pytest.mark.parametrize(
    ("lines", "kind", "message"),
    [
        (["file,label", "a,b"], FormatError, r"missing column path.*received file, label"),
        (["a,b", "a,b"], FormatError, r"missing column path and label.*received a, b"),
        (["path,label,path", "a,b,c"], FormatError, r"double column path"),
        ([""], FormatError, r"missing column path and label.*an empty line"),
        (["path,label"], FormatError, "names no files"),
        (["path,label", "a.png,owl"], FormatError, r"none of the manifest's files.*a\.png"),
        (["path,label", "pics/a.png,"], LabelError, "no label.*line 2"),
        (["path,label", *ROWS, ",owl"], FormatError, "no path.*line 5"),
        (["path,label", *ROWS, "x,owl,3"], FormatError, "expected 2, received 3.*line 5.*Quote"),
        (["path,label", *ROWS, "./pics/b.png,owl"], LabelError, r"b\.png' comes twice.*3 and 5"),
        (["path,label,split", "pics/a.png,owl,tset"], LabelError, r"received 'tset'.*line 2"),
        (
            ["path,label,split", "pics/a.png,owl,train", "pics/b.png,hen,test"],
            LabelError,
            r"'hen' of split test.*owl.*pics/b\.png",
        ),
        (["path,label", '"pics/a.png,owl'], FormatError, "not a CSV file"),
    ],
)
def test_errors(folder: Path, lines: list[str], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        open_manifest(write(folder, *lines))
    assert "\n" not in str(caught.value)
    assert "birds.csv" in str(caught.value)


def test_binary_is_no_manifest(folder: Path) -> None:
    file = folder / "x.csv"
    file.write_bytes(b"\xff\xfe\x00\x01" * 10)
    with pytest.raises(FormatError, match="not a CSV file in UTF-8"):
        open_manifest(file)


def test_given_class_list(folder: Path) -> None:
    file = write(folder, "path,label", *ROWS)
    reader = open_manifest(file, classes=("owl", "jay", "hen"))
    assert reader.schema.classes == ("owl", "jay", "hen")
    assert list(reader.table.labels) == [0, 2, 0]
    with pytest.raises(LabelError, match=r"'hen' is not in the class list.*owl, jay.*line 3"):
        open_manifest(file, classes=("owl", "jay"))


def test_identity(folder: Path) -> None:
    file = write(folder, "path,label", *ROWS)
    first = open_manifest(file).identity()
    assert open_manifest(file).identity() == first
    Image.new("L", (9, 9)).save(folder / "pics" / "a.png")
    assert open_manifest(file).identity() != first
