"""Whole runs on real pictures. Minutes each: pytest -m slow tests/run/test_real_data.py"""

import json
import shutil
from pathlib import Path

import pytest

from residua.cli.main import run_command

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def summary(run: Path) -> dict:
    return json.loads((run / "summary.json").read_text())


def test_birds_without_any_option(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "birds"
    shutil.copytree(shared_data / "birds", data)
    bad = data / "train" / "Mallard" / "bad.jpg"
    bad.write_bytes(b"not a picture")
    run = tmp_path / "run"
    options = ["--network", "resnet18", "--epochs", "2", "--run", str(run)]
    assert run_command(["train", str(data), *options]) == 0
    assert "train/Mallard/bad.jpg" in capsys.readouterr().err
    found = summary(run)
    assert found["test"]["n"] == 2903
    assert found["test"]["accuracy"] > 0.02  # twice chance, after two epochs from nothing
    assert run_command(["train", str(data), *options[:-1], str(tmp_path / "two"), "--strict"]) == 1
    assert "bad.jpg" in capsys.readouterr().err


def test_fashion_mnist_learns_within_one_epoch(shared_data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    data = str(shared_data / "fashion-mnist")
    options = ["--network", "resnet20", "--epochs", "1", "--lr", "0.05", "--run", str(run)]
    assert run_command(["train", data, *options]) == 0
    found = summary(run)
    assert found["test"]["n"] == 10_000
    assert found["test"]["accuracy"] > 0.8
