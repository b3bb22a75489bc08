"""EDF and BDF files: against what was written, and against pyedflib's own reading."""

import os
import threading
from pathlib import Path

import numpy as np
import pyedflib
import pytest

from residua.batch import Modality, Split
from residua.data.open import open_reader
from residua.data.readers.edf import open_edf
from residua.data.readers.edf_record import open_edf_file
from residua.errors import DataError, FormatError, UnreadableSampleError

SECONDS = 20
NOTES = ((1.0, 4.0, "sleep"), (6.5, 2.0, "wake"), (9.0, -1.0, "cough"), (12.0, 3.0, "sleep"))


def write(
    path: Path,
    channels: tuple[tuple[str, int], ...] = (("C3", 100), ("resp", 10)),
    notes: tuple[tuple[float, float, str], ...] = NOTES,
    seed: int = 0,
) -> list[np.ndarray]:
    """An EDF+ file; returns its signals as they can be read, in float64."""
    draw = np.random.default_rng(seed)
    path.parent.mkdir(exist_ok=True, parents=True)
    with pyedflib.EdfWriter(str(path), len(channels), pyedflib.FILETYPE_EDFPLUS) as file:
        file.setSignalHeaders(
            [
                {
                    "label": name,
                    "dimension": "uV",
                    "sample_frequency": rate,
                    "physical_max": 8.0,
                    "physical_min": -8.0,
                    "digital_max": 32767,
                    "digital_min": -32768,
                }
                for name, rate in channels
            ]
        )
        file.writeSamples([draw.normal(size=rate * SECONDS) for _, rate in channels])
        for onset, duration, label in notes:
            file.writeAnnotation(onset, duration, label)
    with pyedflib.EdfReader(str(path)) as file:
        return [file.readSignal(i) for i in range(len(channels))]


def test_annotated_stretches_are_samples(tmp_path: Path) -> None:
    fast, slow = write(tmp_path / "p1.edf")
    write(tmp_path / "p2.edf", seed=1)
    reader = open_reader(str(tmp_path))
    schema = reader.schema
    assert (schema.modality, schema.rate, schema.channels) == (Modality.SIGNAL, 100, 2)
    assert (schema.channel_names, schema.units) == (("C3", "resp"), ("uV", "uV"))
    assert schema.classes == ("sleep", "wake")
    assert list(reader.table.keys[:3]) == ["p1.edf@100", "p1.edf@650", "p1.edf@1200"]
    assert list(reader.table.groups or ())[2:4] == ["p1.edf", "p2.edf"]
    values = reader.read(1)
    assert values.shape == (2, 200)
    np.testing.assert_array_equal(values[0], fast[650:850].astype(np.float32))
    between = np.interp(np.arange(650, 850) / 10, np.arange(len(slow)), slow)
    np.testing.assert_allclose(values[1], between, atol=1e-6)
    assert [p.key for p in reader.problems] == ["p1.edf", "p2.edf"]  # the cough lasts no time
    for row, found in reader.scan([0, 2, 5]):
        np.testing.assert_array_equal(found, reader.read(row))


def test_splits_come_from_folders(tmp_path: Path) -> None:
    write(tmp_path / "train" / "a.edf")
    write(tmp_path / "test" / "b.edf")
    reader = open_reader(str(tmp_path))
    splits = dict(zip(reader.table.groups or (), reader.table.splits, strict=True))
    assert splits == {"train/a.edf": Split.TRAIN, "test/b.edf": Split.TEST}


def test_stretches_that_begin_together_keep_their_own_keys(tmp_path: Path) -> None:
    write(tmp_path / "a.edf", notes=((1.0, 2.0, "x"), (1.0, 3.0, "y"), (19.0, 9.0, "x")))
    reader = open_edf(tmp_path / "a.edf")
    assert list(reader.table.keys) == ["a.edf@100", "a.edf@100#2", "a.edf@1900"]
    assert reader.read(2).shape == (2, 100)  # cut where the recording ends


