"""`residua events` on a network that the command line has trained: bursts in a long clip."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from residua.cli.main import run_command

RATE, SECONDS = 2000, 0.25
BURSTS = ((3.0, 5.0), (8.0, 9.5))


def noise(rng: np.random.Generator, seconds: float) -> np.ndarray:
    return rng.normal(0, 0.05, int(seconds * RATE))


def tone(rng: np.random.Generator, seconds: float) -> np.ndarray:
    t = np.arange(int(seconds * RATE)) / RATE
    return noise(rng, seconds) + 0.4 * np.sin(2 * np.pi * 440 * t + rng.uniform(0, 6))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root, rng = tmp_path_factory.mktemp("events"), np.random.default_rng(0)
    for split, count in (("train", 40), ("test", 10)):
        for name, make in (("calm", noise), ("burst", tone)):
            folder = root / "clips" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                sf.write(folder / f"{number}.wav", make(rng, SECONDS), RATE)
    options = ("--network", "resnet20", "--mels", "32", "--updates", "40", "--threads", "1")
    said = [root / "clips", "--run", root / "run", *options, "--quiet", "--ema", "0.5"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("residua.run.finish.write_run_report", lambda run, terminal: run.report)
        assert run_command(["train", *map(str, said)]) == 0
    return root / "run"


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(1)
    wave = noise(rng, 12.0)
    for start, end in BURSTS:
        wave[int(start * RATE) : int(end * RATE)] = tone(rng, end - start)
    path = tmp_path_factory.mktemp("recording") / "long.wav"
    sf.write(path, wave, RATE)
    return path


def events(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    capsys.readouterr()
    options = ("--window", SECONDS, "--ignore", "calm", "--device", "cpu")
    assert run_command(["events", *map(str, (*arguments, *options))]) == 0
    return capsys.readouterr().out


def test_bursts_are_found_where_they_are(capsys, run, recording):
    rows = list(csv.DictReader(events(capsys, run, recording).splitlines()))
    assert [row["label"] for row in rows] == ["burst"] * len(BURSTS)
    for row, (start, end) in zip(rows, BURSTS, strict=True):
        assert float(row["start_seconds"]) == pytest.approx(start, abs=SECONDS)
        assert float(row["end_seconds"]) == pytest.approx(end, abs=SECONDS)
        assert 0.5 < float(row["probability"]) <= 1


def test_as_json_and_without_the_short_ones(capsys, run, recording):
    lines = events(capsys, run, recording, "--json", "--at-least", 1.8).splitlines()
    (found,) = map(json.loads, lines)
    assert found["start_seconds"] == pytest.approx(3.0, abs=SECONDS)


def test_an_absent_recording_is_one_line(capsys, run, tmp_path):
    capsys.readouterr()
    assert run_command(["events", str(run), str(tmp_path / "absent.wav")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "absent.wav" in line
