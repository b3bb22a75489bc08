"""The statistics of batch normalisation, measured for the weights that will be used.

Running statistics follow the weights of the last updates. An average of weights was never one of
them, so it has no statistics of its own until they are measured (Izmailov et al., "Averaging
Weights Leads to Wider Optima and Better Generalization", UAI 2018, section 3.2).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase  # pyright: ignore[reportPrivateUsage]

T = TypeVar("T")


def learning_norms(network: nn.Module) -> list[_NormBase]:
    """The layers whose running statistics training changes: all of them that are not frozen."""
    return [
        module
        for module in network.modules()
        if isinstance(module, _NormBase) and module.track_running_stats and module.training
    ]


@torch.no_grad()
def measure_statistics(
    network: nn.Module,
    norms: Sequence[_NormBase],
    batches: Iterable[T],
    run: Callable[[T], object],
    total: Callable[[Tensor], Tensor],
) -> None:
    """Sets the running statistics of ``norms`` to the means of those of ``batches``.

    All other layers are in evaluation mode meanwhile, as they will be when the statistics are used:
    neither dropout nor stochastic depth is in them.

    Args:
        network: What ``norms`` are layers of.
        batches: At least one.
        run: Passes one of them through the network.
        total: The sum of its argument over all ranks.
    """
    state = [b for norm in norms for b in (norm.running_mean, norm.running_var) if b is not None]
    one = torch.ones_like(state[0][:1])
    sums = torch.zeros_like(torch.cat([*state, one]))
    with _taking_each_batch(network, norms):
        for batch in batches:
            run(batch)
            sums += torch.cat([*state, one])
    *means, count = total(sums).split([*map(len, state), 1])
    for buffer, mean in zip(state, means, strict=True):
        buffer.copy_(mean / count)


@contextmanager
def _taking_each_batch(network: nn.Module, norms: Sequence[_NormBase]) -> Generator[None]:
    """The running statistics of ``norms`` are those of the last batch alone."""
    modes = [(module, module.training) for module in network.modules()]
    momenta = [(norm, norm.momentum) for norm in norms]
    network.eval()
    for norm in norms:
        norm.reset_running_stats()  # what is not finite would stay so at any momentum
        norm.training, norm.momentum = True, 1.0
    try:
        yield
    finally:
        for norm, momentum in momenta:
            norm.momentum = momentum
        for module, training in modes:
            module.training = training
