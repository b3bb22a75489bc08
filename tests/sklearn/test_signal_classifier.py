"""The classifier of signals, as scikit-learn's users handle it."""

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from tests.sklearn.made import SMALL, waves

from residua import checkpoint as checkpoints
from residua.errors import UnknownNameError
from residua.recipes.presets import series
from residua.run.classifier import Classifier
from residua.run.terminal import Terminal
from residua.sklearn import SignalClassifier

X, Y = waves(40)
X_TEST, Y_TEST = waves(20, seed=1)


@pytest.fixture(scope="module")
def fitted() -> SignalClassifier:
    return SignalClassifier(**SMALL).fit(X, Y)


def test_learns_and_answers_in_the_classes_of_y(fitted: SignalClassifier) -> None:
    assert fitted.classes_.tolist() == ["fast", "slow"]
    assert fitted.score(X_TEST, Y_TEST) == 1.0
    shares = fitted.predict_proba(X_TEST)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert (fitted.classes_[shares.argmax(axis=1)] == fitted.predict(X_TEST)).all()
    assert fitted.n_features_in_ == X.shape[1]
    assert [record.epoch for record in fitted.history_] == [1, 2, 3, 4]


def test_same_seed_same_answers_and_another_seed_others(fitted: SignalClassifier) -> None:
    again = clone(fitted).fit(X, Y).predict_proba(X_TEST)
    np.testing.assert_array_equal(again, fitted.predict_proba(X_TEST))
    other = clone(fitted).set_params(random_state=1).fit(X, Y).predict_proba(X_TEST)
    assert not np.allclose(other, again)


def test_generators_of_random_numbers_are_seeds_too() -> None:
    seeds = {
        SignalClassifier(random_state=np.random.RandomState(seed))._full_recipe().training.seed
        for seed in (0, 0, 1)
    }
    assert len(seeds) == 2


def test_pickles_as_its_checkpoint(fitted: SignalClassifier) -> None:
    expected = fitted.predict_proba(X_TEST)
    content = pickle.dumps(fitted)
    parameters = sum(weight.nbytes for weight in fitted.checkpoint_.weights.values())
    assert len(content) < 1.1 * parameters + 100_000
    np.testing.assert_array_equal(pickle.loads(content).predict_proba(X_TEST), expected)


def test_checkpoint_serves_the_command_line(fitted: SignalClassifier, tmp_path: Path) -> None:
    checkpoints.save(fitted.checkpoint_, tmp_path / "model")
    np.savez(tmp_path / "new.npz", X=X_TEST, y=Y_TEST)
    opened = Classifier.open(tmp_path / "model", terminal=Terminal(quiet=True))
    answers = list(opened.predict(str(tmp_path / "new.npz")))
    assert [answer.label for answer in answers] == fitted.predict(X_TEST).tolist()


def test_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RESIDUA_CACHE", str(tmp_path / "cache"))
    torch.manual_seed(7)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    model = SignalClassifier(**SMALL | {"epochs": 1, "threads": threads + 1})
    model.fit(X, Y).predict(X_TEST)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")


def test_unequal_lengths_channels_and_missing_values() -> None:
    generator = np.random.default_rng(2)
    series = [
        np.stack([row, -row])[:, : generator.integers(25, 40)]
        for row in np.concatenate([X, X_TEST])
    ]
    for each in series[::3]:
        each[:, 5:9] = np.nan
    model = SignalClassifier(**SMALL).fit(series[:40], Y)
    assert model.score(series[40:], Y_TEST) == 1.0
    assert not hasattr(model, "n_features_in_")
    alone = np.concatenate([model.predict_proba([each]) for each in series[40:]])
    np.testing.assert_allclose(alone, model.predict_proba(series[40:]), atol=0.02)  # bf16


def test_validation_calibrates() -> None:
    model = SignalClassifier(**SMALL | {"epochs": 2, "validation_fraction": 0.3}).fit(X, Y)
    assert model.history_[-1].validation is not None
    assert 4 <= model.history_[-1].validation.n <= 20
    assert model.checkpoint_.temperature is not None
    logits = model._outputs(X_TEST) / model.checkpoint_.temperature
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(X_TEST), shares, rtol=1e-6)


@pytest.mark.parametrize("keep", ["best", "last"])
def test_kept_epoch_is_what_the_recipe_says(keep: Literal["best", "last"]) -> None:
    recipe = replace(series(), training=replace(series().training, keep=keep))
    options = SMALL | {"epochs": 5, "validation_fraction": 0.3, "lr": 0.05, "recipe": recipe}
    model = SignalClassifier(**options).fit(X, Y)
    merits = {
        record.step: (record.validation.score, -record.validation.loss)
        for record in model.history_
        if record.validation is not None
    }
    assert len(merits) == 5
    chosen = max(merits, key=lambda step: merits[step]) if keep == "best" else max(merits)
    assert model.checkpoint_.step == chosen


def test_grid_search_in_a_pipeline() -> None:
    model = SignalClassifier(**SMALL | {"epochs": 3})
    pipeline = make_pipeline(FunctionTransformer(lambda values: values[:, ::2]), model)
    search = GridSearchCV(pipeline, {"signalclassifier__lr": [1e-7, 2e-3]}, cv=2)
    search.fit(X, Y == "fast")
    assert search.best_params_ == {"signalclassifier__lr": 2e-3}
    assert search.predict(X_TEST).dtype == bool


@pytest.mark.slow
def test_works_in_processes_of_joblib() -> None:
    model = SignalClassifier(**SMALL)
    alone = cross_val_score(model, list(X), Y, cv=2)
    assert cross_val_score(model, list(X), Y, cv=2, n_jobs=2).tolist() == alone.tolist()


def test_wrong_parameters_are_named() -> None:
    with pytest.raises(UnknownNameError, match="resnet1d_wang"):
        SignalClassifier(network="resnet1d_wong").fit(X, Y)


@pytest.mark.parametrize(
    ("y", "said"),
    [
        (["one"] * 40, "at least 2 classes in y, received 1 class"),
        (np.linspace(0, 1, 40), "Unknown label type"),
        (Y[:39], "inconsistent numbers of samples"),
        (None, "requires y"),
    ],
)
def test_wrong_y_is_named(y: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        SignalClassifier(**SMALL).fit(X, y)
