"""Small networks behind the features, which only pre-training needs: projectors and predictors.

Their layers keep torch's initial weights, as the authors' own code and its successors do.
"""

from __future__ import annotations

from itertools import pairwise

from torch import nn


def mlp(inputs: int, hidden: int, outputs: int, *, layers: int = 2) -> nn.Sequential:
    """Linear layers with batch normalisation and ReLU between them, and nothing after the last.

    ``[b, inputs]`` to ``[b, outputs]``. Where normalisation follows, a bias would cancel out, and
    there is none. `residua.training.sync_norm` finds the norms as it finds those of networks.

    Args:
        layers: Linear ones: 2 for SimCLR's projector (Chen et al., 2020, section 2.1) and BYOL's
            projector and predictor (Grill et al., 2020, section 3.3), 3 for VICReg's projector
            (Bardes et al., 2022, section 4.2).
    """
    widths = [inputs, *[hidden] * (layers - 1)]
    modules: list[nn.Module] = []
    for before, after in pairwise(widths):
        modules += [
            nn.Linear(before, after, bias=False),
            nn.BatchNorm1d(after),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*modules, nn.Linear(widths[-1], outputs))
