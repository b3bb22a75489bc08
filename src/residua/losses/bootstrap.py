"""The bootstrap loss: what one network predicts of another one's embedding of the other view.

Legend: b samples, d dimensions.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from residua.errors import UsageError


def regression_to_teacher(predicted: Tensor, taught: Tensor) -> Tensor:
    """Squared distance of each sample's two unit vectors, ``2 - 2 cos(predicted, taught)``.

    Grill et al., "Bootstrap Your Own Latent" (NeurIPS 2020), equation 2. The paper's loss is the
    sum of this for both views, each predicted once and taught once. ``taught`` gets no gradient
    only where the caller stops it. Computed in float32 or better.

    Args:
        predicted: ``[b, d]``, any floating type and length.
        taught: ``[b, d]``.

    Returns:
        ``[b]``, from 0 to 4.

    Raises:
        UsageError: Shapes that do not fit.
    """
    if predicted.ndim != 2 or predicted.shape != taught.shape:
        raise UsageError(
            "predictions do not fit what is to be predicted",
            expected="two tensors [b, d] of the same shape",
            received=f"{list(predicted.shape)} and {list(taught.shape)}",
        )
    with torch.autocast(predicted.device.type, enabled=False):
        exact = torch.promote_types(predicted.dtype, torch.float32)
        return 2 - 2 * F.cosine_similarity(predicted.to(exact), taught.to(exact), dim=1, eps=1e-12)
