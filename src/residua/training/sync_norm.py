"""Batch normalisation with the statistics of all ranks' samples.

On GPUs torch has it (`nn.SyncBatchNorm`); on processors it refuses. The one here is a few
differentiable sums, so that two ranks on a laptop compute what one would.

Ioffe & Szegedy, "Batch Normalization", 2015, algorithm 1.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]


def synchronise_norms(network: nn.Module, device: torch.device) -> None:
    """Makes every batch normalisation of ``network`` use all ranks' samples while training.

    Parameters, buffers and their names stay; only how the statistics are computed changes.
    """
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, _BatchNorm):
                setattr(parent, name, _synchronised(child, device))


def _synchronised(norm: _BatchNorm, device: torch.device) -> nn.Module:
    if device.type == "cuda":
        return cast(nn.Module, nn.SyncBatchNorm.convert_sync_batchnorm(norm))
    made = SyncBatchNorm(norm.num_features, norm.eps, norm.momentum, norm.affine)
    made.weight, made.bias = norm.weight, norm.bias
    made.running_mean, made.running_var = norm.running_mean, norm.running_var
    made.num_batches_tracked = norm.num_batches_tracked
    return made.train(norm.training)


class SyncBatchNorm(_BatchNorm):
    """Batch normalisation over the samples of all ranks, which may have different numbers."""

    def _check_input_dim(self, input: Tensor) -> None:  # torch's name for it
        assert input.dim() >= 2

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or not dist.is_initialized():
            return super().forward(input)
        axes = [0, *range(2, input.dim())]
        x = input.float()
        count = torch.full((1,), x.numel() / x.shape[1], device=x.device)
        sums = torch.cat([x.sum(axes), x.square().sum(axes), count])
        sums = cast(Tensor, all_reduce(sums))
        total = sums[-1]
        mean, mean_square = (sums[:-1] / total).chunk(2)
        variance = mean_square - mean.square()
        self._track(mean.detach(), variance.detach() * total.detach() / (total.detach() - 1))
        shape = [1, -1, *([1] * (input.dim() - 2))]
        scale = torch.rsqrt(variance + self.eps)
        normal = (x - mean.view(shape)) * scale.view(shape)
        if self.affine:
            normal = normal * self.weight.view(shape) + self.bias.view(shape)
        return normal.to(input.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, unbiased: Tensor) -> None:
        """The running statistics, as torch keeps them."""
        if self.running_mean is None or self.running_var is None:
            return
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        momentum = 0.1 if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(unbiased, momentum)
