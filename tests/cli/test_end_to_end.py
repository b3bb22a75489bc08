"""Whole runs through the command line, on data of every layout and with every option."""

import gzip
import io
import json
import re
import struct
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from residua.cli.main import run_command

FAST = ["--network", "resnet20", "--threads", "1", "--quiet", "--batch-size", "16", "--epochs", "1"]
CLASSES = ("columns", "dots", "rows")
PER_CLASS = 24
TRAINED_ON = 18
"""Of each class where a layout names the splits; the others are its test split."""

EPOCHS = 8

SUMMARY = {
    "network", "data", "task", "seed", "epochs", "steps", "seconds", "samples_per_second",
    "peak_memory_bytes", "parameters", "train", "validation", "test",
}  # fmt: skip

Capture = pytest.CaptureFixture[str]


def run(*arguments: object) -> None:
    assert run_command([str(argument) for argument in arguments]) == 0


def output(capsys: Capture, *arguments: object) -> str:
    """What a verb writes on standard output."""
    capsys.readouterr()
    run(*arguments)
    return capsys.readouterr().out


def summary(folder: Path) -> dict:
    return json.loads((folder / "summary.json").read_text())


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "checkpoints" / "final" / "model.safetensors")


@pytest.fixture
def without_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """For runs of which only the training matters: the report takes as long as the rest."""
    monkeypatch.setattr("residua.run.finish.write_run_report", lambda run, terminal: run.report)


# ---- layouts ------------------------------------------------------------------------------------


def each(pictures: Path) -> Iterator[tuple[str, str, int, Path]]:
    """Split, class, number and file of each picture."""
    for name in CLASSES:
        for number in range(PER_CLASS):
            split = "train" if number < TRAINED_ON else "test"
            yield split, name, number, pictures / name / f"{number}.png"


def image_folder(pictures: Path, root: Path) -> Path:
    for split, name, number, path in each(pictures):
        target = root / split / name / f"{number}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path)
    return root


def manifest(pictures: Path, root: Path) -> Path:
    """In groups of three, which must stay together."""
    root.mkdir()
    rows = [f"{path},{name},{number // 3}-{name}" for _, name, number, path in each(pictures)]
    (root / "table.csv").write_text("\n".join(["path,label,group", *rows]))
    return root / "table.csv"


