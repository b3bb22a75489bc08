"""Faults in signals, sound and texts: each is found, and nothing else is."""

import numpy as np
import pytest
from tests.data.audit_series import (
    RATE,
    SOUND,
    TEXT,
    as_bytes,
    clip,
    course,
    encoded,
    findings,
    make,
    several,
    signal_schema,
    text,
)

from residua.data.audit import audit
from residua.data.fingerprints import take_fingerprints
from residua.data.sound_prints import SoundPrints

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
