"""Activation checkpointing: activations are computed again in the backward pass, not kept.

Chen et al., 2016, Training Deep Nets with Sublinear Memory Cost, arXiv:1604.06174.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Literal

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]
from torch.utils.checkpoint import checkpoint

from residua.networks.padded import taken_apart

Recompute = Literal["none", "stages", "layers"]
"""What is computed again: nothing, whole stages, or the cheap layers inside dense blocks."""


def recomputed(
    function: Callable[..., Tensor], modules: Sequence[nn.Module], *inputs: Tensor
) -> Tensor:
    """``function(*inputs)``, of which backward keeps the inputs alone.

    Gradients, batch-norm statistics and dropout are bitwise those of the plain call.

    Args:
        function: What to compute.
        modules: All that it calls.
        inputs: Tensors that it takes.
    """
    contexts = partial(_contexts, tuple(modules))
    tensors, again = taken_apart(*inputs)

    def from_tensors(*tensors: Tensor) -> Tensor:
        return function(*again(*tensors))

    return checkpoint(from_tensors, *tensors, use_reentrant=False, context_fn=contexts)


def _contexts(
    modules: Sequence[nn.Module],
) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    return nullcontext(), _spare_statistics(modules)


@contextmanager
def _spare_statistics(modules: Sequence[nn.Module]) -> Generator[None]:
    """Lends copies of their statistics to batch norms: a recomputed batch must not count twice."""
    norms = [m for root in modules for m in root.modules() if isinstance(m, _BatchNorm)]
    own = [(norm, name, b) for norm in norms for name, b in norm.named_buffers(recurse=False)]
    for norm, name, buffer in own:
        setattr(norm, name, buffer.clone())
    try:
        yield
    finally:
        for norm, name, buffer in own:
            setattr(norm, name, buffer)
