"""From what the user types to a `Dataset`, or to one line that helps."""

import gzip
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from residua.batch import Split
from residua.data.config import DataConfig
from residua.data.open import open_dataset, open_reader
from residua.errors import (
    DataNotFoundError,
    FormatError,
    LabelError,
    ResiduaError,
    UnknownNameError,
    UnreadableSampleError,
    UsageError,
)


@pytest.fixture(autouse=True)
def places(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Path]:
    """A working folder, data folder and cache folder of this test alone."""
    folders = {name: tmp_path_factory.mktemp(name) for name in ("work", "data", "cache")}
    monkeypatch.chdir(folders["work"])
    monkeypatch.setenv("RESIDUA_DATA", str(folders["data"]))
    monkeypatch.setenv("RESIDUA_CACHE", str(folders["cache"]))
    return folders


def paint_folder(root: Path, **counts: int) -> Path:
    for name, count in counts.items():
        for number in range(count):
            path = root / name.replace("__", "/") / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (3, 2), (number, 0, 0)).save(path)
    return root


def write_idx(root: Path, *, count: int = 20) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    images = struct.pack(">4B3I", 0, 0, 8, 3, count, 2, 2) + bytes(count * 4)
    labels = struct.pack(">4BI", 0, 0, 8, 1, count) + bytes(i % 10 for i in range(count))
    (root / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
    (root / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    return root


def sizes(path: str | Path, **options: object) -> dict[str, int]:
    dataset = open_dataset(DataConfig(path=str(path), **options))  # pyright: ignore
    return {split.value: len(rows) for split, rows in dataset.assignment.items()}


def test_digits() -> None:
    dataset = open_dataset(DataConfig(path="digits"))
    assert sum(len(rows) for rows in dataset.assignment.values()) == 1797
    assert dataset.official == frozenset()
    for split in (Split.TRAIN, Split.VALIDATION, Split.TEST):
        classes = dataset.table.labels[dataset.rows(split)]
        assert len(np.unique(classes)) == 10


def test_a_folder_that_is_split(places: dict[str, Path]) -> None:
    paint_folder(places["work"] / "pets", cat=30, dog=30)
    counts = sizes("pets", validation_fraction=0.2, test_fraction=0.2)
    assert sum(counts.values()) == 60
    assert set(counts) == {"train", "validation", "test"}
    assert counts == sizes(places["work"] / "pets", validation_fraction=0.2, test_fraction=0.2)
    assert counts == sizes("./pets/", validation_fraction=0.2, test_fraction=0.2)
    assert sizes("pets", validation_fraction=0, test_fraction=0) == {"train": 60}


def test_official_splits_and_validation_out_of_train(places: dict[str, Path]) -> None:
    paint_folder(places["work"], train__cat=20, train__dog=20, test__cat=7, test__dog=5)
    dataset = open_dataset(DataConfig(path="."))
    assert dataset.official == {Split.TRAIN, Split.TEST}
    assert len(dataset.rows(Split.TEST)) == 12
    assert len(dataset.rows(Split.VALIDATION)) >= 2
    keys = [dataset.table.keys[row] for row in dataset.rows(Split.VALIDATION)]
    assert all(key.startswith("train/") for key in keys)


def test_home(places: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(places["work"]))
    paint_folder(places["work"] / "pets", cat=3, dog=3)
    assert sum(sizes("~/pets").values()) == 6


def test_manifest_alone_in_its_folder(places: dict[str, Path]) -> None:
    root = paint_folder(places["work"] / "x", pics=3)
    Image.new("RGB", (1, 1)).save(root / "solo.png")
    rows = "path,label\npics/0.png,a\npics/1.png,b\npics/2.png,a\n"
    (root / "labels.csv").write_text(rows)
    dataset = open_dataset(DataConfig(path="x/labels.csv", test_fraction=0, validation_fraction=0))
    assert dataset.name == "labels"
    (places["work"] / "y").mkdir()
    (places["work"] / "y" / "labels.csv").write_text(rows.replace("pics/", "../x/pics/"))
    assert sum(sizes("y").values()) == 3


def test_a_manifest_comes_before_folders_that_are_no_classes(places: dict[str, Path]) -> None:
    root = paint_folder(places["work"] / "x", images=4)
    rows = [f"images/{i}.png;{'ab'[i % 2]}" for i in range(4)]
    (root / "labels.csv").write_text("\n".join(['"Path";"Label"', *rows]))
    assert open_reader("x").schema.classes == ("a", "b")
    paint_folder(places["work"] / "y", a=2, b=2)
    (places["work"] / "y" / "notes.csv").write_text("class,translation\na,Amsel\n")
    assert open_reader("y").schema.classes == ("a", "b")
    (root / "labels.csv").write_text("name,class\n")
    with pytest.raises(LabelError, match=r"only one class.*images"):
        open_reader("x")
    (places["work"] / "z").mkdir()
    (places["work"] / "z" / "labels.csv").write_text("name,class\n")
    with pytest.raises(FormatError, match=r"no rows below the header.*name, class"):
        open_reader("z")


def test_nothing_in_it(places: dict[str, Path]) -> None:
    write_idx(places["work"] / "none", count=0)
    with pytest.raises(LabelError, match=r"fewer than two classes.*no samples"):
        open_dataset(DataConfig(path="none"))


def test_class_names_of_fashion_mnist_by_its_folder(places: dict[str, Path]) -> None:
    for folder in ("fashion-mnist", "FashionMNIST/raw"):
        write_idx(places["work"] / folder)
        reader = open_reader(folder.removesuffix("/raw"))
        assert reader.schema.classes[:2] == ("T-shirt/top", "Trouser")
    write_idx(places["work"] / "other")
    assert open_reader("other").schema.classes == tuple("0123456789")
    file = "fashion-mnist/train-images-idx3-ubyte.gz"
    assert open_reader(file).schema.classes[9] == "Ankle boot"


def test_several_sets_of_torchvision_in_one_folder_are_not_guessed(places: dict[str, Path]) -> None:
    for name in ("MNIST", "KMNIST"):
        write_idx(places["work"] / name / "raw")
    with pytest.raises(FormatError, match=r"expected CLASS/\*\.jpg.*KMNIST, MNIST"):
        open_reader(".")


def test_names_are_found_in_the_data_folder(places: dict[str, Path]) -> None:
    write_idx(places["data"] / "mnist")
    assert open_reader("mnist").name == "mnist"
    assert open_reader("MNIST").name == "mnist"
    paint_folder(places["data"] / "my_pets", cat=3, dog=3)
    assert open_reader("my-pets").name == "my_pets"


def test_a_path_comes_before_a_name(places: dict[str, Path]) -> None:
    paint_folder(places["work"] / "digits", one=3, two=3)
    assert open_reader("digits").schema.classes == ("one", "two")


def test_readers_travel_to_workers(places: dict[str, Path]) -> None:
    paint_folder(places["work"] / "pets", cat=3, dog=3)
    dataset = pickle.loads(pickle.dumps(open_dataset(DataConfig(path="pets"))))
    assert isinstance(dataset.reader.read(0), bytes)


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("", UsageError, "no data set was named"),
        ("cifr10", UnknownNameError, r"\$RESIDUA_DATA.*'cifr10'\. Did you mean cifar10"),
        ("my-pest", UnknownNameError, "Did you mean my-pets"),
        ("./nothing/here", DataNotFoundError, r"no such file or folder: received \./nothing/here"),
        ("pest.csv", DataNotFoundError, r"Did you mean pets\.csv"),
        ("empty", FormatError, r"expected CLASS/\*\.jpg.*an empty folder, in empty"),
        ("text", FormatError, r"no data set.*train-\*\.parquet.*received a\.wav, b\.txt"),
        ("text/b.txt", FormatError, r"the file is no data set.*b\.txt"),
        ("sounds", UnreadableSampleError, r"sound.s header.*a text file, in sounds/a/1\.wav"),
        ("lone", LabelError, "only one class.*received cat"),
    ],
)
def test_errors(places: dict[str, Path], name: str, kind: type[ResiduaError], message: str) -> None:
    work = places["work"]
    for folder in ("empty", "text", "sounds/a", "sounds/b"):
        (work / folder).mkdir(parents=True)
    for file in ("text/a.wav", "text/b.txt", "sounds/a/1.wav", "sounds/b/1.wav", "pets.csv"):
        (work / file).write_text("x")
    paint_folder(work / "lone", cat=2)
    paint_folder(places["data"] / "my-pets", cat=2, dog=2)
    with pytest.raises(kind, match=message) as caught:
        open_dataset(DataConfig(path=name))
    assert "\n" not in str(caught.value)


