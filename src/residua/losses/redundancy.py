"""Embeddings that agree, vary and do not repeat themselves: the three terms of VICReg.

Bardes, Ponce & LeCun, "VICReg: Variance-Invariance-Covariance Regularization for Self-Supervised
Learning" (ICLR 2022), section 4.1. All are computed in float32 or better.

Legend: n samples, d dimensions.
"""

from __future__ import annotations

import torch
from torch import Tensor

from residua.errors import UsageError

_EPSILON = 1e-4
"""Under the square root of the standard deviation, as in the paper."""


def invariance(first: Tensor, second: Tensor) -> Tensor:
    """``[n]``: the mean over dimensions of the squared difference of a sample's two embeddings.

    Equation 5 sums over dimensions; the authors' code, to which the weights 25, 25 and 1 belong,
    takes the mean, and so does this.

    Args:
        first, second: ``[n, d]``.

    Raises:
        UsageError: Shapes that do not fit.
    """
    if first.ndim != 2 or first.shape != second.shape:
        raise UsageError(
            "the two views' embeddings do not fit together",
            expected="two tensors [n, d] of the same shape",
            received=f"{list(first.shape)} and {list(second.shape)}",
        )
    return (_exact(first) - _exact(second)).square().mean(1)


def variance(rows: Tensor, *, valid: Tensor | None = None) -> Tensor:
    """By how much the standard deviations fall short of 1: a scalar, the mean over dimensions.

    Equation 1: the mean of ``max(0, 1 - sqrt(Var(x) + 1e-4))``, variances being unbiased. The
    authors' code halves the sum over the two views; the paper, and who calls this, does not.

    Args:
        rows: ``[n, d]``.
        valid: ``[n]`` 1 for samples and 0 for rows that are none; None where all are samples.

    Raises:
        UsageError: Fewer than two rows.
    """
    centred, freedom = _centred(rows, valid)
    deviations = (centred.square().sum(0) / freedom + _EPSILON).sqrt()
    return (1 - deviations).clamp(min=0).mean()


def covariance(rows: Tensor, *, valid: Tensor | None = None) -> Tensor:
    """How much dimensions say of one another: a scalar.

    Equations 3 and 4: the sum of the squared elements off the diagonal of the covariance matrix,
    divided by d.

    Args:
        rows: ``[n, d]``.
        valid: See `variance`.

    Raises:
        UsageError: Fewer than two rows.
    """
    with torch.autocast(rows.device.type, enabled=False):
        centred, freedom = _centred(rows, valid)
        matrix = centred.T @ centred / freedom
        d = rows.shape[1]
        between = matrix.masked_fill(torch.eye(d, dtype=torch.bool, device=rows.device), 0)
        return between.square().sum() / d


def _exact(rows: Tensor) -> Tensor:
    return rows.to(torch.promote_types(rows.dtype, torch.float32))


def _centred(rows: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
    """``[n, d]`` differences from the samples' mean, 0 for what is no sample; and n - 1."""
    if rows.ndim != 2 or len(rows) < 2:
        raise UsageError(
            "variances need several samples",
            expected="embeddings [n, d] with n >= 2",
            received=list(rows.shape),
        )
    exact = _exact(rows)
    weights = exact.new_ones(len(rows)) if valid is None else valid.to(exact.dtype)
    count = weights.sum()
    mean = (exact * weights[:, None]).sum(0) / count
    return (exact - mean) * weights[:, None], (count - 1).clamp(min=1)
