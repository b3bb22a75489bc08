"""Image folders in all the shapes that people have them in."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from residua.batch import Split
from residua.data.decode import decode
from residua.data.readers.folder import files_below, open_folder, split_folders
from residua.data.readers.kinds import PICTURES
from residua.errors import FormatError, LabelError, UnreadableSampleError


def paint(path: Path, *, mode: str = "RGB", level: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 3), level).convert(mode).save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number, name in enumerate(
        ("train/cat/2.png", "train/cat/10.PNG", "train/dog/deep/er/1.jpeg", "test/dog/1.png")
    ):
        paint(tmp_path / name, level=number)
    return tmp_path


def test_official_splits(root: Path) -> None:
    paint(root / "Val" / "cat" / "1.png")
    reader = open_folder(root)
    assert reader.name == root.name
    assert reader.schema.classes == ("cat", "dog")
    rows = list(zip(reader.table.keys, reader.table.labels, reader.table.splits, strict=True))
    assert rows == [
        ("Val/cat/1.png", 0, Split.VALIDATION),
        ("test/dog/1.png", 1, Split.TEST),
        ("train/cat/10.PNG", 0, Split.TRAIN),
        ("train/cat/2.png", 0, Split.TRAIN),
        ("train/dog/deep/er/1.jpeg", 1, Split.TRAIN),
    ]
    assert reader.table.groups is None
    assert not reader.problems


@pytest.mark.parametrize("name", ["val", "valid", "validation", "VALID", "dev"])
def test_names_of_the_validation_split(root: Path, name: str) -> None:
    paint(root / name / "cat" / "1.png")
    assert split_folders(root)[name] is Split.VALIDATION


def test_one_folder_a_class(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        paint(tmp_path / name / "1.png")
    reader = open_folder(tmp_path)
    assert reader.schema.classes == ("a", "b", "c")
    assert list(reader.table.splits) == [None] * 3


def test_whole_numbers_are_ordered_by_value(tmp_path: Path) -> None:
    for name in ("10", "9", "1"):
        paint(tmp_path / name / "1.png")
    assert open_folder(tmp_path).schema.classes == ("1", "9", "10")


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    for name in ("bus", "car", "train"):
        paint(tmp_path / name / "1.png")
    assert open_folder(tmp_path).schema.classes == ("bus", "car", "train")


def test_splits_without_class_folders_do_not_become_classes(tmp_path: Path) -> None:
    for name in ("train", "test"):
        paint(tmp_path / name / "1.png")
    with pytest.raises(FormatError, match=r"no class folders.*CLASS/\*\.jpg.*test, train"):
        open_folder(tmp_path)


def test_what_is_left_out_is_told(root: Path) -> None:
    paint(root / "train" / "stray.png")
    paint(root / "extra" / "x.png")
    paint(root / "val" / "unlabelled.png")
    (root / "test" / "cat").mkdir()
    problems = {problem.key: problem.reason for problem in open_folder(root).problems}
    assert set(problems) == {"train/stray.png", "extra", "val", "test/cat"}
    assert "no class folder" in problems["train/stray.png"]
    assert "not a split" in problems["extra"]
    assert "without class folders" in problems["val"]


def test_hidden_files_and_other_files_are_ignored(root: Path) -> None:
    before = list(open_folder(root).table.keys)
    paint(root / "train" / "cat" / "._1.png")
    paint(root / "train" / ".thumbs" / "1.png")
    paint(root / "__MACOSX" / "1.png")
    (root / "train" / "cat" / "notes.txt").write_text("x")
    (root / "README.md").write_text("x")
    reader = open_folder(root)
    assert list(reader.table.keys) == before
    assert not reader.problems


def test_pictures_of_runs_are_no_samples(root: Path) -> None:
    before = files_below(root, PICTURES)
    paint(root / "runs" / "first" / "report" / "1.png")
    (root / "runs" / "first" / "recipe.json").write_text("{}")
    assert files_below(root, PICTURES) == before


def test_text_named_jpg_is_a_sample_that_cannot_be_decoded(root: Path) -> None:
    (root / "train" / "cat" / "0.jpg").write_text("hello")
    reader = open_folder(root)
    row = reader.table.keys.index("train/cat/0.jpg")
    with pytest.raises(UnreadableSampleError, match=r"text file.*train/cat/0\.jpg"):
        decode(reader.read(row), where=reader.table.keys[row])


def test_links(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    paint(other / "far.png")
    (root / "train" / "cat" / "linked").symlink_to(other, target_is_directory=True)
    (root / "train" / "cat" / "loop").symlink_to(root / "train", target_is_directory=True)
    (root / "train" / "cat" / "broken.png").symlink_to(root / "nowhere.png")
    reader = open_folder(root)
    keys = list(reader.table.keys)
    assert "train/cat/linked/far.png" in keys
    assert len(keys) == len(set(keys))
    assert len(keys) < 20, "the loop is not followed for ever"
    with pytest.raises(UnreadableSampleError, match=r"No such file.*broken\.png"):
        reader.read(keys.index("train/cat/broken.png"))


def test_empty_class(root: Path) -> None:
    (root / "train" / "owl").mkdir()
    (root / "train" / "owl" / "notes.txt").write_text("x")
    with pytest.raises(
        LabelError, match=r"'owl' is empty.*at least one picture.*remove the folder"
    ):
        open_folder(root)


def test_one_class_only(tmp_path: Path) -> None:
    paint(tmp_path / "cat" / "1.png")
    with pytest.raises(LabelError, match=r"only one class.*received cat"):
        open_folder(tmp_path)


def test_class_that_training_lacks(root: Path) -> None:
    paint(root / "test" / "owl" / "1.png")
    with pytest.raises(LabelError, match=r"'owl' of split test.*cat, dog.*test/owl/1\.png"):
        open_folder(root)


@pytest.mark.parametrize(("modes", "channels"), [("LL", 1), ("L1", 1), ("LR", 3), ("RR", 3)])
def test_channels(tmp_path: Path, modes: str, channels: int) -> None:
    for letter, name in zip(modes, "ab", strict=True):
        paint(tmp_path / name / "1.png", mode={"R": "RGB"}.get(letter, letter))
    assert open_folder(tmp_path).schema.channels == channels


def test_reading(root: Path) -> None:
    reader = pickle.loads(pickle.dumps(open_folder(root)))
    rows = range(len(reader.table))
    scanned = dict(reader.scan(rows))
    assert list(scanned) == list(rows)
    for row in rows:
        assert scanned[row] == reader.read(row) == (root / reader.table.keys[row]).read_bytes()


def test_scan_hands_errors_on(root: Path) -> None:
    reader = open_folder(root)
    (root / reader.table.keys[1]).unlink()
    kinds = [type(raw) for _, raw in reader.scan(np.arange(len(reader.table)))]
    assert kinds == [bytes, UnreadableSampleError, bytes, bytes]


def test_identity_follows_the_files(root: Path) -> None:
    first = open_folder(root).identity()
    assert open_folder(root).identity() == first
    paint(root / "train" / "cat" / "new.png")
    assert open_folder(root).identity() != first
    (root / "train" / "cat" / "new.png").unlink()
    assert open_folder(root).identity() == first
    (root / "train" / "cat" / "2.png").write_bytes(b"other")
    assert open_folder(root).identity() != first


def test_birds(shared_data: Path) -> None:
    reader = open_folder(shared_data / "birds")
    counts = {split: list(reader.table.splits).count(split) for split in (Split.TRAIN, Split.TEST)}
    assert counts == {Split.TRAIN: 2999, Split.TEST: 2903}
    assert reader.schema.num_classes == 100
    assert reader.schema.channels == 3
    assert decode(reader.read(17), where="x").size == (227, 227)
