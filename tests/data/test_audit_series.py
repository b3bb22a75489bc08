"""Signals, sound and text with known faults: each is found, and nothing else is."""

import dataclasses
import hashlib
import io
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from residua.batch import Modality, Schema, Split, Task
from residua.data.audit import audit
from residua.data.audit_targets import target_codes
from residua.data.dataset import Dataset, Problem, Raw, Table
from residua.data.fingerprints import take_fingerprints
from residua.data.series_prints import SignalPrints, TextPrints, area_means
from residua.data.sound_prints import SoundPrints
from residua.errors import DataError, UnreadableSampleError

RATE = 8000
SMALL = "small-test"  # these data sets all have small test splits


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class MemoryReader:
    samples: Sequence[Raw]
    table: Table
    schema: Schema
    name: str = "memory"
    problems: Sequence[Problem] = ()

    def identity(self) -> str:
        return "memory"

    def read(self, row: int) -> Raw:
        return self.samples[row]

    def scan(self, rows: Sequence[int]) -> Iterator[tuple[int, Raw | DataError]]:
        for row in rows:
            yield row, self.samples[row]


def make(
    schema: Schema,
    train: Sequence[Raw],
    test: Sequence[Raw],
    *,
    labels: Sequence[int] | None = None,
    values: np.ndarray | None = None,
    tokens: Sequence[tuple[int, ...]] | None = None,
    groups: Sequence[str] | None = None,
    problems: Sequence[Problem] = (),
) -> Dataset:
    n, samples = len(train) + len(test), [*train, *test]
    none = values is not None or tokens is not None
    usual = [-1] * n if none else [i % 2 for i in range(n)]
    splits = [Split.TRAIN] * len(train) + [Split.TEST] * len(test)
    keys = [f"train/{i}" for i in range(len(train))] + [f"test/{i}" for i in range(len(test))]
    table = Table(
        keys=keys,
        labels=np.array(labels or usual, dtype=np.int64),
        splits=splits,
        groups=groups,
        values=values,
        tokens=tokens,
    )
    rows = np.arange(n)
    return Dataset(
        reader=MemoryReader(samples=samples, table=table, schema=schema, problems=problems),
        assignment={Split.TRAIN: rows[: len(train)], Split.TEST: rows[len(train) :]},
        official=frozenset({Split.TRAIN, Split.TEST}),
    )


def signal_schema(channels: int = 1, **more) -> Schema:
    return Schema(modality=Modality.SIGNAL, channels=channels, classes=("a", "b"), **more)


SOUND = Schema(modality=Modality.SOUND, channels=1, classes=("a", "b"), rate=float(RATE))
TEXT = Schema(modality=Modality.TEXT, channels=1, classes=("a", "b"))


