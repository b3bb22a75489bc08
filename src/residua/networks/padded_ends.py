"""Where each sample of a batch ends along its last axis, and how layers move those ends.

Legend: b samples, t steps of the padded batch, n steps of one sample.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from residua.errors import InputShapeError


class Windows(NamedTuple):
    """What a convolution or pool does along one axis. ``gap`` is also called dilation."""

    kernel: int
    stride: int = 1
    before: int = 0
    after: int = 0
    gap: int = 1
    ceil: bool = False

    @property
    def offset(self) -> int:
        """Of n steps come floor((n + offset) / stride) + 1.

        With ``ceil`` the last window may reach over the end, but starts before it, as in torch.
        """
        fits = self.before + self.after - self.gap * (self.kernel - 1) - 1
        return min(fits + self.stride - 1, self.before - 1) if self.ceil else fits

    def fitting(self, steps: int) -> int:
        """How many windows there are of so many steps."""
        return max(0, (steps + self.offset) // self.stride + 1)


class Ends:
    """Lengths of the samples of a batch.

    What layers make of them is floor((n + offset) / stride) + 1 of the lengths n that came in,
    through however many layers, because such functions compose to one. So the same lengths are the
    same object, and two branches of a network are seen to agree without waiting for the device.

    Attributes:
        lengths: int64 ``[b]``, on the samples' device.
        host: The same in the processor's memory where they are known there, else None. What can be
            checked without waiting for a device is.
    """

    def __init__(self, lengths: Tensor, host: Tensor | None) -> None:
        self.lengths = lengths
        self.host = host
        self._origin = self
        self._offset, self._stride = -1, 1
        self._moved: dict[tuple[int, int], Ends] = {(-1, 1): self}
        self._tails: dict[int, Tensor] = {}
        self._valid: dict[tuple[int, torch.dtype], Tensor] = {}

    def windows(self, windows: Windows) -> Ends:
        """Ends behind a layer of ``windows``.

        Raises:
            InputShapeError: A sample is shorter than its first window; seen where `host` is known.
        """
        offset = self._offset + self._stride * (windows.offset + 1)
        stride = self._stride * windows.stride
        return self._origin._behind(offset, stride)

    def longer(self, steps: int) -> Ends:
        """Ends behind ``steps`` more of each sample."""
        return self.windows(Windows(1, after=steps))

    def tail(self, size: int, ndim: int) -> Tensor:
        """bool ``[b, 1 ..., t]``: what lies behind each sample's end, of ``size`` steps t."""
        if size not in self._tails:
            steps = torch.arange(size, device=self.lengths.device)
            self._tails[size] = steps >= self.lengths[:, None]
        return self._tails[size].view(-1, *(1,) * (ndim - 2), size)

    def valid(self, size: int, ndim: int, dtype: torch.dtype) -> Tensor:
        """``[b, 1 ..., t]``: 1 up to each sample's end, 0 behind it."""
        key = size, dtype
        if key not in self._valid:
            self._valid[key] = (~self.tail(size, 2)).to(dtype)
        return self._valid[key].view(-1, *(1,) * (ndim - 2), size)

    def agree(self, other: Ends) -> bool:
        """Whether all samples end alike; waits for the device only where it cannot be told else."""
        if self is other:
            return True
        if self.host is not None and other.host is not None:
            return torch.equal(self.host, other.host)
        return torch.equal(self.lengths, other.lengths)

    def _behind(self, offset: int, stride: int) -> Ends:
        made = self._moved.get((offset, stride))
        if made is None:
            if self.host is not None and int(self.host.min()) < -offset:
                raise InputShapeError(
                    "a sample is too short for the layers of the network",
                    expected=f"at least {-offset} steps",
                    received=int(self.host.min()),
                    fix="Leave it out, or take a network that shortens less",
                )
            host = None if self.host is None else _fitting(self.host, offset, stride)
            if host is None or host.device != self.lengths.device:
                made = Ends(_fitting(self.lengths, offset, stride), host)
            else:
                made = Ends(host, host)
            made._origin, made._offset, made._stride = self, offset, stride
            self._moved[offset, stride] = made
        return made


def _fitting(lengths: Tensor, offset: int, stride: int) -> Tensor:
    return ((lengths + offset) // stride + 1).clamp(min=0)
