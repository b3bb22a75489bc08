"""The archives' formats (.ts, .arff, .tsv): right ones against aeon, and wrong ones."""

import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from residua.batch import Modality, Split, Task
from residua.data.config import DataConfig
from residua.data.dataset import Dataset, Reader
from residua.data.open import open_dataset, open_reader
from residua.data.readers import series
from residua.errors import FormatError, LabelError, UnknownNameError, UnreadableSampleError

UCR = Path(__file__).parents[2] / ".." / "shared" / "data" / "ucr"
PROBLEMS = {  # train, test, channels, lengths, classes: from the README beside the data
    "ACSF1": (100, 100, 1, {1460}, 10),
    "ArrowHead": (36, 175, 1, {251}, 3),
    "BasicMotions": (40, 40, 6, {100}, 4),
    "GunPoint": (50, 150, 1, {150}, 2),
    "ItalyPowerDemand": (67, 1029, 1, {24}, 2),
    "JapaneseVowels": (270, 370, 12, set(range(7, 30)), 9),
    "JapaneseVowels/JapaneseVowels_eq": (270, 370, 12, {25}, 9),
    "OSULeaf": (200, 242, 1, {427}, 6),
}
HEADER = """# who made it: Jos\u00e9
@problemName x
@timeStamps false
@univariate true
@classLabel true a b
@data
"""


def opened(path: Path, **options: object) -> Dataset:
    config = DataConfig(path=str(path), validation_fraction=0, test_fraction=0, **options)  # pyright: ignore
    return open_dataset(config)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def values(reader: Reader) -> list[list[list[float]]]:
    found = [raw for _, raw in reader.scan(range(len(reader.table)))]
    assert all(isinstance(raw, np.ndarray) and raw.dtype == np.float32 for raw in found)
    return [np.asarray(raw).tolist() for raw in found]


def reasons(reader: Reader) -> dict[str, str]:
    return {problem.key: problem.reason for problem in reader.problems}


@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_archive_against_aeon(problem: str) -> None:
    datasets = pytest.importorskip("aeon.datasets")
    if not UCR.is_dir():
        pytest.skip("the data is not on this machine")
    train, test, channels, lengths, classes = PROBLEMS[problem]
    dataset = opened(UCR / problem)
    assert dataset.schema.modality is Modality.SIGNAL
    assert dataset.schema.channels == channels
    assert dataset.schema.num_classes == classes
    assert dataset.official == {Split.TRAIN, Split.TEST}
    assert dataset.reader.problems == []
    assert len(dataset.table) == train + test
    seen: set[int] = set()
    for split, count in ((Split.TRAIN, train), (Split.TEST, test)):
        rows = dataset.rows(split)
        name = UCR / Path(problem).parts[0] / f"{Path(problem).name}_{split.name}.ts"
        x, y = datasets.load_from_ts_file(str(name))
        assert len(rows) == count == len(x)
        names = [dataset.schema.classes[i] for i in dataset.table.labels[rows]]
        assert [name.lower() for name in names] == list(y)  # aeon writes them small
        for row, expected in zip(rows, x, strict=True):
            raw = np.asarray(dataset.reader.read(int(row)))
            np.testing.assert_array_equal(raw, np.asarray(expected, dtype=np.float32))
            seen.add(raw.shape[1])
    assert seen == lengths or (len(lengths) > 1 and seen <= lengths and {7, 29} <= seen)


def test_several_channels_lengths_and_missing_values(tmp_path: Path) -> None:
    datasets = pytest.importorskip("aeon.datasets")
    lines = "1,?,3:4,5,6:b\n0.1,0.2:NaN,-1e-3:a\n"
    header = HEADER.replace("@univariate true\n", "@univariate false\n@equalLength false\n")
    file = write(tmp_path / "x.ts", header + lines)
    reader = open_reader(str(file))
    x, y = datasets.load_from_ts_file(str(file))
    assert [reader.schema.classes[i] for i in reader.table.labels] == list(y)
    for row, expected in enumerate(x):
        np.testing.assert_array_equal(np.asarray(reader.read(row)), np.float32(expected))


