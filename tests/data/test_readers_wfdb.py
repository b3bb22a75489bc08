"""WFDB records: against wfdb's own reading, and the published counts of MIT-BIH."""

import csv
import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import wfdb

from residua.batch import Modality, Split
from residua.data.config import DataConfig
from residua.data.open import open_dataset, open_reader
from residua.data.readers.wfdb import AFTER, BEFORE, open_wfdb
from residua.data.recordings import POSITION
from residua.errors import (
    DataNotFoundError,
    FormatError,
    UnreadableSampleError,
    UsageError,
)

RATE = 100
STEPS = 3000


def write(
    folder: Path,
    name: str,
    beats: str = "NVNVNVNV",
    *,
    channels: tuple[str, ...] = ("MLII",),
    rate: float = RATE,
    seed: int = 0,
    at: list[int] | None = None,
) -> None:
    """A record of noise; its annotations lie 200 steps apart from step 150 on."""
    signal = np.random.default_rng(seed).normal(size=(STEPS, len(channels)))
    wfdb.wrsamp(
        name,
        fs=rate,
        units=["mV"] * len(channels),
        sig_name=list(channels),
        p_signal=signal,
        fmt=["16"] * len(channels),
        write_dir=str(folder),
    )
    steps = np.array(at or [150 + 200 * i for i in range(len(beats))])
    if len(beats):
        wfdb.wrann(name, "atr", steps, symbol=list(beats), write_dir=str(folder))


def reasons(reader) -> dict[str, str]:
    return {each.key: each.reason for each in reader.problems}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, name in enumerate(("a", "b", "c", "d")):
        write(tmp_path, name, seed=number)
    return tmp_path


def test_samples_are_windows_around_beats(folder: Path) -> None:
    reader = open_wfdb(folder, before=0.3, after=0.5)
    assert reader.schema.modality is Modality.SIGNAL
    assert (reader.schema.rate, reader.schema.channel_names) == (RATE, ("MLII", POSITION))
    assert (reader.schema.units, reader.schema.classes) == (("mV", "s"), ("N", "V"))
    assert reader.schema.channels == 2
    assert list(reader.table.keys[:2]) == ["a@150", "a@350"]
    assert reader.table.groups is not None
    assert reader.table.groups[8] == "b"
    whole = wfdb.rdrecord(str(folder / "b")).p_signal.T.astype(np.float32)
    found = reader.read(9)
    np.testing.assert_array_equal(found[:1], whole[:, 350 - 30 : 350 + 50])
    np.testing.assert_allclose(found[1], np.arange(-30, 50) / RATE, atol=1e-6)


def test_a_scan_gives_what_reading_gives_also_from_a_copy(folder: Path) -> None:
    reader = open_wfdb(folder)
    rows = [0, 3, 7, 8, 20, 31]
    copy = pickle.loads(pickle.dumps(reader))
    found = list(copy.scan(rows))
    assert [row for row, _ in found] == rows
    for row, values in found:
        np.testing.assert_array_equal(values, reader.read(row))


def test_what_lies_outside_the_record_is_nan(tmp_path: Path) -> None:
    write(tmp_path, "a", "NV", at=[10, STEPS - 5])
    reader = open_wfdb(tmp_path, before=0.5, after=0.5, position=False)
    whole = wfdb.rdrecord(str(tmp_path / "a")).p_signal.T.astype(np.float32)
    first, last = reader.read(0), reader.read(1)
    assert first.shape == last.shape == (1, 100)
    assert np.isnan(first[:, :40]).all()
    np.testing.assert_array_equal(first[:, 40:], whole[:, :60])
    assert np.isnan(last[:, 55:]).all()
    np.testing.assert_array_equal(last[:, :55], whole[:, STEPS - 55 :])


def test_only_beats_count_and_each_symbol_has_its_class(tmp_path: Path) -> None:
    write(tmp_path, "a", "NLRejAaJSVEF/fQ", at=list(range(100, 1600, 100)))
    write(tmp_path, "b", '+~|"!xNV')
    reader = open_wfdb(tmp_path)
    names = [reader.schema.classes[label] for label in reader.table.labels]
    assert "".join(names) == "NNNNNSSSSVVFQQQ" + "NV"


