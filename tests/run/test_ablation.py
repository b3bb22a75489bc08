"""Recipes with parts left out, trained end to end on made pictures."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_rel

from residua.augment.config import AugmentConfig
from residua.cli.main import run_command
from residua.data.config import DataConfig
from residua.errors import UnknownNameError, UsageError
from residua.methods.config import SupervisedConfig
from residua.recipes.recipe import NetworkConfig, Recipe
from residua.run.ablation import Ablation, ablate
from residua.run.folder import RunFolder
from residua.run.terminal import Terminal
from residua.training.config import OptimizerConfig, ScheduleConfig, TrainingConfig


@pytest.fixture(scope="module", autouse=True)
def without_report():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("residua.run.finish.write_run_report", lambda run, terminal: run.report)
        yield


@pytest.fixture(scope="module")
def recipe(pictures: Path) -> Recipe:
    return Recipe(
        data=DataConfig(path=str(pictures), validation_fraction=0.3),
        network=NetworkConfig(network="resnet20"),
        augment=AugmentConfig(crop="none", flip=0.0, mixup=0.2),
        method=SupervisedConfig(label_smoothing=0.1),
        training=TrainingConfig(
            epochs=1,
            batch_size=16,
            threads=1,
            optimizer=OptimizerConfig(lr=0.05, nesterov=False, weight_decay=0.0),
            schedule=ScheduleConfig(schedule="constant", warmup_epochs=0.0),
        ),
    )


def done(recipe: Recipe, out: Path, *names: str, seeds: tuple[int, ...] = (0, 1)) -> Ablation:
    return ablate(recipe, ingredients=names, seeds=seeds, out=out, terminal=Terminal(quiet=True))


@pytest.fixture(scope="module")
def out(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ablation") / "out"
    done(recipe, folder)
    return folder


def score(run: Path) -> float:
    return json.loads((run / "summary.json").read_text())["validation"]["accuracy"]


def test_every_ingredient_is_left_out_and_compared_by_seed(recipe: Recipe, out: Path) -> None:
    found = done(recipe, out)
    assert [arm.name for arm in found.arms] == ["whole", "label_smoothing", "mixup"]
    whole = [score(out / "whole" / f"seed-{seed}") for seed in (0, 1)]
    for arm in found.arms[1:]:
        scores = [score(out / f"without-{arm.name}" / f"seed-{seed}") for seed in (0, 1)]
        assert list(arm.scores) == scores
        assert arm.difference == pytest.approx(np.mean(scores) - np.mean(whole), abs=1e-12)
        if np.ptp(arm.differences) > 1e-6:
            expected = ttest_rel(scores, whole).confidence_interval(0.95)
            assert arm.interval == pytest.approx((expected.low, expected.high))


def test_runs_differ_from_the_whole_in_one_thing(out: Path) -> None:
    whole = Recipe.load(out / "whole" / "seed-1" / "recipe.json")
    without = Recipe.load(out / "without-mixup" / "seed-1" / "recipe.json")
    assert whole.changes(without) == {"augment.mixup": (0.2, 0.0)}
    assert whole.training.seed == 1


def test_nothing_is_trained_twice(
    recipe: Recipe, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> RunFolder:
        raise AssertionError("trained again")

    monkeypatch.setattr("residua.run.completed.train", refuse)
    monkeypatch.setattr("residua.run.completed.resume", refuse)
    assert done(recipe, out) == done(recipe, out)
    assert json.loads((out / "ablation.json").read_text())["split"] == "validation"


def test_the_test_split_decides_nothing(recipe: Recipe, out: Path) -> None:
    """With other scores on test the result is the same."""
    expected = done(recipe, out)
    for summary in out.rglob("summary.json"):
        content = json.loads(summary.read_text())
        summary.write_text(json.dumps(content | {"test": None}))
    for path in out.rglob("evaluation/test.*"):
        path.unlink()
    assert done(recipe, out) == expected


def test_one_seed_has_no_interval(recipe: Recipe, out: Path) -> None:
    found = done(recipe, out, "mixup", seeds=(0,))
    assert found.arms[1].interval == (-np.inf, np.inf)
    assert found.to_json()["arms"][1]["interval"] == [None, None]
    json.dumps(found.to_json(), allow_nan=False)


def test_another_recipe_takes_another_folder(recipe: Recipe, out: Path) -> None:
    other = replace(recipe, training=replace(recipe.training, batch_size=8))
    with pytest.raises(UsageError, match=r"another training\.batch_size"):
        done(other, out)


def test_what_auto_leaves_out_is_no_ingredient(tmp_path: Path) -> None:
    """Digits are never flipped, which is known once the data is."""
    recipe = Recipe(
        data=DataConfig(path="digits", limit=4),
        network=NetworkConfig(network="resnet20"),
        augment=AugmentConfig(crop="none", mixup=0.2),
        training=TrainingConfig(epochs=1, threads=1),
    )
    with pytest.raises(UsageError, match="no flip to leave out on this data"):
        done(recipe, tmp_path / "named", "flip", seeds=(0,))


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [(("mix-up",), UnknownNameError, "mixup"), (("ema",), UsageError, "no ema to leave out")],
)
def test_bad_names_are_told_before_training(
    recipe: Recipe, tmp_path: Path, names: tuple[str, ...], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        done(recipe, tmp_path / "out", *names)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_without_validation_there_is_nothing_to_choose_by(recipe: Recipe, tmp_path: Path) -> None:
    whole = replace(recipe, data=replace(recipe.data, validation_fraction=0.0))
    with pytest.raises(UsageError, match="--validation-fraction"):
        done(whole, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_command_line(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        *("ablate", str(pictures), "--network", "resnet20", "--epochs", "1", "--threads", "1"),
        *("--limit", "8", "--ingredients", "ema", "--seeds", "1", "--out", str(tmp_path / "out")),
    ]
    assert run_command([*arguments, "--quiet"]) == 0
    table = capsys.readouterr().out
    assert "(whole recipe)" in table
    assert "never on test" in table
    assert run_command([*arguments, "--quiet", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["seeds"] == [0]
    assert run_command([*arguments, "--seeds", "0"]) == 2
    assert "wrong seeds" in capsys.readouterr().err
