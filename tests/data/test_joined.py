"""A second source of samples beside a data set."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from residua.batch import Modality, Schema, Split
from residua.data.choose import choose_preprocess, evaluation_form
from residua.data.config import DataConfig, SeriesConfig
from residua.data.dataset import Dataset, Problem, Table
from residua.data.joined import JoinedReader, join_unlabelled
from residua.data.loader import Loader
from residua.data.open import open_dataset
from residua.data.open_unlabelled import (
    open_unlabelled,
    open_unlabelled_dataset,
    open_with_few_labels,
    pretraining_dataset,
)
from residua.data.retabled import without_labels
from residua.data.stream import open_storage
from residua.errors import DataError, FormatError, UnreadableSampleError


@dataclass(kw_only=True, eq=False)
class Held:
    """A reader of arrays in memory; NaN alone means an unreadable sample."""

    samples: list[np.ndarray]
    schema: Schema
    table: Table
    name: str = "held"
    problems: list[Problem] = field(default_factory=list)

    def identity(self):
        return f"{self.name} {len(self.samples)}"

    def read(self, row):
        if self.samples[row].size == 1:
            raise UnreadableSampleError("damaged", where=self.table.keys[row])
        return self.samples[row]

    def scan(self, rows):
        assert list(rows) == sorted(rows)
        for row in rows:
            try:
                yield row, self.read(row)
            except DataError as error:
                yield row, error


def held(count, *, rate=None, channels=1, names=(), units=(), splits=None, groups=None, steps=8):
    draw = np.random.default_rng(count)
    samples = [draw.normal(size=(channels, steps)).astype(np.float32) for _ in range(count)]
    schema = Schema(
        modality=Modality.SIGNAL,
        channels=channels,
        classes=("a", "b"),
        rate=rate,
        channel_names=names,
        units=units,
    )
    table = Table(
        keys=[f"x#{row}" for row in range(count)],
        labels=np.arange(count, dtype=np.int64) % 2,
        splits=splits or [None] * count,
        groups=groups,
    )
    return Held(samples=samples, schema=schema, table=table, name=f"held{count}")


def data(reader):
    rows = np.arange(len(reader.table))
    return Dataset(reader=reader, assignment={Split.TRAIN: rows[:-2], Split.TEST: rows[-2:]})


def test_rows_are_appended_without_labels_under_keys_of_their_own():
    first, second = held(6, groups=list("aabbcc")), held(5)
    joined = join_unlabelled(data(first), second)
    table = joined.table
    assert list(table.keys[:6]) == list(first.table.keys)
    assert list(table.keys[6:]) == [f"unlabelled:x#{row}" for row in range(5)]
    assert len(set(table.ids.tolist())) == 11
    assert table.labels.tolist() == [0, 1, 0, 1, 0, 1, -1, -1, -1, -1, -1]
    assert table.groups[6:] == table.keys[6:]
    assert joined.rows(Split.TRAIN).tolist() == [0, 1, 2, 3]
    assert joined.rows(Split.TEST).tolist() == [4, 5]
    assert joined.rows(Split.UNLABELLED).tolist() == [6, 7, 8, 9, 10]
    assert joined.fitting_rows.tolist() == [0, 1, 2, 3]
    assert joined.schema == first.schema


def test_samples_come_from_where_they_lie_in_any_order_and_in_a_scan():
    first, second = held(4), held(3)
    first.samples[1] = second.samples[2] = np.zeros((1, 1), np.float32)
    reader = JoinedReader(first=first, second=second)
    expected = [*first.samples, *second.samples]
    for row in (6, 0, 4, 3):
        if row != 6:
            np.testing.assert_array_equal(reader.read(row), expected[row])
    for rows in ([0, 2, 4, 5], [4, 5], [0, 3], [], list(range(7))):
        found = list(reader.scan(rows))
        assert [row for row, _ in found] == rows
        for row, raw in found:
            if row in (1, 6):
                assert isinstance(raw, UnreadableSampleError)
            else:
                np.testing.assert_array_equal(raw, expected[row])


def test_two_joins_keep_keys_apart():
    twice = join_unlabelled(join_unlabelled(data(held(4)), held(3)), held(3))
    assert len(set(twice.table.keys)) == 10
    assert twice.rows(Split.UNLABELLED).tolist() == list(range(4, 10))


def test_identity_follows_both_sources():
    identities = {
        JoinedReader(first=one, second=other).identity()
        for one, other in (
            (held(4), held(3)),
            (held(5), held(3)),
            (held(4), held(5)),
            (held(3), held(4)),
            (held(4, rate=10.0), held(3, rate=20.0)),
        )
    }
    assert len(identities) == 5
    assert (
        JoinedReader(first=held(4), second=held(3)).identity()
        == JoinedReader(first=held(4), second=held(3)).identity()
    )


def test_signals_of_another_rate_are_resampled():
    """A slow sine, sampled twice as often, becomes the sine at the labelled rate."""
    first, second = held(4, rate=50.0, steps=100), held(1, rate=100.0)
    seconds = np.arange(400) / 100
    second.samples[0] = np.sin(2 * np.pi * 3 * seconds).astype(np.float32)[None]
    joined = join_unlabelled(data(first), second)
    (values,) = joined.reader.read(4)
    expected = np.sin(2 * np.pi * 3 * np.arange(200) / 50)
    assert len(values) == 200
    np.testing.assert_allclose(values[20:-20], expected[20:-20], atol=5e-3)
    ((_, scanned),) = joined.reader.scan([4])
    np.testing.assert_array_equal(scanned[0], values)


def test_an_unknown_rate_is_told():
    known, unknown = held(4, rate=50.0), held(3)
    reasons = [p.reason for p in join_unlabelled(data(known), unknown).reader.problems]
    assert any("unlabelled signals is not known: taken as 50 Hz" in each for each in reasons)
    assert not join_unlabelled(data(held(4)), held(3)).reader.problems


def test_what_is_for_validation_or_test_is_not_learnt_from():
    splits = [Split.TRAIN, Split.TEST, None, Split.VALIDATION]
    joined = join_unlabelled(data(held(4)), held(4, splits=splits))
    assert joined.rows(Split.UNLABELLED).tolist() == [4, 6]
    assert "2 samples of its validation and test splits" in joined.reader.problems[-1].reason


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (held(4, channels=2), held(3), "other channels, expected 2, received 1"),
        (
            held(4, channels=2, names=("I", "II")),
            held(3, channels=2, names=("II", "I")),
            "other channel names, expected I, II, received II, I",
        ),
        (held(4, units=("mV",)), held(3, units=("V",)), "other units, expected mV, received V"),
        (held(4), held(3, splits=[Split.TEST] * 3), "no unlabelled samples to learn from"),
        (held(4), held(0), "no unlabelled samples to learn from"),
    ],
)
def test_signals_that_do_not_fit_are_refused_in_one_line(first, second, words):
    with pytest.raises(FormatError) as error:
        join_unlabelled(data(first), second)
    line = str(error.value)
    assert "\n" not in line
    for word in words.split(", "):
        assert word in line


def picture(path, size, mode="RGB", seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(values).convert(mode).save(path)


@pytest.fixture
def labelled(tmp_path):
    for label in ("cat", "dog"):
        for number in range(6):
            picture(tmp_path / "set" / label / f"{number}.png", (12, 12), "L", seed=number)
    return tmp_path / "set"


def test_pictures_of_other_sizes_and_colours_become_like_the_labelled_ones(labelled, tmp_path):
    """Small grey labelled pictures decide; what is damaged is named and left out."""
    for number, size in enumerate([(40, 70), (12, 12), (200, 90)]):
        picture(tmp_path / "more" / f"deep{number}" / "x.png", size, seed=number)
    (tmp_path / "more" / "broken.png").write_bytes(b"no picture")
    config = DataConfig(path=str(labelled), labels_per_class=2, unlabelled=str(tmp_path / "more"))
    dataset, hidden = open_with_few_labels(config)
    known = open_dataset(replace(config, labels_per_class=None, unlabelled=None))
    assert len(dataset.rows(Split.TRAIN)) == 4
    assert len(hidden) == len(known.rows(Split.TRAIN)) - 4
    assert len(dataset.rows(Split.UNLABELLED)) == len(hidden) + 4
    preprocess = choose_preprocess(dataset, config, SeriesConfig())
    assert preprocess == choose_preprocess(known, config, SeriesConfig())
    assert preprocess.size == (12, 12)
    assert preprocess.channels == 1
    told = []
    for changes in ({}, {"cache": "never", "workers": 0}):
        own = replace(config, **changes)
        loader = Loader(
            dataset,
            Split.UNLABELLED,
            evaluation_form(preprocess),
            own,
            batch_size=64,
            on_problem=lambda problem: told.append(problem.key),
        )
        ((batch,),) = (step.parts for step in loader.epoch(0))
        assert batch.inputs.shape == (len(hidden) + 3, 1, 12, 12)
        assert (batch.targets == -1).all()
    assert told == ["unlabelled:broken.png"] * 2


def test_pretraining_takes_both(labelled, tmp_path):
    for number in range(3):
        picture(tmp_path / "more" / f"{number}.png", (12, 12), seed=number)
    config = DataConfig(path=str(labelled), unlabelled=str(tmp_path / "more"))
    measured = open_unlabelled_dataset(config)
    bare = pretraining_dataset(measured)
    train = len(measured.rows(Split.TRAIN))
    assert len(bare.rows(Split.TRAIN)) == train + 3
    assert (bare.table.labels == -1).all()
    assert (measured.table.labels[measured.rows(Split.TRAIN)] >= 0).all()
    preprocess = choose_preprocess(bare, config, SeriesConfig())
    loader = Loader(bare, Split.TRAIN, evaluation_form(preprocess), config, batch_size=4)
    batches = [part for step in loader.epoch(0) for part in step.parts]
    assert torch.cat([batch.ids for batch in batches]).unique().numel() == train + 3
    assert all((batch.targets == -1).all() for batch in batches)


def test_column_files_below_are_still_spooled(labelled, tmp_path):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    files = sorted(labelled.glob("*/*.png"))
    table = pa.table(
        {"image": [file.read_bytes() for file in files], "label": [f.parent.name for f in files]}
    )
    (tmp_path / "columns").mkdir()
    pq.write_table(table, tmp_path / "columns" / "train-0.parquet")
    config = DataConfig(path=str(labelled), unlabelled=str(tmp_path / "columns"), cache="never")
    dataset, _ = open_with_few_labels(config)
    preprocess = choose_preprocess(dataset, config, SeriesConfig())
    rows = dataset.learning_rows
    storage = open_storage(dataset.reader, rows, evaluation_form(preprocess), config)
    assert type(storage._source).__name__ == "Spool"
    assert storage.gather(rows).ok.all()


def test_another_modality_is_refused(labelled, tmp_path):
    (tmp_path / "clips").mkdir()
    soundfile.write(tmp_path / "clips" / "a.wav", np.zeros(800), 8000)
    with pytest.raises(FormatError, match=r"nothing to learn from.*expected.*image.*a\.wav"):
        open_unlabelled(str(tmp_path / "clips"), modality=Modality.IMAGE)
    with pytest.raises(FormatError, match=r"of another kind.*expected image.*received sound"):
        join_unlabelled(
            open_dataset(DataConfig(path=str(labelled))), open_unlabelled(str(tmp_path / "clips"))
        )


def test_labels_of_the_second_source_are_dropped():
    bare = without_labels(held(4))
    assert (bare.table.labels == -1).all()
    assert bare.schema.classes == ()
    assert bare.schema.channels == 1