@pytest.mark.parametrize("univariate", [True, False])
def test_arff_against_aeon(tmp_path: Path, univariate: bool) -> None:
    datasets = pytest.importorskip("aeon.datasets")
    text = (
        "@relation x\n@attribute 'att 1' numeric\n@attribute att2 real\n@attribute c {u,v}\n"
        "@data\n1,2.5,u\n?,1e-3,v\n"
        if univariate
        else "@relation x\n@attribute r relational\n@attribute t0 numeric\n@attribute t1 numeric\n"
        "@end r\n@attribute c {u,v}\n@data\n'1,2.5\\n3,4',u\n'?,1\\n7,-8e2',v\n"
    )
    file = write(tmp_path / "x.arff", text)
    reader = open_reader(str(file))
    x, y = datasets.load_from_arff_file(str(file))
    assert [reader.schema.classes[i] for i in reader.table.labels] == list(y)
    assert reader.schema.channels == (1 if univariate else 2)
    np.testing.assert_array_equal(values(reader), np.float32(x))


def test_tsv_against_aeon(tmp_path: Path) -> None:
    datasets = pytest.importorskip("aeon.datasets")
    file = write(tmp_path / "x.tsv", "1\t0.5\tNaN\t1e-7\n2\t-1\t2\t3.25\n")
    x, y = datasets._data_loaders.load_from_tsv_file(str(file))
    reader = open_reader(str(file))
    assert [int(reader.schema.classes[i]) for i in reader.table.labels] == [int(i) for i in y]
    np.testing.assert_array_equal(values(reader), np.float32(x).reshape(2, 1, 3))


def test_short_series_of_tsv_end_with_nan(tmp_path: Path) -> None:
    """The UCR archive fills them so; missing values inside stay, and series of nothing else."""
    text = "1.0000000e+00\t1\tNaN\t3\tNaN\tNaN\n2\tNaN\tNaN\tNaN\tNaN\tNaN\n"
    reader = open_reader(str(write(tmp_path / "x.tsv", text)))
    assert reader.schema.classes == ("1", "2")
    first, second = (np.asarray(reader.read(row)) for row in range(2))
    np.testing.assert_array_equal(first, np.array([[1, np.nan, 3]], np.float32))
    assert second.shape == (1, 5)
    assert np.isnan(second).all()


def test_bad_lines_are_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    bad = {
        8: ("1,x,3:b", "a value is no number.*'x' at step 1"),
        9: ("1,2,inf:a", "infinite.*step 2"),
        10: ("1,1e60:a", r"beyond 32 bits.*1e\+60"),
        11: ("1,2,3", "the case has no label"),
        12: ("1,2:1,2:a", "another number of channels.*expected 1, received 2"),
        13: ("1,2:1,2,3:a", "channels of a case differ in length.*2 and 3"),
        14: ("1,2,3:c", "class 'c' is not among the training classes.*a, b"),
        15: (":a", "no values"),
        16: ("1_0,2:b", "no number.*1_0"),
        17: ("1,2:?", "no label"),
    }
    lines = ["1,2,3:a", *(line for line, _ in bad.values()), "", "# pause", "?,?:b"]
    file = write(tmp_path / "x.ts", HEADER + "\n".join(lines) + "\n")
    reader = open_reader(str(file))
    assert values(reader)[0] == [[1, 2, 3]]
    assert np.isnan(values(reader)[1]).all()
    assert list(reader.table.keys) == ["x.ts:7", "x.ts:20"]
    assert set(reasons(reader)) == {f"x.ts:{line}" for line in bad}
    for line, (text, pattern) in bad.items():
        assert re.search(pattern, reasons(reader)[f"x.ts:{line}"])
        alone = write(tmp_path / "alone.ts", HEADER + "1:a\n1:b\n" + text + "\n")
        with pytest.raises((UnreadableSampleError, LabelError), match=pattern):
            open_reader(str(alone), strict=True)


