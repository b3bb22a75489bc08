"""What keeps networks of a thousand layers cheap to build."""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn import init
from torch.overrides import TorchFunctionMode


@contextmanager
def building() -> Generator[None]:
    """Inside, modules are made without work that has no effect.

    On the meta device (``with torch.device("meta")``) there are no values to initialise; elsewhere
    every draw is made.
    """
    with collecting_nothing(), _without_values():
        yield


@contextmanager
def collecting_nothing() -> Generator[None]:
    """Inside, the collector of reference cycles rests.

    It would walk over every object of torch again and again, and find nothing to free where modules
    or what was traced of them are only added.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _without_values() -> AbstractContextManager[object]:
    return _SkipInit() if torch.get_default_device().type == "meta" else nullcontext()


_SETS_VALUES: frozenset[Callable[..., Any]] = frozenset(
    (
        Tensor.fill_,
        Tensor.normal_,
        Tensor.uniform_,
        Tensor.zero_,
        init.kaiming_normal_,
        init.kaiming_uniform_,
        init.normal_,
        init.uniform_,
    )
)


class _SkipInit(TorchFunctionMode):
    """Leaves tensors of the meta device as they are; a mode holds for its thread alone."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func in _SETS_VALUES:
            tensor = args[0] if args else (kwargs or {})["tensor"]
            if tensor.is_meta:
                return tensor
        return func(*args, **(kwargs or {}))
