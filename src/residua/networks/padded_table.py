"""A table from torch's functions to their rules for batches of unequal lengths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from residua.errors import NetworkError

Rule = Callable[..., Any]
"""``rule(function, *args, **kwargs)``: what ``function`` gives for each sample's own steps."""

Sizes = int | Sequence[int]


class Table(dict[Callable[..., Any], Rule]):
    """Rules by the function that each stands for."""

    def of(self, names: str) -> Callable[[Rule], Rule]:
        """Decorates the rule of all that torch, its functional module and its tensors have under
        ``names``."""
        places = (torch, F, Tensor)
        found = [getattr(place, name, None) for name in names.split() for place in places]

        def register(rule: Rule) -> Rule:
            self.update({function: rule for function in found if callable(function)})
            return rule

        return register


def last(value: Sizes) -> int:
    """Along the last axis, where one number stands for all axes."""
    return value if isinstance(value, int) else value[-1]


def refuse_ends(dim: int, ndim: int) -> None:
    """Raises unless ``dim`` lies between the samples and the steps."""
    if dim % ndim in (0, ndim - 1):
        raise no_rule("an operation along samples or steps")


def no_rule(what: str) -> NetworkError:
    """The error that says so."""
    return NetworkError(
        f"there is no rule for {what} where lengths are unequal",
        fix="Use unpadded(x) and with_lengths() around it, or give samples of one length",
    )