def test_a_manifest_makes_each_file_one_sample(tmp_path: Path) -> None:
    signals = {name: write(tmp_path / f"{name}.edf", seed=i) for i, name in enumerate("abcd")}
    lines = ["path,label,split,group"]
    lines += ["a.edf,x,train,p1", "b.edf,y,train,p2", "c.edf,x,test,p3", "d.edf,y,test,p4"]
    (tmp_path / "data.csv").write_text("\n".join(lines))
    (tmp_path / "d.edf").write_bytes((tmp_path / "d.edf").read_bytes()[:3000])
    reader = open_reader(str(tmp_path))
    assert list(reader.table.keys) == ["a.edf", "b.edf", "c.edf"]
    assert list(reader.table.groups or ()) == ["p1", "p2", "p3"]
    assert reader.table.labels.tolist() == [0, 1, 0]
    values = reader.read(2)
    np.testing.assert_array_equal(values[0], signals["c"][0].astype(np.float32))
    assert "no whole EDF file" in {p.key: p.reason for p in reader.problems}["d.edf"]
    with pytest.raises(DataError, match=r"d\.edf"):
        open_reader(str(tmp_path / "data.csv"), strict=True)


def test_class_folders_of_recordings(tmp_path: Path) -> None:
    for name in ("x/a", "x/b", "y/a"):
        write(tmp_path / f"{name}.edf")
    reader = open_reader(str(tmp_path))
    assert reader.schema.classes == ("x", "y")
    assert reader.read(1).shape == (2, SECONDS * 100)


def test_files_with_other_channels_give_those_that_all_have(tmp_path: Path) -> None:
    write(tmp_path / "a.edf", channels=(("C3", 100), ("C4", 100)))
    _, wanted = write(tmp_path / "b.edf", channels=(("O1", 100), ("C3", 100)))
    reader = open_edf(tmp_path)
    assert reader.schema.channel_names == ("C3",)
    np.testing.assert_array_equal(reader.read(3)[0], wanted[100:500].astype(np.float32))


@pytest.mark.parametrize("content", [b"", b"0       nothing", os.urandom(2000)])
def test_a_damaged_file_is_named_and_the_rest_goes_on(tmp_path: Path, content: bytes) -> None:
    write(tmp_path / "a.edf")
    (tmp_path / "b.edf").write_bytes(content)
    reader = open_edf(tmp_path)
    assert set(reader.table.groups or ()) == {"a.edf"}
    assert any(p.key == "b.edf" and "left out" in p.reason for p in reader.problems)
    with pytest.raises(FormatError, match=r"b\.edf"):
        open_edf(tmp_path, strict=True)


def test_without_annotations_the_error_says_what_can_be_done(tmp_path: Path) -> None:
    write(tmp_path / "a.edf", notes=())
    with pytest.raises(FormatError, match="can be predicted"):
        open_edf(tmp_path)


def test_annotations_without_signals_are_no_recording(tmp_path: Path) -> None:
    with pyedflib.EdfWriter(str(tmp_path / "a.edf"), 0, pyedflib.FILETYPE_EDFPLUS) as file:
        file.writeAnnotation(1.0, 2.0, "x")
    with pytest.raises(FormatError, match="signals"):
        open_edf(tmp_path)


def test_threads_and_forked_processes_may_read_one_file(tmp_path: Path) -> None:
    """EDFlib itself refuses to open a file twice in one process."""
    write(tmp_path / "a.edf")
    recording = open_edf_file(tmp_path / "a.edf", "a.edf")
    wanted = recording.read(0, 2000)
    errors: list[Exception] = []

    def work() -> None:
        try:
            for _ in range(20):
                np.testing.assert_array_equal(recording.read(0, 2000), wanted)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(recording.read(0, 2000), wanted) else 1)
    for thread in threads:
        thread.join()
    assert os.waitpid(child, 0)[1] == 0
    assert not errors


def test_a_file_that_goes_away_later_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.edf")
    reader = open_edf(tmp_path)
    (tmp_path / "a.edf").unlink()
    with pytest.raises(UnreadableSampleError, match=r"a\.edf"):
        reader.read(0)
