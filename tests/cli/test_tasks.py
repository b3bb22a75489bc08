"""Whole runs of every task but classification through the command line, on tiny made data."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from residua.api import Run
from residua.cli.main import run_command
from residua.run.store import load_answers, load_scores

Capture = pytest.CaptureFixture[str]

FAST = ("--threads", "1", "--quiet", "--batch-size", "10", "--validation-fraction", "0.2")


def output(capsys: Capture, *arguments: object) -> str:
    capsys.readouterr()
    assert run_command([str(argument) for argument in arguments]) == 0
    return capsys.readouterr().out


def line_of(capsys: Capture, code: int, *arguments: object) -> str:
    """The one line on standard error of a command that ends with ``code``."""
    capsys.readouterr()
    assert run_command([str(argument) for argument in arguments]) == code
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.fixture(autouse=True)
def without_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("residua.run.finish.write_run_report", lambda run, terminal: run.report)


def check_agreement(capsys: Capture, folder: Path, task: str, score: str) -> dict:
    """What a run says in its files, in Python and on the command line is the same."""
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["task"] == task
    epochs = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert epochs[-1]["validation"].keys() == {"loss", score, "n"}
    assert summary["train"] == epochs[-1]["train"]
    stored = load_scores(folder / "evaluation", "test")
    assert stored is not None
    said = json.loads(output(capsys, "evaluate", folder, "--json"))
    assert said["task"] == stored.to_json()["task"] == task
    assert said["loss"] == pytest.approx(stored.loss, rel=1e-4)
    assert summary["test"]["loss"] == stored.loss
    assert Run(folder).evaluate("test").headline.name == stored.headline.name
    checkpoint = json.loads((folder / "checkpoints/final/checkpoint.json").read_text())
    assert checkpoint["temperature"] is None
    assert checkpoint["scores"]["test"]["loss"] == stored.loss
    return summary


# ---- regression ---------------------------------------------------------------------------------


def sines(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    frequency = rng.uniform(1, 5, n)
    phase = rng.uniform(0, 6, n)
    x = np.sin(2 * np.pi * frequency[:, None] * np.linspace(0, 1, 40) + phase[:, None])
    return x.astype(np.float32), 1000 + 50 * frequency


@pytest.fixture(scope="module")
def quantities(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("data") / "sines.npz"
    (x, y), (xt, yt) = sines(60, 0), sines(20, 1)
    np.savez(file, X_train=x, y_train=y, X_test=xt, y_test=yt)
    return file


def test_regression(capsys: Capture, quantities: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    options = ("--network", "resnet20", "--updates", 60, "--ema", 0, "--lr", 0.005)
    output(capsys, "train", quantities, "--run", folder, *FAST, *options)
    summary = check_agreement(capsys, folder, "regression", "r2")
    assert summary["test"]["r2"] > 0.2  # knows more than the mean
    schema = json.loads((folder / "checkpoints/final/checkpoint.json").read_text())["schema"]
    assert schema["offsets"][0] == pytest.approx(1150, abs=30)
    assert schema["scales"][0] == pytest.approx(50 * 4 / 12**0.5, rel=0.2)
    recipe = json.loads((folder / "recipe.json").read_text())
    assert recipe["method"]["label_smoothing"] == 0  # as the recipe for series has .1 of classes
    answers = load_answers(folder / "evaluation", "test")
    assert answers["values"].shape == answers["logits"].shape == (20, 1)
    rows = [line.split("\t") for line in output(capsys, "predict", folder, quantities).splitlines()]
    assert len(rows) == 80
    values = np.array([float(cell.removeprefix("target=")) for _, cell in rows])
    _, truth = sines(20, 1)
    error = np.abs(values[-20:] - truth).mean()
    assert error == pytest.approx(summary["test"]["quantities"][0]["mae"], rel=0.05)
    said = json.loads(output(capsys, "predict", folder, quantities, "--json").splitlines()[0])
    assert said["values"]["target"] == pytest.approx(values[0], rel=1e-4)
    assert "R2" in output(capsys, "evaluate", folder)


def test_options_for_classes_are_refused(capsys: Capture, quantities: Path) -> None:
    for option in (("--balance", "sampling"), ("--label-smoothing", "0.3")):
        line = line_of(capsys, 2, "train", quantities, *option)
        assert line.startswith(f"residua: {option[0]} means nothing for regression")


def test_a_target_that_never_changes(capsys: Capture, tmp_path: Path) -> None:
    x, y = sines(20, 0)
    np.savez(tmp_path / "d.npz", X_train=x, y_train=np.stack([y, np.full(20, 7.5)], 1))
    line = line_of(capsys, 1, "train", tmp_path / "d.npz", "--run", tmp_path / "run")
    assert "'target 2' is the same in all training samples" in line
    assert not (tmp_path / "run").exists()


# ---- several labels -----------------------------------------------------------------------------


def patterns(file: Path, n: int, seed: int) -> None:
    rng, t = np.random.default_rng(seed), np.arange(32)
    with file.open("w", newline="") as out:
        table = csv.writer(out)
        table.writerow(["labels", *(f"t{i}" for i in range(32))])
        for _ in range(n):
            names, x = [], 0.2 * rng.normal(size=32)
            if rng.random() < 0.5:
                names, x = [*names, "wave"], x + np.sin(1.6 * t + rng.uniform(0, 6))
            if rng.random() < 0.5:
                names, x = [*names, "step"], x + np.where(t > rng.uniform(8, 24), 2, 0)
            table.writerow(["|".join(names), *(f"{value:.4f}" for value in x)])


def test_several_labels(capsys: Capture, tmp_path: Path) -> None:
    data, folder = tmp_path / "data", tmp_path / "run"
    data.mkdir()
    patterns(data / "p_TRAIN.csv", 80, 0)
    patterns(data / "p_TEST.csv", 40, 1)
    options = ("--network", "resnet20", "--updates", 60, "--ema", 0, "--lr", 0.005)
    output(capsys, "train", data, "--run", folder, *FAST, *options)
    summary = check_agreement(capsys, folder, "multilabel", "auc")
    assert summary["test"]["macro_auc"] > 0.8
    assert summary["train"].keys() == {"loss", "label_accuracy", "n"}
    answers = load_answers(folder / "evaluation", "test")
    names = ("step", "wave")
    said = output(capsys, "predict", folder, data / "p_TEST.csv").splitlines()
    assert len(said) == 40
    for line, logits in zip(said, answers["logits"], strict=True):
        likely = {name for name, z in zip(names, logits, strict=True) if z > 0}
        cells = line.split("\t")[1:]
        assert {cell.split("=")[0] for cell in cells} - {"-"} == likely
    lines = output(capsys, "predict", folder, data / "p_TEST.csv", "--json").splitlines()
    whole = json.loads(lines[0])
    assert {name for name, _ in whole["top"]} == set(names)
    assert all(share > 0.5 for _, share in whole["labels"])
    assert "ROC AUC" in output(capsys, "evaluate", folder)


# ---- transcripts --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Letters as tones; of the last clip far more letters are claimed than fit."""
    root = tmp_path_factory.mktemp("tones")
    rng, t = np.random.default_rng(0), np.arange(1000) / 8000
    pitches = {"a": 400, "b": 900, "c": 1800}
    rows = ["path,transcript,split"]
    for number in range(25):
        letters = "".join(rng.choice(list("abc"), rng.integers(1, 4)))
        waves = [np.sin(2 * np.pi * pitches[letter] * t) * np.hanning(1000) for letter in letters]
        sf.write(root / f"{number}.wav", np.concatenate(waves).astype(np.float32), 8000)
        claimed = "abc" * 30 if number == 24 else letters
        rows.append(f"{number}.wav,{claimed},{'test' if number < 5 else 'train'}")
    (root / "tones.csv").write_text("\n".join(rows))
    return root / "tones.csv"


