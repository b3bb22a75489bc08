import io
import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from residua.batch import Split
from residua.data.cache import CachedStorage, DecodedCache
from residua.data.choose import evaluation_form
from residua.data.config import DataConfig
from residua.data.image_preprocess import ImagePreprocess
from residua.data.open import open_dataset
from residua.data.stream import StreamStorage, open_spool, open_storage
from residua.errors import UnreadableSampleError

FORM = evaluation_form(ImagePreprocess(size=(12, 10), resize=(12, 10)))


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("RESIDUA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def encoded(number: int) -> bytes:
    buffer = io.BytesIO()
    draw = np.random.default_rng(number)
    shape = (int(draw.integers(8, 30)), int(draw.integers(8, 30)), 3)
    Image.fromarray(draw.integers(0, 256, shape, dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def parquet(tmp_path):
    """40 pictures in row groups of 7; the picture of row 9 is none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    contents = [b"no picture" if i == 9 else encoded(i) for i in range(40)]
    table = pa.table(
        {
            "image": [{"bytes": content, "path": None} for content in contents],
            "label": [i % 2 for i in range(40)],
        }
    )
    (tmp_path / "set").mkdir()
    pq.write_table(table, tmp_path / "set" / "train-00000-of-00001.parquet", row_group_size=7)
    return open_dataset(config(tmp_path))


def config(tmp_path, **changes):
    return DataConfig(
        path=str(tmp_path / "set"), validation_fraction=0.0, test_fraction=0.0, **changes
    )


def stream_of(dataset, *, strict=False):
    return StreamStorage(dataset.reader, dataset.table.keys, FORM, strict=strict)


def test_cached_and_streamed_pictures_are_the_same_bits(parquet):
    rows = parquet.rows(Split.TRAIN)
    cached = DecodedCache(parquet.reader, rows, FORM).open()
    spooled = StreamStorage(open_spool(parquet.reader, rows), parquet.table.keys, FORM)
    wanted = np.random.default_rng(0).permutation(rows)
    found = [storage.gather(wanted) for storage in (cached, stream_of(parquet), spooled)]
    for other in found[1:]:
        assert torch.equal(other.stack.values, found[0].stack.values)
        np.testing.assert_array_equal(other.ok, found[0].ok)
        assert other.problems == cached.problems
    assert found[0].ok.sum() == 39


def test_strict_streams_raise_for_the_first_unreadable_sample(parquet):
    storage = stream_of(parquet, strict=True)
    assert storage.gather(np.array([1, 2])).ok.all()
    with pytest.raises(UnreadableSampleError, match="#9"):
        storage.gather(np.array([1, 9, 2]))


def test_a_batch_without_readable_samples_is_empty(parquet):
    found = stream_of(parquet).gather(np.array([9, 9]))
    assert found.stack.values.shape == (0, 3, 12, 10)
    assert not found.ok.any()


def test_a_spool_is_written_once_and_gives_the_encoded_bytes(parquet, tmp_path, monkeypatch):
    rows = parquet.rows(Split.TRAIN)[5:]
    calls = []
    spool = open_spool(parquet.reader, rows, progress=lambda *call: calls.append(call))
    assert calls[-1] == (35, 35)
    assert spool.read(20) == encoded(20)
    monkeypatch.setattr(type(parquet.reader), "scan", lambda *_: pytest.fail("read again"))
    assert open_spool(parquet.reader, rows).read(39) == encoded(39)
    assert pickle.loads(pickle.dumps(spool)).read(20) == encoded(20)


def test_a_spool_keeps_why_a_sample_cannot_be_fetched(tmp_path):
    for label in ("cat", "dog"):
        (tmp_path / "set" / "train" / label).mkdir(parents=True)
        for number in range(4):
            (tmp_path / "set" / "train" / label / f"{number}.png").write_bytes(encoded(number))
    dataset = open_dataset(config(tmp_path))
    rows = dataset.rows(Split.TRAIN)
    (tmp_path / "set" / dataset.table.keys[rows[2]]).unlink()
    spool = open_spool(dataset.reader, rows)
    assert spool.read(int(rows[1])) == encoded(1)
    with pytest.raises(UnreadableSampleError, match=dataset.table.keys[rows[2]]):
        spool.read(int(rows[2]))


def test_a_spool_keeps_pixels_that_need_no_decoding():
    dataset = open_dataset(DataConfig(path="digits"))
    rows = dataset.rows(Split.TEST)
    spool = open_spool(dataset.reader, rows)
    for row in rows[:20].tolist():
        np.testing.assert_array_equal(spool.read(row), dataset.reader.read(row))


@pytest.mark.parametrize(
    ("mode", "free", "kind"),
    [
        ("always", 0, CachedStorage),
        ("never", 10**12, StreamStorage),
        ("auto", 10**12, CachedStorage),
        ("auto", 0, StreamStorage),
    ],
)
def test_the_mode_and_the_free_disk_choose(parquet, tmp_path, monkeypatch, mode, free, kind):
    monkeypatch.setattr("residua.data.cache.free_bytes", lambda _: free)
    rows = parquet.rows(Split.TRAIN)
    storage = open_storage(parquet.reader, rows, FORM, config(tmp_path, cache=mode))
    assert isinstance(storage, kind)


def test_auto_uses_a_cache_that_is_there_however_full_the_disk(parquet, tmp_path, monkeypatch):
    rows = parquet.rows(Split.TRAIN)
    DecodedCache(parquet.reader, rows, FORM).open()
    monkeypatch.setattr("residua.data.cache.free_bytes", lambda _: 0)
    storage = open_storage(parquet.reader, rows, FORM, config(tmp_path))
    assert isinstance(storage, CachedStorage)


def test_streamed_parquet_is_not_read_at_random(parquet, tmp_path, monkeypatch):
    monkeypatch.setattr(type(parquet.reader), "read", lambda *_: pytest.fail("random access"))
    rows = parquet.rows(Split.TRAIN)
    storage = open_storage(parquet.reader, rows, FORM, config(tmp_path, cache="never"))
    assert storage.gather(rows).ok.sum() == 39