def parquet(pictures: Path, root: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    root.mkdir()
    kinds = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": list(CLASSES)}}
    for wanted in ("train", "test"):
        rows = [(name, path) for split, name, _, path in each(pictures) if split == wanted]
        cells = [{"bytes": path.read_bytes(), "path": path.name} for _, path in rows]
        labels = [CLASSES.index(name) for name, _ in rows]
        content = pa.table({"image": cells, "label": labels}).replace_schema_metadata(
            {"huggingface": json.dumps({"info": {"features": kinds}})}
        )
        pq.write_table(content, root / f"{wanted}-00000-of-00001.parquet")
    return root


def idx(pictures: Path, root: Path) -> Path:
    root.mkdir()
    (root / "classes.txt").write_text("\n".join(CLASSES))
    for wanted, prefix in (("train", "train"), ("test", "t10k")):
        rows = [(name, path) for split, name, _, path in each(pictures) if split == wanted]
        pixels = np.stack([np.asarray(Image.open(path)) for _, path in rows])
        labels = bytes(CLASSES.index(name) for name, _ in rows)
        header = struct.pack(">IIII", 0x803, *pixels.shape)
        with gzip.open(root / f"{prefix}-images-idx3-ubyte.gz", "wb") as file:
            file.write(header + pixels.tobytes())
        with gzip.open(root / f"{prefix}-labels-idx1-ubyte.gz", "wb") as file:
            file.write(struct.pack(">II", 0x801, len(labels)) + labels)
    return root


LAYOUTS: dict[str, Callable[[Path, Path], Path]] = {
    "image folder": image_folder,
    "manifest": manifest,
    "parquet": parquet,
    "idx": idx,
}


@pytest.mark.parametrize(
    ("layout", "cache"), [*((layout, "auto") for layout in LAYOUTS), ("parquet", "never")]
)
@pytest.mark.usefixtures("without_report")
def test_layouts(pictures: Path, tmp_path: Path, layout: str, cache: str) -> None:
    data = LAYOUTS[layout](pictures, tmp_path / "data")
    run("train", data, "--run", tmp_path / "run", *FAST, "--cache", cache, "--workers", 1)
    found = summary(tmp_path / "run")
    counts = {split: found[split]["n"] for split in ("train", "validation", "test")}
    assert sum(counts.values()) == len(CLASSES) * PER_CLASS
    if layout == "manifest":  # groups of three are on one side
        assert all(count % 3 == 0 for count in counts.values())
    else:
        assert counts["test"] == len(CLASSES) * (PER_CLASS - TRAINED_ON)
    assert all(count > 0 for count in counts.values())


# ---- one run, all verbs -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return image_folder(pictures, tmp_path_factory.mktemp("layout") / "patterns")


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Long enough to tell the patterns apart."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    options = ["--epochs", EPOCHS, "--precision", "float32", "--ema", 0, "--lr", 0.02]
    run("train", data, "--run", folder, *FAST, *options)
    return folder


def test_run_folder(trained: Path, data: Path) -> None:
    names = {"recipe.json", "metrics.jsonl", "summary.json", "checkpoints", "report", "evaluation"}
    assert names == {path.name for path in trained.iterdir()}
    found = summary(trained)
    assert found.keys() >= SUMMARY
    assert found["network"] == "resnet20"
    assert found["data"] == str(data)
    assert found["task"] == "classification"
    assert found["epochs"] == EPOCHS
    assert found["steps"] == EPOCHS * 3  # 48 samples in batches of 16
    assert found["parameters"] == 269_722 - 2 * 16 * 9 - 7 * 65  # 1 channel and 3 classes
    for split in ("train", "validation", "test"):
        assert found[split].keys() >= {"loss", "accuracy", "n"}
    low, high = found["test"]["accuracy_ci95"]
    assert low < found["test"]["accuracy"] <= high
    assert found["test"]["accuracy"] > 0.9
    epochs = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    assert [record["epoch"] for record in epochs] == list(range(1, EPOCHS + 1))
    assert epochs[-1]["train"]["loss"] < epochs[0]["train"]["loss"]


def test_resume_of_a_complete_run(capsys: Capture, trained: Path) -> None:
    before = (trained / "summary.json").stat().st_mtime_ns
    assert "complete" in output(capsys, "resume", trained)
    assert json.loads(output(capsys, "resume", trained, "--json")) == summary(trained)
    assert (trained / "summary.json").stat().st_mtime_ns == before


def test_evaluate(capsys: Capture, trained: Path, data: Path, pictures: Path) -> None:
    own = json.loads(output(capsys, "evaluate", trained, "--json"))
    assert own["split"] == "test"
    assert own["n"] == 18
    assert own["accuracy"] == summary(trained)["test"]["accuracy"]
    assert (
        own["confusion"] == json.loads((trained / "evaluation/test.json").read_text())["confusion"]
    )
    again = json.loads(output(capsys, "evaluate", trained, data, "--json"))
    assert again["split"] == "test"
    assert again["confusion"] == own["confusion"]
    other = json.loads(output(capsys, "evaluate", trained, pictures, "--json"))
    assert (other["split"], other["n"]) == ("all", 72)
    text = output(capsys, "evaluate", trained)
    assert f"test accuracy {own['accuracy']:.1%}" in text
    assert all(name in text for name in CLASSES)


def test_predict(
    capsys: Capture, trained: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [str(pictures / name / "20.png") for name in CLASSES]
    from_files = output(capsys, "predict", trained, *files)
    rows = [line.split("\t") for line in from_files.splitlines()]
    assert [path for path, _, _ in rows] == files
    assert [label for _, label, _ in rows] == list(CLASSES)
    assert all(float(probability) > 1 / 3 for _, _, probability in rows)
    assert output(capsys, "predict", trained, f"{pictures}/*/20.png") == from_files
    assert output(capsys, "predict", trained / "checkpoints" / "final", *files) == from_files
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(files)))
    assert output(capsys, "predict", trained, "-") == from_files
    answers = [
        json.loads(line)
        for line in output(capsys, "predict", trained, pictures, "--json").splitlines()
    ]
    assert len(answers) == 72
    assert all(answer["path"].startswith(str(pictures)) for answer in answers)
    assert all(sum(p for _, p in answer["top"]) == pytest.approx(1) for answer in answers)
    assert all(answer["top"][0] == [answer["label"], answer["probability"]] for answer in answers)


