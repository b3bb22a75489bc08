"""A recipe comes back from its file as it was, and nonsense is refused by name."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from residua.errors import FormatError, UnknownNameError
from residua.recipes.presets import PRESETS, preset
from residua.recipes.recipe import Recipe
from residua.training.schedules import learning_rate_factor


@pytest.mark.parametrize("name", PRESETS)
def test_presets_come_back_from_json(name: str, tmp_path: Path) -> None:
    recipe = preset(name)
    recipe.training.check()
    recipe.save(tmp_path / "recipe.json")
    assert Recipe.load(tmp_path / "recipe.json") == recipe
    assert PRESETS[name].__doc__


@given(
    lr=st.floats(1e-9, 1e3),
    size=st.none() | st.tuples(st.integers(1, 999), st.integers(1, 999)),
    seed=st.integers(0, 2**62),
)
def test_values_come_back_exactly(lr: float, size: tuple[int, int] | None, seed: int) -> None:
    base = Recipe()
    training = replace(base.training, seed=seed, optimizer=replace(base.training.optimizer, lr=lr))
    recipe = replace(base, data=replace(base.data, size=size), training=training)
    text = json.dumps(recipe.to_json())
    assert Recipe.from_json(json.loads(text), where="test") == recipe


def test_nonsense_is_named(tmp_path: Path) -> None:
    content = Recipe().to_json()
    content["training"]["epochs"] = "many"
    content["colour"] = 1
    with pytest.raises(FormatError, match=r"epochs.*colour") as caught:
        Recipe.from_json(content, where="recipe.json")
    assert "recipe.json" in str(caught.value)
    (tmp_path / "recipe.json").write_text("{")
    with pytest.raises(FormatError):
        Recipe.load(tmp_path / "recipe.json")


def test_unknown_preset_suggests_near_ones() -> None:
    with pytest.raises(UnknownNameError, match="he2015_cifar"):
        preset("he2015-cifar")


def test_d2l_is_plain_gradient_descent_and_nothing_else() -> None:
    recipe = preset("d2l")
    training, optimizer = recipe.training, recipe.training.optimizer
    factors = {learning_rate_factor(training.schedule, step, 234, 10) for step in range(2340)}
    assert factors == {1.0}
    assert (optimizer.peak_lr, optimizer.momentum, optimizer.decay) == (0.05, 0, 0)
    assert (optimizer.optimizer, optimizer.clip, optimizer.layer_decay) == ("sgd", None, 1)
    assert (training.epochs, training.batch_size, training.ema) == (10, 256, 0)
    assert recipe.network.initialisation == "xavier"
    assert (recipe.data.size, recipe.data.normalise) == ((96, 96), False)
    assert recipe.method.label_smoothing == 0
    augment = recipe.augment
    assert (augment.crop, augment.flip, augment.policy) == ("none", 0, "none")
    assert (augment.erasing, augment.mixup, augment.cutmix, sum(augment.jitter)) == (0, 0, 0, 0)
