"""aeon's own checks, and its data."""

import sys

import numpy as np
import pytest
from tests.sklearn.made import SMALL, waves

from residua.errors import MissingExtraError

pytest.importorskip("aeon", reason="the extra aeon is not installed")

from aeon.testing.estimator_checking import parametrize_with_checks

from residua.sklearn.aeon import AeonSignalClassifier


@parametrize_with_checks([AeonSignalClassifier])
def test_check(check) -> None:
    check()


def test_unequal_lengths_and_several_channels() -> None:
    X, y = waves(40)
    series = [np.stack([row, row])[:, : 25 + number % 15] for number, row in enumerate(X)]
    model = AeonSignalClassifier(**SMALL).fit(series, y)
    assert model.score(series, y) == 1.0
    assert set(model.predict(series)) == {"fast", "slow"}
    assert model.get_tag("capability:unequal_length")
    assert model.get_tag("capability:multivariate")


def test_without_aeon_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "residua.sklearn.aeon")
    monkeypatch.setitem(sys.modules, "aeon.classification.base", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'residua\[aeon\]'"):
        import residua.sklearn.aeon  # noqa: F401
