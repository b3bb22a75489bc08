"""What each rank of test_two_views_ranks runs: one update's gradients and what is watched.

In float64, so that what differs is the computation and not its rounding.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from tests.methods.two_views_tools import draws, network, noisy, part, samples

from residua.data.sampling import shard
from residua.methods.config import PretrainConfig
from residua.methods.pretrain import pretrain_method_for
from residua.training.distributed import joined_ranks
from residua.training.sync_norm import synchronise_norms

CONFIGS = {
    "simclr": PretrainConfig(pretrain="simclr", projection=(12, 6)),
    "simclr-group": PretrainConfig(pretrain="simclr", projection=(12, 6), negatives="group"),
    "byol": PretrainConfig(pretrain="byol", projection=(12, 6)),
    "vicreg": PretrainConfig(pretrain="vicreg", projection=(12, 6)),
}


def main(out: str) -> None:
    with joined_ranks("cpu", 1) as ranks:
        for name, config in CONFIGS.items():
            torch.manual_seed(1)
            method = pretrain_method_for(network(), views=(noisy, noisy), config=config).double()
            if ranks.world > 1:
                synchronise_norms(method, ranks.device)
            wrapped = ranks.wrap(method)
            tensors = {"correct": torch.zeros(0)}
            for update, n in enumerate((9, 8)):  # the ranks' shares: 4 and 5, then 4 and 4
                batch = samples(n, seed=update)
                batch.inputs.data = batch.inputs.double()
                (own,) = shard(n, rank=ranks.rank, world=ranks.world)
                method.zero_grad()
                mine = part(batch, torch.arange(n)[own])
                output = wrapped(mine, draws(mine, update))
                (output.total * (ranks.world / n)).backward()
                tensors["correct"] = torch.cat([tensors["correct"], output.correct])
                for key, parameter in method.named_parameters():
                    if parameter.grad is not None:
                        tensors[f"{update}:{key}"] = parameter.grad.clone()
            tensors["mean"] = ranks.total(output.losses.detach().sum()) / n
            tensors["total_correct"] = ranks.total(tensors.pop("correct").double().sum())
            found = method.measures(ranks.total)
            tensors["measures"] = torch.tensor(list(found.values()), dtype=torch.float64)
            save_file(tensors, Path(out) / f"{name}-{ranks.rank}-of-{ranks.world}.safetensors")


if __name__ == "__main__":
    main(*sys.argv[1:])
