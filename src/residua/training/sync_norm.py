"""Batch normalisation with the statistics of all ranks' samples.

On GPUs torch has it (`nn.SyncBatchNorm`); on processors it refuses, and of samples of unequal
lengths it knows nothing. The one here makes two ranks on a laptop compute what one would.

Ioffe & Szegedy, "Batch Normalization", 2015, algorithm 1.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]

from residua.networks.padded import Padded
from residua.networks.padded_norm import Statistics, normalise


def synchronise_norms(network: nn.Module, device: torch.device, *, unequal: bool = False) -> None:
    """Makes every batch normalisation of ``network`` use all ranks' samples while training.

    Parameters, buffers and their names stay; only how the statistics are computed changes.

    Args:
        network: Changed in place.
        device: Where it will train.
        unequal: Samples may have different lengths, of which torch's own layer knows nothing.
    """
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, _BatchNorm):
                made = nn.SyncBatchNorm if device.type == "cuda" and not unequal else SyncBatchNorm
                setattr(parent, name, _in_place_of(child, made))


def _in_place_of(norm: _BatchNorm, kind: type[_BatchNorm]) -> _BatchNorm:
    made = kind(norm.num_features, norm.eps, norm.momentum, norm.affine)
    made.weight, made.bias = norm.weight, norm.bias
    made.running_mean, made.running_var = norm.running_mean, norm.running_var
    made.num_batches_tracked = norm.num_batches_tracked
    made.track_running_stats = norm.track_running_stats
    return made.train(norm.training)


def _sum_over_ranks(values: Tensor) -> Tensor:
    total = values.clone()
    dist.all_reduce(total)
    return total


class SyncBatchNorm(_BatchNorm):
    """Batch normalisation over the samples of all ranks, which may have different numbers."""

    def _check_input_dim(self, input: Tensor) -> None:  # torch's name for it
        assert input.dim() >= 2

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or not dist.is_initialized():
            return super().forward(input)
        x = cast(Tensor | Padded, input)
        data, valid = (x, None) if isinstance(x, Tensor) else (x.data, x.valid)
        normal, found = normalise(
            data, valid, self.weight, self.bias, eps=self.eps, total=_sum_over_ranks
        )
        self._track(found)
        return normal if isinstance(x, Tensor) else cast(Tensor, Padded(normal, x.ends))

    @torch.no_grad()
    def _track(self, found: Statistics) -> None:
        """The running statistics, as torch keeps them."""
        if self.running_mean is None or self.running_var is None:
            return
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        momentum = 0.1 if self.momentum is None else self.momentum
        self.running_mean.lerp_(found.mean, momentum)
        self.running_var.lerp_(found.unbiased, momentum)
