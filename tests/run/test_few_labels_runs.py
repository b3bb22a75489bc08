"""Whole runs that learn from samples without labels: nothing leaks, stopping changes nothing."""

import json
import re
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from residua.batch import Split
from residua.cli.main import run_command
from residua.data.few_labels import choose_labelled, hide_all_but
from residua.data.open import open_dataset
from residua.data.retabled import RetabledReader
from residua.training.stopping import StopRequest

FAST = ("--network", "resnet20", "--threads", "1", "--quiet", "--epochs", "2")
SEMI = ("--labels-per-class", "3", "--batch-size", "6", "--unlabelled-ratio", "2", "--ema", "0.9")
PRETRAIN = ("--batch-size", "10", "--lr", "0.01", "--projection", "32", "16")
INGREDIENTS = (
    ("--sam", "0.05"),
    ("--progressive", "0.5", "--train-scale", "0.8"),
    ("--repeated", "2"),
    ("--loss", "bce", "--mixup", "0.2", "--cutmix", "1", "--optimizer", "lamb"),
    ("--policy", "augmix", "--square-cutout", "1"),
)
METHODS = ("fixmatch", "adamatch", "softmatch", "mean-teacher")
OBJECTIVES = ("simclr", "byol", "vicreg")


@pytest.fixture(autouse=True)
def without_report(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("finish", "finish_pretraining"):
        monkeypatch.setattr(
            f"residua.run.{module}.write_run_report", lambda run, terminal: run.report
        )


def run_verb(verb: str, data: Path, run: Path, *options: str) -> int:
    return run_command([verb, str(data), "--run", str(run), *FAST, *options])


def weights(run: Path) -> dict:
    return load_file(run / "checkpoints/final/model.safetensors")


def same_weights(one: Path, two: Path) -> bool:
    a, b = weights(one), weights(two)
    return a.keys() == b.keys() and all(a[name].equal(b[name]) for name in a)


def records(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


class StopAfter(StopRequest):
    """As if Ctrl-C had been pressed in the middle of an epoch."""

    asked = 0

    @property
    def signal(self) -> int | None:
        self.asked += 1
        return signal.SIGINT if self.asked > 4 else None

    @signal.setter
    def signal(self, number: int | None) -> None: ...


@pytest.mark.parametrize(
    ("verb", "options"),
    [
        *(("train", (*SEMI, "--method", method)) for method in METHODS),
        *(("pretrain", (*PRETRAIN, "--method", each)) for each in OBJECTIVES),
        *(("train", ("--batch-size", "10", *ingredient)) for ingredient in INGREDIENTS),
    ],
)
def test_a_stopped_run_ends_with_the_same_bits(pictures, tmp_path, monkeypatch, verb, options):
    assert run_verb(verb, pictures, tmp_path / "whole", *options) == 0
    with monkeypatch.context() as patch:
        patch.setattr("residua.run.train.StopRequest", StopAfter)
        assert run_verb(verb, pictures, tmp_path / "stopped", *options) == 130
    assert not (tmp_path / "stopped/summary.json").exists()
    assert run_command(["resume", str(tmp_path / "stopped"), "--quiet"]) == 0
    assert same_weights(tmp_path / "whole", tmp_path / "stopped")
    kept = ("step", "train", "validation", "measures")
    whole, stopped = (
        [{key: line[key] for key in kept} for line in records(tmp_path / name)]
        for name in ("whole", "stopped")
    )
    assert whole == stopped


@pytest.mark.parametrize("method", METHODS)
def test_hidden_labels_are_out_of_reach(pictures, tmp_path, monkeypatch, method):
    """The labels of what is unlabelled are permuted; the rows that keep theirs stay the same."""

    def shuffled(config):
        dataset = open_dataset(config)
        labelled = choose_labelled(dataset, per_class=config.labels_per_class, seed=0)
        hidden = np.setdiff1d(dataset.rows(Split.TRAIN), labelled)
        labels = dataset.table.labels.copy()
        labels[hidden] = np.random.default_rng(0).permutation(labels[hidden])
        table = replace(dataset.table, labels=labels)
        reader = RetabledReader(source=dataset.reader, schema=dataset.schema, table=table)
        return hide_all_but(replace(dataset, reader=reader), labelled)

    options = (*SEMI, "--method", method, "--epochs", "1")
    assert run_verb("train", pictures, tmp_path / "true", *options) == 0
    monkeypatch.setattr("residua.run.opening.open_with_few_labels", shuffled)
    assert run_verb("train", pictures, tmp_path / "shuffled", *options) == 0
    assert same_weights(tmp_path / "true", tmp_path / "shuffled")
    seen = [records(tmp_path / name)[-1]["measures"] for name in ("true", "shuffled")]
    assert seen[0]["pseudo_used"] == seen[1]["pseudo_used"]
    if method in ("softmatch", "mean-teacher"):  # whose pseudo-labels all count a little
        assert seen[0]["pseudo_right"] != seen[1]["pseudo_right"]


def test_a_resumed_run_keeps_its_labels(pictures, tmp_path, monkeypatch, capsys):
    options, run = (*SEMI, "--method", "fixmatch"), tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr("residua.run.train.StopRequest", StopAfter)
        assert run_verb("train", pictures, run, *options) == 130
    path = run / "recipe.json"
    recipe = json.loads(path.read_text())
    path.write_text(json.dumps({**recipe, "data": {**recipe["data"], "label_seed": 1}}))
    capsys.readouterr()
    assert run_command(["resume", str(run), "--quiet"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "label_seed" in line


def test_pretraining_then_training_then_probing(pictures, tmp_path, capsys):
    before, after = tmp_path / "before", tmp_path / "after"
    assert run_verb("pretrain", pictures, before, "--batch-size", "16", "--method", "byol") == 0
    measured = records(before)[-1]
    assert measured["validation"].keys() == {"loss", "knn_accuracy", "n"}
    watched = {"embedding_std", "effective_rank", "linear_accuracy"}
    assert watched <= measured["measures"].keys()
    summary = json.loads((before / "summary.json").read_text())
    assert summary["test"] is None
    assert 0 <= summary["validation"]["linear_accuracy"] <= 1
    assert not any(name.startswith("fc.") for name in weights(before))
    options = ("--from", str(before), "--freeze", "3", "--batch-size", "16", "--ema", "0")
    assert run_verb("train", pictures, after, *options) == 0
    kept = [name for name in weights(before) if name.startswith("layer1") and "num_" not in name]
    assert kept
    assert all(weights(after)[name].equal(weights(before)[name]) for name in kept)
    for probe in ("knn", "linear"):
        capsys.readouterr()
        assert run_command(["evaluate", str(before), "--probe", probe, "--json"]) == 0
        assert 0 <= json.loads(capsys.readouterr().out)["accuracy"] <= 1
    assert run_command(["evaluate", str(before)]) == 1
    assert "no classifier" in capsys.readouterr().err
    assert run_command(["report", str(before)]) == 0
    page = (before / "report/report.html").read_text(encoding="utf-8")
    linear = summary["validation"]["linear_accuracy"]
    assert re.search(rf"<dt>Linear probe</dt>\s*<dd>{linear:.1%} of validation</dd>", page)


def grouped_table(pictures: Path, file: Path, groups: int) -> Path:
    """A manifest of all pictures, the n-th of group ``n % groups``."""
    rows = [
        f"{path},{path.parent.name},{number % groups}"
        for number, path in enumerate(sorted(pictures.glob("*/*.png")))
    ]
    file.write_text("\n".join(["path,label,group", *rows]))
    return file


def test_negatives_of_the_same_group(pictures, tmp_path, capsys):
    options = ("--negatives", "group", "--batch-size", "16")
    table = grouped_table(pictures, tmp_path / "speakers.csv", groups=12)
    for name, extra in (("grouped", options), ("all", ("--batch-size", "16"))):
        assert run_verb("pretrain", table, tmp_path / name, *extra) == 0
    assert not same_weights(tmp_path / "grouped", tmp_path / "all")
    losses = [records(tmp_path / name)[0]["train"]["loss"] for name in ("grouped", "all")]
    assert losses[0] < losses[1]  # fewer to be told apart from
    capsys.readouterr()
    each = grouped_table(pictures, tmp_path / "each.csv", groups=10**6)
    for data, received in ((pictures, "no groups"), (each, "a group for every sample")):
        assert run_verb("pretrain", data, tmp_path / "none", *options) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "--negatives group needs samples of the same group" in line
        assert f"received {received}" in line


def flat_copy(pictures: Path, flat: Path) -> Path:
    flat.mkdir()
    for number, path in enumerate(sorted(pictures.glob("*/*.png"))):
        (flat / f"{number}.png").write_bytes(path.read_bytes())
    return flat


def test_the_report_of_a_folder_without_classes_shows_its_views(
    pictures, tmp_path, capsys, monkeypatch
):
    from residua.run.reporting import write_run_report

    run = tmp_path / "run"
    flat = flat_copy(pictures, tmp_path / "flat")
    monkeypatch.setattr("residua.run.finish_pretraining.write_run_report", write_run_report)
    assert run_verb("pretrain", flat, run, "--batch-size", "16") == 0
    assert capsys.readouterr().err == ""
    page = (run / "report/report.html").read_text(encoding="utf-8")
    assert "Augmented samples" in page
    assert "residua pretrain" in page


def test_a_folder_without_classes(pictures, tmp_path, capsys):
    flat = flat_copy(pictures, tmp_path / "flat")
    (flat / "broken.png").write_bytes(b"no picture")
    run = tmp_path / "run"
    assert run_verb("pretrain", flat, run, "--batch-size", "16") == 0
    assert "broken.png" in capsys.readouterr().err
    assert records(run)[-1]["validation"] is None
    options = ("--unlabelled", str(flat), "--method", "fixmatch", "--batch-size", "8")
    assert run_verb("train", pictures, tmp_path / "semi", *options) == 0
    assert json.loads((tmp_path / "semi/summary.json").read_text())["test"]["n"] > 0


@pytest.mark.parametrize(
    ("verb", "words", "options"),
    [
        ("train", "at least 1000|received", ("--labels-per-class", "1000")),
        ("train", "without labels|--unlabelled", ("--method", "fixmatch")),
        ("train", "supervised", ("--unlabelled", "{data}")),
        ("train", "mixup", (*SEMI, "--method", "fixmatch", "--mixup", "0.2")),
        ("train", "sound", ("--unlabelled", "{sounds}", "--method", "fixmatch")),
        ("pretrain", "one alone|--batch-size", ("--batch-size", "1")),
        ("pretrain", "--accumulate 1", ("--accumulate", "2", "--batch-size", "16")),
        ("pretrain", "simclr, byol or vicreg", ("--method", "none")),
    ],
)
def test_bad_input_is_one_line(pictures, tmp_path, capsys, verb, words, options):
    import soundfile

    sounds = tmp_path / "sounds"
    sounds.mkdir()
    soundfile.write(sounds / "a.wav", np.zeros(800), 8000)
    said = [each.format(data=pictures, sounds=sounds) for each in options]
    capsys.readouterr()
    assert run_verb(verb, pictures, tmp_path / "run", *said) in (1, 2)
    (line,) = capsys.readouterr().err.splitlines()
    for word in words.split("|"):
        assert word in line, line
    assert not (tmp_path / "run").exists()
