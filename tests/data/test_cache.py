import errno
import json
import os
import pickle
import resource
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from residua.batch import Split
from residua.data import cache as cache_module
from residua.data.cache import DecodedCache, free_bytes, records_key
from residua.data.choose import evaluation_form, training_form
from residua.data.config import DataConfig
from residua.data.image_preprocess import ImagePreprocess
from residua.data.open import open_dataset
from residua.data.records import load_records
from residua.data.stream import StreamStorage
from residua.errors import DataError, DiskFullError, FormatError, UnreadableSampleError

PREPROCESS = ImagePreprocess(size=(12, 10), resize=(12, 10))
FORM = evaluation_form(PREPROCESS)


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("RESIDUA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def dataset(tmp_path):
    """40 pictures of two classes and different sizes; all of them for training."""
    draw = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (tmp_path / "set" / "train" / label).mkdir(parents=True)
        for number in range(20):
            shape = (int(draw.integers(8, 30)), int(draw.integers(8, 30)), 3)
            image = Image.fromarray(draw.integers(0, 256, shape, dtype=np.uint8))
            image.save(tmp_path / "set" / "train" / label / f"{number:02d}.png")
    return reopened(tmp_path)


def reopened(tmp_path):
    config = DataConfig(path=str(tmp_path / "set"), validation_fraction=0.0, test_fraction=0.0)
    return open_dataset(config)


def rows_of(dataset):
    return dataset.rows(Split.TRAIN)


def decoded_by_hand(dataset, tmp_path, row):
    image = Image.open(tmp_path / "set" / dataset.table.keys[row]).convert("RGB")
    return PREPROCESS.fitted(image)


def test_gathers_what_decoding_gives_in_any_order_and_with_repetitions(dataset, tmp_path):
    rows = rows_of(dataset)
    storage = DecodedCache(dataset.reader, rows, FORM).open()
    wanted = np.random.default_rng(1).choice(rows, 50)
    found = storage.gather(wanted)
    assert found.ok.all()
    assert found.stack.aspects is None
    assert found.stack.values.dtype == torch.uint8
    expected = np.stack([decoded_by_hand(dataset, tmp_path, row) for row in wanted])
    np.testing.assert_array_equal(found.stack.values.numpy(), expected)


def test_the_second_opening_decodes_nothing(dataset, monkeypatch):
    cache = DecodedCache(dataset.reader, rows_of(dataset), FORM)
    assert not cache.exists()
    first = cache.open().gather(rows_of(dataset))
    assert cache.exists()
    monkeypatch.setattr(cache_module, "scan_decoded", lambda *_, **__: pytest.fail("decoded"))
    again = DecodedCache(dataset.reader, rows_of(dataset), FORM).open()
    assert torch.equal(again.gather(rows_of(dataset)).stack.values, first.stack.values)


def test_whole_pictures_come_with_their_aspect(dataset):
    form = training_form(ImagePreprocess(size=(80, 80), resize=(80, 80)), crop="resized")
    rows = rows_of(dataset)
    cached = DecodedCache(dataset.reader, rows, form).open().gather(rows[::-1])
    streamed = StreamStorage(dataset.reader, dataset.table.keys, form).gather(rows[::-1])
    assert torch.equal(cached.stack.values, streamed.stack.values)
    assert torch.equal(cached.stack.aspects, streamed.stack.aspects)
    assert cached.stack.aspects.dtype == torch.float32
    assert cached.stack.aspects.std() > 0.1


def test_progress_ends_at_the_number_of_samples(dataset):
    calls = []
    DecodedCache(dataset.reader, rows_of(dataset), FORM).open(
        progress=lambda done, total: calls.append((done, total))
    )
    assert calls[0] == (0, 40)
    assert calls[-1] == (40, 40)


@pytest.mark.parametrize("change", ["file", "size", "fit", "rows"])
def test_what_changes_the_pixels_changes_the_key(dataset, tmp_path, change):
    rows = rows_of(dataset)
    before = records_key("decoded", dataset.reader, rows, FORM)
    form = FORM
    if change == "file":
        path = tmp_path / "set" / dataset.table.keys[3]
        Image.new("RGB", (40, 40)).save(path)
        dataset = reopened(tmp_path)
    elif change == "size":
        form = evaluation_form(ImagePreprocess(size=(10, 10), resize=(12, 10)))
    elif change == "fit":
        form = evaluation_form(ImagePreprocess(size=(12, 10), resize=(12, 10), fit="pad"))
    else:
        rows = rows[1:]
    assert records_key("decoded", dataset.reader, rows, form) != before


def test_mean_and_deviation_do_not_change_the_key(dataset):
    other = evaluation_form(
        ImagePreprocess(size=(12, 10), resize=(12, 10), mean=(0.1,) * 3, std=(0.2,) * 3)
    )
    keys = {records_key("decoded", dataset.reader, rows_of(dataset), f) for f in (FORM, other)}
    assert len(keys) == 1


def spoil(dataset, tmp_path, row) -> str:
    key = dataset.table.keys[row]
    (tmp_path / "set" / key).write_text("no picture")
    return key


def test_unreadable_samples_are_named_and_left_out(dataset, tmp_path):
    rows = rows_of(dataset)
    bad = [spoil(dataset, tmp_path, rows[i]) for i in (4, 31)]
    dataset = reopened(tmp_path)
    cache = DecodedCache(dataset.reader, rows, FORM)
    for storage in (cache.open(), cache.open()):
        assert [problem.key for problem in storage.problems] == bad
        assert all("text file" in problem.reason for problem in storage.problems)
        found = storage.gather(rows[[3, 4, 5, 31, 31]])
        assert found.ok.tolist() == [True, False, True, False, False]
        expected = [decoded_by_hand(dataset, tmp_path, rows[i]) for i in (3, 5)]
        np.testing.assert_array_equal(found.stack.values.numpy(), np.stack(expected))


def test_strict_names_the_first_and_leaves_nothing(dataset, tmp_path, cache_folder):
    key = spoil(dataset, tmp_path, rows_of(dataset)[7])
    dataset = reopened(tmp_path)
    cache = DecodedCache(dataset.reader, rows_of(dataset), FORM)
    with pytest.raises(UnreadableSampleError, match=key):
        cache.open(strict=True)
    assert not list(cache_folder.glob("*.decoded"))
    assert not list(cache_folder.glob(".*.decoded.*"))
    cache.open()
    with pytest.raises(UnreadableSampleError, match=key):  # also from a cache that was made before
        cache.open(strict=True)


def damage_cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1)


