"""`residua check` as a user runs it, within this process."""

import json
from pathlib import Path

import numpy as np
import pytest
import tyro
from PIL import Image

from residua.cli.check import Check
from residua.errors import LabelError


def save(path: Path, seed: int, mode: str = "RGB", size: tuple[int, int] = (24, 20)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    coarse.resize(size, Image.Resampling.BICUBIC).convert(mode).save(path)
    return path


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two classes, an official test split, nothing wrong."""
    root = tmp_path / "pets"
    for part, (split, n) in enumerate((("train", 12), ("test", 6))):
        for i in range(n):
            for place, name in enumerate(("cat", "dog")):
                save(root / split / name / f"{i}.png", 1000 * part + 100 * place + i)
    return root


def check(*arguments: object) -> int:
    return tyro.cli(Check, args=[str(each) for each in arguments]).run()


def test_a_clean_folder_is_summed_up(pictures, capsys):
    assert check(pictures) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines[0] == "pets: 36 colour pictures, 2 classes"
    assert lines[1] == "sizes: all 20 x 24 (height x width)"
    assert lines[2] == "stored as: RGB 36"
    header = next(line for line in lines if line.startswith("class"))
    assert header.split() == ["class", "train", "validation", "(drawn)", "test"]
    total = next(line.split() for line in lines if line.startswith("all 2"))
    assert int(total[2]) + int(total[3]) == 24
    assert total[4] == "12"
    assert lines[-1] == "no errors, no warnings"
    assert captured.err == ""


def test_the_splits_are_those_of_training_with_the_same_options(pictures, capsys):
    check(pictures, "--validation-fraction", "0", "--json")
    names = [split["name"] for split in json.loads(capsys.readouterr().out)["splits"]]
    assert names == ["train", "test"]


def test_a_leak_and_a_bad_file_are_named(pictures, capsys):
    source = pictures / "train" / "cat" / "3.png"
    (pictures / "test" / "cat" / "copy.png").write_bytes(source.read_bytes())
    (pictures / "train" / "dog" / "note.jpg").write_text("not a picture")
    assert check(pictures, "--validation-fraction", "0") == 1
    out = capsys.readouterr().out
    assert "error: 1 picture occurs with the same pixels in train and test" in out
    assert "    train/cat/3.png = test/cat/copy.png" in out
    unreadable = [line for line in out.splitlines() if line.endswith("[unreadable]")]
    assert len(unreadable) == 1
    assert unreadable[0].startswith("warning: ")
    assert "train/dog/note.jpg" in unreadable[0]
    assert out.splitlines()[-1] == "1 error, 1 warning"


def test_strict_makes_a_bad_file_an_error(pictures, capsys):
    (pictures / "train" / "dog" / "note.jpg").write_text("not a picture")
    assert check(pictures) == 0
    assert check(pictures, "--strict") == 1
    assert "error: cannot decode the picture" in capsys.readouterr().out


def test_json_is_one_document_with_everything(pictures, capsys):
    for i in range(15):
        (pictures / "train" / "dog" / f"bad{i}.jpg").write_text("not a picture")
    assert check(pictures, "--json") == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert captured.err == ""
    assert (found["name"], found["ok"], found["n"]) == ("pets", True, 51)
    bad = [each for each in found["findings"] if each["code"] == "unreadable"]
    assert len(bad) == 15
    assert {each["severity"] for each in bad} == {"warning"}
    assert bad[0]["keys"] == [["train/dog/bad0.jpg"]]
    assert found["pictures"]["usual_size"] == [20, 24]


def test_many_bad_files_do_not_bury_the_rest(pictures, capsys):
    for i in range(15):
        (pictures / "train" / "dog" / f"bad{i}.jpg").write_text("not a picture")
    check(pictures)
    out = capsys.readouterr().out
    assert out.count("text file") == 10
    assert "warning: and 5 more  [unreadable]" in out


def test_what_cannot_be_opened_is_one_line_or_one_document(pictures, capsys):
    for path in (pictures / "train" / "dog").iterdir():
        path.unlink()
    with pytest.raises(LabelError, match="class 'dog' is empty"):
        check(pictures)
    assert check(pictures, "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is False
    assert found["findings"][0]["code"] == "unusable"
    assert "class 'dog' is empty" in found["findings"][0]["message"]


def test_pictures_of_many_kinds_are_read_and_counted(pictures, capsys):
    save(pictures / "train" / "cat" / "grey.png", 1, "L", (30, 60))
    save(pictures / "train" / "cat" / "print.jpg", 2, "CMYK")
    save(pictures / "train" / "cat" / "few.gif", 3, "P")
    assert check(pictures) == 0
    out = capsys.readouterr().out
    assert "2 sizes; 97% are 20 x 24" in out
    assert "height 20-20-60, width 24-24-30" in out
    assert "RGB 36" in out
    for mode in ("L", "CMYK", "P"):
        assert f"{mode} 1" in out


def test_of_many_classes_the_rarest_are_shown(tmp_path, capsys):
    for k in range(25):
        for i in range(6 if k == 17 else 8):
            save(tmp_path / f"class{k:02}" / f"{i}.png", 100 * k + i)
    assert check(tmp_path, "--validation-fraction", "0", "--test-fraction", "0") == 0
    lines = capsys.readouterr().out.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("class (the 20 rarest)"))
    assert lines[start + 2].split() == ["class17", "6"]
    assert sum(line.startswith("class") and line[5].isdigit() for line in lines) == 20


def test_markup_in_names_is_shown_as_it_is(tmp_path, capsys):
    for name in ("[red]cat", "dog"):
        for i in range(8):
            save(tmp_path / name / f"{i}.png", i + 50 * len(name))
    check(tmp_path)
    assert any(line.startswith("[red]cat ") for line in capsys.readouterr().out.splitlines())


def lines_of(rows: np.ndarray, labels: list[str]) -> list[str]:
    return [
        ",".join(f"{v:.5f}" for v in row) + f",{label}"
        for row, label in zip(rows, labels, strict=True)
    ]


def courses(n: int, seed: int, steps: int = 30) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, (n, steps)).cumsum(axis=1)


def table(path: Path, rows: np.ndarray, labels: list[str], target: str = "label") -> Path:
    header = ",".join([*(f"t{i}" for i in range(rows.shape[1])), target])
    path.write_text("\n".join([header, *lines_of(rows, labels)]) + "\n")
    return path


def test_series_are_summed_up(tmp_path, capsys):
    data = table(tmp_path / "walks.csv", courses(40, 0), ["up", "down"] * 20)
    assert check(data) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines[0] == "walks: 40 series, 2 classes"
    assert lines[1] == "lengths: all 30 steps"
    assert lines[2] == "channels: 1"
    assert next(line for line in lines if line.startswith("class")).split()[1] == "train"
    assert lines[-1] == "no errors, no warnings"
    assert captured.err == ""


def test_a_series_in_two_splits_is_an_error(tmp_path, capsys):
    rows = courses(30, 1)
    np.savez(
        tmp_path / "walks.npz",
        X_train=rows[:20].astype(np.float32),
        y_train=np.array(["up", "down"] * 10),
        X_test=np.concatenate([rows[20:], rows[4:5]]).astype(np.float32),
        y_test=np.array([*(["up", "down"] * 5), "up"]),
    )
    assert check(tmp_path / "walks.npz", "--validation-fraction", "0") == 1
    out = capsys.readouterr().out
    assert "error: 1 series occurs with the same values in train and test" in out
    assert out.splitlines()[-1] == "1 error, no warnings"


def test_quantities_are_summed_up(tmp_path, capsys):
    flow = np.random.default_rng(3).normal(400, 80, 40)
    data = table(tmp_path / "roads.csv", courses(40, 2), [f"{v:.2f}" for v in flow], "target_flow")
    assert check(data, "--validation-fraction", "0", "--test-fraction", "0") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "roads: 40 series, 1 quantity"
    row = next(line for line in lines if line.startswith("flow"))
    rounded = flow.round(2)
    assert row.split() == [
        "flow",
        *f"{rounded.mean():.4g} ± {rounded.std():.3g},".split(),
        *f"{rounded.min():.4g} to {rounded.max():.4g}".split(),
    ]


def test_rates_and_durations_of_sound(tmp_path, capsys):
    import soundfile

    for place, name in enumerate(("low", "high")):
        (tmp_path / "tones" / name).mkdir(parents=True)
        for i in range(8):
            t = np.arange(800 * (i + 1)) / 8000
            noise = np.random.default_rng(10 * i + place).normal(0, 0.1, len(t))
            wave = 0.3 * np.sin(2 * np.pi * 300 * (place + 1) * t) + noise
            soundfile.write(tmp_path / "tones" / name / f"{i}.wav", wave, 8000)
    assert check(tmp_path / "tones") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "tones: 16 clips, 2 classes"
    assert lines[1] == (
        "lengths: 800-3,600-6,400 steps, 0.1-0.45-0.8 s (least-median-largest) at 8,000 Hz; "
        "7.2 s in all"
    )
