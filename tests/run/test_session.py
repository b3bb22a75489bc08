"""What a session settles before anything is trained or written."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from residua.augment.draws import draws_for
from residua.augment.image import ImageAugment
from residua.batch import Split
from residua.cli.main import run_command
from residua.errors import UsageError
from residua.networks.catalog import create_model
from residua.recipes.presets import d2l
from residua.recipes.recipe import Recipe
from residua.run.session import Session
from residua.run.terminal import Terminal
from residua.training.distributed import Ranks


def prepared(recipe: Recipe, pictures: Path) -> Session:
    recipe = replace(recipe, data=replace(recipe.data, path=str(pictures)))
    return Session.prepare(recipe, Ranks(device=torch.device("cpu")), terminal=Terminal(quiet=True))


def with_size(recipe: Recipe, size: tuple[int, int]) -> Recipe:
    return replace(recipe, data=replace(recipe.data, size=size))


def named(recipe: Recipe, network: str) -> Recipe:
    return replace(recipe, network=replace(recipe.network, network=network))


def test_pictures_too_small_for_the_network(pictures: Path, tmp_path: Path, capsys) -> None:
    smallest = create_model("vgg11").min_size
    assert smallest > 16
    options = ["--network", "vgg11", "--out", str(tmp_path / "run")]
    assert run_command(["train", str(pictures), *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "'vgg11'" in line
    assert "received 16x16" in line
    assert f"--size {smallest} {smallest}" in line
    assert not (tmp_path / "run").exists()


def test_one_side_too_short(pictures: Path) -> None:
    smallest = create_model("vgg11").min_size
    recipe = named(with_size(Recipe(), (smallest - 1, 80)), "vgg11")
    with pytest.raises(UsageError, match=f"--size {smallest} 80"):
        prepared(recipe, pictures)
    prepared(named(with_size(Recipe(), (smallest, 80)), "vgg11"), pictures)


def test_xavier_replaces_the_weights_of_the_paper(pictures: Path) -> None:
    session = prepared(with_size(d2l(), (16, 16)), pictures)
    weight = session.network().get_parameter("conv1.weight").detach()
    bound = (6 / (49 * (1 + 64))) ** 0.5
    assert 0.9 * bound < weight.abs().max() <= bound
    assert session.network().get_parameter("conv1.weight").detach().equal(weight)


def test_d2l_sees_enlarged_pictures_from_0_to_1(pictures: Path) -> None:
    """As torchvision's Resize(96), ToTensor: Pillow's bilinear filter, divided by 255."""
    session = prepared(d2l(), pictures)
    loader = session.loader(Split.TRAIN)
    (batch,) = next(iter(loader.epoch(0))).parts
    views = ImageAugment(config=session.recipe.augment, size=(96, 96), num_classes=3)(
        batch, draws_for(batch, seed=0, epoch=0)
    )
    inputs = session.preprocess.normalise(views.inputs)
    assert inputs.shape == (len(batch.ids), 1, 96, 96)
    table = session.dataset.table
    keys = {int(id): key for id, key in zip(table.ids, table.keys, strict=True)}
    for id, seen in zip(batch.ids[:5], inputs, strict=False):
        with Image.open(pictures / keys[int(id)]) as image:
            large = np.asarray(image.resize((96, 96), Image.Resampling.BILINEAR))
        assert torch.allclose(seen[0], torch.from_numpy(large / 255).float(), atol=1e-6)


def test_a_limit_is_of_each_training_class_and_of_nothing_else(pictures: Path) -> None:
    whole = prepared(Recipe(), pictures)
    recipe = Recipe(data=replace(Recipe().data, limit=5))
    part = prepared(recipe, pictures)
    assert len(part.dataset.rows(Split.TRAIN)) == 15
    for split in (Split.VALIDATION, Split.TEST):
        assert part.dataset.rows(split).tolist() == whole.dataset.rows(split).tolist()


def test_a_d2l_run_from_the_command_line(pictures: Path, tmp_path: Path) -> None:
    options = ["--recipe", "d2l", "--network", "resnet20", "--size", "16", "16", "--epochs", "1"]
    options += ["--limit", "4", "--threads", "1", "--quiet", "--out", str(tmp_path / "run")]
    assert run_command(["train", str(pictures), *options]) == 0
    recipe = json.loads((tmp_path / "run" / "recipe.json").read_text())
    assert recipe["network"]["initialisation"] == "xavier"
    assert recipe["data"]["limit"] == 4
    assert recipe["data"]["normalise"] is False
    checkpoint = json.loads(
        (tmp_path / "run" / "checkpoints" / "final" / "checkpoint.json").read_text()
    )
    assert (checkpoint["preprocess"]["mean"], checkpoint["preprocess"]["std"]) == ([0.0], [1.0])
    page = (tmp_path / "run" / "report" / "report.html").read_text()
    assert "What the network has learnt" in page
    assert "--initialisation xavier" in page
    assert "--no-normalise" in page
    plots = {path.name for path in (tmp_path / "run" / "report" / "plots").iterdir()}
    assert plots >= {"filters.png", "features.png"}