def test_the_default_window_is_told_by_its_constants(folder: Path) -> None:
    assert open_wfdb(folder).read(4).shape == (2, round((BEFORE + AFTER) * RATE))


def test_splits_come_from_lists(folder: Path) -> None:
    (folder / "RECORDS-DS1").write_text("a\nb\n")
    (folder / "RECORDS-test").write_text("c\nd\n")
    dataset = open_dataset(DataConfig(path=str(folder), validation_fraction=0.5))
    assert dataset.official == {Split.TRAIN, Split.TEST}
    groups = dataset.table.groups
    assert groups is not None
    assert {groups[row] for row in dataset.rows(Split.TEST)} == {"c", "d"}
    drawn = {groups[row] for row in dataset.rows(Split.VALIDATION)}
    assert len(drawn) == 1  # a patient is never torn apart
    assert drawn < {"a", "b"}


def test_records_in_folders_belong_to_one_person(tmp_path: Path) -> None:
    for name in ("p1/a", "p1/b", "p2/a"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write(tmp_path / Path(name).parent, Path(name).name)
    (tmp_path / "RECORDS").write_text("p1/a\np1/b\np2/a\n")
    groups = open_wfdb(tmp_path).table.groups
    assert groups is not None
    assert sorted(Counter(groups).items()) == [("p1", 16), ("p2", 8)]


def test_a_bad_record_is_named_and_the_rest_goes_on(folder: Path) -> None:
    write(folder, "e")
    (folder / "a.dat").unlink()
    (folder / "b.atr").unlink()
    (folder / "c.dat").write_bytes((folder / "c.dat").read_bytes()[:2000])
    (folder / "d.hea").write_text("d 0 100 3000\n")
    write(folder, "f", "~+")
    (folder / "g.hea").write_text("\x00nothing\n")
    (folder / "h.hea").write_bytes((folder / "e.hea").read_bytes().replace(b"e ", b"h ", 1))
    (folder / "h.atr").write_bytes(b"\x01\x02\x03")
    reader = open_reader(str(folder))
    assert set(reader.table.groups or ()) == {"e"}
    found = reasons(reader)
    assert "a.dat" in found["a"]
    assert "b.atr" in found["b"]
    assert "truncated" in found["c"]
    assert "no signals" in found["d"]
    assert "no beats" in found["f"]
    assert "no WFDB header" in found["g"]
    assert "damaged" in found["h"]
    assert all("left out" in reason for reason in found.values())


def test_strict_stops_at_the_first(folder: Path) -> None:
    (folder / "b.dat").unlink()
    with pytest.raises(UnreadableSampleError, match=r"b\.dat"):
        open_wfdb(folder, strict=True)


def test_a_file_that_goes_away_later_is_an_error_of_its_samples(folder: Path) -> None:
    reader = open_wfdb(folder)
    (folder / "b.dat").unlink()
    found = dict(reader.scan([0, 8, 16]))
    assert isinstance(found[8], UnreadableSampleError)
    assert "b" in str(found[8])
    assert isinstance(found[16], np.ndarray)


def test_beats_outside_the_record_are_told(tmp_path: Path) -> None:
    write(tmp_path, "a", "NVNV", at=[100, 200, STEPS, STEPS + 50])
    reader = open_wfdb(tmp_path)
    assert len(reader.table) == 2
    assert f"{STEPS}, {STEPS + 50}" in reasons(reader)["a"]


def test_two_annotations_on_one_step_are_one_beat(tmp_path: Path) -> None:
    write(tmp_path, "a", "NVN", at=[100, 100, 300])
    reader = open_wfdb(tmp_path)
    assert list(reader.table.keys) == ["a@100", "a@300"]
    assert "on another: 100" in reasons(reader)["a"]


def test_records_with_other_channels_give_those_that_all_have(tmp_path: Path) -> None:
    write(tmp_path, "a", channels=("MLII", "V1"))
    write(tmp_path, "b", channels=("V5", "MLII"), seed=1)
    reader = open_wfdb(tmp_path, before=0.1, after=0.1, position=False)
    assert reader.schema.channel_names == ("MLII",)
    whole = wfdb.rdrecord(str(tmp_path / "b")).p_signal.T.astype(np.float32)
    np.testing.assert_array_equal(reader.read(8), whole[1:, 140:160])
    assert "V1, V5" in reasons(reader)["channel MLII"]
    chosen = open_wfdb(tmp_path, channels=["V1", "MLII"])
    assert chosen.schema.channel_names == ("V1", "MLII", POSITION)


def test_records_without_a_common_channel_leave_out_the_fewer(tmp_path: Path) -> None:
    for name, channel in (("a", "V1"), ("b", "V1"), ("c", "II")):
        write(tmp_path, name, channels=(channel,))
    reader = open_wfdb(tmp_path)
    assert set(reader.table.groups or ()) == {"a", "b"}
    assert "it has no channel V1" in reasons(reader)["c"]
    with pytest.raises(FormatError, match="no record has the channels"):
        open_wfdb(tmp_path, channels=["aVR"])


def test_a_window_without_a_value_is_named(tmp_path: Path) -> None:
    """The channel of positions must not hide that the others are empty."""
    signal = np.random.default_rng(0).normal(size=(STEPS, 1))
    signal[1000:1500] = np.nan
    wfdb.wrsamp("a", RATE, ["mV"], ["I"], p_signal=signal, fmt=["16"], write_dir=str(tmp_path))
    steps = np.array([500, 1250])
    wfdb.wrann("a", "atr", steps, symbol=["N", "V"], write_dir=str(tmp_path))
    reader = open_wfdb(tmp_path, before=1, after=1)
    found = dict(reader.scan([0, 1]))
    assert isinstance(found[0], np.ndarray)
    assert isinstance(found[1], UnreadableSampleError)
    assert "a@1250" in str(found[1])


def test_records_of_another_rate_are_resampled(tmp_path: Path) -> None:
    """A sine of 2 Hz stays one, wherever the window lies; the common rate is that of most."""
    for name, rate in (("a", 100), ("b", 100), ("c", 250)):
        at = np.arange(30 * rate) / rate
        signal = np.sin(2 * np.pi * 2 * at)[:, None]
        wfdb.wrsamp(name, rate, ["mV"], ["I"], p_signal=signal, fmt=["16"], write_dir=str(tmp_path))
        steps = np.array([0, 10, 20]) * rate
        wfdb.wrann(name, "atr", steps, symbol=["N", "V", "N"], write_dir=str(tmp_path))
    reader = open_wfdb(tmp_path, position=False)
    assert reader.schema.rate == 100
    assert reasons(reader) == {"c": "resampled from 250 Hz to 100 Hz"}
    row = list(reader.table.keys).index("c@2500")
    values = reader.read(row)
    wanted = np.sin(2 * np.pi * 2 * (10 + np.arange(-200, 125) / 100))
    assert values.shape == (1, 325)
    np.testing.assert_allclose(values[0, 10:-10], wanted[10:-10], atol=0.01)
    edge = reader.read(row - 1)  # the beat at step 0
    assert np.isnan(edge[0, :200]).all()
    assert not np.isnan(edge[0, 200:]).any()


def test_without_annotations_the_error_says_what_can_be_done(tmp_path: Path) -> None:
    write(tmp_path, "a", "")
    with pytest.raises(FormatError, match="can be predicted"):
        open_reader(str(tmp_path))


@pytest.mark.parametrize("listed", ["", "x\ny\n"])
def test_a_list_of_nothing(tmp_path: Path, listed: str) -> None:
    (tmp_path / "RECORDS").write_text(listed)
    with pytest.raises(FormatError, match="records"):
        open_reader(str(tmp_path))


def test_a_window_needs_steps(folder: Path) -> None:
    with pytest.raises(UsageError, match="window"):
        open_wfdb(folder, before=0, after=0)


def test_one_record_by_any_of_its_files(folder: Path) -> None:
    for end in ("hea", "dat", "atr"):
        assert len(open_reader(str(folder / f"c.{end}")).table) == 8


def test_the_parts_of_a_record_are_no_records(tmp_path: Path) -> None:
    """A multi-segment record: its header names two others."""
    write(tmp_path, "s1", "")
    write(tmp_path, "s2", "", seed=1)
    (tmp_path / "long.hea").write_text(f"long/2 1 {RATE} {2 * STEPS}\ns1 {STEPS}\ns2 {STEPS}\n")
    at = np.array([STEPS, STEPS + 500])
    wfdb.wrann("long", "atr", at, symbol=["N", "V"], write_dir=str(tmp_path))
    reader = open_wfdb(tmp_path, before=0.1, after=0.1, position=False)
    assert list(reader.table.keys) == [f"long@{STEPS}", f"long@{STEPS + 500}"]
    whole = wfdb.rdrecord(str(tmp_path / "long")).p_signal.T.astype(np.float32)
    np.testing.assert_array_equal(reader.read(0), whole[:, STEPS - 10 : STEPS + 10])


def test_the_identity_depends_on_files_and_window(folder: Path) -> None:
    before = open_wfdb(folder).identity()
    assert open_wfdb(folder).identity() == before
    assert open_wfdb(folder, after=1.0).identity() != before
    write(folder, "b", "NV")
    assert open_wfdb(folder).identity() != before


def test_mit_bih_is_known_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the names of its records and their rate: paced ones go, one patient stays together."""
    monkeypatch.setenv("RESIDUA_DATA", str(tmp_path))
    with pytest.raises(DataNotFoundError, match="mitdb"):
        open_reader("mit-bih")
    root = tmp_path / "mitdb"
    root.mkdir()
    for name in ("101", "100", "102", "201", "202"):
        write(root, name, rate=360)
    reader = open_reader("MIT-BIH")
    groups, found = reader.table.groups, reasons(reader)
    assert groups is not None
    assert "paced" in found["102"]
    assert "one person" in found["201 and 202"]
    splits = dict(zip(groups, reader.table.splits, strict=True))
    assert splits["101"] is Split.TRAIN
    assert splits["100"] is Split.TEST
    assert Counter(groups)["201 and 202"] == 16
    assert "102" not in groups


def test_mit_bih_has_the_published_counts(shared_data: Path) -> None:
    root = shared_data / "ecg-mitdb"
    if not root.is_dir():
        pytest.skip("ecg-mitdb is not there")
    reader = open_reader(str(root))
    names = [reader.schema.classes[label] for label in reader.table.labels]
    counts = Counter(zip(reader.table.splits, names, strict=True))
    for split, *published in (
        (Split.TRAIN, 45866, 944, 3788, 415, 8),
        (Split.TEST, 44259, 1837, 3221, 388, 7),
    ):
        assert [counts[split, name] for name in "NSVFQ"] == published
    with (root / "beats.csv").open(encoding="utf-8") as file:
        listed = {
            (f"{r['record']}@{r['sample']}", r["split"] if "split" in r else r["set"], r["aami"])
            for r in csv.DictReader(file)
        }
    sets = {Split.TRAIN: "DS1", Split.TEST: "DS2"}
    ours = {
        (key, sets[split], name)
        for key, split, name in zip(reader.table.keys, reader.table.splits, names, strict=True)
    }
    assert ours == listed


def test_two_leads_are_read_as_wfdb_reads_them(shared_data: Path) -> None:
    root = shared_data / "ecg-mitdb" / "two-lead-sample"
    if not root.is_dir():
        pytest.skip("ecg-mitdb is not there")
    reader = open_wfdb(root, before=1, after=1, position=False)
    assert reader.schema.channel_names == ("MLII", "V1")
    whole = wfdb.rdrecord(str(root / "217")).p_signal.T.astype(np.float32)
    for row in (5, 1000, 2000):
        step = int(reader.table.keys[row].partition("@")[2])
        np.testing.assert_array_equal(reader.read(row), whole[:, step - 360 : step + 360])