def test_report(capsys: Capture, trained: Path) -> None:
    page = trained / "report" / "report.html"
    page.unlink()
    assert output(capsys, "report", trained) == f"{page}\n"
    text = page.read_text()
    assert f"{100 * summary(trained)['test']['accuracy']:.1f}" in text
    assert all(name in text for name in CLASSES)
    assert text.count("data:image/png;base64,") > 10
    assert not re.search(r'(src|href)="(?!data:|#)', text)  # nothing is fetched
    assert len(list((trained / "report").rglob("*.png"))) >= 3


def test_report_repeats_the_command(trained: Path, data: Path, tmp_path: Path) -> None:
    """The command that the report shows trains the same weights."""
    text = (trained / "report" / "report.html").read_text()
    (command,) = set(re.findall(r"residua (train [^<]+)", text))
    words = command.split()
    assert words[1] == str(data)
    run(*words, "--run", tmp_path / "again", "--quiet")
    one, two = weights(trained), weights(tmp_path / "again")
    assert all(one[name].equal(two[name]) for name in one)


def test_json_keeps_messages_off_standard_output(
    capsys: Capture, data: Path, tmp_path: Path
) -> None:
    options = [option for option in FAST if option != "--quiet"]
    capsys.readouterr()
    run("train", data, "--run", tmp_path / "run", *options, "--json")
    out, err = capsys.readouterr()
    assert json.loads(out) == summary(tmp_path / "run")
    assert "network  resnet20" in err
    assert "epoch   1/1" in err
    assert "report   " in err


def test_find_lr(capsys: Capture, data: Path) -> None:
    options = ["--network", "resnet20", "--threads", 1, "--batch-size", 16, "--steps", 12]
    found = json.loads(output(capsys, "find-lr", data, *options, "--json"))
    assert len(found["lrs"]) == len(found["losses"]) >= 2
    assert "learning rate" in output(capsys, "find-lr", data, *options)


# ---- options ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("without_report")
def test_wide_colour_pictures(tmp_path: Path) -> None:
    """Non-square, of many sizes, with crops of random size above 64 pixels."""
    generator = np.random.default_rng(0)
    for label, colour in enumerate(((200, 40, 40), (40, 200, 40), (40, 40, 200))):
        (tmp_path / "data" / f"c{label}").mkdir(parents=True)
        for number in range(12):
            size = generator.integers(50, 150, 2)
            noise = generator.normal(0, 30, (*size, 3)) + colour
            image = Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8))
            image.save(tmp_path / "data" / f"c{label}" / f"{number}.jpg")
    options = ["--size", 48, 80, "--crop", "resized", "--fit", "pad", "--epochs", 2]
    run("train", tmp_path / "data", "--run", tmp_path / "run", *FAST, *options)
    content = json.loads((tmp_path / "run" / "checkpoints/final/checkpoint.json").read_text())
    assert content["preprocess"]["size"] == [48, 80]
    assert content["preprocess"]["channels"] == 3
    assert content["recipe"]["augment"]["crop"] == "resized"


