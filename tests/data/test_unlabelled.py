"""Folders without classes, and samples that have no label where others have one."""

import numpy as np
import pytest
import soundfile
from PIL import Image

from residua.batch import Modality, Split
from residua.data.audit import audit
from residua.data.choose import choose_preprocess, evaluation_form
from residua.data.config import DataConfig, SeriesConfig
from residua.data.loader import Loader
from residua.data.open import open_dataset
from residua.data.open_unlabelled import (
    open_unlabelled,
    open_unlabelled_dataset,
    open_with_few_labels,
    pretraining_dataset,
)
from residua.data.splits import set_apart
from residua.errors import DataError, DataNotFoundError, FormatError, LabelError


def picture(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    Image.fromarray(values).save(path)


def clip(path, rate=8000, steps=1600):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(0).normal(0, 0.1, steps)
    soundfile.write(path, values, rate)


def array(path, *shape):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.random.default_rng(0).normal(size=shape).astype(np.float32))


def manifest(folder, lines):
    folder.mkdir(parents=True, exist_ok=True)
    for number, line in enumerate(lines):
        picture(folder / line.partition(",")[0], seed=number)
    (folder / "list.csv").write_text("\n".join(["path,label,split", *lines]) + "\n", "utf-8")
    return folder


def names(dataset, split):
    return [dataset.table.keys[row] for row in dataset.rows(split)]


def test_pictures_at_any_depth(tmp_path):
    for name in ("a.png", "x/b.png", "x/y/z/c.png", ".hidden/d.png", "x/notes.txt"):
        picture(tmp_path / name) if name.endswith("png") else (tmp_path / name).write_text("")
    reader = open_unlabelled(str(tmp_path))
    assert list(reader.table.keys) == ["a.png", "x/b.png", "x/y/z/c.png"]
    assert (reader.table.labels == -1).all()
    assert reader.schema.classes == ()
    assert (reader.schema.modality, reader.schema.channels) == (Modality.IMAGE, 3)


def test_sound_and_the_commonest_kind(tmp_path):
    for number in range(3):
        clip(tmp_path / f"a/{number}.wav", rate=16000 if number else 8000)
    picture(tmp_path / "cover.png")
    reader = open_unlabelled(str(tmp_path))
    assert (reader.schema.modality, reader.schema.rate) == (Modality.SOUND, 16000.0)
    assert len(reader.table) == 3
    assert len(open_unlabelled(str(tmp_path), modality=Modality.IMAGE).table) == 1


def test_arrays_with_the_channels_that_most_have(tmp_path):
    array(tmp_path / "one/a.npy", 3, 50)
    array(tmp_path / "one/b.npy", 70, 3)
    array(tmp_path / "c.npy", 40)
    (tmp_path / "broken.npy").write_bytes(b"no array")
    reader = open_unlabelled(str(tmp_path), modality=Modality.SIGNAL)
    assert list(reader.table.keys) == ["one/a.npy", "one/b.npy"]
    assert (reader.schema.channels, reader.schema.rate) == (3, None)
    np.testing.assert_array_equal(reader.read(1), np.load(tmp_path / "one/b.npy").T)
    assert {problem.key for problem in reader.problems} == {"broken.npy", "c.npy"}
    with pytest.raises(DataError):
        open_unlabelled(str(tmp_path), strict=True)


def test_folders_of_a_held_out_split_are_not_learnt_from(tmp_path):
    for place in ("train/a.png", "test/b.png", "val/c.png"):
        picture(tmp_path / place)
    assert open_unlabelled(str(tmp_path)).table.splits == [
        Split.TEST,
        Split.TRAIN,
        Split.VALIDATION,
    ]
    dataset = open_unlabelled_dataset(DataConfig(path=str(tmp_path)))
    assert names(dataset, Split.UNLABELLED) == ["train/a.png"]


def test_a_data_set_loses_its_labels(shared_data):
    reader = open_unlabelled(str(shared_data / "ucr" / "GunPoint"), modality=Modality.SIGNAL)
    assert (reader.table.labels == -1).all()
    assert reader.schema.classes == ()
    assert reader.schema.modality is Modality.SIGNAL


def test_real_sound_without_its_classes(shared_data):
    config = DataConfig(path=str(shared_data / "spoken-digits"), labels_per_class=2)
    dataset, hidden = open_with_few_labels(config)
    assert len(dataset.rows(Split.TRAIN)) == 2 * dataset.schema.num_classes
    assert len(hidden) == len(dataset.rows(Split.UNLABELLED)) > 0


def test_pretraining_on_a_plain_folder(tmp_path):
    for number in range(60):
        picture(tmp_path / f"{number // 25}" / f"{number}.png" if number else tmp_path / "0.png")
    (tmp_path / "0" / "bad.png").write_bytes(b"no picture")
    dataset = open_unlabelled_dataset(DataConfig(path=str(tmp_path / "0")))
    counts = {split: len(dataset.rows(split)) for split in Split}
    assert counts[Split.TRAIN] == counts[Split.TEST] == 0
    assert counts[Split.UNLABELLED] + counts[Split.VALIDATION] == 25
    assert counts[Split.VALIDATION] >= 1
    assert dataset.schema.classes == ()
    config = DataConfig(path=str(tmp_path / "0"))
    bare = pretraining_dataset(dataset)
    preprocess = choose_preprocess(bare, config, SeriesConfig())
    told = []
    loader = Loader(
        bare,
        Split.TRAIN,
        evaluation_form(preprocess),
        config,
        batch_size=8,
        on_problem=lambda problem: told.append(problem.key),
    )
    seen = [id for step in loader.epoch(0) for part in step.parts for id in part.ids.tolist()]
    assert len(set(seen)) == len(seen) == counts[Split.UNLABELLED] - len(told)
    assert set(told) <= {"bad.png"}