def test_what_may_not_be_written_or_read(
    places: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (places["work"] / "file").write_text("x")
    monkeypatch.setenv("RESIDUA_CACHE", str(places["work"] / "file"))
    with pytest.raises(DataNotFoundError, match=r"cannot be opened.*file/datasets"):
        open_reader("mnist")


def test_strict_stops_at_a_missing_file(places: dict[str, Path]) -> None:
    root = paint_folder(places["work"], a=2)
    (root / "x.csv").write_text("path,label\na/0.png,p\na/1.png,q\na/2.png,q\n")
    assert len(open_dataset(DataConfig(path="x.csv")).reader.problems) == 1
    with pytest.raises(UnreadableSampleError, match=r"a/2\.png"):
        open_dataset(DataConfig(path="x.csv", strict=True))


def test_groups_that_leave_a_class_untrained(places: dict[str, Path]) -> None:
    """Three patients, each with a class of its own: training cannot have all."""
    root = paint_folder(places["work"], a=6)
    rows = [f"a/{i}.png,class {i % 3},patient {i % 3}" for i in range(6)]
    (root / "x.csv").write_text("\n".join(["path,label,group", *rows]))
    with pytest.raises(LabelError, match=r"classes without training samples.*split seed"):
        open_dataset(DataConfig(path="x.csv"))


def test_unknown_test_labels(places: dict[str, Path]) -> None:
    import json

    import pyarrow as pa
    import pyarrow.parquet as pq

    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["a", "b"]}}
    for split, labels in (("train", [0, 1] * 5), ("test", [-1, -1, 0])):
        table = pa.table({"image": [b"x"] * len(labels), "label": labels})
        table = table.replace_schema_metadata(
            {"huggingface": json.dumps({"info": {"features": features}})}
        )
        pq.write_table(table, places["work"] / f"{split}.parquet")
    with pytest.raises(LabelError, match="2 of 3 samples of split test have no label"):
        open_dataset(DataConfig(path="."))


@pytest.mark.parametrize(
    ("name", "train", "test", "classes", "channels"),
    [
        ("birds", 2999, 2903, 100, 3),
        ("cifar10", 50000, 10000, 10, 3),
        ("fashion-mnist", 60000, 10000, 10, 1),
    ],
)
def test_real_data(
    shared_data: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    train: int,
    test: int,
    classes: int,
    channels: int,
) -> None:
    monkeypatch.setenv("RESIDUA_DATA", str(shared_data))
    dataset = open_dataset(DataConfig(path=name))
    assert (dataset.schema.num_classes, dataset.schema.channels) == (classes, channels)
    assert len(dataset.rows(Split.TEST)) == test
    held = len(dataset.rows(Split.VALIDATION))
    assert len(dataset.rows(Split.TRAIN)) + held == train
    assert held == pytest.approx(0.1 * train, rel=0.15)
    assert len(np.unique(dataset.table.labels[dataset.rows(Split.VALIDATION)])) == classes
