"""Contrastive losses: the two views of a sample are near one another, and far from other samples.

Legend: n samples of the whole update, b of them as anchors, d dimensions.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from residua.errors import UsageError


def nt_xent(
    first: Tensor,
    second: Tensor,
    *,
    temperature: float,
    decoupled: bool = False,
    anchors: slice = slice(None),
    valid: Tensor | None = None,
    groups: Tensor | None = None,
) -> Tensor:
    """Normalised, temperature-scaled cross-entropy of each sample, over all other embeddings.

    Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations" (ICML
    2020), equation 1, with s(u, v) = cos(u, v) / temperature: either view of sample i is an anchor
    once, and its loss is ``-s(first_i, second_i) + log sum exp s(first_i, v)`` over all embeddings
    v but the anchor itself. The loss of the sample is the mean of the two. With ``decoupled`` the
    sum leaves the other view of sample i out as well, so that easy positives do not weaken the
    gradient of small batches (Yeh et al., "Decoupled Contrastive Learning", ECCV 2022, equation 6).

    With ``groups`` the embeddings v are those of the sample's own group: what tells groups apart
    (speakers, patients) is then of no use (Cheng et al., "Subject-Aware Contrastive Learning for
    Biosignals", 2020, section 2.3). A sample whose group has no other one teaches nothing.

    It is computed in float32 or better, whatever the embeddings come in.

    Args:
        first: ``[n, d]`` embeddings of one view, of any length: they are normalised here.
        second: ``[n, d]`` of the other view of the same samples.
        temperature: Positive.
        decoupled: Leave the positive pair out of the denominator.
        anchors: The ``b`` rows whose losses are wanted, where others are there as negatives alone.
        valid: ``[n]`` 1 for samples and 0 for rows that are none; None where all are samples.
        groups: ``[n]``, equal where samples are of one group; None puts all into one.

    Returns:
        ``[b]`` losses in nats; the mean over all n is the paper's loss.

    Raises:
        UsageError: Shapes that do not fit, or a temperature that is not positive.
    """
    _check(first, second, temperature)
    with torch.autocast(first.device.type, enabled=False):
        one, other = unit_vectors(first), unit_vectors(second)
        itself = torch.eye(len(one), dtype=torch.bool, device=one.device)[anchors]
        outside = torch.zeros_like(itself)
        if valid is not None:
            outside = outside | (valid == 0)
        if groups is not None:
            outside = outside | (groups[anchors, None] != groups)
        alone = (itself | outside).all(1, keepdim=True)
        losses: list[Tensor] = []
        for queries, keys in ((one, other), (other, one)):
            same = (queries[anchors] @ queries.T).masked_fill(itself | outside, -torch.inf)
            across = queries[anchors] @ keys.T
            positive = across.masked_fill(~itself, 0).sum(1)
            rivals = across.masked_fill((itself | outside) if decoupled else outside, -torch.inf)
            others = torch.cat([same, rivals], 1).masked_fill(alone, 0)  # never -inf alone
            losses.append(torch.logsumexp(others / temperature, 1) - positive / temperature)
        return ((losses[0] + losses[1]) / 2).masked_fill(alone[:, 0], 0)


def unit_vectors(rows: Tensor) -> Tensor:
    """``[n, d]`` of length 1, in float32 or better; rows of zeros stay zeros."""
    return F.normalize(rows.to(torch.promote_types(rows.dtype, torch.float32)), dim=1)


def _check(first: Tensor, second: Tensor, temperature: float) -> None:
    if temperature <= 0:
        raise UsageError("wrong temperature", expected="> 0", received=temperature)
    if first.ndim != 2 or first.shape != second.shape or len(first) < 2:
        raise UsageError(
            "a contrastive loss compares two views of several samples",
            expected="two tensors [n, d] of the same shape, n >= 2",
            received=f"{list(first.shape)} and {list(second.shape)}",
        )
