"""Ready recipes say what their papers say, and can be said on the command line."""

import json
from dataclasses import fields

import pytest

from residua.augment.config import AugmentConfig
from residua.batch import Modality
from residua.cli.main import run_command
from residua.cli.train import parse
from residua.methods.progressive import Growth
from residua.networks.catalog import get_spec
from residua.recipes.presets import PRESETS, preset
from residua.recipes.recipe import Recipe
from residua.run.options import check_options
from residua.training.schedules import learning_rate_factor

SERIES = {"series", "audio", "ecg"}


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_consistent_and_come_back_from_json(name: str) -> None:
    recipe = preset(name)
    recipe.check()
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json())), where="test") == recipe
    check_options(recipe, Modality.SIGNAL if name in SERIES else Modality.IMAGE)
    if recipe.network.network != "auto":
        assert get_spec(recipe.network.network).name == recipe.network.network


@pytest.mark.parametrize("name", PRESETS)
def test_docstrings_say_how_to_run_and_what_it_costs(name: str) -> None:
    text = PRESETS[name].__doc__ or ""
    first = text.splitlines()[0]
    assert first.endswith(".")
    assert "Command: ``residua train " in text
    assert "Cost" in text
    assert any(word in text for word in ("Published", "Expected", "expected", "measured"))
    assert name in ("fast", "series", "audio") or f"--recipe {name}" in text


@pytest.mark.parametrize("name", PRESETS)
def test_the_command_line_starts_from_the_recipe(name: str) -> None:
    command = parse(["somewhere", "--recipe", name, "--epochs", "7"])
    changes = preset(name).changes(command.config)
    assert set(changes) <= {"training.epochs", "training.updates"}
    assert command.config.training.epochs == 7
    assert command.config.training.updates is None


NEW = {
    ("--loss", "bce"): ("method.loss", "bce"),
    ("--bce-threshold", "0.3"): ("method.bce_threshold", 0.3),
    ("--sam", "0.05"): ("training.optimizer.sam", 0.05),
    ("--repeated", "3"): ("training.repeated", 3),
    ("--progressive", "0.5"): ("training.progressive", 0.5),
    ("--train-scale", "0.75"): ("training.train_scale", 0.75),
}


@pytest.mark.parametrize("option", NEW)
def test_ingredients_are_options_of_any_recipe(option: tuple[str, str]) -> None:
    name, value = NEW[option]
    command = parse(["somewhere", "--recipe", "d2l", *option])
    assert preset("d2l").changes(command.config) == {name: (_plain(name), value)}


def _plain(name: str) -> object:
    value: object = Recipe()
    for part in name.split("."):
        value = getattr(value, part)
    return value


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--loss", "hinge"], ("--loss", "hinge")),
        (["--bce-threshold", "0.2"], ("bce_threshold", "--loss bce")),
        (["--loss", "bce", "--bce-threshold", "2"], ("bce_threshold", "(0, 1)")),
        (["--sam", "-1"], ("sam", ">= 0")),
        (["--sam", "0.1", "--precision", "fp16"], ("sam", "fp16")),
        (["--repeated", "0"], ("repeated", "batch_size")),
        (["--repeated", "two"], ("--repeated", "two")),
        (["--progressive", "0"], ("progressive", "(0, 1]")),
        (["--train-scale", "2"], ("train_scale", "(0, 1]")),
    ],
)
def test_wrong_values_are_one_line(options, words, capsys) -> None:
    assert run_command(["train", "digits", *options]) == 2
    error = capsys.readouterr().err.strip()
    assert "\n" not in error
    assert all(word in error for word in words), error


def factors(recipe: Recipe, updates: int) -> list[float]:
    """The schedule at the first update of each of 100 equal stretches, and at the last update."""
    schedule, epochs = recipe.training.schedule, recipe.training.epochs
    at = [*range(0, updates * epochs, updates * epochs // 100), updates * epochs - 1]
    return [learning_rate_factor(schedule, step, updates, epochs) for step in at]


def test_wrn_steps_as_in_section_3() -> None:
    recipe = preset("wrn")
    found = [factors(recipe, 100)[percent] for percent in (0, 29, 30, 59, 60, 79, 80, 99)]
    assert found == pytest.approx([1, 1, 0.2, 0.2, 0.04, 0.04, 0.008, 0.008])
    optimizer = recipe.training.optimizer
    assert (optimizer.optimizer, optimizer.nesterov, optimizer.peak_lr) == ("sgd", True, 0.1)
    assert (optimizer.momentum, optimizer.decay) == (0.9, 5e-4)
    assert (recipe.training.epochs, recipe.training.batch_size) == (200, 128)


def test_densenet_steps_as_in_section_4() -> None:
    recipe = preset("densenet")
    found = [factors(recipe, 100)[percent] for percent in (0, 49, 50, 74, 75, 99)]
    assert found == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])
    optimizer = recipe.training.optimizer
    assert (optimizer.nesterov, optimizer.peak_lr, optimizer.decay) == (True, 0.1, 1e-4)
    assert (recipe.training.epochs, recipe.training.batch_size) == (300, 64)