def damage_empty(path: Path) -> None:
    path.write_bytes(b"")


def damage_foreign(path: Path) -> None:
    path.write_bytes(b"something else entirely" * 4000)


def damage_key(path: Path) -> None:
    content = bytearray(path.read_bytes())
    header = json.loads(content[:4096].rstrip(b"\0")) | {"key": "0" * 32}
    content[:4096] = json.dumps(header).encode().ljust(4096, b"\0")
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [damage_cut, damage_empty, damage_foreign, damage_key])
def test_a_file_that_is_not_the_whole_cache_is_written_anew(dataset, damage):
    cache = DecodedCache(dataset.reader, rows_of(dataset), FORM)
    before = cache.open().gather(rows_of(dataset)).stack.values
    damage(cache.path)
    assert not cache.exists()
    assert torch.equal(cache.open().gather(rows_of(dataset)).stack.values, before)
    assert cache.exists()


def test_a_file_that_is_cut_while_it_is_open_is_noticed(dataset):
    cache = DecodedCache(dataset.reader, rows_of(dataset), FORM)
    storage = cache.open()
    os.truncate(cache.path, 5000)
    with pytest.raises(FormatError, match="cut short"):
        storage.gather(rows_of(dataset))


@pytest.mark.parametrize("reserves", [True, False])
def test_a_full_disk_is_named_and_leaves_nothing(dataset, cache_folder, monkeypatch, reserves):
    if not reserves:
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, before[1]))
    try:
        with pytest.raises(DiskFullError, match="no space left"):
            DecodedCache(dataset.reader, rows_of(dataset), FORM).open()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.suffix for path in cache_folder.iterdir()] == [".lock"]


def test_an_interrupted_build_leaves_nothing(dataset, cache_folder):
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        DecodedCache(dataset.reader, rows_of(dataset), FORM).open(progress=interrupt)
    assert [path.suffix for path in cache_folder.iterdir()] == [".lock"]


def test_what_a_killed_build_left_is_cleared_by_the_next(dataset, cache_folder):
    cache = DecodedCache(dataset.reader, rows_of(dataset), FORM)
    cache_folder.mkdir()
    left = cache_folder / f".{cache.path.name}.abc123"
    left.write_bytes(b"half a cache")
    cache.open()
    assert not left.exists()


def test_a_folder_that_cannot_be_written_is_named(dataset, cache_folder, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(DataError, match="RESIDUA_CACHE"):
        DecodedCache(dataset.reader, rows_of(dataset), FORM).open()


def test_of_builders_at_the_same_time_one_works(dataset, monkeypatch):
    scans = []
    scan = cache_module.scan_decoded

    def counted(*args, **kwargs):
        scans.append(1)
        return scan(*args, **kwargs)

    monkeypatch.setattr(cache_module, "scan_decoded", counted)
    rows, found = rows_of(dataset), []

    def build() -> None:
        found.append(DecodedCache(dataset.reader, rows, FORM).open().gather(rows).stack.values)

    threads = [threading.Thread(target=build) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(scans) == 1
    assert len(found) == 4
    assert all(torch.equal(values, found[0]) for values in found)


def test_an_open_cache_travels_to_processes_that_are_not_forked(dataset):
    storage = DecodedCache(dataset.reader, rows_of(dataset), FORM).open()
    copy = pickle.loads(pickle.dumps(storage))
    rows = rows_of(dataset)[:5]
    assert torch.equal(copy.gather(rows).stack.values, storage.gather(rows).stack.values)


def test_what_is_affordable_is_a_quarter_of_the_free_disk(dataset, monkeypatch):
    cache = DecodedCache(dataset.reader, rows_of(dataset), FORM)
    assert cache.size == 40 * 3 * 12 * 10
    monkeypatch.setattr(cache_module, "free_bytes", lambda _: 4 * cache.size)
    assert cache.is_affordable()
    monkeypatch.setattr(cache_module, "free_bytes", lambda _: 4 * cache.size - 1)
    assert not cache.is_affordable()


def test_free_space_is_that_of_the_nearest_folder_that_exists(tmp_path):
    assert free_bytes(tmp_path / "not" / "there") > 0


def test_files_that_are_missing_load_as_nothing(tmp_path):
    assert load_records(tmp_path / "nothing", "key") is None
