"""Runs that start from published weights: what comes with them, and what is remembered of them."""

import hashlib
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.networks.server import local_hub, timm_config

from residua.api import train
from residua.checkpoint import load
from residua.cli.main import run_command
from residua.data.config import DataConfig
from residua.data.open import open_dataset
from residua.networks.catalog import create_model
from residua.networks.pretrained.card import Inputs, WeightsCard
from residua.networks.weights import open_weights
from residua.recipes.presets import preset
from residua.run.start import keeps_classifier, preprocess_for

FAST = ["--threads", "1", "--batch-size", "32", "--epochs", "1", "--device", "cpu"]
SIZE = ["--size", "16", "16"]


@pytest.fixture(autouse=True)
def without_report(monkeypatch):
    monkeypatch.setattr("residua.run.finish.write_run_report", lambda run, terminal: run.report)


@pytest.fixture
def hub(tmp_path):
    with local_hub(tmp_path) as server:
        torch.manual_seed(0)
        state = create_model("resnet20", num_classes=10).state_dict()
        server.add_weights("lab/small", state, timm_config("resnet20"))
        yield server


def run(*arguments):
    assert run_command([str(argument) for argument in arguments]) == 0


def checkpoint(folder):
    return json.loads((folder / "checkpoints" / "final" / "checkpoint.json").read_text())


def test_what_belongs_to_the_weights_comes_with_them(hub, pictures, tmp_path, capsys):
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    run("train", pictures, "--start", "hf-hub:lab/small", "--run", first, *FAST, *SIZE)
    (line,) = [text for text in capsys.readouterr().out.splitlines() if text.startswith("start")]
    assert line == (
        "start    hf-hub:lab/small (apache-2.0), mean 0.449, std 0.226 (averaged over the "
        "channels), crop 16 of 16, bicubic; new: fc.weight, fc.bias; "
        "fitted to the channels (3 to 1, summed): conv1.weight"
    )
    content = checkpoint(first)
    weights = hub.files["/lab/small/resolve/main/model.safetensors"]
    published = {
        "source": "hf-hub:lab/small",
        "licence": "apache-2.0",
        "sha256": hashlib.sha256(weights).hexdigest(),
    }
    assert content["origin"] == [published]
    assert content["network"]["name"] == "resnet20"
    assert content["preprocess"] == {
        "modality": "image", "size": [16, 16], "resize": [16, 16], "fit": "crop",
        "interpolation": "bicubic", "channels": 1, "mean": [0.449], "std": [0.226],
    }  # fmt: skip

    # a second fine-tuning keeps the first origin, and the preprocessing
    run("train", pictures, "--start", first, "--run", second, *FAST)
    again = checkpoint(second)
    own = first / "checkpoints" / "final" / "model.safetensors"
    sha256 = hashlib.sha256(own.read_bytes()).hexdigest()
    assert again["origin"] == [published, {"source": str(first), "licence": "", "sha256": sha256}]
    assert again["preprocess"] == content["preprocess"]

    # resuming needs neither the weights nor the server
    hub.stop()
    hub.stop = lambda: None
    shutil.rmtree(first)
    (second / "summary.json").unlink()
    shutil.rmtree(second / "checkpoints" / "final")
    run("resume", second, "--quiet")
    assert checkpoint(second)["origin"] == again["origin"]

    # a checkpoint folder starts a run as the run's folder does; classes that are the same stay
    capsys.readouterr()
    run("train", pictures, "--start", second / "checkpoints" / "final", "--run", third, *FAST)
    assert "new:" not in capsys.readouterr().out
    assert len(checkpoint(third)["origin"]) == 3


def test_fresh_runs_have_no_origin(pictures, tmp_path):
    run("train", pictures, "--network", "resnet20", "--run", tmp_path / "run", *FAST, "--quiet")
    assert checkpoint(tmp_path / "run")["origin"] == []


