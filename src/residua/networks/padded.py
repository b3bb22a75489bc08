"""Batches of unequal lengths: one mechanism by which padding changes no answer of any network.

A `Padded` goes through modules in place of a tensor. They are unchanged and know nothing of it:
every torch function that one of them calls on it comes here (``__torch_function__``), and its rule
in `residua.networks.padded_rules` gives each sample what it would have got alone. A function
without a rule is an error, not a wrong answer.

Legend: b samples, c channels, t steps along the last axis.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor

from residua.errors import InputShapeError, NetworkError
from residua.networks.padded_ends import Ends
from residua.networks.padded_pool import filled, zeroed


class Padded:
    """Samples of different lengths side by side: ``[b, c, *s]``, valid up to each sample's end.

    What lies behind the ends is finite, says nothing, and reaches no valid value nor its gradient.
    It is not a tensor, but torch's functions and modules take it for one.
    """

    __slots__ = ("_data", "_zeroed", "ends")

    def __init__(self, data: Tensor, ends: Ends, *, zeroed: bool = False) -> None:
        """``zeroed``: zeros lie behind the ends already. Behind them all must be finite."""
        self._data = data
        self._zeroed = zeroed
        self.ends = ends

    @property
    def data(self) -> Tensor:
        """``[b, c, *s]``, with anything finite behind the ends."""
        return self._data

    @property
    def lengths(self) -> Tensor:
        """int64 ``[b]`` on the data's device."""
        return self.ends.lengths

    @property
    def is_zeroed(self) -> bool:
        """Whether zeros lie behind the ends."""
        return self._zeroed

    @property
    def valid(self) -> Tensor:
        """``[b, 1 ..., t]`` of at least float32: 1 up to the ends, 0 behind them."""
        exact = torch.promote_types(self.dtype, torch.float32)
        return self.ends.valid(self.shape[-1], self.ndim, exact)

    def zeroed(self) -> Tensor:
        """``[b, c, *s]`` with zeros behind the ends. Made once: all that comes later shares it."""
        if not self._zeroed:
            self._data = zeroed(self._data, self.ends)
            self._zeroed = True
        return self._data

    def forget_zeros(self) -> None:
        """For what has been changed in place."""
        self._zeroed = False

    @property
    def shape(self) -> torch.Size:
        return self._data.shape

    @property
    def ndim(self) -> int:
        return self._data.ndim

    @property
    def dtype(self) -> torch.dtype:
        return self._data.dtype

    @property
    def device(self) -> torch.device:
        return self._data.device

    @property
    def is_cuda(self) -> bool:
        return self._data.is_cuda

    @property
    def requires_grad(self) -> bool:
        return self._data.requires_grad

    def dim(self) -> int:
        return self._data.ndim

    def size(self, axis: int | None = None) -> torch.Size | int:
        return self._data.shape if axis is None else self._data.shape[axis]

    def numel(self) -> int:
        return self._data.numel()

    def is_floating_point(self) -> bool:
        return self._data.is_floating_point()

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        from residua.networks.padded_rules import RULES  # they are about this class

        rule = RULES.get(func)
        if rule is None:
            raise NetworkError(
                f"torch's '{getattr(func, '__name__', func)}' has no rule for unequal lengths",
                fix="Use unpadded(x) and with_lengths() around it, or give samples of one length",
            )
        named = dict(kwargs or {})
        first = (named.pop("input"),) if "input" in named else ()
        return rule(func, *first, *args, **named)

    def __getattr__(self, name: str) -> Any:
        """Tensor's methods."""
        method = getattr(Tensor, name, None)
        if name.startswith("_") or not callable(method):
            raise AttributeError(f"'Padded' has no attribute '{name}'")
        return partial(_call, method, self)

    def __getitem__(self, key: Any) -> Any:
        return _call(Tensor.__getitem__, self, key)

    def __add__(self, other: Any) -> Any:
        return _call(torch.add, self, other)

    def __radd__(self, other: Any) -> Any:
        return _call(torch.add, self, other)

    def __sub__(self, other: Any) -> Any:
        return _call(torch.sub, self, other)

    def __rsub__(self, other: Any) -> Any:
        return _call(torch.add, _call(torch.neg, self), other)

    def __mul__(self, other: Any) -> Any:
        return _call(torch.mul, self, other)

    def __rmul__(self, other: Any) -> Any:
        return _call(torch.mul, self, other)

    def __truediv__(self, other: Any) -> Any:
        return _call(torch.div, self, other)

    def __pow__(self, exponent: Any) -> Any:
        return _call(torch.pow, self, exponent)

    def __neg__(self) -> Any:
        return _call(torch.neg, self)

    def __repr__(self) -> str:
        return f"Padded({list(self.shape)}, lengths={self.lengths.tolist()})"


def _call(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return Padded.__torch_function__(func, (), args, kwargs)


def with_lengths(x: Tensor, lengths: Tensor | None) -> Tensor:
    """``x``, of whose last axis only the first ``lengths`` steps of each sample are valid.

    A `Padded`, which modules take for a tensor; ``x`` itself where ``lengths`` is None or all are
    known to be full. Lengths that lie in the processor's memory are checked, others are believed.

    Args:
        x: ``[b, c, *s]``; behind the ends lies anything, even NaN.
        lengths: Integers ``[b]``, from 1 to the size of the last axis.

    Raises:
        InputShapeError: The lengths do not fit ``x``.
    """
    if lengths is None:
        return x
    host = lengths.to(torch.int64) if lengths.device.type == "cpu" else None
    _check(x, lengths, host)
    if host is not None and bool((host == x.shape[-1]).all()):
        return x
    ends = Ends(lengths.to(x.device, torch.int64, non_blocking=True), host)
    return cast(Tensor, Padded(filled(x, ends, 0), ends, zeroed=True))


def unpadded(x: Tensor) -> tuple[Tensor, Tensor | None]:
    """The tensor, with zeros behind each sample's end, and the lengths ``[b]``; None if all are
    full. For what needs a rule of its own; `with_lengths` puts the two together again."""
    if isinstance(x, Padded):
        return x.zeroed(), x.lengths
    return x, None


def shortest(x: Tensor) -> tuple[int, ...]:
    """Sizes of the spatial axes; of the last, that of the shortest sample where it is known."""
    if isinstance(x, Padded) and x.ends.host is not None:
        return (*x.shape[2:-1], int(x.ends.host.min()))
    return tuple(x.shape[2:])


def taken_apart(*values: Tensor) -> tuple[list[Tensor], Callable[..., list[Tensor]]]:
    """The tensors in ``values``, and what makes values alike of other tensors in their place."""
    kinds = [(v.ends, v.is_zeroed) if isinstance(v, Padded) else None for v in values]

    def again(*tensors: Tensor) -> list[Tensor]:
        return [
            tensor if kind is None else cast(Tensor, Padded(tensor, kind[0], zeroed=kind[1]))
            for tensor, kind in zip(tensors, kinds, strict=True)
        ]

    return [v.data if isinstance(v, Padded) else v for v in values], again


def _check(x: Tensor, lengths: Tensor, host: Tensor | None) -> None:
    expected = f"integers [{x.shape[0]}] from 1 to {x.shape[-1]}"
    if lengths.shape != x.shape[:1] or lengths.is_floating_point():
        received = f"{str(lengths.dtype).removeprefix('torch.')} {list(lengths.shape)}"
    elif host is not None and host.numel() and not 1 <= host.min() <= host.max() <= x.shape[-1]:
        received = f"{int(host.min())} to {int(host.max())}"
    else:
        return
    raise InputShapeError("lengths do not fit their samples", expected=expected, received=received)
