"""Oracle: scipy.stats.ttest_rel, which gets both samples instead of their differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from residua.errors import UsageError
from residua.evaluation.paired import paired_interval


@pytest.mark.parametrize("n", [2, 3, 5, 20])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_agrees_with_scipy(n: int, level: float) -> None:
    generator = np.random.default_rng(n)
    mine, theirs = generator.normal(0.9, 0.02, n), generator.normal(0.88, 0.05, n)
    expected = ttest_rel(mine, theirs).confidence_interval(level)
    mean, low, high = paired_interval((mine - theirs).tolist(), level)
    assert mean == pytest.approx(float((mine - theirs).mean()), rel=1e-12)
    assert (low, high) == pytest.approx((expected.low, expected.high), rel=1e-9)


def test_published_quantile() -> None:
    """Table of Student's t: 2.776 for four degrees of freedom and 95 %, 4.303 for two."""
    _, _, high = paired_interval([-2.0, -1.0, 0.0, 1.0, 2.0])
    assert high == pytest.approx(2.776 * math.sqrt(2.5 / 5), abs=1e-3)
    _, _, high = paired_interval([-1.0, 0.0, 1.0])
    assert high == pytest.approx(4.303 / math.sqrt(3), abs=1e-3)


@given(
    st.lists(st.floats(-1, 1), min_size=2, max_size=12),
    st.floats(-10, 10),
)
def test_moves_with_its_differences(differences: list[float], shift: float) -> None:
    mean, low, high = paired_interval(differences)
    assert low <= mean <= high
    shifted = paired_interval([each + shift for each in differences])
    assert shifted == pytest.approx((mean + shift, low + shift, high + shift), abs=1e-6)
    mirrored = paired_interval([-each for each in differences])
    assert mirrored == pytest.approx((-mean, -high, -low), abs=1e-9)


def test_one_pair_has_no_interval() -> None:
    assert paired_interval([0.25]) == (0.25, -math.inf, math.inf)


@pytest.mark.parametrize("differences", [[], [0.1, math.nan], [math.inf, 0.0]])
def test_refuses_what_has_no_mean(differences: list[float]) -> None:
    with pytest.raises(UsageError, match="no interval") as error:
        paired_interval(differences)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0, math.nan])
def test_refuses_a_level_that_is_no_share(level: float) -> None:
    with pytest.raises(UsageError, match="wrong level"):
        paired_interval([0.1, 0.2], level)