def test_from_python(hub, pictures, tmp_path):
    data = DataConfig(size=(16, 16))
    recipe = replace(preset("fast"), data=data)
    made = train(
        pictures, recipe=recipe, start="hf-hub:lab/small", epochs=1, run=tmp_path / "a", quiet=True
    )
    assert made.recipe.network.start == "hf-hub:lab/small"
    assert made.recipe.network.network == "resnet20"
    assert made.classifier.checkpoint.origin[0].licence == "apache-2.0"


def test_weights_of_another_network(hub, pictures, tmp_path, capsys):
    arguments = ["train", pictures, "--start", "hf-hub:lab/small", "--network", "resnet32", *FAST]
    assert run_command([*map(str, arguments), "--run", str(tmp_path / "run"), *SIZE]) == 1
    err = capsys.readouterr().err
    assert "weights of another network: expected resnet32, received resnet20" in err
    assert not (tmp_path / "run").exists()


def test_weights_that_nothing_describes(hub, pictures, tmp_path, capsys):
    state = create_model("resnet20", num_classes=3, in_chans=1).state_dict()
    hub.add_weights("lab/bare", state)
    arguments = ["--start", "hf-hub:lab/bare", "--network", "resnet20", "--run", tmp_path / "run"]
    run("train", pictures, *arguments, *FAST)
    assert "nothing says their mean and std, those of this data are used" in capsys.readouterr().out
    assert checkpoint(tmp_path / "run")["preprocess"]["mean"] != [0.449]


CARD = WeightsCard(
    source="x",
    inputs=Inputs(
        size=(224, 224),
        resize=(232, 232),
        interpolation="bilinear",
        mean=(0.4, 0.5, 0.6),
        std=(0.1, 0.2, 0.3),
    ),
)


@pytest.mark.parametrize(
    ("changes", "size", "resize"),
    [
        ({}, (224, 224), (232, 232)),
        ({"size": (112, 448)}, (112, 448), (116, 464)),
        ({"size": (64, 64)}, (64, 64), (64, 64)),
    ],
)
def test_size_and_share_of_the_crop(pictures, changes, size, resize):
    config = DataConfig(path=str(pictures), channels=3, **changes)
    found = preprocess_for(CARD, open_dataset(config), config)
    assert (found.size, found.resize) == (size, resize)
    assert (found.mean, found.std) == ((0.4, 0.5, 0.6), (0.1, 0.2, 0.3))


def test_the_user_decides(pictures):
    config = DataConfig(path=str(pictures), normalise=False, fit="pad")
    found = preprocess_for(CARD, open_dataset(config), config)
    assert (found.mean, found.std, found.fit) == ((0.0,), (1.0,), "pad")
    assert preprocess_for(replace(CARD, inputs=None), open_dataset(config), config) is None


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            "small",
            "hf-hub:lab/small (apache-2.0), values stay from 0 to 1 as you asked, not as in the "
            "weights' mean 0.449, std 0.226 (averaged over the channels), crop 16 of 16, bicubic;",
        ),
        ("plain", "hf-hub:lab/plain (apache-2.0), mean 0, std 1 (averaged over the channels), "),
        ("bare", "hf-hub:lab/bare, nothing says their mean and std, values stay from 0 to 1;"),
    ],
)
def test_no_normalisation_wins_and_says_so(hub, pictures, tmp_path, capsys, source, said):
    state = create_model("resnet20", num_classes=10).state_dict()
    hub.add_weights("lab/plain", state, timm_config("resnet20", mean=[0] * 3, std=[1] * 3))
    hub.add_weights("lab/bare", state)
    arguments = ["--start", f"hf-hub:lab/{source}", "--network", "resnet20", "--no-normalise"]
    run("train", pictures, *arguments, "--run", tmp_path / "run", *FAST, *SIZE)
    out = capsys.readouterr().out
    (line,) = [text for text in out.splitlines() if text.startswith("start")]
    assert line.removeprefix("start    ").startswith(said)
    preprocess = checkpoint(tmp_path / "run")["preprocess"]
    assert (preprocess["mean"], preprocess["std"]) == ([0.0], [1.0])


