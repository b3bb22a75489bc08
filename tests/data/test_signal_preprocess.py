"""Signals from a reader to the network's input, against formulas in float64."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from residua.batch import Batch, Modality, Schema, Split
from residua.data.config import SeriesConfig
from residua.data.dataset import Dataset, Table
from residua.data.signal_preprocess import SignalPreprocess, choose_signal, standardised
from residua.errors import DataError, FormatError, UnreadableSampleError, UsageError

few = settings(max_examples=30, deadline=None)


def noise(c: int, t: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(c, t)).astype(np.float32)


def padded(signals: list[np.ndarray], t: int | None = None, padding: float = 0.0) -> Batch:
    lengths = [signal.shape[1] for signal in signals]
    inputs = np.full((len(signals), len(signals[0]), t or max(lengths)), padding, np.float32)
    for slot, signal in zip(inputs, signals, strict=True):
        slot[:, : signal.shape[1]] = signal
    return Batch(
        inputs=torch.from_numpy(inputs),
        targets=torch.zeros(len(signals), dtype=torch.int64),
        ids=torch.arange(len(signals)),
        lengths=torch.tensor(lengths),
    )


# --- missing values


@given(c=st.integers(1, 3), t=st.integers(1, 30), share=st.floats(0, 0.9), seed=st.integers(0, 999))
@few
def test_a_line_between_the_neighbours(c: int, t: int, share: float, seed: int) -> None:
    signal = noise(c, t, seed)
    generator = np.random.default_rng(seed)
    signal[generator.random((c, t)) < share] = np.nan
    signal[:, generator.integers(t)] = 1.5
    filled = SignalPreprocess(channels=c).on_host(signal.copy(), "a")
    steps = np.arange(t)
    for row, before in zip(filled, signal.astype(np.float64), strict=True):
        known = ~np.isnan(before)
        np.testing.assert_allclose(row, np.interp(steps, steps[known], before[known]), rtol=1e-6)


def test_gaps_become_zero_or_are_refused() -> None:
    signal = np.array([[1, np.nan, 3], [4, 5, np.nan]], dtype=np.float32)
    zero = SignalPreprocess(channels=2, missing="zero").on_host(signal, "a")
    assert zero.tolist() == [[1, 0, 3], [4, 5, 0]]
    assert np.isnan(signal).sum() == 2, "the reader's array is its own"
    with pytest.raises(UnreadableSampleError, match=r"2, first at channel 0, step 1.*ECG-7"):
        SignalPreprocess(channels=2, missing="refuse").on_host(signal, "ECG-7")


@pytest.mark.parametrize("missing", ["interpolate", "zero"])
@pytest.mark.parametrize("standardise", ["sample", "train", "none"])
@pytest.mark.parametrize("rate", [50.0, 100.0])
def test_a_channel_without_any_value_is_zero_for_the_network(missing, standardise, rate) -> None:
    train = {"mean": (3.0, 3.0), "std": (2.0, 2.0)} if standardise == "train" else {}
    ours = SignalPreprocess(
        channels=2,
        rate=rate,
        source_rate=100.0,
        missing=missing,
        standardise=standardise,
        **train,
    )
    signal = noise(2, 40) + 3
    signal[1] = np.nan
    stored = ours.on_host(signal, "a")
    result = ours.on_device(padded([stored, noise(2, 50)])).inputs
    assert (result[0, 1] == 0).all()
    assert result[0, 0].abs().max() > 0.1
    assert result.isfinite().all()
    with pytest.raises(UnreadableSampleError, match="missing values"):
        replace(ours, missing="refuse").on_host(signal, "a")


# --- what is refused


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (np.empty((2, 0)), "an empty signal: expected >= 1 step, received 0"),
        (np.full((2, 9), np.nan), "without a single value"),
        (np.array([[0, 1], [np.inf, 2]]), "inf.*1, first at channel 1, step 0"),
        (np.array([[0, -np.inf], [3, 2]]), "an infinite value"),
        (np.zeros((3, 9)), "wrong number of channels: expected 2, received 3"),
        (np.zeros(9), r"not a signal: .*shape \[9\]"),
        (b"RIFF", "not a signal: .*4 bytes"),
    ],
)
def test_bad_signals_are_named_in_one_line(raw, says: str) -> None:
    raw = raw if isinstance(raw, bytes) else raw.astype(np.float32)
    with pytest.raises(UnreadableSampleError, match=says) as caught:
        SignalPreprocess(channels=2).on_host(raw, "record-100#3")
    assert "in record-100#3" in str(caught.value)
    assert "\n" not in str(caught.value)


# --- resampling and length


def sine(frequency: float, rate: float, seconds: float) -> np.ndarray:
    return np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


@pytest.mark.parametrize(("source", "rate"), [(360.0, 100.0), (100.0, 360.0), (12.5, 8.0)])
def test_resampling_reads_the_same_curve_at_other_times(source: float, rate: float) -> None:
    frequency = min(source, rate) / 10
    ours = SignalPreprocess(channels=1, rate=rate, source_rate=source)
    raw = (sine(frequency, source, 20) + 50).astype(np.float32)[None]
    result = ours.on_host(raw, "a")[0]
    expected = sine(frequency, rate, 20) + 50
    assert len(result) == len(expected)
    reach = round(40 * rate / min(source, rate))
    inner = slice(reach, -reach)
    np.testing.assert_allclose(result[inner], expected[inner], atol=1e-4)
    assert np.abs(result - expected).max() < 0.5, "the offset does not ring at the ends"


@pytest.mark.parametrize(("source", "rate"), [(360.0, 125.0), (125.0, 360.0), (100.0, 99.0)])
def test_resampling_is_that_of_soxr(source: float, rate: float) -> None:
    import soxr

    raw = noise(2, 3000) + 20
    ours = SignalPreprocess(channels=2, rate=rate, source_rate=source).on_host(raw, "a")
    assert ours.dtype == np.float32
    # White noise reaches up to half the rate, where filters differ: what lies below is compared.
    lowest = min(source, rate) / 2
    for mine, row in zip(ours, raw.astype(np.float64), strict=True):
        theirs = soxr.resample(row - 20, source, rate, quality="VHQ") + 20
        edge = round(200 * rate / source)
        difference = (mine[: len(theirs)] - theirs)[edge:-edge]
        spectrum = np.abs(np.fft.rfft(difference * np.hanning(len(difference))))
        frequencies = np.fft.rfftfreq(len(difference), 1 / rate)
        whole = np.abs(np.fft.rfft((theirs - 20)[edge:-edge] * np.hanning(len(difference))))
        low = frequencies < 0.88 * lowest
        assert spectrum[low].max() < 1e-3 * whole.max()


def test_what_the_new_rate_cannot_hold_is_gone() -> None:
    ours = SignalPreprocess(channels=1, rate=50.0, source_rate=400.0)
    result = ours.on_host(sine(60, 400, 10).astype(np.float32)[None], "a")
    assert np.abs(result[0, 60:-60]).max() < 2e-4


@given(source=st.floats(1e-3, 1e5), factor=st.floats(1e-2, 1e2), t=st.integers(1, 50), c=st.just(1))
@few
def test_any_two_rates(source: float, factor: float, t: int, c: int) -> None:
    ours = SignalPreprocess(channels=c, rate=source * factor, source_rate=source)
    result = ours.on_host(np.full((c, t), 7.0, dtype=np.float32), "a")
    assert abs(result.shape[1] - t * factor) < 1 + 0.02 * t * factor
    np.testing.assert_allclose(result, 7.0, rtol=1e-6)


def test_a_rate_of_its_own_goes_before_that_of_the_data() -> None:
    raw = noise(1, 200)
    ours = SignalPreprocess(channels=1, rate=100.0, source_rate=100.0)
    assert ours.on_host(raw, "a") is raw
    assert ours.on_host(raw, "a", rate=200.0).shape == (1, 100)
    unknown = SignalPreprocess(channels=1)
    assert unknown.on_host(raw, "a", rate=200.0).shape == (1, 200)
    with pytest.raises(UnreadableSampleError, match=r"not a sampling rate.*received -1.*in x"):
        ours.on_host(raw, "x", rate=-1.0)


@given(t=st.integers(1, 40), length=st.integers(1, 40))
@few
def test_the_middle_stays(t: int, length: int) -> None:
    raw = np.arange(t, dtype=np.float32)[None]
    result = SignalPreprocess(channels=1, length=length).on_host(raw, "a")[0]
    assert len(result) == min(t, length)
    front, back = result[0], t - 1 - result[-1]
    assert back - front in (0, 1) if t > length else (front, back) == (0, 0)
    assert (np.diff(result) == 1).all()


def test_length_counts_steps_after_resampling() -> None:
    ours = SignalPreprocess(channels=1, rate=50.0, source_rate=100.0, length=30)
    assert ours.on_host(noise(1, 100), "a").shape == (1, 30)


# --- standardisation


def z_scores(signal: np.ndarray) -> np.ndarray:
    exact = signal.astype(np.float64)
    return (exact - exact.mean(axis=1, keepdims=True)) / exact.std(axis=1, keepdims=True)


@given(
    lengths=st.lists(st.integers(3, 60), min_size=1, max_size=5),
    offset=st.sampled_from([0.0, 1.0, -300.0]),
    scale=st.sampled_from([1e-25, 1e-6, 1.0, 1e30]),
    padding=st.sampled_from([0.0, 1e30, np.nan, np.inf]),
    more=st.integers(0, 20),
)
@few
def test_each_by_its_own_mean_and_deviation(lengths, offset, scale, padding, more) -> None:
    signals = [(noise(2, t, i) + offset) * np.float32(scale) for i, t in enumerate(lengths)]
    batch = padded(signals, max(lengths) + more, padding)
    result = SignalPreprocess(channels=2).on_device(batch).inputs
    for ours, signal in zip(result, signals, strict=True):
        t = signal.shape[1]
        # what float32 can hold of a deviation of 1 beside the offset
        np.testing.assert_allclose(ours[:, :t], z_scores(signal), atol=2e-6 + 2e-7 * abs(offset))
        assert (ours[:, t:] == 0).all()


@given(value=st.floats(-(2.0**100), 2.0**100, width=32), t=st.integers(1, 50))
@few
def test_a_constant_channel_becomes_zero(value: float, t: int) -> None:
    signals = [np.full((1, t), value, dtype=np.float32), noise(1, 60)]
    assert (SignalPreprocess(channels=1).on_device(padded(signals)).inputs[0] == 0).all()


def test_company_and_padding_change_nothing() -> None:
    own = noise(2, 37) * 5 + 2
    ours = SignalPreprocess(channels=2)
    alone = ours.on_device(replace(padded([own]), lengths=None)).inputs[0]
    beside = ours.on_device(padded([noise(2, 90, 1), own], padding=9.0)).inputs[1, :, :37]
    assert (alone - beside).abs().max() < 1e-6


def test_by_the_training_splits_mean_and_deviation() -> None:
    ours = SignalPreprocess(channels=2, standardise="train", mean=(1.0, -2.0), std=(0.5, 4.0))
    signals = [noise(2, 20), noise(2, 31, 1)]
    result = ours.on_device(padded(signals, padding=np.nan)).inputs
    for received, signal in zip(result, signals, strict=True):
        expected = (signal - np.array([[1.0], [-2.0]])) / np.array([[0.5], [4.0]])
        np.testing.assert_allclose(received[:, : signal.shape[1]], expected, rtol=1e-5, atol=1e-6)
        assert (received[:, signal.shape[1] :] == 0).all()


def test_not_at_all() -> None:
    batch = padded([noise(1, 20)])
    result = SignalPreprocess(channels=1, standardise="none").on_device(batch)
    assert torch.equal(result.inputs, batch.inputs)
    assert result.lengths is batch.lengths


def test_a_batch_whose_samples_all_went_missing() -> None:
    empty = Batch(
        inputs=torch.empty(0, 2, 0),
        targets=torch.empty(0, dtype=torch.int64),
        ids=torch.empty(0, dtype=torch.int64),
    )
    assert SignalPreprocess(channels=2).on_device(empty).inputs.shape == (0, 2, 0)


def test_the_device_is_never_asked_for_a_value(monkeypatch) -> None:
    batch = padded([noise(2, 20), noise(2, 31, 1)])
    for name in ("item", "tolist", "nonzero", "__bool__", "__int__", "__float__", "__index__"):
        monkeypatch.setattr(torch.Tensor, name, None)  # whoever calls it fails
    with pytest.raises(TypeError):
        bool(batch.inputs[0, 0, 0])
    SignalPreprocess(channels=2).on_device(batch)
    standardised(batch.inputs)


# --- as a value


FULL = SignalPreprocess(
    channels=2,
    rate=100.0,
    source_rate=360.0,
    length=250,
    standardise="train",
    missing="zero",
    mean=(0.1, 0.2),
    std=(1.0, 2.0),
)


@pytest.mark.parametrize("ours", [FULL, SignalPreprocess(channels=1)])
def test_json_and_back(ours: SignalPreprocess) -> None:
    assert SignalPreprocess.from_json(json.loads(json.dumps(ours.to_json()))) == ours


@pytest.mark.parametrize(
    "change",
    [
        {"channels": 0},
        {"channels": None},
        {"rate": -1},
        {"rate": None},
        {"length": 0},
        {"standardise": "batch"},
        {"missing": "drop"},
        {"mean": [0.1]},
        {"std": [0.0, 1.0]},
        {"std": [float("nan"), 1.0]},
        {"mean": [float("inf"), 1.0]},
        {"colour": "red"},
    ],
    ids=str,
)
def test_what_is_no_description_is_refused(change: dict) -> None:
    with pytest.raises(FormatError, match="not a description"):
        SignalPreprocess.from_json(FULL.to_json() | change)
    with pytest.raises(FormatError, match="not a description"):
        SignalPreprocess.from_json({"channels": 1})


def test_the_cache_depends_on_what_happens_on_the_host() -> None:
    same = replace(FULL, standardise="sample", mean=(), std=())
    assert FULL.identity() == same.identity()
    for change in ({"rate": 90.0}, {"source_rate": 90.0}, {"length": 9}, {"missing": "refuse"}):
        assert replace(FULL, **change).identity() != FULL.identity()


def test_in_words() -> None:
    assert SignalPreprocess(channels=1, standardise="none").describe() == "1 channel"
    assert "2 channels at 100 Hz, up to 250 steps" in FULL.describe()


# --- the choice


@dataclass
class Signals:
    """A reader of signals in memory; None stands for one that cannot be read."""

    signals: list[np.ndarray | None]
    rate: float | None = 100.0
    name: str = "memory"

    @property
    def schema(self) -> Schema:
        channels = next(len(each) for each in self.signals if each is not None)
        return Schema(
            modality=Modality.SIGNAL, channels=channels, classes=("a", "b"), rate=self.rate
        )

    @property
    def table(self) -> Table:
        n = len(self.signals)
        keys = [f"s{i}" for i in range(n)]
        return Table(keys=keys, labels=np.zeros(n, dtype=np.int64), splits=[None] * n)

    def scan(self, rows: Sequence[int]) -> Iterator[tuple[int, np.ndarray | DataError]]:
        for row in rows:
            signal = self.signals[row]
            yield row, DataError("broken") if signal is None else signal


def choose(reader: Signals, train: int | None = None, **options) -> SignalPreprocess:
    n = len(reader.signals)
    rows = np.arange(n)
    cut = n if train is None else train
    dataset = Dataset(reader=reader, assignment={Split.TRAIN: rows[:cut], Split.TEST: rows[cut:]})
    return choose_signal(dataset, SeriesConfig(**options))


def test_by_default_a_signal_of_one_channel_stands_for_itself() -> None:
    ours = choose(Signals([noise(1, 9)]))
    assert ours == SignalPreprocess(channels=1, rate=100.0, source_rate=100.0)
    assert choose(Signals([noise(1, 9)], rate=None)).rate is None


def test_by_default_levels_of_several_channels_are_kept_apart() -> None:
    assert choose(Signals([noise(2, 9)])) == choose(Signals([noise(2, 9)]), standardise="train")


def test_the_training_splits_moments_are_of_what_the_network_sees() -> None:
    signals: list[np.ndarray | None] = [noise(2, t, t) * 3 + 7 for t in (60, 81, 90)]
    outlier = np.full((2, 50), 1e6, dtype=np.float32)
    broken = np.full((2, 50), np.inf, dtype=np.float32)
    ours = choose(
        Signals([*signals, None, broken, outlier]), train=5, standardise="train", length=40, rate=50
    )
    blank = replace(ours, standardise="none", mean=(), std=())
    seen = np.concatenate([blank.on_host(x, "") for x in signals if x is not None], axis=1)
    seen = seen.astype(np.float64)
    np.testing.assert_allclose(ours.mean, seen.mean(axis=1))
    np.testing.assert_allclose(ours.std, seen.std(axis=1))
    assert (ours.rate, ours.source_rate, ours.length) == (50, 100, 40)


def test_what_cannot_be_chosen() -> None:
    with pytest.raises(UsageError, match=r"unknown rate.*rate 50.*memory.*Leave out --rate"):
        choose(Signals([noise(2, 9)], rate=None), rate=50)
    with pytest.raises(UnreadableSampleError, match=r"not one of.*2 unreadable.*memory"):
        choose(Signals([None, np.full((2, 5), np.nan)]), standardise="train")
    with pytest.raises(UsageError, match="train split is empty"):
        choose(Signals([noise(2, 9)]), train=0, standardise="train")
