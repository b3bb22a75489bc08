"""scikit-learn's own checks of what an estimator is. None is excepted.

Those that ask for a score learn from tables whose columns are no series: what tells their classes
apart is the level of a row, which standardising each by its own mean takes away. So the estimators
here standardise by the training samples.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sklearn.base import BaseEstimator
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from residua.data.config import SeriesConfig
from residua.recipes.presets import series
from residua.sklearn import ImageClassifier, SignalClassifier, SignalRegressor

SMALL: dict[str, Any] = {
    "network": "resnet1d_wang",
    "epochs": 3,
    "batch_size": 32,
    "threads": 1,
    "recipe": replace(series(), series=SeriesConfig(standardise="train")),
}


@parametrize_with_checks(
    [SignalClassifier(**SMALL), SignalRegressor(**SMALL)],
    expected_failed_checks=lambda estimator: {},
)
def test_check(estimator: BaseEstimator, check: Callable[[BaseEstimator], None]) -> None:
    check(estimator)


WITHOUT_TABLES = (
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_set_params",
    "check_valid_tag_types",
    "check_do_not_raise_errors_in_init_or_set_params",
)


@pytest.mark.parametrize("name", WITHOUT_TABLES)
def test_check_of_pictures(name: str) -> None:
    """scikit-learn has no data for what takes no tables: `parametrize_with_checks` would skip all
    of its checks, these too, which need none."""
    getattr(estimator_checks, name)("ImageClassifier", ImageClassifier())
