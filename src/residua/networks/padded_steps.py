"""Rules of functions that do the same to each step: nothing crosses a sample's end.

``zeroed`` follows where zeros stay zeros, which spares the next convolution its mask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from residua.errors import InputShapeError
from residua.networks.padded import Padded
from residua.networks.padded_ends import Ends
from residua.networks.padded_pool import softmax
from residua.networks.padded_table import Table, no_rule, refuse_ends

RULES = Table()


@RULES.of(
    "relu relu_ relu6 leaky_relu elu selu celu gelu silu mish tanh hardswish softsign tanhshrink"
    " dropout dropout1d dropout2d feature_dropout abs square neg prelu"
    " detach clone contiguous"
)
def _keeps_zeros(func: Callable[..., Any], x: Padded, *args: Any, **kwargs: Any) -> Padded:
    return Padded(func(x.data, *args, **kwargs), x.ends, zeroed=x.is_zeroed)


@RULES.of("sigmoid hardsigmoid hardtanh clamp softplus logsigmoid local_response_norm")
def _each(func: Callable[..., Any], x: Padded, *args: Any, **kwargs: Any) -> Padded:
    data = func(x.data, *args, **kwargs)
    if data is x.data:  # in place
        x.forget_zeros()
    return Padded(data, x.ends)


@RULES.of("to float double half bfloat16")
def _converted(func: Callable[..., Any], x: Padded, *args: Any, **kwargs: Any) -> Padded:
    data = func(x.data, *args, **kwargs)
    if data.device != x.device:
        raise no_rule("a move to another device")
    return Padded(data, x.ends, zeroed=x.is_zeroed)


@RULES.of("pow")
def _power(func: Callable[..., Any], x: Padded, exponent: Any) -> Padded:
    """Of positive whole exponents only: all others are infinite somewhere, or their slopes are."""
    if not isinstance(exponent, int) or exponent < 1:
        raise no_rule("powers other than 1, 2, 3 ...")
    return Padded(func(x.data, exponent), x.ends, zeroed=x.is_zeroed)


@RULES.of("add sub")
def _sum(func: Callable[..., Any], a: Any, b: Any, **kwargs: Any) -> Padded:
    (x, y), ends = _aligned(a, b)
    zeroed = all(isinstance(part, Padded) and part.is_zeroed for part in (a, b))
    return Padded(func(x, y, **kwargs), ends, zeroed=zeroed)


@RULES.of("mul multiply")
def _product(func: Callable[..., Any], a: Any, b: Any) -> Padded:
    (x, y), ends = _aligned(a, b)
    zeroed = any(isinstance(part, Padded) and part.is_zeroed for part in (a, b))
    return Padded(func(x, y), ends, zeroed=zeroed)


@RULES.of("div divide true_divide")
def _quotient(func: Callable[..., Any], a: Any, b: Any) -> Padded:
    if isinstance(b, Padded):
        raise no_rule("a divisor of unequal lengths")
    (x, y), ends = _aligned(a, b)
    return Padded(func(x, y), ends, zeroed=a.is_zeroed)


@RULES.of("cat concat concatenate")
def _cat(func: Callable[..., Any], tensors: Sequence[Any], dim: int = 0) -> Padded:
    if not all(isinstance(part, Padded) for part in tensors):
        raise no_rule("a concatenation with a plain tensor")
    parts, ends = _aligned(*tensors)
    refuse_ends(dim, parts[0].ndim)
    return Padded(func(parts, dim), ends, zeroed=all(part.is_zeroed for part in tensors))


def _aligned(*values: Any) -> tuple[list[Any], Ends]:
    """The data of all, as many steps of each, and their common ends."""
    padded = [value for value in values if isinstance(value, Padded)]
    ends, ndim, samples = padded[0].ends, padded[0].ndim, padded[0].shape[0]
    if not all(other.ndim == ndim and ends.agree(other.ends) for other in padded[1:]):
        raise InputShapeError(
            "branches of the network disagree on the lengths of samples",
            expected=padded[0],
            received=padded[1:],
        )
    steps = min(value.shape[-1] for value in padded)
    data = [v.data[..., :steps] if isinstance(v, Padded) else v for v in values]
    for value in data:
        if isinstance(value, Tensor) and not _broadcasts(value, ndim, samples, steps):
            raise InputShapeError(
                "a tensor does not fit samples of unequal lengths",
                expected=f"{samples} samples and {steps} steps, or 1",
                received=list(value.shape),
            )
    return data, ends


def _broadcasts(value: Tensor, ndim: int, samples: int, steps: int) -> bool:
    fits = value.ndim == 0 or value.shape[-1] in (1, steps)
    return fits and (value.ndim < ndim or (value.ndim == ndim and value.shape[0] in (1, samples)))


@RULES.of("glu")
def _glu(func: Callable[..., Any], x: Padded, dim: int = -1) -> Padded:
    refuse_ends(dim, x.ndim)
    return Padded(func(x.data, dim), x.ends, zeroed=x.is_zeroed)


@RULES.of("chunk split")
def _pieces(func: Callable[..., Any], x: Padded, *args: Any, **kwargs: Any) -> tuple[Padded, ...]:
    refuse_ends(kwargs.get("dim", args[1] if len(args) > 1 else 0), x.ndim)
    return tuple(Padded(p, x.ends, zeroed=x.is_zeroed) for p in func(x.data, *args, **kwargs))


@RULES.of("softmax")
def _softmax(
    func: Callable[..., Any],
    x: Padded,
    dim: int,
    _stacklevel: int = 3,
    dtype: torch.dtype | None = None,
) -> Padded:
    if dim % x.ndim == x.ndim - 1:
        return Padded(softmax(x.data, x.ends, dtype), x.ends, zeroed=True)
    refuse_ends(dim, x.ndim)
    return Padded(F.softmax(x.data, dim, dtype=dtype), x.ends)


@RULES.of("log_softmax")
def _log_softmax(func: Callable[..., Any], x: Padded, dim: int, **kwargs: Any) -> Padded:
    refuse_ends(dim, x.ndim)
    return Padded(func(x.data, dim, **kwargs), x.ends)


@RULES.of("flatten")
def _flatten(func: Callable[..., Any], x: Padded, start_dim: int = 0, end_dim: int = -1) -> Padded:
    refuse_ends(start_dim, x.ndim)
    refuse_ends(end_dim, x.ndim)
    return Padded(func(x.data, start_dim, end_dim), x.ends, zeroed=x.is_zeroed)


@RULES.of("unsqueeze")
def _unsqueeze(func: Callable[..., Any], x: Padded, dim: int) -> Padded:
    refuse_ends(dim, x.ndim + 1)
    return Padded(func(x.data, dim), x.ends, zeroed=x.is_zeroed)


@RULES.of("squeeze")
def _squeeze(func: Callable[..., Any], x: Padded, dim: int) -> Padded:
    refuse_ends(dim, x.ndim)
    return Padded(func(x.data, dim), x.ends, zeroed=x.is_zeroed)


@RULES.of("reshape view")
def _reshape(func: Callable[..., Any], x: Padded, *shape: Any) -> Padded:
    data = func(x.data, *shape)
    if data.ndim < 2 or (data.shape[0], data.shape[-1]) != (x.shape[0], x.shape[-1]):
        raise no_rule("a new shape of the first or last axis")
    return Padded(data, x.ends, zeroed=x.is_zeroed)
