"""Cross-entropy and the class weights that balance it.

Legend: b samples, k classes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from residua.errors import LabelError, UsageError


def cross_entropy(
    logits: Tensor,
    targets: Tensor,
    *,
    label_smoothing: float = 0.0,
    class_weights: Tensor | None = None,
) -> Tensor:
    """Loss of each sample, ``w(t) * ((1 - s) * CE(t) + s * CE(uniform))``.

    It is computed in float32 or better, whatever the logits come in. The mean over samples is left
    to the caller, who knows how large a share of the update the samples are. It divides by the
    number of samples, not by the sum of their weights: under `balanced_class_weights` the expected
    weight is 1, and so the parts of an update and the ranks add up to the same gradient however
    the classes fall among them. (``torch.nn.functional.cross_entropy(weight=...)`` divides by the
    sum of the weights instead.)

    Args:
        logits: ``[b, k]``, any floating type.
        targets: int64 ``[b]`` class indices, or ``[b, k]`` class probabilities (Mixup, CutMix).
        label_smoothing: Share ``s`` of the target that is spread evenly over all classes (Szegedy
            et al., "Rethinking the Inception Architecture", 2016, section 7).
        class_weights: ``[k]``. The weight of a sample is that of its class; for class
            probabilities, their mean ``sum_k target_k * w_k``. Smoothing does not change it.

    Returns:
        ``[b]`` losses.

    Raises:
        UsageError: Shapes that do not fit, or a smoothing outside [0, 1).
    """
    _check(logits, targets, label_smoothing, class_weights)
    log_probabilities = F.log_softmax(
        logits.to(torch.promote_types(logits.dtype, torch.float32)), dim=-1
    )
    if targets.ndim == 1:
        losses = F.nll_loss(log_probabilities, targets, reduction="none")
    else:
        losses = -(targets * log_probabilities).sum(-1)
    if label_smoothing:
        losses = (1 - label_smoothing) * losses - label_smoothing * log_probabilities.mean(-1)
    if class_weights is not None:
        losses = losses * _sample_weights(targets, class_weights.to(losses.dtype))
    return losses


def _sample_weights(targets: Tensor, class_weights: Tensor) -> Tensor:
    # not a matrix product: autocast would round it to bf16
    return class_weights[targets] if targets.ndim == 1 else (targets * class_weights).sum(-1)


def _check(
    logits: Tensor, targets: Tensor, label_smoothing: float, class_weights: Tensor | None
) -> None:
    if not 0 <= label_smoothing < 1:
        raise UsageError(
            "wrong label_smoothing", expected="0 <= label_smoothing < 1", received=label_smoothing
        )
    if targets.ndim == 1 and not targets.is_floating_point():
        fits = logits.ndim == 2 and targets.shape[0] == logits.shape[0]
    else:
        fits = logits.ndim == 2 and targets.shape == logits.shape and targets.is_floating_point()
    if not fits:
        raise UsageError(
            "targets do not fit the logits",
            expected=f"integers [{logits.shape[0]}] or floats {list(logits.shape)}",
            received=f"{targets.dtype} {list(targets.shape)}",
        )
    if class_weights is not None and class_weights.shape != logits.shape[1:]:
        raise UsageError(
            "one weight is needed for each class",
            expected=list(logits.shape[1:]),
            received=list(class_weights.shape),
        )


def balanced_class_weights(counts: Tensor) -> Tensor:
    """Weights ``n / (k * count)`` that make every class count the same (King & Zeng, 2001).

    Their expectation over the counted samples is 1. A class without samples does not enter ``k``
    and weighs 1, should one turn up later.

    Args:
        counts: int64 ``[k]`` samples of each class.

    Returns:
        float32 ``[k]``.

    Raises:
        LabelError: There is no sample at all.
    """
    present = counts > 0
    if not present.any():
        raise LabelError("class weights need at least one labelled sample", received=0)
    # in float64, as n * k of large data sets passes 2**24
    weights = counts.sum().double() / (present.sum() * counts.clamp(min=1).double())
    return torch.where(present, weights, 1.0).to(torch.float32)
