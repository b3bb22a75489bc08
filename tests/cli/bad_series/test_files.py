"""Series, sound and text that cannot be used: one clear line each, and the rest goes on."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.cli.bad_series.tools import (
    BAD_LINES,
    FLAT,
    WHOLE,
    Capture,
    bad_clips,
    call,
    cases,
    clips,
    empty,
    fails,
    pair,
    texts,
    tone,
    train,
    ts,
    wav,
    wave,
)


def header_only(folder: Path) -> Path:
    return ts(folder / "nothing.ts", [])


def single(folder: Path) -> Path:
    return ts(folder / "single.ts", cases(1)[:1])


def nothing_right(folder: Path) -> Path:
    return ts(folder / "wrong.ts", ["1,x:a", "1,2,3", "inf,2:b"])


def objects(folder: Path) -> Path:
    ragged = np.empty(2, dtype=object)
    ragged[:] = [np.zeros(3), np.zeros(4)]
    np.save(folder / "X.npy", ragged, allow_pickle=True)
    np.save(folder / "y.npy", np.array([0, 1]))
    return folder


BAD_FILES = {
    "empty file": (empty, "the file is empty|@data|empty.ts"),
    "no samples": (header_only, "nothing.ts"),
    "a single sample": (single, "fewer than two classes|received only 'a'|single"),
    "no line that is right": (nothing_right, "wrong.ts"),
    "an array of objects": (objects, "Python objects is not read|X.npy|one float32 array"),
}


@pytest.mark.parametrize("verb", ["train", "check"])
@pytest.mark.parametrize("name", BAD_FILES)
def test_files_without_a_usable_sample(
    capsys: Capture, tmp_path: Path, name: str, verb: str
) -> None:
    make, words = BAD_FILES[name]
    fails(capsys, 1, words, verb, make(tmp_path))


# ---- damaged samples among good ones ------------------------------------------------------------


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_damaged_line_is_named_and_the_rest_is_checked(
    capsys: Capture, tmp_path: Path, line: str
) -> None:
    data = pair(tmp_path / "x", [line])
    code, out, _ = call(capsys, "check", data)
    (named,) = (each for each in out.splitlines() if each.startswith("warning: "))
    for word in BAD_LINES[line].split("|"):
        assert word in named
    assert code == 0
    code, out, err = call(capsys, "check", data, "--strict")
    assert code == 1
    assert "x_TRAIN.ts:22" in out + err


def test_damaged_lines_are_named_and_the_rest_is_trained_on(
    capsys: Capture, tmp_path: Path
) -> None:
    data = pair(tmp_path / "x", [*BAD_LINES, f"{FLAT}:a"], [f"{wave(0, 70)}:c"])
    code, _, err = call(capsys, *train(data, tmp_path / "run", *WHOLE))
    assert code == 0
    for number, words in enumerate(BAD_LINES.values(), start=22):
        (line,) = (each for each in err.splitlines() if f"x_TRAIN.ts:{number}" in each)
        assert line.startswith("warning: ")
        assert words.split("|")[0] in line
    (unknown,) = (each for each in err.splitlines() if "x_TEST.ts:14" in each)
    assert "class 'c' is not among the training classes: expected one of a, b" in unknown
    (flat,) = (each for each in err.splitlines() if "constant" in each)
    assert flat.startswith("warning: 1 of ")
    assert flat.endswith(f"no shape to learn: x_TRAIN.ts:{22 + len(BAD_LINES)}")
    assert len(err.splitlines()) == len(BAD_LINES) + 2
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["train"]["n"], summary["test"]["n"]) == (17, 8)  # the constant one is kept


def test_damaged_clips_are_named_and_the_rest_goes_on(capsys: Capture, tmp_path: Path) -> None:
    data = clips(tmp_path / "sounds")
    wav(data / "a" / "fast.wav", tone(0, 90, 16_000), 16_000)
    wav(data / "a" / "silent.wav", np.zeros(2400))
    damaged = bad_clips(data)
    code, _, err = call(capsys, *train(data, tmp_path / "run", *WHOLE, "--test-fraction", 0))
    assert code == 0
    lines = err.splitlines()
    (silent,) = (each for each in lines if "silent" in each)
    assert silent.startswith("warning: 1 of ")
    assert silent.endswith("training samples are silent: a/silent.wav")
    for name, reason in damaged.items():
        (line,) = (each for each in lines if name in each)
        assert line.startswith("warning: left out: ")
        assert reason in line
    (rates,) = (each for each in lines if "Hz" in each)
    assert rates.startswith("warning: rate: the clips differ")
    assert "1 at 16,000 Hz" in rates
    assert "all become 8,000 Hz" in rates
    assert len(lines) == len(damaged) + 2
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["train"]["n"] == 18
    code, _, err = call(capsys, *train(data, tmp_path / "strict", "--strict"))
    assert code == 1
    assert err.splitlines()[-1].startswith("residua: ")


def test_check_names_every_damaged_clip(capsys: Capture, tmp_path: Path) -> None:
    data = clips(tmp_path / "sounds")
    wav(data / "a" / "fast.wav", tone(0, 90, 16_000), 16_000)
    wav(data / "a" / "silent.wav", np.zeros(2400))
    wav(data / "b" / "loud.wav", np.clip(50 * tone(0, 91), -1, 1))
    damaged = bad_clips(data)
    code, out, _ = call(capsys, "check", data, "--json")
    assert code == 0
    found = json.loads(out)
    by_code: dict[str, list[dict]] = {}
    for finding in found["findings"]:
        by_code.setdefault(finding["code"], []).append(finding)
    unreadable = {each["keys"][0][0]: each["message"] for each in by_code["unreadable"]}
    assert set(unreadable) == set(damaged)
    assert all(reason in unreadable[name] for name, reason in damaged.items())
    assert by_code["silent"][0]["keys"] == [["a/silent.wav"]]
    assert by_code["clipped"][0]["keys"] == [["b/loud.wav"]]
    assert "18 at 8,000 Hz, 1 at 16,000 Hz" in by_code["mixed-rates"][0]["message"]
    assert found["series"]["rates"] == {"8000": 18, "16000": 1}
    assert "left-out" not in by_code


def test_an_empty_text_is_named(capsys: Capture, tmp_path: Path) -> None:
    data = texts(tmp_path / "texts.csv", '"",a\n')
    code, _, err = call(capsys, *train(data, tmp_path / "run", *WHOLE, "--test-fraction", 0))
    assert code == 0
    (line,) = err.splitlines()
    assert "texts.csv:18" in line
    code, out, _ = call(capsys, "check", data)
    assert code == 0
    assert sum("texts.csv:18" in each for each in out.splitlines()) >= 1
