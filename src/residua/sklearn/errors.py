"""Wrong X or y, in a form that scikit-learn's users expect."""

from __future__ import annotations

from residua.errors import UsageError


class InputError(UsageError, ValueError):
    """X or y is not what the estimator takes."""
