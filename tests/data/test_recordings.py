"""Long recordings: every kind of file against its own library, windows against slices."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
import wfdb
from hypothesis import given
from hypothesis import strategies as st

from residua.data import recording_files, recordings
from residua.data.open_recording import open_recording
from residua.data.recordings import (
    Ahead,
    Recording,
    read_padded,
    unique_names,
    window_starts,
    windows,
)
from residua.errors import DataNotFoundError, FormatError, UnreadableSampleError, UsageError

RATE = 50
STEPS = 1000
SIGNAL = np.random.default_rng(0).uniform(-0.9, 0.9, (2, STEPS)).astype(np.float32)


def wfdb_record(folder: Path) -> Path:
    wfdb.wrsamp(
        "r",
        RATE,
        ["mV", "V"],
        ["I", "II"],
        p_signal=SIGNAL.T.astype(np.float64),
        fmt=["16", "16"],
        write_dir=str(folder),
    )
    return folder / "r"


def edf(folder: Path) -> Path:
    import pyedflib

    with pyedflib.EdfWriter(str(folder / "r.edf"), 2, pyedflib.FILETYPE_EDF) as file:
        for channel, name in enumerate(("I", "II")):
            file.setSignalHeader(
                channel,
                {
                    "label": name,
                    "dimension": "mV",
                    "sample_frequency": RATE,
                    "physical_max": 1.0,
                    "physical_min": -1.0,
                    "digital_max": 32767,
                    "digital_min": -32768,
                },
            )
        file.writeSamples(list(SIGNAL.astype(np.float64)))
    return folder / "r.edf"


def sound(folder: Path, name: str = "r.wav") -> Path:
    soundfile.write(folder / name, SIGNAL.T, RATE, subtype="FLOAT" if name == "r.wav" else "PCM_16")
    return folder / name


def flac(folder: Path) -> Path:
    return sound(folder, "r.flac")


def array(folder: Path) -> Path:
    np.save(folder / "r.npy", SIGNAL)
    return folder / "r.npy"


def array_of_steps(folder: Path) -> Path:
    np.save(folder / "r.npy", SIGNAL.T.astype(np.float64))
    return folder / "r.npy"


def table(folder: Path) -> Path:
    lines = ["time,I,II"]
    lines += [f"{i / RATE},{a:.9g},{b:.9g}" for i, (a, b) in enumerate(SIGNAL.T)]
    (folder / "r.csv").write_text("\n".join(lines) + "\n")
    return folder / "r.csv"


def plain_table(folder: Path) -> Path:
    (folder / "r.csv").write_text("\r\n".join(f"{a:.9g};{b:.9g}" for a, b in SIGNAL.T))
    return folder / "r.csv"


KINDS = (wfdb_record, edf, sound, flac, array, array_of_steps, table, plain_table)


@pytest.fixture(params=KINDS, ids=lambda make: make.__name__)
def recording(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Recording:
    monkeypatch.setattr(recording_files, "_EVERY", 64)  # several places in a short table
    path = request.param(tmp_path)
    return open_recording(path, rate=RATE if request.param in KINDS[4:] else None)


def test_every_kind_of_file_gives_the_same_signal(recording: Recording) -> None:
    assert (recording.rate, recording.steps) == (RATE, STEPS)
    assert len(recording.channel_names) == len(recording.units) == 2
    for start, stop in ((0, STEPS), (0, 1), (63, 65), (128, 256), (999, 1000), (5, 5), (970, 1000)):
        found = recording.read(start, stop)
        assert found.dtype == np.float32
        assert found.shape == (2, stop - start)
        np.testing.assert_allclose(found, SIGNAL[:, start:stop], atol=1e-4)


def test_channels_can_be_picked(recording: Recording) -> None:
    picked = recording.picked([1])
    assert picked.channel_names == recording.channel_names[1:]
    np.testing.assert_array_equal(picked.read(10, 50), recording.read(10, 50)[1:])
    both = recording.picked([1, 0]).picked([1])
    np.testing.assert_array_equal(both.read(0, 9), recording.read(0, 9)[:1])


def test_a_table_says_its_rate_by_its_times(tmp_path: Path) -> None:
    recording = open_recording(table(tmp_path))
    assert recording.rate == pytest.approx(RATE)
    assert recording.channel_names == ("I", "II")


def test_empty_cells_are_nan(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("a,b\n1,\n,2\nNaN,3\n")
    found = open_recording(tmp_path / "r.csv", rate=1).read(0, 3)
    np.testing.assert_array_equal(found, [[1, np.nan, np.nan], [np.nan, 2, 3]])


@pytest.mark.parametrize("make", [array, plain_table])
def test_a_rate_that_nobody_knows_is_asked_for(tmp_path: Path, make) -> None:
    with pytest.raises(UsageError, match="sampling rate"):
        open_recording(make(tmp_path))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.npy", b""),
        ("a.npy", b"\x93NUMPY"),
        ("a.csv", b""),
        ("a.csv", b"x,y\n"),
        ("a.wav", b"RIFF"),
        ("a.edf", b"0"),
        ("a.hea", b"a 0 100 0\n"),
        ("a.txt", b"hello"),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FormatError):
        open_recording(tmp_path / name, rate=1)


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError):
        open_recording(tmp_path / "nothing.edf")


def test_a_line_that_is_no_number_is_named(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("a,b\n1,2\n3,x\n")
    with pytest.raises(UnreadableSampleError, match=r"r\.csv"):
        open_recording(tmp_path / "r.csv", rate=1).read(0, 2)


def test_padding_is_nan(tmp_path: Path) -> None:
    recording = open_recording(array(tmp_path), rate=RATE)
    for found in (read_padded(recording, -3, 2), Ahead(recording).read(-3, 2)):
        assert np.isnan(found[:, :3]).all()
        np.testing.assert_array_equal(found[:, 3:], SIGNAL[:, :2])
    assert np.isnan(read_padded(recording, STEPS, STEPS + 4)).all()


@given(steps=st.integers(1, 400), length=st.integers(1, 90), data=st.data())
def test_windows_cover_all_steps(steps: int, length: int, data: st.DataObject) -> None:
    step = data.draw(st.integers(1, length))
    starts = list(window_starts(steps, length=length, step=step))
    assert starts == sorted(set(starts))
    seen = np.zeros(steps, dtype=int)
    for start in starts:
        seen[start : start + length] += 1
        assert start == 0 or start + length <= steps
    assert seen.min() >= 1
    assert all(b - a == step for a, b in pairwise(starts[:-1]))


@pytest.mark.parametrize("step", [0, 11])
def test_wrong_windows_are_refused(step: int) -> None:
    with pytest.raises(UsageError, match="windows"):
        list(window_starts(100, length=10, step=step))


def test_windows_are_slices_and_each_step_is_read_about_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "_BLOCK", 100)
    recording = Counting(open_recording(array(tmp_path), rate=RATE))
    for start, values in windows(recording, length=30, step=15):
        np.testing.assert_array_equal(values, SIGNAL[:, start : start + 30])
    assert recording.most <= 100  # memory: one block
    assert recording.total < 1.5 * STEPS


def test_a_short_recording_has_one_short_window(tmp_path: Path) -> None:
    ((start, values),) = windows(open_recording(array(tmp_path), rate=RATE), length=2000, step=9)
    assert start == 0
    np.testing.assert_array_equal(values, SIGNAL)


@given(st.lists(st.sampled_from(["", "A", "A 2", "B", " A "]), max_size=8))
def test_channel_names_become_distinct(names: list[str]) -> None:
    found = unique_names(names)
    assert len(set(found)) == len(found) == len(names)


class Counting:
    """Passes all on to a recording, and counts what is read."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self.total = self.most = 0
        for name in ("name", "rate", "channel_names", "units", "steps", "picked"):
            setattr(self, name, getattr(recording, name))

    def read(self, start: int, stop: int) -> np.ndarray:
        self.total += stop - start
        self.most = max(self.most, stop - start)
        return self._recording.read(start, stop)
