"""Sound in class folders and manifests, and the speakers in its names."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from residua.batch import Modality, Split, Task
from residua.data.config import DataConfig
from residua.data.open import open_dataset, open_reader
from residua.data.readers.folder import open_folder
from residua.data.readers.grouped import speakers, write_groups, write_leave_one_out
from residua.data.readers.kinds import SOUNDS
from residua.data.sound import decode_sound
from residua.errors import FormatError, LabelError, UnreadableSampleError, UsageError


def record(path: Path, *, rate: int = 8000, steps: int = 80) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.linspace(-0.5, 0.5, steps), rate)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("train/1/1_ann_0.wav", "train/1/1_bob_0.flac", "train/2/2_ann_0.ogg"):
        record(tmp_path / name)
    record(tmp_path / "test/2/2_bob_1.WAV", steps=99)
    return tmp_path


def test_class_folders(root: Path) -> None:
    reader = open_reader(str(root))
    schema = reader.schema
    assert (schema.modality, schema.channels, schema.rate) == (Modality.SOUND, 1, 8000.0)
    assert schema.classes == ("1", "2")
    assert schema.rank == 1
    rows = list(zip(reader.table.keys, reader.table.labels, reader.table.splits, strict=True))
    assert rows == [
        ("test/2/2_bob_1.WAV", 1, Split.TEST),
        ("train/1/1_ann_0.wav", 0, Split.TRAIN),
        ("train/1/1_bob_0.flac", 0, Split.TRAIN),
        ("train/2/2_ann_0.ogg", 1, Split.TRAIN),
    ]
    assert not reader.problems
    raw = reader.read(0)
    assert raw == (root / "test/2/2_bob_1.WAV").read_bytes()
    assert decode_sound(raw, where="x").values.shape == (1, 99)


def test_the_commonest_rate_is_taken_and_others_are_told(root: Path) -> None:
    record(root / "train/2/2_bob_3.wav", rate=16000)
    reader = open_reader(str(root))
    assert reader.schema.rate == 8000.0
    (problem,) = reader.problems
    assert "4 at 8,000 Hz, 1 at 16,000 Hz of 5" in problem.reason
    assert "all become 8,000 Hz" in problem.reason


def test_a_broken_header_has_no_say_but_not_all_may_be_broken(root: Path) -> None:
    (root / "train/1/1_ann_0.wav").write_text("no sound")
    assert open_reader(str(root)).schema.rate == 8000.0
    for file in root.rglob("*_*"):
        file.write_bytes(b"")
    with pytest.raises(
        UnreadableSampleError, match=r"header: received an empty file.*2_bob_1\.WAV"
    ):
        open_reader(str(root))


def test_the_commonest_kind_of_file_decides(root: Path) -> None:
    for name in ("train/1/cover.jpg", "train/2/cover.png"):
        (root / name).write_bytes(b"")
    reader = open_reader(str(root))
    assert reader.schema.modality is Modality.SOUND
    assert len(reader.table) == 4


def test_errors_speak_of_sound(tmp_path: Path) -> None:
    record(tmp_path / "train" / "1.wav")
    record(tmp_path / "test" / "1.wav")
    with pytest.raises(FormatError, match=r"CLASS/\*\.wav.*sound clips directly in test, train"):
        open_reader(str(tmp_path))
    (tmp_path / "alone" / "b").mkdir(parents=True)
    record(tmp_path / "alone" / "a" / "1.wav")
    with pytest.raises(LabelError, match="class 'b' is empty: expected at least one sound clip"):
        open_reader(str(tmp_path / "alone"))


def test_manifests(root: Path) -> None:
    file = root / "clips.csv"
    file.write_text(
        "path,label,split,group\n"
        "train/1/1_ann_0.wav,one,train,ann\n"
        "train/2/2_ann_0.ogg,two,train,ann\n"
        "test/2/2_bob_1.WAV,two,test,bob\n"
    )
    reader = open_reader(str(file))
    assert reader.schema.modality is Modality.SOUND
    assert reader.schema.rate == 8000.0
    assert reader.schema.classes == ("one", "two")
    assert reader.table.groups == ["ann", "ann", "bob"]
    assert isinstance(reader.read(1), bytes)
    assert open_reader(str(root)).table.groups is not None  # the table beside the folders is taken


def test_transcripts(root: Path) -> None:
    file = root / "joined.csv"
    lines = [
        "path,tokens,split",
        "train/1/1_ann_0.wav,3 10 3,train",
        "train/1/1_bob_0.flac,9,train",
        "test/2/2_bob_1.WAV,10  9,test",
    ]
    file.write_text("\n".join(lines))
    dataset = open_dataset(DataConfig(path=str(root), validation_fraction=0))
    assert dataset.schema.task is Task.CTC
    assert dataset.schema.classes == ("3", "9", "10")
    assert dataset.schema.num_outputs == 4
    assert dataset.table.tokens == [(0, 2, 0), (1,), (2, 1)]
    assert dataset.table.labels.tolist() == [-1, -1, -1]
    file.write_text("\n".join([*lines, "train/2/2_ann_0.ogg,4 9,test"]))
    with pytest.raises(LabelError, match=r"'4' of split test.*2_ann_0\.ogg"):
        open_reader(str(file))
    file.write_text("\n".join([*lines, "train/2/2_ann_0.ogg,,test"]))
    with pytest.raises(LabelError, match=r"no tokens: in .*joined\.csv, line 5"):
        open_reader(str(file))
    file.write_text("path,tokens,label\ntrain/1/1_ann_0.wav,1 2,a\ntrain/2/2_ann_0.ogg,2 1,b\n")
    assert open_reader(str(file)).schema.classes == ("a", "b")


def test_leaving_a_speaker_out(root: Path) -> None:
    reader = open_folder(root, SOUNDS)
    names = speakers(reader.table.keys)
    assert names == ["bob", "ann", "bob", "ann"]
    (root / "splits").mkdir()
    file = root / "splits" / "without-bob.csv"
    write_leave_one_out(file, reader, names, held_out="bob")
    dataset = open_dataset(DataConfig(path=str(file), validation_fraction=0))
    table = dataset.table
    assert table.groups == names
    assert [table.groups[row] for row in dataset.rows(Split.TEST)] == ["bob", "bob"]
    assert [table.groups[row] for row in dataset.rows(Split.TRAIN)] == ["ann", "ann"]
    assert dataset.schema.classes == ("1", "2")
    assert [table.labels[row] for row in dataset.rows(Split.TEST)] == [1, 0]
    assert all(isinstance(dataset.reader.read(row), bytes) for row in range(4))
    with pytest.raises(UsageError, match="expected one of ann, bob, received 'eve'"):
        write_leave_one_out(file, reader, names, held_out="eve")
    with pytest.raises(LabelError, match=r"received a/noise\.wav"):
        speakers(["a/noise.wav"])


def test_naming_speakers_keeps_the_splits(root: Path, tmp_path: Path) -> None:
    reader = open_folder(root, SOUNDS)
    names, file = speakers(reader.table.keys), tmp_path / "speakers.csv"
    write_groups(file, reader, names)
    table = open_reader(str(file)).table
    assert table.groups == names
    assert table.splits == reader.table.splits
    assert table.labels.tolist() == reader.table.labels.tolist()
    assert table.group_numbers is not None
    assert table.group_numbers.tolist() == [1, 0, 1, 0]
    assert reader.table.group_numbers is None


def test_spoken_digits(shared_data: Path) -> None:
    dataset = open_dataset(DataConfig(path=str(shared_data / "spoken-digits")))
    assert dataset.schema.rate == 8000.0
    assert dataset.schema.classes == tuple("0123456789")
    assert len(dataset.table) == 3000
    assert len(dataset.rows(Split.TEST)) == 300
    names = speakers(dataset.table.keys)
    assert {name: names.count(name) for name in set(names)} == dict.fromkeys(
        ("george", "jackson", "lucas", "nicolas", "theo", "yweweler"), 500
    )


@pytest.mark.parametrize(
    ("cells", "classes", "first"),
    [(("abba", "b"), ("a", "b"), (0, 1, 1, 0)), (("no yes", "yes"), ("no", "yes"), (0, 1))],
)
def test_transcripts_of_characters_or_of_words(
    tmp_path: Path, cells: tuple[str, str], classes: tuple[str, ...], first: tuple[int, ...]
) -> None:
    rows = [f"{number}.wav,{cell}" for number, cell in enumerate(cells)]
    for number in range(len(cells)):
        soundfile.write(tmp_path / f"{number}.wav", np.zeros(800), 8000)
    table = tmp_path / "said.csv"
    table.write_text("\n".join(["path,transcript", *rows]))
    reader = open_reader(str(table))
    assert reader.schema.task is Task.CTC
    assert reader.schema.classes == classes
    assert reader.table.tokens is not None
    assert reader.table.tokens[0] == first
