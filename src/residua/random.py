"""Random numbers as a function of (seed, epoch, sample id, stream), and of nothing else.

A counter-based generator in the sense of Salmon et al., "Parallel Random Numbers: As Easy as
1, 2, 3" (SC 2011): there is no state to advance, so worker count, batch composition, restarts
and the number of ranks cannot change what a sample draws. The mixing function is the finaliser
of SplitMix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014).
It runs in int64 tensors on any device, with the same bits on all of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor

from residua.files import hash64


def _signed(value: int) -> int:
    """The int64 with the bits of ``value`` modulo 2**64; torch has no full uint64 arithmetic."""
    value &= 0xFFFF_FFFF_FFFF_FFFF
    return value - (1 << 64) if value >> 63 else value


_GAMMA = _signed(0x9E37_79B9_7F4A_7C15)
_M1 = _signed(0xBF58_476D_1CE4_E5B9)
_M2 = _signed(0x94D0_49BB_1331_11EB)


def _shift_right(x: Tensor, bits: int) -> Tensor:
    """Logical shift; torch's own is arithmetic for int64."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def mix64(x: Tensor) -> Tensor:
    """SplitMix64's finaliser of int64 ``x``: a bijection that flips half of the bits."""
    x = x + _GAMMA
    x = (x ^ _shift_right(x, 30)) * _M1
    x = (x ^ _shift_right(x, 27)) * _M2
    return x ^ _shift_right(x, 31)


@lru_cache(maxsize=1024)
def _stream(name: str) -> int:
    return hash64(name)


def derive_seed(seed: int, *parts: int) -> int:
    """A 63-bit seed from a seed and counters, to seed torch's own generator at each step."""
    text = ",".join(str(part) for part in (seed, *parts))
    return hash64(f"residua:{text}")


def permutation(seed: int, epoch: int, ids: Tensor) -> Tensor:
    """The order of an epoch: positions that sort ``ids`` by their hash under (seed, epoch)."""
    return torch.argsort(Draws(seed=seed, epoch=epoch, ids=ids).bits("order"), stable=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """What the samples ``ids`` draw in one epoch. Each named stream is independent of the others.

    Attributes:
        seed: The run's seed.
        epoch: The epoch, from 0.
        ids: int64 ``[b]``; results lie on its device.
    """

    seed: int
    epoch: int
    ids: Tensor

    def view(self, number: int) -> Draws:
        """What another view of the same samples draws, independently; number 0 is this one."""
        if number == 0:
            return self
        return replace(self, ids=mix64(self.ids ^ _signed(derive_seed(number, _stream("view")))))

    def bits(self, stream: str, *shape: int) -> Tensor:
        """Uniform int64 ``[b, *shape]``."""
        key = _signed(derive_seed(self.seed, self.epoch, _stream(stream)))
        per_sample = mix64(self.ids ^ key)
        if not shape:
            return mix64(per_sample)
        counters = torch.arange(math.prod(shape), dtype=torch.int64, device=self.ids.device)
        return mix64(per_sample[:, None] + counters * _GAMMA).view(len(self.ids), *shape)

    def uniform(self, stream: str, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """float32 ``[b, *shape]`` in [low, high), from the top 24 bits."""
        unit = _shift_right(self.bits(stream, *shape), 40).to(torch.float32) * 2.0**-24
        return unit if (low, high) == (0.0, 1.0) else low + (high - low) * unit

    def integers(self, stream: str, high: int, *shape: int) -> Tensor:
        """int64 ``[b, *shape]`` in [0, high)."""
        return (_shift_right(self.bits(stream, *shape), 32) * high) >> 32

    def bernoulli(self, stream: str, probability: float, *shape: int) -> Tensor:
        """bool ``[b, *shape]``, true with ``probability``."""
        return self.uniform(stream, *shape) < probability

    def normal(self, stream: str, *shape: int) -> Tensor:
        """Standard normal float32 ``[b, *shape]`` (Box and Muller, 1958)."""
        pairs = self.uniform(stream, *shape, 2)
        radius = torch.sqrt(-2.0 * torch.log1p(-pairs[..., 0]))
        return radius * torch.cos(2.0 * math.pi * pairs[..., 1])
