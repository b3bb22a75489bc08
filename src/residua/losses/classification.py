"""Cross-entropy, of all classes at once or of each against the rest, and weights that balance it.

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


def binary_cross_entropy_of_classes(
    logits: Tensor,
    targets: Tensor,
    *,
    label_smoothing: float = 0.0,
    threshold: float | None = None,
    class_weights: Tensor | None = None,
) -> Tensor:
    """Loss of each sample, where every class is a question of its own: is it this one or not?

    ``w(t) * mean_k(-t_k log p_k - (1 - t_k) log(1 - p_k))`` with p = sigmoid(logit) (Wightman et
    al., "ResNet strikes back", 2021, section 2). A mixed picture may then be both of its classes to
    the full: that is what ``threshold`` says. The mean over the classes is that of timm's
    ``BinaryCrossEntropy``; gradients are about k times shorter than those of `cross_entropy`, which
    LAMB and AdamW do not notice and SGD does. Probabilities elsewhere remain the softmax of the
    logits, whose largest is that of the sigmoids too.

    Args:
        logits: ``[b, k]``, any floating type.
        targets: int64 ``[b]`` class indices, or ``[b, k]`` class probabilities (Mixup, CutMix).
        label_smoothing: Share ``s`` of the target that is spread over all classes: 1 becomes
            ``1 - s + s/k`` and 0 becomes ``s/k``. It comes after the threshold, as in the paper
            ("1 - e"); timm's threshold comes last and undoes it.
        threshold: What is above it becomes 1 and the rest 0; None leaves the targets soft.
        class_weights: ``[k]``, as those of `cross_entropy`.

    Returns:
        ``[b]`` losses, float32 or better.

    Raises:
        UsageError: Shapes that do not fit, a smoothing outside [0, 1), a threshold outside (0, 1).
    """
    _check(logits, targets, label_smoothing, class_weights)
    if threshold is not None and not 0 < threshold < 1:
        raise UsageError("wrong threshold", expected="in (0, 1)", received=threshold)
    exact = logits.to(torch.promote_types(logits.dtype, torch.float32))
    rows = _rows(targets, exact)
    if threshold is not None:
        rows = (rows > threshold).to(exact.dtype)
    if label_smoothing:
        rows = (1 - label_smoothing) * rows + label_smoothing / rows.shape[1]
    losses = F.binary_cross_entropy_with_logits(exact, rows, reduction="none").mean(-1)
    if class_weights is not None:
        losses = losses * _sample_weights(targets, class_weights.to(losses.dtype))
    return losses


def _rows(targets: Tensor, like: Tensor) -> Tensor:
    """Targets as ``[b, k]`` of the type of ``like``."""
    if targets.ndim == 1:
        return torch.zeros_like(like).scatter_(1, targets[:, None], 1.0)
    return targets.to(like.dtype)


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
