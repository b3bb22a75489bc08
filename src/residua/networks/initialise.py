"""Ways to draw a network's first weights that belong to no family: Xavier's, and Keras's."""

from __future__ import annotations

import math

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]

from residua.networks.layers import Conv


def initialise_xavier(network: nn.Module) -> None:
    """Draws all convolution and linear weights from U(-a, a), a = sqrt(6 / (fan_in + fan_out)).

    Glorot & Bengio, 2010, equation 16, where a convolution's fans count its kernel's positions.
    Biases and batch norms get what torch's layers start with, whatever the network's paper does
    to them: uniform below 1 / sqrt(fan_in); scale 1 and shift 0.
    """
    for module in network.modules():
        if isinstance(module, Conv | nn.Linear):
            module.reset_parameters()
            nn.init.xavier_uniform_(module.weight)
        elif isinstance(module, _BatchNorm):
            module.reset_parameters()


def initialise_as_keras(network: nn.Module, *, he: bool = False, members: int = 1) -> None:
    """Draws all convolution and linear weights as Keras does by default; biases are 0.

    Weights are uniform as above; with ``he`` those of convolutions come from He's normal by fan-in,
    cut off at two of its standard deviations and widened so that it keeps them (He et al., 2015).
    With ``members`` the outputs of a convolution are those of so many, one behind the other, each
    drawn by itself.
    """
    for module in network.modules():
        if not isinstance(module, Conv | nn.Linear) or module.weight.is_meta:
            continue
        weight, is_conv = module.weight.detach(), isinstance(module, Conv)
        for part in weight.chunk(members) if is_conv else (weight,):
            if he and is_conv:
                deviation = math.sqrt(2 / part[0].numel()) / _CUT_NORMAL
                nn.init.trunc_normal_(part, std=deviation, a=-2 * deviation, b=2 * deviation)
            else:
                nn.init.xavier_uniform_(part)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


_CUT_NORMAL = 0.87962566103423978
"""Standard deviation of the standard normal distribution within [-2, 2]."""