@pytest.fixture(scope="module")
def imbalanced(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("imbalanced") / "data"
    for _, name, number, path in each(pictures):
        if number < {"columns": 24, "dots": 12, "rows": 6}[name]:
            (root / name).mkdir(parents=True, exist_ok=True)
            (root / name / path.name).symlink_to(path)
    return root


@pytest.mark.usefixtures("without_report")
def test_balance(imbalanced: Path, tmp_path: Path) -> None:
    for balance in ("none", "loss", "sampling"):
        run("train", imbalanced, "--run", tmp_path / balance, *FAST, "--balance", balance)
    found = {name: weights(tmp_path / name) for name in ("none", "loss", "sampling")}
    biases = [found[name]["fc.bias"] for name in found]
    assert not any(biases[i].equal(biases[j]) for i, j in ((0, 1), (0, 2), (1, 2)))
    assert len({summary(tmp_path / name)["train"]["n"] for name in found}) == 1


@pytest.mark.usefixtures("without_report")
def test_transfer(capsys: Capture, trained: Path, imbalanced: Path, tmp_path: Path) -> None:
    """Another number of classes: a new classifier on stages that stay as they are."""
    other = tmp_path / "two"
    for name in ("dots", "rows"):
        (other / name).parent.mkdir(exist_ok=True)
        (other / name).symlink_to(imbalanced / name)
    options = ["--start", trained, "--freeze", 2, "--ema", 0]
    verbose = [option for option in FAST if option != "--quiet"]
    text = output(capsys, "train", other, "--run", tmp_path / "run", *verbose, *options)
    assert "new: fc.weight, fc.bias" in text
    before, after = weights(trained), weights(tmp_path / "run")
    same = {name for name in before if before[name].equal(after[name])}
    assert same == {name for name in before if name.startswith(("conv1", "bn1", "layer1"))}
    assert after["fc.weight"].shape == (2, 64)


@pytest.mark.skipif(find_spec("tensorboard") is None, reason="tensorboard is not installed")
@pytest.mark.usefixtures("without_report")
def test_tensorboard(data: Path, tmp_path: Path) -> None:
    run("train", data, "--run", tmp_path / "run", *FAST, "--tensorboard")
    (events,) = (tmp_path / "run" / "tensorboard").iterdir()
    assert events.stat().st_size > 100


@pytest.mark.usefixtures("without_report")
def test_early_stopping(data: Path, tmp_path: Path) -> None:
    """At a rate that learns nothing, no epoch is better than the first."""
    options = ["--epochs", 9, "--early-stopping", 2, "--lr", 1e-12, "--ema", 0]
    run("train", data, "--run", tmp_path / "run", *FAST, *options)
    assert summary(tmp_path / "run")["epochs"] < 9


@pytest.mark.parametrize(
    ("optimizer", "schedule"),
    [
        ("sgd", "cosine"),
        ("sgd", "step"),
        ("adamw", "onecycle"),
        ("lamb", "plateau"),
        ("adamw", "constant"),
    ],
)
@pytest.mark.usefixtures("without_report")
def test_optimizers_and_schedules(
    data: Path, tmp_path: Path, optimizer: str, schedule: str
) -> None:
    options = ["--optimizer", optimizer, "--schedule", schedule]
    run("train", data, "--run", tmp_path / "run", *FAST, *options)
    recipe = json.loads((tmp_path / "run" / "recipe.json").read_text())["training"]
    assert recipe["optimizer"]["optimizer"] == optimizer
    assert recipe["schedule"]["schedule"] == schedule
    assert np.isfinite(summary(tmp_path / "run")["test"]["loss"])


@pytest.mark.usefixtures("without_report")
def test_everything_together(data: Path, tmp_path: Path) -> None:
    options = [
        "--mixup", 0.2, "--cutmix", 1, "--policy", "trivial", "--erasing", 0.5,
        "--jitter", 0.2, 0.2, 0.2, 0.1, "--ema", 0.9, "--label-smoothing", 0.1, "--clip", 1,
        "--accumulate", 2, "--drop-rate", 0.1, "--drop-path-rate", 0.1, "--layer-decay", 0.9,
        "--optimizer", "lamb", "--balance", "loss", "--epochs", 2,
    ]  # fmt: skip
    run("train", data, "--run", tmp_path / "run", *FAST, *options)
    assert np.isfinite(summary(tmp_path / "run")["train"]["loss"])
    assert summary(tmp_path / "run")["train"]["n"] == 48


@pytest.mark.parametrize("recipe", ["he2015_cifar", "torchvision_v1"])
@pytest.mark.usefixtures("without_report")
def test_recipes(data: Path, tmp_path: Path, recipe: str) -> None:
    options = ["--recipe", recipe, "--size", 32, 32]
    run("train", data, "--run", tmp_path / "run", *FAST, *options)
    content = json.loads((tmp_path / "run" / "recipe.json").read_text())
    assert content["training"]["optimizer"]["nesterov"] is False
    assert content["training"]["epochs"] == 1  # what is said goes before the recipe


@pytest.mark.usefixtures("without_report")
def test_default_run_folder(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "patterns-resnet20-1").mkdir(parents=True)
    run("train", data, *FAST)
    assert (tmp_path / "runs" / "patterns-resnet20-2" / "summary.json").exists()
