"""Samples as the report shows them: what was kept of them, what is heard, what is hot."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from residua.batch import Split
from residua.data.choose import choose_preprocess
from residua.data.config import DataConfig, SeriesConfig
from residua.data.open import open_dataset
from residua.networks.catalog import build, get_spec
from residua.report.samples import Clip, Picture, Signal, Text
from residua.run.samples import _text, content, right_answer


def opened(path, **series):
    dataset = open_dataset(DataConfig(path=str(path), validation_fraction=0.0))
    return dataset, choose_preprocess(dataset, DataConfig(path=str(path)), SeriesConfig(**series))


def network_for(dataset, preprocess, **changes):
    torch.manual_seed(0)
    options = {"num_classes": dataset.schema.num_classes, "in_chans": preprocess.channels}
    return build(
        dataclasses.replace(get_spec("resnet20"), rank=preprocess.rank, **options | changes)
    ).eval()


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    """Two classes of three clips of 0.5 s and one of 8 s, in stereo at 16 kHz."""
    root, rng = tmp_path_factory.mktemp("samples") / "clips", np.random.default_rng(0)
    for name, count in (("low", 3), ("high", 3)):
        (root / name).mkdir(parents=True)
        for i in range(count):
            seconds = 8 if (name, i) == ("high", 2) else 0.5
            values = 0.1 * rng.normal(size=(round(16_000 * seconds), 2))
            soundfile.write(root / name / f"{i}.wav", values, 16_000, subtype="PCM_16")
    return root


def row_of(dataset, key):
    (row,) = [row for row, each in enumerate(dataset.table.keys) if each.endswith(key)]
    return row


@pytest.mark.parametrize("rank", [1, 2])
def test_clips_are_heard_as_recorded_and_hot_along_their_frames(clips, rank):
    dataset, preprocess = opened(clips, mels=32)
    preprocess = dataclasses.replace(preprocess, rank=rank)
    row = row_of(dataset, "low/1.wav")
    network = network_for(dataset, preprocess)
    shown = content(dataset, row, preprocess, network=network, answer=0)
    assert isinstance(shown, Clip)
    recorded, rate = soundfile.read(clips / "low" / "1.wav", dtype="float32")
    np.testing.assert_array_equal(shown.recording.values, recorded.T)
    assert (shown.recording.rate, shown.recording.seconds) == (rate, 0.5)
    assert shown.seconds == pytest.approx(0.5)
    assert shown.wave.shape == (round(0.5 * preprocess.rate),)
    assert shown.bands.shape == (32, 1 + len(shown.wave) // preprocess.hop)
    assert shown.heat.shape == shown.bands.shape
    assert 0 <= shown.heat.min() <= shown.heat.max() <= 1


def test_long_clips_are_cut_to_five_seconds_of_what_the_network_saw(clips):
    dataset, preprocess = opened(clips, mels=32)
    row = row_of(dataset, "high/2.wav")
    recorded, _ = soundfile.read(clips / "high" / "2.wav", dtype="float32")
    whole = content(dataset, row, preprocess).recording
    assert whole.seconds == 8
    np.testing.assert_array_equal(whole.values, recorded.T[:, :80_000])
    middle = dataclasses.replace(preprocess, length=round(preprocess.rate))
    cut = content(dataset, row, middle).recording
    assert cut.seconds == 1
    np.testing.assert_array_equal(cut.values, recorded.T[:, 56_000:72_000])


def test_signals_have_their_own_values_and_heat_along_them(tmp_path):
    rng = np.random.default_rng(0)
    values = rng.normal(3, 2, size=(12, 2, 50)).astype(np.float32)
    np.savez(tmp_path / "waves.npz", x=values, y=np.arange(12) % 2)
    dataset, preprocess = opened(tmp_path / "waves.npz")
    row = int(dataset.rows(Split.TRAIN)[3])
    network = network_for(dataset, preprocess)
    shown = content(dataset, row, preprocess, network=network, answer=1)
    assert isinstance(shown, Signal)
    np.testing.assert_array_equal(shown.values, dataset.reader.read(row))  # not standardised
    assert shown.heat.shape == (50,)
    assert content(dataset, row, preprocess).heat is None
    assert right_answer(dataset, row) == dataset.schema.classes[row % 2]


def test_texts_are_cut_between_characters_and_hot_by_them(tmp_path):
    lines = [f"{'é☃ ab' * (100 if i == 0 else 3)},{'xy'[i % 2]}" for i in range(12)]
    (tmp_path / "texts.csv").write_text("\n".join(["text,label", *lines]), encoding="utf-8")
    dataset, preprocess = opened(tmp_path / "texts.csv")
    network = network_for(dataset, preprocess, in_chans=8, vocabulary=preprocess.vocabulary)
    long = content(dataset, 0, preprocess, network=network, answer=0)
    assert isinstance(long, Text)
    assert (long.words, long.more) == ("é☃ ab" * 60, True)
    assert long.heat.shape == (300,)
    short = content(dataset, 1, preprocess, network=network, answer=0)
    assert (short.words, short.more, short.heat.shape) == ("é☃ ab" * 3, False, (15,))
    other = content(dataset, 1, preprocess, network=network, answer=1)
    assert max(short.heat.max(), other.heat.max()) == 1


def test_bytes_that_are_no_text_are_replaced_one_by_one():
    values = np.frombuffer(b"a\xff\xfe\xe2\x98b\xc3\xa9\xef\xbf\xbd\xe2", dtype=np.uint8)[None]
    heat = np.linspace(0, 1, values.shape[1], dtype=np.float32)
    text = _text(values, heat)
    assert text.words == "a\ufffd\ufffd\ufffd\ufffdbé\ufffd\ufffd"
    np.testing.assert_array_equal(text.heat, heat[[0, 1, 2, 3, 4, 5, 7, 10, 11]])


def test_pictures_are_hot_where_the_network_sees_them(pictures):
    dataset, preprocess = opened(pictures)
    network = network_for(dataset, preprocess)
    shown = content(dataset, 0, preprocess, network=network, answer=2)
    assert isinstance(shown, Picture)
    assert shown.heat.shape == shown.seen.shape[:2] == preprocess.size
    assert content(dataset, 0, preprocess).seen is None
