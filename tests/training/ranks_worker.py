"""What each rank of test_distributed runs: one epoch's samples, and one update's effect."""

import sys
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from residua.batch import Split
from residua.data.config import DataConfig
from residua.recipes.recipe import NetworkConfig, Recipe
from residua.run.session import Session
from residua.run.terminal import Terminal
from residua.training.config import OptimizerConfig, TrainingConfig
from residua.training.distributed import joined_ranks


def main(pictures: str, out: str, sync: str, accumulate: str, sam: str) -> None:
    recipe = Recipe(
        data=DataConfig(path=pictures, size=(16, 16)),
        network=NetworkConfig(network="resnet20"),
        training=TrainingConfig(
            batch_size=19,  # not divisible: the ranks' shares differ
            accumulate=int(accumulate),
            precision="float32",
            device="cpu",
            sync_batchnorm=sync == "sync",
            optimizer=OptimizerConfig(lr=1.0, momentum=0.0, weight_decay=0.0, sam=float(sam)),
        ),
    )
    recipe = replace(recipe, augment=replace(recipe.augment, mixup=0.0))
    with joined_ranks("cpu", 1) as ranks:
        session = Session.prepare(recipe, ranks, terminal=Terminal(quiet=True))
        seen = [part.ids for step in session.loader(Split.TRAIN).epoch(0) for part in step.parts]
        trainer = session.trainer()
        # float64, so that what differs is the computation and not its rounding
        network = trainer.method.network.double()
        network.register_forward_pre_hook(lambda _, inputs: (inputs[0].double(),))
        if sync == "frozen":  # statistics from running averages: no exchange is needed
            trainer.method.eval()
        else:
            trainer.method.train()
        before = {name: value.clone() for name, value in network.named_parameters()}
        trainer.update(trainer.wrapped(), next(trainer.loader.epoch(0)))
        change = {name: before[name] - value for name, value in network.named_parameters()}
        tensors = {name: value.detach().contiguous() for name, value in change.items()}
        tensors["meter"] = ranks.total(trainer.meter.sums.clone())
        tensors |= {f"buffer:{k}": v for k, v in network.named_buffers() if v.is_floating_point()}
        tensors["seen"] = torch.cat(seen)
        save_file(tensors, Path(out) / f"rank-{ranks.rank}-of-{ranks.world}.safetensors")


if __name__ == "__main__":
    main(*sys.argv[1:])