def test_a_tenth_by_name_validates_whatever_else_lies_there(tmp_path):
    for number in range(200):
        array(tmp_path / f"{number}.npy", 4)
    config = DataConfig(path=str(tmp_path))
    before = set(names(open_unlabelled_dataset(config), Split.VALIDATION))
    assert 8 <= len(before) <= 35
    for number in range(100):
        (tmp_path / f"{number}.npy").unlink()
    after = set(names(open_unlabelled_dataset(config), Split.VALIDATION))
    assert after == {name for name in before if (tmp_path / name).exists()}


def test_class_folders_keep_their_labels_for_measuring(tmp_path):
    for label in "ab":
        for number in range(8):
            picture(tmp_path / label / f"{number}.png")
    config = DataConfig(path=str(tmp_path))
    dataset = open_unlabelled_dataset(config)
    expected = open_dataset(config)
    np.testing.assert_array_equal(dataset.table.labels, expected.table.labels)
    for split in Split:
        np.testing.assert_array_equal(dataset.rows(split), expected.rows(split))


def test_nothing_to_learn_from_is_one_line(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "notes.txt").write_text("none")
    for call in (
        lambda: open_unlabelled(str(empty)),
        lambda: open_unlabelled(str(empty), modality=Modality.SIGNAL),
        lambda: open_unlabelled_dataset(DataConfig(path=str(empty))),
        lambda: open_unlabelled(str(tmp_path / "text")),
    ):
        with pytest.raises(FormatError) as error:
            call()
        assert "\n" not in str(error.value)
        assert "an empty folder" in str(error.value) or "notes.txt" in str(error.value)
    with pytest.raises(DataNotFoundError):
        open_unlabelled(str(tmp_path / "nowhere"))


LINES = ["a.png,cat,", "b.png,dog,", "c.png,cat,", "d.png,dog,"]


def test_a_manifest_may_name_unlabelled_samples(tmp_path):
    """Their labels are gone, whether the file has them or not."""
    lines = [f"{line}train" for line in LINES] + ["u.png,,unlabelled", "v.png,cat,Unlabeled"]
    dataset = open_dataset(DataConfig(path=str(manifest(tmp_path, lines))))
    assert names(dataset, Split.UNLABELLED) == ["u.png", "v.png"]
    assert dataset.table.labels.tolist() == [0, 1, 0, 1, -1, -1]
    found = audit(dataset)
    assert "unlabelled" not in {finding.code for finding in found.findings}
    assert {split.name: split.n for split in found.splits}["unlabelled"] == 2


def test_samples_without_a_label_are_an_error_unless_they_may_be_unlabelled(tmp_path):
    lines = [*LINES, "u.png,,", "v.png,,train", "w.png,cat,test"]
    lines = [line + "train" if line in LINES else line for line in lines]
    path = str(manifest(tmp_path, lines))
    with pytest.raises(LabelError, match=r"no label.*line 6"):
        open_with_few_labels(DataConfig(path=path))
    dataset, hidden = open_with_few_labels(DataConfig(path=path, labels_per_class=1))
    assert {"u.png", "v.png"} <= set(names(dataset, Split.UNLABELLED))
    assert len(names(dataset, Split.UNLABELLED)) == len(hidden) + 2
    assert not {"u.png", "v.png"} & {*names(dataset, Split.TRAIN), *names(dataset, Split.TEST)}
    lines[-1] = "w.png,,test"
    with pytest.raises(LabelError, match=r"no label.*line 8"):
        open_with_few_labels(
            DataConfig(path=str(manifest(tmp_path / "2", lines)), labels_per_class=1)
        )


def test_groups_stay_whole_when_samples_without_labels_are_set_apart():
    """Of a group in a drawn split, what has no label is left out and not learnt from."""
    from residua.data.dataset import Table

    labels = np.array([0, -1, 1, -1, 0, -1])
    rows = {Split.TRAIN: np.array([0, 1]), Split.VALIDATION: np.array([2, 3])}
    rows[Split.TEST] = np.array([4, 5])
    keys = [str(row) for row in range(6)]
    alone = Table(keys=keys, labels=labels, splits=[None] * 6)
    together = Table(keys=keys, labels=labels, splits=[None] * 6, groups=list("aabbcc"))
    found = set_apart(alone, rows, frozenset())
    assert found[Split.UNLABELLED].tolist() == [1, 3, 5]
    assert found[Split.TEST].tolist() == [4]
    found = set_apart(together, rows, frozenset())
    assert found[Split.UNLABELLED].tolist() == [1]
    assert found[Split.VALIDATION].tolist() == [2]
    found = set_apart(together, rows, frozenset({Split.TEST}))
    assert found[Split.TEST].tolist() == [4, 5]
