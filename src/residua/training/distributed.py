"""One process or many: the ranks that torchrun (or Slurm, Ray) started, and what they exchange.

The environment variables RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT say it all;
nothing is launched here. Without them there is one rank.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

from residua.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """This process among its peers.

    Attributes:
        rank: Its number, from 0.
        world: How many there are.
        device: Where it computes.
    """

    rank: int = 0
    world: int = 1
    device: torch.device

    @property
    def is_main(self) -> bool:
        """Whether this is the rank that writes and prints."""
        return self.rank == 0

    def total(self, values: Tensor) -> Tensor:
        """The sum over ranks of ``values``."""
        if self.world > 1:
            dist.all_reduce(values)
        return values

    def any(self, flag: bool) -> bool:
        """Whether ``flag`` is set on some rank; all ranks must ask together."""
        if self.world == 1:
            return flag
        return bool(self.total(torch.tensor(float(flag), device=self.device)).item())

    def barrier(self) -> None:
        if self.world > 1:
            dist.barrier()

    def wrap(self, module: nn.Module) -> nn.Module:
        """``module``, with its gradients averaged over ranks where there are several."""
        if self.world == 1:
            return module
        devices = [self.device] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(module, device_ids=devices)


_DEVICES = "auto, cpu, cuda, cuda:1 ..."


def choose_device(name: str) -> torch.device:
    """``auto``, ``cpu``, ``cuda``, ``cuda:1`` ... as a device that exists.

    Raises:
        UsageError: If it does not.
    """
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError("unknown device", expected=_DEVICES, received=name) from error
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise UsageError(
                "no GPU that torch can use", received=f"--device {name}", fix="Use --device cpu"
            )
        device = device if ":" in name else torch.device("cuda", local)
        if device.index >= torch.cuda.device_count():
            raise UsageError(
                "no such GPU", expected=f"0 to {torch.cuda.device_count() - 1}", received=name
            )
        return device
    try:
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, ImportError) as error:
        reason = "torch cannot compute on this device"
        raise UsageError(reason, expected=_DEVICES, received=name) from error
    return device


@contextmanager
def joined_ranks(device_name: str, threads: int | None) -> Generator[Ranks]:
    """Joins the process group that the environment describes, and leaves it at the end."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    local_world = int(os.environ.get("LOCAL_WORLD_SIZE", str(world)))
    device = choose_device(device_name)
    torch.set_num_threads(threads or max(1, available_cores() // max(1, local_world)))
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if world == 1:
        yield Ranks(device=device)
        return
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=timedelta(minutes=30))
    try:
        yield Ranks(rank=dist.get_rank(), world=world, device=device)
    finally:
        dist.destroy_process_group()


def available_cores() -> int:
    """Cores that this process may use, which a container can make fewer than the machine's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
