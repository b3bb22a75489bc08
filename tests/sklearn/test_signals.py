"""What X of signals may be."""

from typing import Any

import numpy as np
import pytest

from residua.sklearn import SignalClassifier
from residua.sklearn.signals import read_signals


def read(X: Any, channels: int | None = None) -> list[np.ndarray]:
    return read_signals(SignalClassifier(), X, channels=channels)


def test_tables_cubes_and_lists_are_the_same_series() -> None:
    X = np.random.default_rng(0).normal(size=(3, 7))
    for given in (X, X.tolist(), X[:, None], list(X), [row[None] for row in X], tuple(X)):
        found = read(given)
        assert [series.shape for series in found] == [(1, 7)] * 3
        assert all(series.dtype == np.float32 for series in found)
        np.testing.assert_array_equal(np.stack(found)[:, 0], X.astype(np.float32))


def test_channels_come_first_and_lengths_may_differ() -> None:
    cube = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(np.stack(read(cube)), cube)
    ragged = [np.zeros((2, 5)), np.ones((2, 9))]
    assert [series.shape for series in read(ragged)] == [(2, 5), (2, 9)]
    objects = np.empty(2, dtype=object)
    objects[:] = ragged
    assert [series.shape for series in read(objects)] == [(2, 5), (2, 9)]
    assert [series.shape for series in read([[1, 2, 3], [4, 5]])] == [(1, 3), (1, 2)]


def test_missing_values_stay_and_those_at_the_end_shorten() -> None:
    first, second = read(np.array([[1, np.nan, 3, np.nan], [np.nan, 2, 3, 4]]))
    np.testing.assert_array_equal(first, [[1, np.nan, 3]])
    np.testing.assert_array_equal(second, [[np.nan, 2, 3, 4]])


@pytest.mark.parametrize(
    ("X", "said"),
    [
        ([np.ones(3), np.full(3, np.nan)], "without a single value.* in X#1"),
        ([np.ones(3), np.array([1, np.inf, 2])], "infinite.* in X#1"),
        ([np.ones(3), np.ones((2, 3))], "wrong number of channels: expected 1, received 2, in X#1"),
        ([np.ones(3), np.ones(0)], "an empty signal.* in X#1"),
        ([np.ones(3), np.ones((2, 3, 4))], "another shape.* in X#1"),
        ([np.ones(3), np.array(["a", "b"])], "not numeric.* in X#1"),
        (np.ones((2, 3, 4, 5)), "too many dimensions"),
        (np.array([[1, np.inf], [1, 2]]), "infinity"),
        (np.full((2, 3), 1e39), "too large"),
        (np.ones(3), "Expected 2D array"),
    ],
)
def test_other_values_are_named(X: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read(X)


def test_channels_are_those_of_training() -> None:
    with pytest.raises(ValueError, match=r"expected 3, received 2, in X#0"):
        read(np.ones((4, 2, 9)), channels=3)