def test_weights_of_no_network_of_ours(hub, pictures, tmp_path, capsys):
    hub.add_weights("lab/vit", {}, {"model_type": "vit", "transformers_version": "4.44.0"})
    arguments = ["train", str(pictures), "--start", "hf-hub:lab/vit", *FAST]
    assert run_command([*arguments, "--run", str(tmp_path / "run")]) == 1
    assert "expected one of `residua list networks`, received vit" in capsys.readouterr().err
    assert not any("safetensors" in path for _, path in hub.asked)


def test_which_classifiers_are_kept():
    assert keeps_classifier(CARD, ("a", "b"))
    known = replace(CARD, classes=("a", "b"))
    assert keeps_classifier(known, ("a", "b"))
    assert not keeps_classifier(known, ("b", "a"))
    assert not keeps_classifier(known, ("c", "d"))
    imagenet = replace(CARD, classes=tuple(f"thing {n}" for n in range(1000)))
    assert keeps_classifier(imagenet, tuple(f"n{n:08d}" for n in range(1000)))
    assert not keeps_classifier(imagenet, tuple(reversed(imagenet.classes)))


def test_export_weights(hub, pictures, tmp_path, capsys):
    """A run's weights in timm's names, and a run that starts from that file."""
    state = create_model("resnetv2_18", num_classes=5).state_dict()
    hub.add_weights("lab/v2", state, timm_config("resnetv2_18"))
    first, second, out = tmp_path / "first", tmp_path / "second", tmp_path / "v2.safetensors"
    run("train", pictures, "--start", "hf-hub:lab/v2", "--run", first, *FAST, *SIZE, "--quiet")
    capsys.readouterr()
    run("export-weights", first, "--layout", "timm", "--out", out)
    assert capsys.readouterr().out.split() == [str(out)]
    card = open_weights(out).card
    assert (card.network, card.classes) == ("resnetv2_18", ("columns", "dots", "rows"))
    assert card.before[0].source == "hf-hub:lab/v2"
    assert "head.fc.weight" in open_weights(out).read()
    run("train", pictures, "--start", out, "--run", second, *FAST, "--quiet")
    assert checkpoint(second)["preprocess"] == checkpoint(first)["preprocess"]
    for arguments, words in (
        (["--layout", "torchvision", "--out", out], "torchvision has no network 'resnetv2_18'"),
        (["--layout", "timm", "--out", tmp_path / "v2.pth"], "ends in .safetensors"),
    ):
        assert run_command(["export-weights", str(first), *map(str, arguments)]) == 2
        assert words in capsys.readouterr().err


def test_a_run_on_signals_prepares_them_as_the_one_it_starts_from(tmp_path, monkeypatch):
    """Mean and deviation are those of the first run's data; the second one's are others."""
    monkeypatch.setenv("RESIDUA_CACHE", str(tmp_path / "cache"))
    for name, level in (("first", 0.0), ("second", 50.0)):
        signals = np.random.default_rng(0).normal(level, 1 + level, (24, 2, 40)).astype("f4")
        np.savez(tmp_path / f"{name}.npz", X=signals, y=np.arange(24) % 2)
    first, second, other = (tmp_path / f"run{i}" for i in range(3))
    common = [*FAST, "--network", "resnet20", "--test-fraction", "0", "--quiet"]
    start = [*common, "--start", str(first)]
    runs = (
        (first, "first", common),
        (second, "second", start),
        (other, "second", [*start, "--standardise", "sample"]),
    )
    for folder, name, options in runs:
        assert run_command(["train", f"{tmp_path / name}.npz", "--run", str(folder), *options]) == 0
    prepared = [load(folder / "checkpoints" / "final").preprocess for folder, _, _ in runs]
    assert prepared[0].standardise == "train"
    assert prepared[1] == prepared[0]
    assert prepared[2].standardise == "sample"