def test_torchvision_v2_is_the_table_of_its_article() -> None:
    recipe = preset("torchvision_v2")
    training, optimizer, augment = recipe.training, recipe.training.optimizer, recipe.augment
    assert (optimizer.peak_lr, optimizer.decay, optimizer.decay_norms) == (0.5, 2e-5, False)
    assert (training.epochs, training.batch_size, training.repeated) == (600, 1024, 4)
    assert (augment.policy, augment.erasing, augment.mixup, augment.cutmix) == (
        "trivial",
        0.1,
        0.2,
        1.0,
    )
    assert recipe.method.label_smoothing == 0.1
    assert trained_at(recipe) == {(176, 176)}
    # torchvision: one step of an average with this decay each 32 updates
    moved = (1 - 0.99998) * 8 * 128 * 32 / 600
    assert 1 - training.ema**32 == pytest.approx(moved, rel=0.15)
    assert factors(recipe, 1251)[0] == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("name", "epochs", "lr", "decay", "mixup", "smoothing", "depth", "repeated", "m", "side"),
    [
        ("rsb_a1", 600, 5e-3, 0.01, 0.2, 0.1, 0.05, 3, 21, 224),
        ("rsb_a2", 300, 5e-3, 0.02, 0.1, 0.0, 0.05, 3, 21, 224),
        ("rsb_a3", 100, 8e-3, 0.02, 0.1, 0.0, 0.0, 1, 18, 160),
    ],
)
def test_resnet_strikes_back_is_table_2(
    name, epochs, lr, decay, mixup, smoothing, depth, repeated, m, side
) -> None:
    recipe = preset(name)
    training, optimizer, augment = recipe.training, recipe.training.optimizer, recipe.augment
    assert (optimizer.optimizer, optimizer.peak_lr, optimizer.decay) == ("lamb", lr, decay)
    assert (training.epochs, training.batch_size, training.repeated) == (epochs, 2048, repeated)
    assert training.ema == 0
    assert (training.schedule.schedule, training.schedule.warmup_epochs) == ("cosine", 5)
    assert training.schedule.warmup_start * lr == pytest.approx(1e-4)
    assert (augment.mixup, augment.cutmix, augment.erasing) == (mixup, 1.0, 0)
    assert (augment.policy, augment.rand_count, augment.rand_magnitude) == ("rand", 2, m)
    assert (recipe.method.loss, recipe.method.label_smoothing) == ("bce", smoothing)
    assert recipe.network.drop_path_rate == depth
    assert trained_at(recipe) == {(side, side)}


def trained_at(recipe: Recipe) -> set[tuple[int, int]]:
    training, size = recipe.training, recipe.data.size
    assert size == (224, 224)
    growth = Growth(low=training.progressive, end=training.train_scale, epochs=training.epochs)
    return {growth.size(size, epoch) for epoch in range(training.epochs)}


def test_ecg_is_one_cycle_as_in_the_benchmark() -> None:
    recipe = preset("ecg")
    found = factors(recipe, 137)
    assert found[0] == pytest.approx(1 / 25)
    assert max(found) == pytest.approx(1, abs=1e-3)
    assert found.index(max(found)) in (29, 30, 31)
    optimizer = recipe.training.optimizer
    assert (optimizer.optimizer, optimizer.peak_lr, optimizer.decay) == ("adamw", 0.01, 0.01)
    assert recipe.network.network == "xresnet1d101"


def test_finetune_is_slower_towards_the_input() -> None:
    recipe = preset("finetune")
    assert 0 < recipe.training.optimizer.layer_decay < 1
    assert recipe.training.optimizer.peak_lr < Recipe().training.optimizer.peak_lr
    assert recipe.network.start is None  # --start says it


def test_only_recipes_that_say_so_change_pixels_values() -> None:
    usual = AugmentConfig()
    for name in ("he2015_cifar", "wrn", "densenet"):
        changed = {
            field.name
            for field in fields(usual)
            if getattr(preset(name).augment, field.name) != getattr(usual, field.name)
        }
        assert changed <= {"crop", "padding", "flip"}
