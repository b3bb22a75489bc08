"""Two ways of doing the same, run by run: what their differences say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from residua.errors import UsageError


def paired_interval(
    differences: Sequence[float], level: float = 0.95
) -> tuple[float, float, float]:
    """Student's t-interval of the mean of paired differences.

    Pairs share what is not asked about (seed, labels, split), so that it cancels. One pair says
    nothing of the spread: its interval is from minus to plus infinity.

    Args:
        differences: One a pair, this way minus that way, in any unit.
        level: Share of such intervals that hold the true mean, in (0, 1), where differences are
            independent and about normal.

    Returns:
        Mean, low and high end, in the unit of the differences.

    Raises:
        UsageError: There is no difference, one that is not finite, or ``level`` is no share.

    Reference:
        Student, "The Probable Error of a Mean", Biometrika 1908.
    """
    n = len(differences)
    if not 0 < level < 1:
        raise UsageError("wrong level of an interval", expected="in (0, 1)", received=level)
    if not n or not all(map(math.isfinite, differences)):
        raise UsageError(
            "no interval of these differences",
            expected="one or more finite numbers",
            received=list(differences),
        )
    mean = fmean(differences)
    if n == 1:
        return mean, -math.inf, math.inf
    half = _t_quantile(n - 1, (1 + level) / 2) * stdev(differences) / math.sqrt(n)
    return mean, mean - half, mean + half


def _t_quantile(degrees: int, share: float) -> float:
    """Below which ``share`` of Student's t distribution lies."""
    from scipy.special import stdtrit  # a third of a second: only where it is needed

    return float(stdtrit(degrees, share))
