"""The exponential moving average of a network's weights (Polyak & Juditsky, 1992)."""

# torch's multi-tensor operations have no public names, though its own optimizers consist of them
# pyright: reportPrivateUsage=false, reportPrivateImportUsage=false

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from residua.errors import CheckpointError, UsageError


class EMA:
    """A second set of a network's weights that follows the first one smoothly.

    After update t (from 0) every floating-point parameter and buffer moves by ``1 - d`` of the way
    to the network's, with ``d = min(decay, (1 + t) / (10 + t))``: the early average forgets the
    initial weights quickly. Running statistics of normalisation layers are averaged too, with the
    same decay: copies of the newest ones would describe the activations of the newest weights, not
    of those averaged over the same window. They are an estimate that serves between measurements
    (`residua.training.norm_statistics`). Integers (batch counters) are copied.

    Args:
        network: On its device and in its memory format; it starts as the average of itself.
        decay: In (0, 1). It spans about ``1 / (1 - decay)`` updates.

    Raises:
        UsageError: A decay out of range.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        if not 0 < decay < 1:
            raise UsageError("wrong ema", expected="a decay in (0, 1)", received=decay)
        self._decay = decay
        self._average = {name: value.clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Follows the network after update ``step``, counted from 0."""
        pairs = self._pairs(network)
        moving = [(mean, value) for mean, value in pairs if mean.is_floating_point()]
        decay = min(self._decay, (1 + step) / (10 + step))
        means, values = [mean for mean, _ in moving], [value for _, value in moving]
        torch._foreach_lerp_(means, values, 1 - decay)
        for mean, value in pairs:
            if not mean.is_floating_point():
                mean.copy_(value)

    @contextmanager
    def swapped(self, network: nn.Module) -> Generator[None]:
        """Inside the ``with`` block the network has the averaged weights; its own come back."""
        self._exchange(network)
        try:
            yield
        finally:
            self._exchange(network)

    @torch.no_grad()
    def _exchange(self, network: nn.Module) -> None:
        for mean, value in self._pairs(network):
            # values move, tensors stay: optimizers and compiled code hold on to them
            own = value.clone()
            value.copy_(mean)
            mean.copy_(own)

    def _pairs(self, network: nn.Module) -> list[tuple[Tensor, Tensor]]:
        return [(self._average[name], value) for name, value in network.state_dict().items()]

    def state_dict(self) -> dict[str, Tensor]:
        """The averaged weights and buffers under the network's names; not copies."""
        return dict(self._average)

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Goes on from what `state_dict` returned.

        Raises:
            CheckpointError: The average of another network.
        """
        for name in sorted(self._average.keys() ^ state.keys()):
            received = "nothing" if name in self._average else "a tensor"
            raise CheckpointError(f"unmatched averaged weight '{name}'", received=received)
        for name, mean in self._average.items():
            if mean.shape != state[name].shape:
                raise CheckpointError(
                    f"unfit averaged weight '{name}'",
                    expected=list(mean.shape),
                    received=list(state[name].shape),
                )
            mean.copy_(state[name])