def test_ragged_first_line_does_not_win(tmp_path: Path) -> None:
    header = HEADER.replace("@univariate true\n", "")
    file = write(tmp_path / "x.ts", header + "1:a\n1:2:a\n3:4:b\n5:6:b\n")
    reader = open_reader(str(file))
    assert reader.schema.channels == 2
    assert len(reader.table) == 3
    assert list(reasons(reader)) == ["x.ts:6"]


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("", "the file is empty"),
        (HEADER, "there are no series"),
        (HEADER.replace("@data\n", ""), "header does not end"),
        (HEADER.replace("@data\n", "1,2:a\n"), r"no header before @data.*1,2:a.*line 6"),
        (HEADER.replace("Stamps false", "Stamps true") + "(0,1):a\n", "time stamps"),
        (HEADER.replace("true a b", "false") + "1,2\n", "no labels"),
        (HEADER.replace("@univariate true", "@dimensions two") + "1:a\n", "@dimensions"),
        (HEADER + "x:a\ny:b\n", r"none of the 2 series can be read.*x\.ts:7.*no number"),
    ],
)
def test_broken_files(tmp_path: Path, text: str, pattern: str) -> None:
    with pytest.raises(FormatError, match=pattern):
        open_reader(str(write(tmp_path / "x.ts", text)))


def test_one_sample_and_one_class(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="fewer than two classes"):
        opened(write(tmp_path / "x.ts", HEADER + "1,2:a\n"))


def test_regression(tmp_path: Path) -> None:
    header = HEADER.replace("@classLabel true a b", "@targetLabel true")
    file = write(tmp_path / "x.ts", header + "1,2:0.5\n2,3:-1\n4,5:1\n6,7:fast\n")
    dataset = opened(file)
    assert dataset.schema.task is Task.REGRESSION
    assert dataset.schema.num_outputs == 1
    assert dataset.table.values is not None
    np.testing.assert_array_equal(dataset.table.values, np.array([[0.5], [-1], [1]], np.float32))
    assert dataset.table.values.dtype == np.float32
    assert list(dataset.table.labels) == [-1, -1, -1]
    assert "no finite number" in reasons(dataset.reader)["x.ts:10"]


def test_arff_regression_and_wrong_ones(tmp_path: Path) -> None:
    text = (
        "@relation x\n@attribute a numeric\n@attribute flow numeric\n@data\n1,2.5\n2,1\n3\n{0 1}\n"
    )
    reader = open_reader(str(write(tmp_path / "x.arff", text)))
    assert reader.schema.classes == ("flow",)
    assert reader.table.values is not None
    assert reader.table.values.tolist() == [[2.5], [1]]
    assert "expected 2, received 1" in reasons(reader)["x.arff:7"]
    assert "sparse" in reasons(reader)["x.arff:8"]
    for wrong, pattern in (
        ("@attribute a string\n@attribute c {u}\n@data\n", "no series with a class"),
        ("@attribute a\n", "this is no attribute.*line 1"),
        ("1,2\n", "no header before @data"),
        ("@attribute a numeric\n", "does not end"),
    ):
        with pytest.raises(FormatError, match=pattern):
            open_reader(str(write(tmp_path / "y.arff", wrong)))


