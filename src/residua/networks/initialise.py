"""Ways to draw a network's first weights other than its paper's own."""

from __future__ import annotations

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