NETWORK = ("--network", "crnn_small", "--mels", "24")


def test_transcripts(capsys: Capture, tones: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    capsys.readouterr()
    output(capsys, "train", tones, "--run", folder, *FAST, *NETWORK, "--updates", 2)
    summary = check_agreement(capsys, folder, "ctc", "token_accuracy")
    counts = [summary[split]["n"] for split in ("validation", "test")]
    assert summary["train"]["n"] + sum(counts) == 24
    answers = load_answers(folder / "evaluation", "test")
    assert summary["test"]["tokens"] == answers["token_counts"].sum()
    assert answers["logits"].shape == (5, 4, answers["lengths"].max())
    said = [
        json.loads(line)
        for line in output(capsys, "predict", folder, tones.parent, "--json").splitlines()
    ]
    assert len(said) == 25
    assert all("".join(each["tokens"]) == each["text"] for each in said)
    assert all(0 < each["probability"] <= 1 for each in said)
    (line,) = output(capsys, "predict", folder, tones.parent / "3.wav").splitlines()
    assert len(line.split("\t")) == 3
    assert "token error rate" in output(capsys, "evaluate", folder)


def test_transcripts_that_do_not_fit_are_named(
    capsys: Capture, tones: Path, tmp_path: Path
) -> None:
    line = line_of(capsys, 1, "train", tones, "--run", tmp_path / "run", *NETWORK, "--strict")
    assert "transcripts are longer than the network's output" in line
    assert "24.wav (90 of " in line


def test_transcripts_are_neither_mixed_nor_learnt_by_all_networks(
    capsys: Capture, tones: Path
) -> None:
    assert "--mixup" in line_of(capsys, 2, "train", tones, *NETWORK, "--mixup", "0.2")
    assert "crnn_small" in line_of(capsys, 2, "train", tones, "--network", "resnet18")