def course(seed: int, steps: int = 120, channels: int = 1) -> np.ndarray:
    """A smooth random course: as different from another seed's as two recordings are."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(0, 1, (channels, 20))
    places = np.linspace(0, 19, steps)
    return np.stack([np.interp(places, np.arange(20), row) for row in coarse]).astype(np.float32)


def several(n: int, first: int = 0, **more) -> list[np.ndarray]:
    return [course(first + i, **more) for i in range(n)]


def clip(seed: int, rate: int = RATE, seconds: float = 0.4) -> np.ndarray:
    """Three notes, each at its own time and pitch."""
    rng, t = np.random.default_rng(seed), np.arange(int(rate * seconds)) / rate
    values = rng.normal(0, 1e-3, len(t))
    for _ in range(3):
        note = np.sin(2 * np.pi * rng.uniform(150, 3000) * t)
        values += 0.2 * note * np.exp(-(((t - rng.uniform(0, seconds)) / 0.05) ** 2))
    return values


def encoded(values: np.ndarray, rate: int = RATE, kind: str = "WAV", **more) -> bytes:
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, values, rate, format=kind, **more)
    return file.getvalue()


def text(seed: int, words: int = 60) -> np.ndarray:
    rng = np.random.default_rng(seed)
    letters = rng.choice(list("abcdefghijklmnopqrstuvwxyz"), (words, 6))
    return as_bytes(" ".join("".join(word) for word in letters))


def as_bytes(content: str) -> np.ndarray:
    return np.frombuffer(content.encode(), dtype=np.uint8)


def findings(dataset: Dataset, **options) -> dict:
    """By code, without the remark that the test split is small."""
    found = audit(dataset, threads=1, **options)
    assert found.ok == all(each.severity != "error" for each in found.findings)
    return {each.code: each for each in found.findings if each.code != SMALL}


# ---- facts --------------------------------------------------------------------------------------


def test_clean_data_sets_have_nothing_to_remark():
    assert findings(make(signal_schema(), several(20), several(12, 100))) == {}
    waves = [encoded(clip(i)) for i in range(24)]
    assert findings(make(SOUND, waves[:14], waves[14:])) == {}
    texts = [text(i) for i in range(24)]
    assert findings(make(TEXT, texts[:14], texts[14:])) == {}


def test_facts_of_signals():
    schema = signal_schema(2, rate=50.0, channel_names=("x", "y"), units=("mV", "s"))
    train = [course(i, steps=100 + 10 * i, channels=2) for i in range(10)]
    train[3][1, 5:20] = np.nan
    dataset = make(schema, train, several(2, 50, channels=2))
    found = audit(dataset, threads=1)
    facts = found.series
    assert facts is not None
    assert found.pictures is None
    assert facts.n == 12
    assert facts.lengths == (100, 135, 190)
    assert facts.seconds == (2.0, 2.7, 3.8)
    assert facts.total_seconds == pytest.approx((sum(range(100, 200, 10)) + 240) / 50)
    assert facts.rates == {"50": 12}
    assert (facts.channel_names, facts.units) == (("x", "y"), ("mV", "s"))
    assert facts.with_missing == 1
    assert facts.missing_share == pytest.approx(15 / (2 * (sum(range(100, 200, 10)) + 240)))
    assert (facts.constant, facts.clipped, facts.transcripts) == (0, 0, None)


def test_without_a_rate_there_are_no_seconds():
    facts = audit(make(signal_schema(), several(8), several(4, 50)), threads=1).series
    assert facts is not None
    assert (facts.rate, facts.rates) == (None, {})
    assert facts.seconds is facts.total_seconds is None


def test_facts_travel_as_json_under_their_own_name():
    values = audit(make(signal_schema(), several(8), several(4, 50)), threads=1).to_json()
    assert (values["modality"], values["task"]) == ("signal", "classification")
    assert values["series"]["lengths"] == (120, 120, 120)
    assert "pictures" not in values
    assert "facts" not in values


def test_facts_of_texts_are_bytes():
    train = [as_bytes("ab" * (i + 1) + str(i)) for i in range(9)]
    facts = audit(make(TEXT, train, [as_bytes("é")]), threads=1).series
    assert facts is not None
    assert facts.lengths == (2, 10, 19)


def test_threads_change_nothing():
    dataset = make(signal_schema(), several(70), several(30, 200))
    assert audit(dataset, threads=3) == audit(dataset, threads=1)


# ---- samples ------------------------------------------------------------------------------------


def test_damaged_signals_are_named_one_by_one():
    bad = {
        "NaN everywhere": np.full((1, 50), np.nan, dtype=np.float32),
        "infinite": np.array([[1, np.inf, 3]], dtype=np.float32),
        "channels": course(1, channels=2),
        "empty": np.zeros((1, 0), dtype=np.float32),
        "not a signal": b"RIFF",
    }
    dataset = make(signal_schema(), [*several(12), *bad.values()], several(8, 100))
    found = audit(dataset, threads=1)
    messages = [each for each in found.findings if each.code == "unreadable"]
    assert [each.keys for each in messages] == [((f"train/{12 + i}",),) for i in range(5)]
    assert all(word in each.message for word, each in zip(bad, messages, strict=True))
    assert found.ok
    assert not audit(dataset, threads=1, strict=True).ok


def test_constant_series_and_dead_channels():
    train = several(12, channels=3)
    for each in train:
        each[1] = 5.0
    test = several(4, 50, channels=3)
    for each in test:
        each[1] = np.nan
    train[4][:] = 7.0
    schema = signal_schema(3, channel_names=("x", "y", "z"))
    found = findings(make(schema, train, test))
    assert found["constant"].keys == (("train/4",),)
    assert "1 of 3 channels are constant in every sample: y" in found["dead-channels"].message
    assert set(found) == {"constant", "dead-channels"}


def test_mostly_missing_series():
    train = several(12)
    train[2][0, 10:100] = np.nan  # 75%
    train[3][0, 10:40] = np.nan  # 25%
    found = findings(make(signal_schema(), train, several(4, 50)))
    assert found["mostly-missing"].keys == (("train/2",),)


def test_silent_clipped_and_mixed_clips():
    train = [encoded(clip(i)) for i in range(12)]
    train += [encoded(np.full(2000, 0.1)), encoded(np.clip(40 * clip(50), -1, 1))]
    train += [encoded(clip(51, 16_000), 16_000)]
    found = findings(make(SOUND, train, [encoded(clip(100 + i)) for i in range(6)]))
    assert found["silent"].keys == (("train/12",),)
    assert found["clipped"].keys == (("train/13",),)
    assert "20 at 8,000 Hz, 1 at 16,000 Hz" in found["mixed-rates"].message
    assert set(found) == {"silent", "clipped", "mixed-rates"}


def test_loud_clips_are_not_clipped():
    t = np.arange(3000) / RATE
    waves = [np.sin(2 * np.pi * (300 + 50 * i) * t) for i in range(8)]  # touch 1 in every period
    rows = np.stack(waves)
    prints = take_fingerprints(
        make(SOUND, [encoded(row, subtype="PCM_24") for row in rows], []).reader,
        SoundPrints(rate=RATE),
        threads=1,
    )
    runs = np.abs(rows) >= np.abs(rows).max(axis=1, keepdims=True) * (1 - 1e-4)
    expected = (runs[:, :-2] & runs[:, 1:-1] & runs[:, 2:]).any(axis=1)
    assert prints.fact("clipped").tolist() == expected.tolist()
    assert not expected.all()


# ---- copies -------------------------------------------------------------------------------------


def test_equal_values_are_found_whatever_the_container():
    whole = [(2**15 * clip(i)).astype(np.int16) for i in range(10)]
    flac = encoded(whole[3], kind="FLAC")
    dataset = make(SOUND, [encoded(each) for each in whole], [encoded(clip(99)), flac])
    found = findings(dataset)
    assert found["leakage"].severity == "error"
    assert found["leakage"].keys == (("train/3", "test/1"),)
    assert "1 clip occurs with the same sound in train and test" in found["leakage"].message


def test_equal_series_with_gaps_in_two_splits_are_an_error():
    train = several(12)
    train[3][0, 4:9] = np.nan
    copy = train[3].copy()
    copy.view(np.uint32)[0, 4:9] = 0x7FC00123  # another NaN is a NaN all the same
    found = findings(make(signal_schema(), train, [*several(4, 50), copy]))
    assert list(found) == ["conflicting-labels", "leakage"]  # rows 3 and 16
    assert found["leakage"].keys == (("train/3", "test/4"),)


@pytest.mark.parametrize("how", ["scaled", "noisy", "resampled", "rounded"])
def test_changed_copies_of_signals_are_near_duplicates(how):
    def changed(values: np.ndarray) -> np.ndarray:
        noise = np.random.default_rng(0).normal(0, 0.02, values.shape)
        places = np.linspace(0, 119, 240)
        return {
            "scaled": 1000 * values - 7,
            "noisy": values + noise,
            "resampled": np.interp(places, np.arange(120), values[0])[None],
            "rounded": values.round(2),
        }[how].astype(np.float32)

    copies = [changed(course(i)) for i in (3, 8)]
    found = findings(make(signal_schema(), several(20), [*several(10, 100), *copies]))
    assert set(found) == {"near-duplicates"}
    assert found["near-duplicates"].severity == "warning"
    pairs = found["near-duplicates"].keys
    assert sorted(pairs) == [("test/10", "train/3"), ("test/11", "train/8")]


@pytest.mark.parametrize("how", ["gain", "rate", "coded"])
def test_changed_copies_of_clips_are_near_duplicates(how):
    from scipy.signal import resample_poly

    values = clip(3)
    copy = {
        "gain": lambda: encoded(0.3 * values),
        "rate": lambda: encoded(resample_poly(values, 2, 1), 16_000),
        "coded": lambda: encoded(values, subtype="ULAW"),
    }[how]()
    train = [encoded(clip(i)) for i in range(16)]
    dataset = make(SOUND, train, [*(encoded(clip(100 + i)) for i in range(8)), copy])
    found = findings(dataset)
    assert found["near-duplicates"].keys == (("test/8", "train/3"),)


def test_edited_copies_of_texts_are_near_duplicates():
    original = bytes(text(5)).decode()
    copy = as_bytes(original.upper().replace(" ", "  ", 20) + " end")
    texts = [text(i) for i in range(30)]
    found = findings(make(TEXT, texts[:20], [*texts[20:], copy]))
    assert found["near-duplicates"].keys == (("test/10", "train/5"),)


def test_a_class_of_series_that_look_the_same_holds_no_copies():
    """Half of them are one shape with little noise: near to one another, none nearer than most."""
    rng = np.random.default_rng(1)
    pulses = [course(7) + rng.normal(0, 0.05, (1, 120)).astype(np.float32) for _ in range(20)]
    others = several(20, 100)
    mixed = [each for pair in zip(pulses, others, strict=True) for each in pair]
    assert findings(make(signal_schema(), mixed[:24], mixed[24:])) == {}
    copy = (2 * mixed[4] + 1).astype(np.float32)
    found = findings(make(signal_schema(), mixed[:24], [*mixed[24:], copy]))
    assert found["near-duplicates"].keys == (("test/16", "train/4"),)


def test_flat_series_are_never_near_duplicates():
    flat = [np.full((1, 40), i, dtype=np.float32) for i in range(20)]
    assert set(findings(make(signal_schema(), flat[:12], flat[12:]))) == {"constant"}


# ---- targets ------------------------------------------------------------------------------------


def test_quantities_have_a_mean_a_deviation_and_a_range():
    values = np.array([[1, 5], [2, 5], [4, 5], [9, 5], [7, np.nan]], dtype=np.float32)
    schema = dataclasses.replace(signal_schema(), task=Task.REGRESSION, classes=("flow", "speed"))
    found = audit(make(schema, several(4), several(1, 50), values=values), threads=1)
    assert found.classes == ()
    flow, speed = found.quantities
    assert flow.name == "flow"
    train, test = flow.spreads
    exact = np.array([1, 2, 4, 9])
    assert (train.n, train.mean, train.least, train.largest) == (4, 4.0, 1.0, 9.0)
    assert train.sd == pytest.approx(exact.std())
    assert (test.n, test.mean, test.sd) == (1, 7.0, 0.0)
    assert (speed.spreads[1].n, speed.spreads[1].mean) == (0, None)
    codes = {each.code: each for each in found.findings}
    assert codes["constant-target"].message == "'speed' is 5 in every training sample"
    assert codes["unlabelled"].keys == (("test/0",),)
    assert not found.ok


def test_labels_are_counted_one_by_one():
    values = np.array([[1, 0], [1, 0], [0, 0], [1, 1]], dtype=np.float32)
    schema = dataclasses.replace(signal_schema(), task=Task.MULTILABEL)
    found = audit(make(schema, several(3), several(1, 50), values=values), threads=1)
    assert [each.counts for each in found.classes] == [(2, 1), (0, 1)]
    codes = {each.code: each for each in found.findings}
    assert codes["missing-class"].severity == "error"
    assert codes["missing-class"].message == "1 of 2 labels have no train samples: b"
    assert "unlabelled" not in codes


def test_tokens_are_counted_and_transcripts_measured():
    schema = dataclasses.replace(signal_schema(), task=Task.CTC)
    tokens = [(0, 1, 1), (0,), (1, 1), (0, 0)]
    found = audit(make(schema, several(3), several(1, 50), tokens=tokens), threads=1)
    assert [each.counts for each in found.classes] == [(2, 2), (4, 0)]
    assert found.series is not None
    assert found.series.transcripts == (1, 2, 3)


@pytest.mark.parametrize(
    ("task", "severity"), [(Task.MULTILABEL, "error"), (Task.REGRESSION, "warning")]
)
def test_equal_series_with_other_targets(task: Task, severity: str):
    train = several(10)
    values = np.tile(np.eye(2, dtype=np.float32), (7, 1))
    schema = dataclasses.replace(signal_schema(), task=task)
    dataset = make(schema, [*train, train[2]], several(3, 50), values=values)  # rows 2 and 10 agree
    assert "conflicting-labels" not in findings(dataset)
    dataset = make(schema, [*train, train[3]], several(3, 50), values=values)
    found = findings(dataset)["conflicting-labels"]
    assert found.severity == severity
    assert "1 series occurs with several targets, with the same values" in found.message


def test_target_codes_are_equal_where_targets_are():
    values = np.array([[1, 2], [3, 4], [1, 2], [np.nan, 2]], dtype=np.float32)
    schema = dataclasses.replace(signal_schema(), task=Task.REGRESSION)
    codes = target_codes(make(schema, several(3), several(1), values=values))
    assert codes[0] == codes[2] != codes[1]
    assert codes[3] == -1
    tokens = [(1,), (1, 2), (1,), ()]
    codes = target_codes(make(schema, several(3), several(1), tokens=tokens))
    assert codes[0] == codes[2] != codes[1]
    assert codes[3] == -1


def test_groups_in_two_splits():
    groups = [f"p{i}" for i in range(12)] + ["p3"] + [f"q{i}" for i in range(11)]
    found = findings(make(signal_schema(), several(12), several(12, 50), groups=groups))
    assert found["torn-groups"].severity == "warning"  # 1 of 12 samples
    assert found["torn-groups"].keys == (("p3",),)
    assert "1 group of an earlier split, with 1 of 12 (8.33%) test" in found["torn-groups"].message
    groups[13] = "p3"
    found = findings(make(signal_schema(), several(12), several(12, 50), groups=groups))
    assert found["torn-groups"].severity == "error"
    apart = [f"p{i}" for i in range(24)]
    assert findings(make(signal_schema(), several(12), several(12, 50), groups=apart)) == {}


def test_rates_are_told_once():
    told = Problem(key="rate", reason="the clips differ")
    other = Problem(key="b/x.wav", reason="left out: it lies in no class folder")
    waves = [encoded(clip(i)) for i in range(20)]
    found = findings(make(SOUND, waves[:12], waves[12:], problems=(told, other)))
    assert set(found) == {"left-out"}
    assert found["left-out"].keys == (("b/x.wav",),)


# ---- prints -------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(t=st.integers(1, 60), steps=st.integers(1, 40), seed=st.integers(0, 99))
def test_area_means_are_integrals_of_a_staircase(t: int, steps: int, seed: int):
    values = np.random.default_rng(seed).normal(0, 1, (2, t))
    fine = values.repeat(steps, axis=1)  # each step as `steps` equal ones: t * steps in all
    expected = fine.reshape(2, steps, t).mean(axis=2)
    np.testing.assert_allclose(area_means(values, steps), expected, atol=1e-9)


@pytest.mark.parametrize("channels", [1, 2, 12, 40])
def test_thumbnails_stay_small_and_have_their_size(channels: int):
    kind = SignalPrints(channels=channels, rate=0.0)
    found = kind.take(course(0, channels=channels), "x")
    assert found.thumbnail.shape == kind.blank(1)[0].shape
    assert found.thumbnail.nbytes <= 512
    assert kind.fine(course(0, channels=channels), "x").shape == kind.blank(1, fine=True)[0].shape
    assert np.isfinite(found.thumbnail).all()


def test_digests_tell_shapes_apart():
    kind = SignalPrints(channels=2, rate=0.0)
    values = course(0, channels=2)
    assert kind.take(values, "x").digest == kind.take(values.copy(), "y").digest
    other = dataclasses.replace(kind, channels=1).take(values.reshape(1, -1), "x")
    assert kind.take(values, "x").digest != other.digest
    zero = np.array([[0.0, 1.0]], dtype=np.float32)
    one = dataclasses.replace(kind, channels=1)
    assert one.take(zero, "x").digest == one.take(zero * np.float32([-1, 1]), "x").digest


def test_text_digest_is_that_of_its_bytes():
    content = as_bytes("hello world")
    expected = hashlib.blake2b(content.tobytes(), digest_size=16).digest()
    assert TextPrints().take(content, "x").digest == expected
    with pytest.raises(UnreadableSampleError, match="an empty text"):
        TextPrints().take(as_bytes(""), "x")


@pytest.mark.parametrize("content", ["a", "ab", "???", "日本語", "x" * 100_000])
def test_every_text_has_a_thumbnail(content: str):
    found = TextPrints().take(as_bytes(content), "x").thumbnail
    assert found.any()
    assert np.isfinite(found).all()


@pytest.mark.parametrize("rate", [100, 8000, 192_000])
@pytest.mark.parametrize("seconds", [0.001, 0.4])
def test_clips_of_any_rate_and_length_have_a_thumbnail(rate: int, seconds: float):
    values = np.random.default_rng(0).normal(0, 0.1, max(int(rate * seconds), 1))
    found = SoundPrints(rate=rate).take(encoded(values, rate), "x")
    assert np.isfinite(found.thumbnail).all()
    assert found.facts[0] == len(values)
