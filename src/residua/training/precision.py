"""In which arithmetic the network computes."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal

import torch

from residua.errors import UsageError
from residua.training.config import Precision

Chosen = Literal["float32", "bf16", "fp16"]
_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, slots=True, kw_only=True)
class Arithmetic:
    """Autocast to ``name`` on ``device``; weights and updates stay in float32.

    Attributes:
        name: float32, bf16 or fp16.
        device: Where the network computes.
    """

    name: Chosen
    device: torch.device

    @property
    def dtype(self) -> torch.dtype:
        return _DTYPES.get(self.name, torch.float32)

    def autocast(self) -> AbstractContextManager[object]:
        return torch.autocast(
            self.device.type, dtype=_DTYPES.get(self.name), enabled=self.name != "float32"
        )


def choose_arithmetic(wanted: Precision, device: torch.device) -> Arithmetic:
    """``wanted``, or for auto bf16 where ``device`` computes it natively and float32 elsewhere.

    Raises:
        UsageError: For fp16 on a processor, which has no fast kernels for it.
    """
    if wanted == "fp16" and device.type == "cpu":
        raise UsageError("fp16 is for GPUs", received="--precision fp16", fix="Use bf16 or float32")
    if wanted != "auto":
        return Arithmetic(name=wanted, device=device)
    return Arithmetic(name="bf16" if _has_native_bf16(device) else "float32", device=device)


def _has_native_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if not hasattr(torch.cpu, "get_capabilities"):  # older torch cannot tell
        return False
    has = torch.cpu.get_capabilities()
    return any(has.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