def test_pairs(tmp_path: Path) -> None:
    header = HEADER.replace(" a b", "")
    for name, last in (("GunPoint", "b"), ("GunPoint_eq", "zz")):
        write(tmp_path / f"GunPoint/{name}_TRAIN.ts", header + "1:a\n2:b\n")
        write(tmp_path / f"GunPoint/{name}_TEST.ts", header + f"1:a\n2:{last}\n")
    write(tmp_path / "GunPoint/GunPoint_TRAIN.arff", "another form of the same")
    dataset = opened(tmp_path / "GunPoint")
    assert dataset.name == "GunPoint"
    assert {split: len(rows) for split, rows in dataset.assignment.items()} == {
        Split.TRAIN: 2,
        Split.TEST: 2,
    }
    other = opened(tmp_path / "GunPoint" / "GunPoint_eq")
    assert other.name == "GunPoint_eq"
    assert len(other.rows(Split.TEST)) == 1
    assert "class 'zz'" in reasons(other.reader)["GunPoint_eq_TEST.ts:8"]
    assert opened(tmp_path / "GunPoint/GunPoint_TEST.ts").official == frozenset()
    (tmp_path / "GunPoint").rename(tmp_path / "guns")
    with pytest.raises(FormatError, match=r"several data sets.*GunPoint, GunPoint_eq"):
        opened(tmp_path / "guns")


def test_by_name_below_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESIDUA_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path.parent)
    file = write(tmp_path / "ucr/GunPoint/GunPoint_TRAIN.ts", HEADER + "1:a\n2:b\n")
    write(tmp_path / "ucr/GunPoint/Other_TRAIN.ts", HEADER + "1:a\n2:b\n3:b\n")
    with pytest.raises(FormatError, match="Name one of its data sets: GunPoint"):
        open_reader("ucr")
    for name in ("ucr/GunPoint", "gunpoint", "Gun-Point"):
        assert len(open_reader(name).table) == 2
    assert len(open_reader("ucr/GunPoint/Other").table) == 3
    file.rename(write(tmp_path / "uea/gunpoint/x", "").parent / file.name)
    write(file, HEADER)
    with pytest.raises(UnknownNameError):
        open_reader("gunpoint")  # there are two now


def test_large_files_are_read_line_by_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = HEADER.replace("\n", "\r\n") + "1,2:a\r\n# \u00e4\r\nx:b\r\n1:2:a\r\n4,5,6:b\r\n"
    file = write(tmp_path / "x.ts", text)
    small = open_reader(str(file))
    monkeypatch.setattr(series, "HELD", 0)
    large = pickle.loads(pickle.dumps(open_reader(str(file))))
    assert list(large.table.keys) == ["x.ts:7", "x.ts:9", "x.ts:11"]
    found = dict(large.scan(range(3)))
    np.testing.assert_array_equal(found[0], small.read(0))
    np.testing.assert_array_equal(found[2], small.read(1))
    assert isinstance(found[1], UnreadableSampleError)
    assert "'x' at step 0, in x.ts:9" in str(found[1])
    assert large.identity() == small.identity()
    file.unlink()
    with pytest.raises(UnreadableSampleError, match=r"cannot read the file.*x\.ts:7"):
        large.read(0)


def test_identity_follows_the_files(tmp_path: Path) -> None:
    file = write(tmp_path / "x.ts", HEADER + "1:a\n2:b\n")
    before = open_reader(str(file)).identity()
    assert before == open_reader(str(file)).identity()
    write(file, HEADER + "1:a\n2:b\n3:b\n")
    assert before != open_reader(str(file)).identity()


floats = st.floats(width=32, allow_nan=False, allow_infinity=False)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(st.lists(st.one_of(st.none(), floats), min_size=1, max_size=5), st.booleans()),
        min_size=1,
        max_size=6,
    )
)
def test_what_is_written_is_read(
    tmp_path: Path, cases: list[tuple[list[float | None], bool]]
) -> None:
    lines = [
        ",".join("?" if v is None else repr(v) for v in numbers) + (":b" if positive else ":a")
        for numbers, positive in cases
    ]
    reader = open_reader(str(write(tmp_path / "x.ts", HEADER + "\n".join(lines))))
    assert reader.problems == []
    for row, (numbers, positive) in enumerate(cases):
        expected = np.array([numbers], dtype=np.float64).astype(np.float32)
        np.testing.assert_array_equal(np.asarray(reader.read(row)), expected)
        assert reader.schema.classes[reader.table.labels[row]] == "ab"[positive]
