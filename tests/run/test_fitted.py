"""Classifiers fitted to the features of a network that stays as it is."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from residua.batch import Split
from residua.data.few_labels import choose_labelled
from residua.data.open import open_dataset
from residua.errors import LabelError
from residua.evaluation.linear_probe import linear_probe
from residua.recipes.presets import fast
from residua.recipes.recipe import Recipe
from residua.run.classifier import Classifier
from residua.run.fitted import fitted
from residua.run.grid_results import read_cost
from residua.run.store import load_answers, load_summary
from residua.run.terminal import Terminal
from residua.run.train import train

QUIET = Terminal(quiet=True)


@pytest.fixture(scope="module")
def recipe(pictures: Path) -> Recipe:
    usual = fast()
    return replace(
        usual,
        data=replace(usual.data, path=str(pictures), validation_fraction=0.0),
        network=replace(usual.network, network="resnet20"),
        training=replace(usual.training, epochs=1, batch_size=16, threads=1, device="cpu"),
    )


@pytest.fixture(scope="module")
def start(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "start"
    return train(recipe, folder, QUIET, report=False).root


def few(recipe: Recipe, start: Path | None, seed: int = 0) -> Recipe:
    network = replace(recipe.network, start=None if start is None else str(start))
    data = replace(recipe.data, labels_per_class=4, label_seed=seed)
    return replace(recipe, data=data, network=network)


def test_it_is_a_regression_on_the_features_of_the_known_labels(
    recipe: Recipe, start: Path, tmp_path: Path
) -> None:
    run = fitted(few(recipe, start, seed=3), tmp_path / "probe", QUIET)
    dataset = open_dataset(recipe.data)
    known = np.sort(choose_labelled(dataset, per_class=4, seed=3))
    classifier = Classifier.open(start, threads=1, terminal=QUIET)
    bank, queries = (
        classifier.embed_dataset(replace(dataset, assignment={Split.TEST: rows}), recipe.data, "x")
        for rows in (known, dataset.rows(Split.TEST))
    )
    expected = linear_probe(bank, validation=None, num_classes=3, device=torch.device("cpu"))
    found = load_answers(run.evaluations, "test")
    np.testing.assert_allclose(found["logits"], expected.logits(queries.values), atol=1e-3)
    right = float((found["logits"].argmax(axis=1) == queries.labels).mean())
    summary = load_summary(run.summary)
    assert (summary["test"]["accuracy"], summary["test"]["n"]) == (right, len(queries.labels))
    assert (summary["epochs"], summary["train"]["n"]) == (0, 12)


def test_it_costs_a_pass_a_sample_and_no_update(
    recipe: Recipe, start: Path, tmp_path: Path
) -> None:
    run = fitted(few(recipe, start), tmp_path, QUIET)
    cost = read_cost(run)
    assert (cost.updates, cost.passes) == (0, 12)
    assert cost.seconds > 0
    assert not run.checkpoints.exists()
    assert Recipe.load(run.recipe).data.labels_per_class == 4


def test_a_probe_that_is_complete_is_not_touched(
    recipe: Recipe, start: Path, tmp_path: Path
) -> None:
    run = fitted(few(recipe, start), tmp_path, QUIET)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert fitted(few(recipe, start, seed=1), tmp_path, QUIET) == run
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    run.summary.unlink()  # as a kill leaves it
    fitted(few(recipe, start), tmp_path, QUIET)
    again = {path: path.read_bytes() for path in before if path.suffix == ".safetensors"}
    assert again == {path: before[path] for path in again}
    assert len(run.metrics.read_text().splitlines()) == 1


def test_networks_as_they_are_drawn_differ_by_seed(recipe: Recipe, tmp_path: Path) -> None:
    answers = []
    for seed in (0, 0, 1):
        mine = few(recipe, None)
        mine = replace(mine, training=replace(mine.training, seed=seed))
        run = fitted(mine, tmp_path / str(len(answers)), QUIET)
        answers.append(load_answers(run.evaluations, "test")["logits"])
    np.testing.assert_array_equal(answers[0], answers[1])
    assert np.abs(answers[0] - answers[2]).max() > 1e-3


def test_more_labels_than_there_are(recipe: Recipe, tmp_path: Path) -> None:
    many = replace(recipe, data=replace(recipe.data, labels_per_class=10_000))
    with pytest.raises(LabelError, match="too few training samples"):
        fitted(many, tmp_path / "never", QUIET)
    assert not (tmp_path / "never").exists()
