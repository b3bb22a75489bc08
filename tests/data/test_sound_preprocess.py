"""From clips to spectrograms: what is kept, what the network sees, what is measured."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from residua.batch import Batch, Modality, Split
from residua.data.choose_sound import choose_sound
from residua.data.config import DataConfig, SeriesConfig
from residua.data.dataset import Dataset
from residua.data.mel import FLOOR, log_mel, mel_filters
from residua.data.open import open_dataset
from residua.data.sound_preprocess import SoundPreprocess
from residua.errors import FormatError, UnreadableSampleError, UsageError

PLAIN = SoundPreprocess(rate=8000, mels=16, frequencies=(20, 4000), standardise="none")
TRAIN = SoundPreprocess(
    rate=8000,
    mels=16,
    frequencies=(20, 4000),
    mean=tuple(np.linspace(-9, -5, 16).tolist()),
    std=tuple(np.linspace(1, 3, 16).tolist()),
)
SAMPLE = SoundPreprocess(rate=8000, mels=16, frequencies=(20, 4000), standardise="sample", rank=1)
WAYS = [PLAIN, TRAIN, SAMPLE]


def encode(values: np.ndarray, rate: int = 8000) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, values, rate, format="WAV", subtype="FLOAT")
    return file.getvalue()


def clips(lengths: list[int], seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [0.1 * torch.randn(n, generator=generator) for n in lengths]


def batch_of(waves: list[torch.Tensor], steps: int, padding: float) -> Batch:
    inputs = torch.full((len(waves), 1, steps), padding)
    for slot, wave in zip(inputs, waves, strict=True):
        slot[0, : len(wave)] = wave
    none = torch.zeros(len(waves), dtype=torch.int64)
    lengths = torch.tensor([len(wave) for wave in waves])
    return Batch(inputs=inputs, targets=none, ids=none, lengths=lengths)


def alone(wave: torch.Tensor) -> Batch:
    none = torch.zeros(1, dtype=torch.int64)
    return Batch(inputs=wave[None, None], targets=none, ids=none)


def test_what_is_kept_is_mono_at_the_rate() -> None:
    time = np.arange(16000) / 16000
    left, right = np.sin(2 * np.pi * 300 * time), np.sin(2 * np.pi * 500 * time)
    got = PLAIN.on_host(encode(np.stack([left, right], axis=1), 16000), "x")
    assert got.dtype == np.float32
    assert got.shape == (1, 8000)
    want = ((left + right) / 2)[::2]
    assert np.abs(got[0, 200:-200] - want[200:-200]).max() < 1e-4


@pytest.mark.parametrize(("steps", "start"), [(100, 0), (101, 0), (107, 3), (300, 100)])
def test_the_middle_is_kept(steps: int, start: int) -> None:
    values = np.linspace(-1, 1, steps, dtype=np.float32)
    preprocess = SoundPreprocess(rate=8000, length=100, frequencies=(20, 4000), standardise="none")
    got = preprocess.on_host(encode(values), "x")
    assert np.array_equal(got[0], values[start : start + 100])
    assert preprocess.on_host(encode(values[:7]), "x").shape == (1, 7)


def test_arrays_are_waveforms_at_the_rate() -> None:
    values = np.array([[0.5, 0.0, 1.0], [0.0, 0.5, 1.0]], dtype=np.float32)
    assert PLAIN.on_host(values, "x").tolist() == [[0.25, 0.25, 1.0]]
    with pytest.raises(UnreadableSampleError, match=r"NaN or infinity.*in x"):
        PLAIN.on_host(np.array([[np.nan]], dtype=np.float32), "x")
    with pytest.raises(UnreadableSampleError, match=r"not a waveform.*shape \[3\], in x"):
        PLAIN.on_host(np.zeros(3, dtype=np.uint8), "x")


def test_a_claimed_rate_cannot_ask_for_all_memory() -> None:
    raw = encode(np.zeros(100_000), rate=1)
    with pytest.raises(UnreadableSampleError, match=r"too long.*100,000 steps at 1 Hz, in x"):
        PLAIN.on_host(raw, "x")


def test_the_input_is_the_log_mel_spectrogram() -> None:
    (wave,) = clips([2000])
    window, filters = torch.hann_window(200), mel_filters(8000, 256, 16, 20, 4000)
    want = log_mel(wave[None], window, torch.from_numpy(filters), 80)[0]
    plain = PLAIN.on_device(alone(wave))
    assert plain.lengths is None
    assert torch.equal(plain.inputs, want[None, None])
    mean, std = torch.tensor(TRAIN.mean)[:, None], torch.tensor(TRAIN.std)[:, None]
    assert torch.allclose(TRAIN.on_device(alone(wave)).inputs[0, 0], (want - mean) / std)
    own = SAMPLE.on_device(alone(wave)).inputs
    assert own.shape == (1, 16, 26)
    assert torch.allclose(own.mean(dim=2), torch.zeros(1, 16), atol=1e-5)
    assert torch.allclose(own.std(dim=2, unbiased=False), torch.ones(1, 16), atol=1e-5)


@pytest.mark.parametrize("preprocess", WAYS, ids=lambda p: p.standardise)
@given(
    lengths=st.lists(st.integers(1, 1200), min_size=1, max_size=5),
    more=st.integers(0, 500),
    padding=st.sampled_from([0.0, 7.0, float("nan"), float("inf")]),
)
@settings(max_examples=20, deadline=None)
def test_padding_changes_no_frame(
    preprocess: SoundPreprocess, lengths: list[int], more: int, padding: float
) -> None:
    waves = clips(lengths)
    got = preprocess.on_device(batch_of(waves, max(lengths) + more, padding))
    assert got.lengths is not None
    assert got.lengths.tolist() == [1 + n // 80 for n in lengths]
    for row, wave in enumerate(waves):
        want = preprocess.on_device(alone(wave)).inputs[0]
        frames = int(got.lengths[row])
        assert want.shape[-1] == frames
        assert (got.inputs[row, ..., :frames] - want).abs().max() < 1e-6


def test_silence_is_finite() -> None:
    silent = alone(torch.zeros(500))
    assert torch.allclose(PLAIN.on_device(silent).inputs, torch.tensor(FLOOR).log())
    assert SAMPLE.on_device(silent).inputs.abs().max() < 1e-3


def test_autocast_and_inference_mode_leave_no_trace() -> None:
    preprocess = SoundPreprocess(rate=8000, mels=17, frequencies=(20, 4000), standardise="none")
    (wave,) = clips([900])
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        low = preprocess.on_device(alone(wave)).inputs.clone()
    inputs = wave.clone().requires_grad_()
    views = preprocess.on_device(alone(inputs)).inputs
    assert low.dtype == torch.float32
    assert torch.equal(low, views.detach())
    views.sum().backward()
    assert inputs.grad is not None
    assert inputs.grad.isfinite().all()


@pytest.mark.parametrize("preprocess", WAYS, ids=lambda p: p.standardise)
def test_json_both_ways(preprocess: SoundPreprocess) -> None:
    value = json.loads(json.dumps(preprocess.to_json()))
    assert SoundPreprocess.from_json(value) == preprocess
    for change in ({"rate": -1}, {"standardise": "all"}, {"mean": [0.0]}, {"colour": 1}):
        with pytest.raises(FormatError, match="not a description of a preprocessing"):
            SoundPreprocess.from_json({**value, **change})
    del value["mels"]
    with pytest.raises(FormatError, match="mels"):
        SoundPreprocess.from_json(value)


def test_what_is_kept_depends_on_rate_and_length_alone() -> None:
    assert PLAIN.identity() == TRAIN.identity() == SAMPLE.identity()
    shorter = SoundPreprocess(rate=8000, length=9, frequencies=(20, 4000), standardise="none")
    slower = SoundPreprocess(rate=4000, frequencies=(20, 2000), mels=16, standardise="none")
    assert len({json.dumps(p.identity()) for p in (PLAIN, shorter, slower)}) == 3
    json.dumps(PLAIN.identity())


def test_shape_and_words() -> None:
    assert (TRAIN.modality, TRAIN.rank, TRAIN.channels) == (Modality.SOUND, 2, 1)
    assert (SAMPLE.rank, SAMPLE.channels) == (1, 16)
    assert (PLAIN.window, PLAIN.hop, PLAIN.transform) == (200, 80, 256)
    words = SAMPLE.describe()
    assert "8,000 Hz" in words
    assert "16 log-mel bands from 20 to 4,000 Hz" in words
    assert "standardised by each clip" in words


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rate": 0.0}, "rate"),
        ({"length": 0}, "length"),
        ({"rank": 3}, "rank"),
        ({"hop_ms": 0.01}, "hop_ms.*1 step"),
        ({"window_ms": 5.0}, "window_ms"),
        ({"frequencies": (0.0, 5000.0)}, "half the rate 8000"),
        ({"frequencies": (300.0, 200.0)}, "frequencies"),
        ({"mean": (0.0,)}, "mean"),
        ({"mels": 200}, r"\d+ of 200 mel bands would be empty.*Set --mels \d+"),
    ],
    ids=str,
)
def test_refused(wrong: dict[str, object], message: str) -> None:
    fields = {"rate": 8000.0, "frequencies": (20.0, 4000.0), "standardise": "none", **wrong}
    with pytest.raises(UsageError, match=message):
        SoundPreprocess(**fields)


def test_the_number_of_bands_that_is_suggested_works() -> None:
    with pytest.raises(UsageError) as caught:
        SoundPreprocess(rate=8000, mels=200, frequencies=(20, 4000), standardise="none")
    number = int(str(caught.value).split("--mels ")[1].split(",")[0])
    SoundPreprocess(rate=8000, mels=number, frequencies=(20, 4000), standardise="none")
    assert number >= 64


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    generator = np.random.default_rng(0)
    for split, count in (("train", 6), ("test", 3)):
        for name, level in (("low", 0.05), ("high", 0.5)):
            for number in range(count):
                file = tmp_path / split / name / f"{number}.wav"
                file.parent.mkdir(parents=True, exist_ok=True)
                values = level * generator.normal(size=900 + 100 * number)
                soundfile.write(file, values, 8000, subtype="FLOAT")
    return open_dataset(DataConfig(path=str(tmp_path), validation_fraction=0))


def test_statistics_are_those_of_the_training_frames(dataset: Dataset) -> None:
    chosen = choose_sound(dataset, SeriesConfig(mels=20))
    assert (chosen.rate, chosen.mels, chosen.frequencies) == (8000, 20, (20.0, 4000.0))
    plain = SoundPreprocess(rate=8000, mels=20, frequencies=(20, 4000), standardise="none")
    frames = []
    for row in dataset.rows(Split.TRAIN).tolist():
        values = plain.on_host(dataset.reader.read(row), "x")
        frames.append(plain.on_device(alone(torch.from_numpy(values[0]))).inputs[0, 0])
    together = torch.cat(frames, dim=1).double()
    assert chosen.mean == pytest.approx(together.mean(dim=1).tolist(), abs=2e-6)
    assert chosen.std == pytest.approx(together.std(dim=1, unbiased=False).tolist(), abs=2e-6)
    assert choose_sound(dataset, SeriesConfig(mels=20), rank=1).mean == chosen.mean


def test_what_the_user_asks_for_is_taken(dataset: Dataset) -> None:
    series = SeriesConfig(
        rate=16000, length=700, mels=12, window_ms=32, hop_ms=16, frequencies=(100, 3000)
    )
    chosen = choose_sound(dataset, series)
    assert (chosen.rate, chosen.length, chosen.window, chosen.hop) == (16000, 700, 512, 256)
    assert chosen.frequencies == (100, 3000)
    sample = choose_sound(dataset, SeriesConfig(standardise="sample"), 1, rank=1)
    assert (sample.standardise, sample.mean, sample.rank) == ("sample", (), 1)
    with pytest.raises(UsageError, match="expected 1 channel, received 3"):
        choose_sound(dataset, SeriesConfig(), 3)


def test_broken_clips_are_passed_over(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "train" / "low" / "0.wav").write_bytes(b"broken")
    choose_sound(dataset, SeriesConfig())
    for file in (tmp_path / "train").rglob("*.wav"):
        file.write_bytes(b"broken")
    with pytest.raises(UnreadableSampleError, match="not one of the training clips"):
        choose_sound(dataset, SeriesConfig())
