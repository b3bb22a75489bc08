"""Non-finite losses and gradients stop the run before they reach a weight.

The check itself is arithmetic on the device. It sets ``optimizer.found_inf``, which the fused
kernels of SGD and AdamW and our LAMB read on the device too: where it is 1 they change nothing. So
the host need not wait for the GPU; it learns of a failure one update later, when the updates since
have been skipped as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from torch.optim import Optimizer

from residua.errors import NonFiniteError

_NAMED_SAMPLES = 5
# each overflow halves the loss scale, which starts at 2**16: after 40 there is nothing left of it
_MOST_OVERFLOWS = 40


def clip_gradients(parameters: Iterable[Tensor], max_norm: float | None) -> Tensor:
    """Scales all gradients down so that their joint Euclidean norm is at most ``max_norm``.

    Pascanu et al., "On the difficulty of training recurrent neural networks", 2013, section 3.2.

    Args:
        parameters: Those without a gradient are passed over.
        max_norm: None to measure only.

    Returns:
        The norm before, a scalar on the device; nothing waits for it.
    """
    owners = [parameter for parameter in parameters if parameter.grad is not None]
    norm = get_total_norm([p.grad for p in owners if p.grad is not None])
    if max_norm is not None:
        clip_grads_with_norm_(owners, max_norm, norm)
    return norm


@dataclass(frozen=True, slots=True, kw_only=True)
class _Update:
    """What the host needs to judge an update and to tell the user about it.

    Attributes:
        step: Its number.
        lr: Its largest learning rate.
        flags: float32 ``[2]`` on the host: whether a loss, whether the norm is not finite.
        copied: Set once ``flags`` has arrived; None where it is there at once.
        norm: Norm of the gradient, on the device.
        losses: float32 ``[b]``, on the device.
        ids: int64 ``[b]`` sample ids.
    """

    step: int
    lr: float
    flags: Tensor
    copied: torch.cuda.Event | None
    norm: Tensor
    losses: Tensor
    ids: Tensor


class FiniteGuard:
    """Watches losses and gradients, keeps the optimizer from a bad update, tells the user.

    An update is: `watch` the losses of each part, then `check` the norm of the whole gradient, then
    ``optimizer.step()``. Call the optimizer directly also under a `torch.amp.GradScaler` (after
    ``scaler.unscale_``, before ``scaler.update``): ``scaler.step`` would put its own flag in place
    of ours. Weights and optimizer state keep their bits; running statistics of normalisation layers
    have seen the bad batch by then, so no checkpoint should be written after a failure.

    Args:
        optimizer: From `residua.training.optimizers.make_optimizer`.
        scaled: The loss is scaled for fp16: an infinite gradient is then a reason to skip the
            update and to try a smaller scale, and only a non-finite loss is an error.
        total: Sums a tensor over all ranks, so that they agree; None on one rank.
        name_samples: The names of samples, given their ids; by default the ids.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        *,
        scaled: bool = False,
        total: Callable[[Tensor], Tensor] | None = None,
        name_samples: Callable[[Sequence[int]], Sequence[str]] | None = None,
    ) -> None:
        self._optimizer = optimizer
        self._scaled = scaled
        self._total = total
        self._name_samples = name_samples
        self._failed: Tensor | None = None
        self._parts: list[tuple[Tensor, Tensor]] = []
        self._pending: list[_Update] = []
        self._overflows = 0

    def watch(self, losses: Tensor, ids: Tensor) -> None:
        """Notes the losses ``[b]`` of a part of the update and the sample ids ``[b]``."""
        self._parts.append((losses.detach(), ids))

    def check(self, norm: Tensor, *, step: int) -> None:
        """Judges the update that is about to be made, from its losses and the gradient's norm.

        Once an update has failed, ``optimizer.found_inf`` stays 1.

        Args:
            norm: Scalar, unscaled, on the device; infinite or NaN if any gradient is.
            step: The update's number, for the message.

        Raises:
            NonFiniteError: On a processor for this update, on a GPU for an earlier one.
        """
        losses = torch.cat([part for part, _ in self._parts])
        ids = torch.cat([part for _, part in self._parts])
        self._parts.clear()
        bad = torch.stack([~losses.isfinite().all(), ~norm.isfinite()]).float()
        if self._total is not None:
            bad = self._total(bad).clamp(max=1.0)
        self._set_found_inf(bad)
        flags, copied = _to_host(bad)
        lr = max(float(group["lr"]) for group in self._optimizer.param_groups)
        self._pending.append(
            _Update(step=step, lr=lr, flags=flags, copied=copied, norm=norm, losses=losses, ids=ids)
        )
        self._judge(keep=0 if copied is None else 1)

    def finish(self) -> None:
        """Waits for the verdict on every update so far; before a checkpoint, say.

        Raises:
            NonFiniteError: For the first one that failed.
        """
        self._judge(keep=0)

    def _set_found_inf(self, bad: Tensor) -> None:
        if self._failed is None:
            self._failed = torch.zeros((), device=bad.device)
        failed = bad[0] if self._scaled else bad.amax()
        self._failed = torch.maximum(self._failed, failed)
        # the attribute that torch's optimizers look for, as torch.amp.GradScaler sets it
        self._optimizer.found_inf = torch.maximum(self._failed, bad[1])  # pyright: ignore[reportAttributeAccessIssue]

    def _judge(self, *, keep: int) -> None:
        while len(self._pending) > keep:
            update = self._pending.pop(0)
            if update.copied is not None:
                update.copied.synchronize()
            bad_loss, bad_norm = (flag > 0 for flag in update.flags.tolist())
            self._overflows = self._overflows + 1 if bad_norm else 0
            hopeless = not self._scaled or self._overflows > _MOST_OVERFLOWS
            if bad_loss or (bad_norm and hopeless):
                self._pending.clear()
                raise self._error(update, bad_loss=bad_loss)

    def _error(self, update: _Update, *, bad_loss: bool) -> NonFiniteError:
        bad = ~update.losses.isfinite()
        # on another rank's failure, or a gradient's, no sample here stands out: name them all
        ids = update.ids[bad] if bad.any() else update.ids
        what = "loss" if bad_loss else "gradient"
        value = float(update.losses[bad][0] if bad.any() else update.norm)
        received = f"{value}" if bad.any() or not bad_loss else "one on another rank"
        return NonFiniteError(
            f"the {what} is not finite",
            expected=f"a finite {what}",
            received=f"{received} at update {update.step} with learning rate {update.lr:.4g}",
            where=f"samples {self._names(ids.tolist())}",
            fix="The update was not made. Lower --lr, clip the gradient (--clip), "
            "or look at these samples",
        )

    def _names(self, ids: list[int]) -> str:
        first = ids[:_NAMED_SAMPLES]
        names = self._name_samples(first) if self._name_samples else [str(i) for i in first]
        more = len(ids) - len(first)
        return ", ".join(names) + (f" and {more} more" if more else "")


def _to_host(flags: Tensor) -> tuple[Tensor, torch.cuda.Event | None]:
    """``flags`` on the host, and on a GPU the event that says when they have arrived."""
    if flags.device.type != "cuda":
        return flags.cpu(), None
    host = torch.empty(flags.shape, dtype=flags.dtype, pin_memory=True)
    host.copy_(flags, non_blocking=True)
    copied = torch.cuda.Event()
    copied.record()
    return host, copied
