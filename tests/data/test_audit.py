"""Data sets with known faults: each is found, and nothing else is."""

import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.data.memory_reader import MemoryReader

from residua.batch import Modality, Schema, Split
from residua.data.audit import audit
from residua.data.config import DataConfig
from residua.data.dataset import Dataset, Raw, Table
from residua.data.duplicates import exact_groups, near_pairs
from residua.data.fingerprints import Fingerprints, take_fingerprints
from residua.data.open import open_dataset
from residua.data.picture_prints import PicturePrints


def photograph(seed: int, size: int = 40) -> np.ndarray:
    """Smooth colour noise: as different from another seed's as two photographs are."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    return np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC))


def jpeg(pixels: np.ndarray, quality: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def make(
    train: Sequence[tuple[Raw, int]],
    test: Sequence[tuple[Raw, int]],
    validation: Sequence[tuple[Raw, int]] = (),
    k: int = 2,
) -> Dataset:
    parts = {Split.TRAIN: train, Split.VALIDATION: validation, Split.TEST: test}
    names = [f"{split}/{i}" for split, part in parts.items() for i in range(len(part))]
    splits = [split for split, part in parts.items() for _ in part]
    labels = np.array([label for part in parts.values() for _, label in part], dtype=np.int64)
    table = Table(keys=names, labels=labels, splits=splits)
    schema = Schema(
        modality=Modality.IMAGE, channels=3, classes=tuple(f"class {i}" for i in range(k))
    )
    pictures = [picture for part in parts.values() for picture, _ in part]
    rows = {split: np.flatnonzero(np.array(splits) == split) for split in parts}
    return Dataset(
        reader=MemoryReader(samples=pictures, table=table, schema=schema),
        assignment={split: found for split, found in rows.items() if len(found)},
        official=frozenset(split for split, found in rows.items() if len(found)),
    )


def clean(n: int = 20, first: int = 0, k: int = 2) -> list[tuple[Raw, int]]:
    return [(photograph(first + i), i % k) for i in range(n)]


def test_a_clean_data_set_has_no_errors_or_warnings():
    found = audit(make(clean(), clean(120, 100), clean(6, 300)))
    assert found.ok
    assert found.findings == ()
    assert [(s.name, s.official, s.n) for s in found.splits] == [
        ("train", True, 20),
        ("validation", True, 6),
        ("test", True, 120),
    ]
    assert [each.counts for each in found.classes] == [(10, 3, 60), (10, 3, 60)]


def findings(dataset: Dataset, **options):
    """By code, without the remark that the test split is small."""
    found = audit(dataset, **options)
    assert found.ok == all(each.severity != "error" for each in found.findings)
    severities = [each.severity for each in found.findings]
    assert severities == sorted(severities, key=["error", "warning", "info"].index)
    return {each.code: each for each in found.findings if each.code != "small-test"}


def test_equal_pixels_in_train_and_test_are_an_error_whatever_the_file_format():
    picture = photograph(0)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    found = findings(make(clean(), [*clean(4, 100), (buffer.getvalue(), 0)]))
    assert list(found) == ["leakage"]
    assert found["leakage"].severity == "error"
    assert found["leakage"].keys == (("train/0", "test/4"),)


def test_equal_pixels_in_train_and_validation_or_within_a_split_are_warnings():
    train = [*clean(), (photograph(3), 1)]
    found = findings(make(train, clean(4, 100), [*clean(4, 200), (photograph(5), 1)]))
    assert {code: each.severity for code, each in found.items()} == {
        "duplicates": "warning",
        "leakage": "warning",
    }
    assert found["duplicates"].keys == (("train/3", "train/20"),)
    assert found["leakage"].keys == (("train/5", "validation/4"),)


def test_equal_pixels_with_different_labels_are_an_error():
    train = [*clean(), (photograph(3), 0)]
    found = findings(make(train, clean(4, 100)))
    assert found["conflicting-labels"].severity == "error"
    assert found["conflicting-labels"].keys == (("train/3", "train/20"),)


def degraded(pixels: np.ndarray, how: str) -> Raw:
    image = Image.fromarray(pixels)
    if how == "jpeg":
        return jpeg(pixels, 40)
    if how == "smaller":
        return np.asarray(image.resize((23, 23), Image.Resampling.BICUBIC))
    if how == "brighter":
        return np.clip(pixels * 0.9 + 20, 0, 255).astype(np.uint8)
    return np.asarray(image.convert("L"))


@pytest.mark.parametrize("how", ["jpeg", "smaller", "brighter", "grey"])
def test_degraded_copies_in_test_are_near_duplicates(how):
    copies = [(degraded(photograph(i), how), i % 2) for i in (3, 8)]
    found = findings(make(clean(), [*clean(10, 100), *copies]))
    assert found["near-duplicates"].severity == "warning"
    assert sorted(found["near-duplicates"].keys) == [("test/10", "train/3"), ("test/11", "train/8")]
    assert "leakage" not in found
    assert "another label" not in found["near-duplicates"].message


def test_a_test_split_of_nothing_but_copies_is_recognised():
    copies = [(jpeg(photograph(i), 60), 1 - i % 2) for i in range(12)]
    found = findings(make(clean(), copies))
    assert len(found["near-duplicates"].keys) == 12
    assert "12 of them under another label" in found["near-duplicates"].message


def test_copies_of_validation_pictures_in_test_are_found():
    copy = (jpeg(photograph(201), 50), 1)
    found = findings(make(clean(), [*clean(10, 100), copy], clean(6, 200)))
    assert found["near-duplicates"].keys == (("test/10", "validation/1"),)


def test_alike_but_different_pictures_are_no_near_duplicates():
    """A silhouette common to all, with a pattern of its own for each."""
    shape = np.zeros((32, 32, 3))
    shape[4:28, 10:22] = 170

    def garment(seed: int) -> np.ndarray:
        pattern = np.random.default_rng(seed).normal(0, 25, (8, 8, 1)).repeat(4, 0).repeat(4, 1)
        return np.clip(shape + (shape > 0) * pattern, 0, 255).astype(np.uint8)

    pictures = [(garment(i), i % 2) for i in range(60)]
    assert findings(make(pictures[:40], pictures[40:])) == {}
    copy = (jpeg(pictures[7][0], 80), 1)
    found = findings(make(pictures[:40], [*pictures[40:], copy]))
    assert found["near-duplicates"].keys == (("test/20", "train/7"),)


def test_flat_pictures_are_never_near_duplicates():
    flat = [(np.full((16, 16, 3), 100 + i, dtype=np.uint8), i % 2) for i in range(20)]
    assert findings(make(flat[:12], flat[12:])) == {}


def test_similarity_sets_the_limit_and_one_turns_the_search_off():
    dataset = make(clean(), [*clean(10, 100), (jpeg(photograph(3), 30), 1)])
    assert findings(dataset, similarity=1.0) == {}
    assert "from 0.9000" in findings(dataset, similarity=0.9)["near-duplicates"].message


def test_unreadable_pictures_are_named_and_fatal_only_if_strict():
    broken = jpeg(photograph(0), 90)[:-100]
    dataset = make([*clean(), (broken, 0), (b"hello", 1), (b"", 1)], clean(4, 100))
    found = audit(dataset)
    bad = [each for each in found.findings if each.code == "unreadable"]
    assert [each.keys for each in bad] == [(("train/20",),), (("train/21",),), (("train/22",),)]
    assert "cut off" in bad[0].message
    assert "text file" in bad[1].message
    assert "empty file" in bad[2].message
    assert found.ok
    assert found.pictures is not None
    assert found.pictures.n == 24
    assert not audit(dataset, strict=True).ok


def test_nothing_readable_is_an_error():
    found = audit(make([(b"x", 0), (b"y", 1)], []))
    assert not found.ok
    assert found.pictures is None
    assert "nothing-readable" in {each.code for each in found.findings}


def test_class_counts_are_judged():
    train = [(photograph(i), 0) for i in range(40)] + [(photograph(40 + i), 1) for i in range(4)]
    found = findings(make(train, [(photograph(100), 0)], k=3))
    assert found["missing-class"].severity in {"error", "warning"}
    assert found["few-samples"].severity == found["imbalance"].severity == "warning"
    assert "class 1" in found["few-samples"].message
    assert "'class 0' has 10 times" in found["imbalance"].message
    audits = audit(make(train, [(photograph(100), 0)], k=3)).findings
    missing = {each.message: each.severity for each in audits if each.code == "missing-class"}
    assert missing == {
        "1 of 3 classes have no train samples: class 2": "error",
        "2 of 3 classes have no test samples: class 1, class 2": "warning",
    }


def test_labels_and_splits_that_make_no_classifier_are_errors():
    one = findings(make([(photograph(i), 0) for i in range(6)], clean(2, 100, k=1), k=1))
    assert one["one-class"].severity == "error"
    unlabelled = findings(make([*clean(), (photograph(50), -1)], clean(2, 100)))
    assert unlabelled["unlabelled"].severity == "error"
    assert unlabelled["unlabelled"].keys == (("train/20",),)
    assert findings(make([], clean(6)))["no-training"].severity == "error"


def test_a_small_test_split_says_how_uncertain_it_is():
    found = audit(make(clean(), clean(25, 100)))
    assert [each.code for each in found.findings] == ["small-test"]
    assert "20 percentage points" in found.findings[0].message  # 1.96 * 0.5 / sqrt(25)


def test_sizes_and_modes_are_counted():
    train: list[tuple[Raw, int]] = [(photograph(i, 20 + i % 3), i % 2) for i in range(9)]
    train.append((np.asarray(Image.fromarray(photograph(9, 50)).convert("L"))[:, :30], 1))
    found = audit(make(train, clean(4, 100)))
    facts = found.pictures
    assert facts is not None
    assert facts.modes == {"RGB": 13, "L": 1}
    assert facts.heights == (20, 22, 50)
    assert facts.widths == (20, 22, 40)
    assert facts.sizes == 5
    assert (facts.usual_size, facts.usual_n) == ((40, 40), 4)
    assert "mixed-modes" in {each.code for each in found.findings}


def test_progress_ends_with_all_pictures_and_threads_change_nothing():
    dataset = make(clean(150), clean(30, 200))
    calls: list[tuple[int, int]] = []
    one = audit(dataset, threads=1, progress=lambda done, n: calls.append((done, n)))
    assert calls[-1] == (180, 180)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    assert audit(dataset, threads=4) == one


def prints_of(thumbnails: np.ndarray) -> Fingerprints:
    n = len(thumbnails)
    return Fingerprints(
        kind=PicturePrints(),
        readable=np.ones(n, dtype=bool),
        digests=np.array([bytes(each.tobytes()[:16]) for each in thumbnails], dtype="V16"),
        thumbnails=thumbnails.reshape(n, -1),
        facts=np.zeros(n, dtype=PicturePrints.facts),
        problems=(),
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=40), st.sets(st.integers(0, 39)))
def test_exact_groups_are_those_of_a_dictionary(values, unreadable):
    thumbnails = np.array(values, dtype=np.uint8)[:, None, None].repeat(16, 1).repeat(16, 2)
    readable = np.array([i not in unreadable for i in range(len(values))])
    prints = dataclasses.replace(prints_of(thumbnails), readable=readable)
    expected: dict[int, list[int]] = {}
    for row, value in enumerate(values):
        if readable[row]:
            expected.setdefault(value, []).append(row)
    groups = [group.tolist() for group in exact_groups(prints)]
    assert groups == sorted(group for group in expected.values() if len(group) > 1)


def test_the_most_similar_picture_is_that_of_all_correlations(monkeypatch):
    from residua.data import duplicates

    monkeypatch.setattr(duplicates, "_BLOCK", 7)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (60, 16, 16), dtype=np.uint8)
    labels = np.zeros(60, dtype=np.int64)
    table = Table(keys=[str(i) for i in range(60)], labels=labels, splits=[None] * 60)
    schema = Schema(modality=Modality.IMAGE, channels=1, classes=("a", "b"))
    reader = MemoryReader(samples=list(pixels), table=table, schema=schema)
    held_out, training = np.arange(40, 60), np.arange(40)
    pairs, limit = near_pairs(
        reader, take_fingerprints(reader, PicturePrints()), held_out, training, -1.0
    )
    all_of_them = np.corrcoef(pixels.reshape(60, -1).astype(np.float64))[40:, :40]
    assert limit == -1
    assert [pair.training for pair in pairs] == all_of_them.argmax(1).tolist()
    np.testing.assert_allclose([p.similarity for p in pairs], all_of_them.max(1), atol=1e-5)


def test_birds_hold_two_known_near_duplicates(shared_data: Path):
    """Seen by eye: the same photographs, in train and in test."""
    folder = shared_data / "birds"
    dataset = open_dataset(DataConfig(path=str(folder), validation_fraction=0))
    chosen = [
        row
        for row, key in enumerate(dataset.table.keys)
        if "/Hooded_Oriole/" in key or "/Bronzed_Cowbird/" in key or "/Mallard/" in key
    ]
    table = dataset.table
    part = make(
        [(dataset.reader.read(r), 0) for r in chosen if table.splits[r] is Split.TRAIN],
        [(dataset.reader.read(r), 1) for r in chosen if table.splits[r] is Split.TEST],
    )
    names = {split: [table.keys[r] for r in chosen if table.splits[r] is split] for split in Split}
    pairs = findings(part)["near-duplicates"].keys
    assert {
        (names[Split.TEST][int(a.split("/")[1])], names[Split.TRAIN][int(b.split("/")[1])])
        for a, b in pairs
    } == {
        ("test/Hooded_Oriole/0014.jpg", "train/Hooded_Oriole/0042.jpg"),
        ("test/Bronzed_Cowbird/0004.jpg", "train/Bronzed_Cowbird/0058.jpg"),
    }
