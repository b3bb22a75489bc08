"""Quantities from signals."""

import pickle

import numpy as np
import pytest
from sklearn.model_selection import cross_val_score
from tests.sklearn.made import SMALL, waves

from residua.errors import LabelError
from residua.sklearn import SignalRegressor

X, NAMES = waves(60)
Y = np.where(NAMES == "fast", 1e3, -1e3) + np.linspace(0, 100, 60)
X_TEST, NAMES_TEST = waves(20, seed=1)
Y_TEST = np.where(NAMES_TEST == "fast", 1e3, -1e3) + 50


def test_learns_in_the_unit_of_y_and_pickles() -> None:
    model = SignalRegressor(**SMALL | {"epochs": 8}).fit(X, Y)
    assert model.predict(X_TEST).shape == (20,)
    assert model.score(X_TEST, Y_TEST) > 0.8
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X_TEST), model.predict(X_TEST))
    # Multiplying y by a power of two, exact in floating point, multiplies the answers.
    other = SignalRegressor(**SMALL | {"epochs": 8}).fit(X, 1024 * Y)
    np.testing.assert_allclose(other.predict(X_TEST), 1024 * model.predict(X_TEST), rtol=1e-5)


def test_several_quantities() -> None:
    model = SignalRegressor(**SMALL | {"epochs": 1}).fit(X, np.stack([Y, -Y], axis=1))
    assert model.predict(X_TEST).shape == (20, 2)


def test_cross_validation() -> None:
    assert cross_val_score(SignalRegressor(**SMALL | {"epochs": 1}), list(X), Y, cv=2).shape == (2,)


def test_constant_y_is_named() -> None:
    with pytest.raises(LabelError, match="the same in all training samples"):
        SignalRegressor(**SMALL).fit(X, np.ones(60))
