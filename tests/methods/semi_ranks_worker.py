"""What each rank of test_semi runs: two steps of each semi-supervised method on its samples."""

import os
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors.torch import save_file
from tests.methods.semi_cases import LABELLED, batch, draws, method
from torch import Tensor

from residua.batch import Batch
from residua.training.distributed import Ranks
from residua.training.sync_norm import synchronise_norms

NAMES = ("fixmatch", "adamatch", "softmatch", "mean-teacher")


def share(samples: Batch, rank: int, world: int) -> Batch:
    """The samples of one rank: of two, the first has twice as many."""
    if world == 1:
        return samples

    def cut(samples: Batch) -> Batch:
        at = 2 * len(samples) // 3
        part = slice(0, at) if rank == 0 else slice(at, None)
        inputs, targets, ids = samples.inputs[part], samples.targets[part], samples.ids[part]
        return replace(samples, inputs=inputs, targets=targets, ids=ids, unlabelled=None)

    assert samples.unlabelled is not None
    return replace(cut(samples), unlabelled=cut(samples.unlabelled))


def effects(name: str, ranks: Ranks) -> dict[str, Tensor]:
    """Gradients of two steps as the loop takes them, and what runs along."""
    found: dict[str, Tensor] = {}
    step = method(name, threshold=0.5)
    if ranks.world > 1:
        synchronise_norms(step, ranks.device)
    wrapped = ranks.wrap(step)
    for number in range(2):
        samples = share(batch(step=number), ranks.rank, ranks.world)
        output = wrapped(samples, draws(samples))
        (output.total * (ranks.world / LABELLED)).backward()
        for key, parameter in step.named_parameters():
            if parameter.grad is not None:
                found[f"{name}.{number}.{key}"] = parameter.grad.clone()
                parameter.data -= 0.5 * parameter.grad
                parameter.grad = None
        step.after_update(done=(number + 1) / 2)
    state = step.state_dict()
    return found | {f"{name}.{key}": v for key, v in state.items() if v.is_floating_point()}


def main(folder: str) -> None:
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    torch.set_num_threads(1)
    store, limit = f"file://{folder}/store", timedelta(seconds=60)
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=world, timeout=limit)
    ranks = Ranks(rank=rank, world=world, device=torch.device("cpu"))
    found: dict[str, Tensor] = {}
    for name in NAMES:
        found |= effects(name, ranks)
    save_file({k: v.contiguous() for k, v in found.items()}, Path(folder) / f"{rank}.safetensors")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1])
