"""LAMB: Adam whose step each weight tensor takes in proportion to its own norm.

You et al., "Large Batch Optimization for Deep Learning: Training BERT in 76 minutes", 2020,
algorithm 2.
"""

# torch's multi-tensor operations have no public names, though its own optimizers consist of them
# pyright: reportPrivateUsage=false, reportPrivateImportUsage=false

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim import Optimizer


class Lamb(Optimizer):
    """LAMB with bias correction and decoupled weight decay.

    For every tensor x of a group with ``adapt`` true::

        m = b1 m + (1 - b1) g        m' = m / (1 - b1^t)
        v = b2 v + (1 - b2) g^2      v' = v / (1 - b2^t)
        r = m' / (sqrt(v') + eps) + weight_decay * x
        x = x - lr * |x| / |r| * r

    The trust ratio |x| / |r| is 1 where either norm is 0, and in groups with ``adapt`` false: norms
    and biases, which start at 0 or 1 for reasons that have nothing to do with their scale, take
    Adam's step. The paper's scaling function is the identity. There is no clipping inside.

    A step is skipped as a whole, without host synchronisation, where the attribute ``found_inf``
    (float32 scalar on the parameters' device, the convention of `torch.amp.GradScaler`) is 1.

    Args:
        params: Parameters, or groups of them.
        lr: Learning rate.
        betas: Decays b1 and b2.
        eps: Added to the denominator.
        weight_decay: Decoupled weight decay.
        adapt: Whether to scale by the trust ratio; groups may each say their own.
    """

    found_inf: Tensor

    def __init__(
        self,
        params: Iterable[Any],
        *,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        adapt: bool = True,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps}
        super().__init__(params, {**defaults, "weight_decay": weight_decay, "adapt": adapt})

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Makes one update."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            parameters: list[Tensor] = [p for p in group["params"] if p.grad is not None]
            if parameters:
                self._update(group, parameters)
        return loss

    def _update(self, group: dict[str, Any], parameters: list[Tensor]) -> None:
        steps, averages, squares = self._state(parameters)
        grads = [p.grad for p in parameters if p.grad is not None]
        skip = getattr(self, "found_inf", None)
        torch._foreach_add_(steps, 1.0 if skip is None else 1.0 - skip)
        squared = list(torch._foreach_mul(grads, grads))
        beta1, beta2 = group["betas"]
        _lerp_unless(skip, averages, grads, 1 - beta1)
        _lerp_unless(skip, squares, squared, 1 - beta2)

        updates = _adam_directions(steps, averages, squares, group)
        torch._foreach_add_(updates, parameters, alpha=group["weight_decay"])
        if group["adapt"]:
            torch._foreach_mul_(updates, _trust_ratios(parameters, updates))
        torch._foreach_mul_(updates, -group["lr"])
        if skip is not None:
            # adding -0.0 changes no bit, adding 0.0 would change that of a -0.0
            updates = [torch.where(skip.bool(), -0.0, update) for update in updates]
        torch._foreach_add_(parameters, updates)

    def _state(self, parameters: list[Tensor]) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        for parameter in parameters:
            state = self.state[parameter]
            if not state:
                state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
                state["exp_avg"] = torch.zeros_like(parameter)
                state["exp_avg_sq"] = torch.zeros_like(parameter)
        states = [self.state[parameter] for parameter in parameters]
        return (
            [state["step"] for state in states],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
        )


def _lerp_unless(
    skip: Tensor | None, averages: list[Tensor], values: list[Tensor], weight: float
) -> None:
    """``averages += weight * (values - averages)``, bitwise nothing where ``skip`` is 1."""
    if skip is not None:
        flag = skip.bool()
        values = [torch.where(flag, a, v) for a, v in zip(averages, values, strict=True)]
    torch._foreach_lerp_(averages, values, weight)


def _adam_directions(
    steps: list[Tensor], averages: list[Tensor], squares: list[Tensor], group: dict[str, Any]
) -> list[Tensor]:
    """``m' / (sqrt(v') + eps)`` of every tensor."""
    beta1, beta2 = group["betas"]
    # 1 - 0.999 loses five digits in float32
    t = torch.stack(steps).double()
    correction1 = (1 - beta1**t).float().unbind()
    correction2 = (1 - beta2**t).sqrt().float().unbind()
    denominators = torch._foreach_sqrt(squares)
    torch._foreach_div_(denominators, correction2)
    torch._foreach_add_(denominators, group["eps"])
    torch._foreach_mul_(denominators, correction1)
    return list(torch._foreach_div(averages, denominators))


def _trust_ratios(parameters: list[Tensor], updates: list[Tensor]) -> tuple[Tensor, ...]:
    """``|x| / |r|`` of every tensor, 1 where either is 0; float32 scalars."""
    weight_norms = torch.stack(torch._foreach_norm(parameters))
    update_norms = torch.stack(torch._foreach_norm(updates))
    ratios = weight_norms / update_norms
    return torch.where((weight_norms > 0) & (update_norms > 0), ratios, 1.0).unbind()
