"""AugMix (Hendrycks et al., "AugMix: A Simple Data Processing Method to Improve Robustness and
Uncertainty", ICLR 2020), without its consistency loss.

Legend: b samples, c channels, h w size, n chains, d operations of the longest chain.
"""

from __future__ import annotations

import torch
from torch import Tensor

from residua.augment.policies import Operation, Space, operate
from residua.random import Draws

_CHAINS = 3
_DEPTH = 3
_LEVELS = (0.01, 0.3)  # severity 3 of 10
_MOVING = 1 + Operation.ROTATE - Operation.SHEAR_X
_TONAL = 1 + Operation.EQUALIZE - Operation.POSTERIZE


def augmix(images: Tensor, draws: Draws) -> Tensor:
    """Three chains of one to three operations, mixed with one another and with the picture.

    As the authors have it: nine operations (shear and translate along either axis, rotate,
    posterize, solarize, autocontrast, equalize; not those that their measure of robustness has), of
    a level uniform up to severity 3; the chains' weights are uniform on the simplex (Dirichlet,
    alpha 1), that of all chains together is uniform (Beta, alpha 1).

    Args:
        images: float ``[b, c, h, w]`` in [0, 1].
        draws: The samples' random numbers.
    """
    # All chains at once, as 3 b samples.
    which = _by_chain(_operations(draws))
    amount = _by_chain(
        draws.uniform("augmix.level", _CHAINS, _DEPTH, low=_LEVELS[0], high=_LEVELS[1])
    )
    negative = _by_chain(draws.bernoulli("augmix.sign", 0.5, _CHAINS, _DEPTH))
    chains, space = images.repeat(_CHAINS, 1, 1, 1), _space(images)
    for step in range(_DEPTH):
        chains = operate(chains, which[:, step], amount[:, step], negative[:, step], space)
    weights = _weights(draws).mT[..., None, None, None]
    mixed = images * (1 - weights.sum(dim=0))
    for chain, weight in zip(chains.chunk(_CHAINS), weights, strict=True):
        mixed.addcmul_(chain, weight)
    return mixed.clamp_(0, 1)


def _operations(draws: Draws) -> Tensor:
    """int64 ``[b, n, d]``; behind a chain's end IDENTITY."""
    drawn = draws.integers("augmix.operation", _MOVING + _TONAL, _CHAINS, _DEPTH)
    tonal = Operation.POSTERIZE + drawn - _MOVING
    which = torch.where(drawn < _MOVING, Operation.SHEAR_X + drawn, tonal)
    depth = 1 + draws.integers("augmix.depth", _DEPTH, _CHAINS)
    step = torch.arange(_DEPTH, device=which.device)
    return torch.where(step < depth[..., None], which, Operation.IDENTITY)


def _weights(draws: Draws) -> Tensor:
    """float ``[b, n]``: what each chain counts; the picture itself counts the rest of 1."""
    # Exponential numbers divided by their sum are uniform on the simplex.
    exponential = -torch.log1p(-draws.uniform("augmix.chains", _CHAINS))
    share = exponential / exponential.sum(dim=1, keepdim=True).clamp(min=1e-12)
    return share * draws.uniform("augmix.mixed", 1)


def _by_chain(values: Tensor) -> Tensor:
    """``[b, n, d]`` as ``[n b, d]``."""
    return values.transpose(0, 1).flatten(0, 1)


def _space(images: Tensor) -> Space:
    h, w = images.shape[-2:]
    return Space(shear=0.3, translate=(w / 3, h / 3), rotate=30.0, blend=0.0, bits=4, least_bits=4)
