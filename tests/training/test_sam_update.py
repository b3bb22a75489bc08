"""Updates of the loop with sharpness-aware minimisation, against two passes written out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from residua.augment.config import AugmentConfig
from residua.augment.draws import draws_for
from residua.data.config import DataConfig
from residua.random import derive_seed
from residua.recipes.recipe import NetworkConfig, Recipe
from residua.run.session import Session
from residua.run.terminal import Terminal
from residua.training.config import OptimizerConfig, TrainingConfig
from residua.training.distributed import Ranks
from residua.training.loop import Trainer

RHO, LR = 0.5, 0.1


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (root / name).mkdir()
        for number in range(8):
            values = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(values).save(root / name / f"{number}.png")
    return root


def trainer(pictures: Path, *, accumulate: int = 1, sam: float = RHO) -> Trainer:
    recipe = Recipe(
        data=DataConfig(path=str(pictures), size=(16, 16), validation_fraction=0, test_fraction=0),
        network=NetworkConfig(network="resnet20", drop_rate=0.5),
        augment=AugmentConfig(mixup=0.2),
        training=TrainingConfig(
            batch_size=8,
            accumulate=accumulate,
            precision="float32",
            device="cpu",
            optimizer=OptimizerConfig(lr=LR, momentum=0, weight_decay=0, sam=sam),
        ),
    )
    ranks = Ranks(device=torch.device("cpu"))
    made = Session.prepare(recipe, ranks, terminal=Terminal(quiet=True)).trainer()
    made.method.double()
    made.method.network.register_forward_pre_hook(lambda _, inputs: (inputs[0].double(),))
    made.method.train()
    return made


def by_hand(made: Trainer) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Weights after one update, and buffers after one pass; the trainer's own stay."""
    method = made.method
    start = {name: value.clone() for name, value in method.state_dict().items()}
    parameters = dict(method.named_parameters())
    [batch] = next(made.loader.epoch(0)).parts

    def gradients() -> list[torch.Tensor]:
        torch.manual_seed(derive_seed(0, 0, 0, 0))
        losses = method(batch, draws_for(batch, seed=0, epoch=0)).losses
        return list(torch.autograd.grad(losses.mean(), list(parameters.values())))

    first = gradients()
    buffers = {name: value.clone() for name, value in method.named_buffers()}
    norm = torch.sqrt(sum(g.square().sum() for g in first))
    with torch.no_grad():
        for parameter, gradient in zip(parameters.values(), first, strict=True):
            parameter += RHO * gradient / norm
    second = gradients()
    weights = {
        name: start[name] - LR * gradient for name, gradient in zip(parameters, second, strict=True)
    }
    method.load_state_dict(start)
    return weights, buffers


def test_an_update_goes_by_the_gradient_at_the_worst_place(pictures: Path) -> None:
    made = trainer(pictures)
    weights, buffers = by_hand(made)
    made.update(made.wrapped(), next(made.loader.epoch(0)))
    for name, parameter in made.method.named_parameters():
        torch.testing.assert_close(parameter.detach(), weights[name], rtol=1e-5, atol=1e-9)
    for name, buffer in made.method.named_buffers():
        torch.testing.assert_close(buffer, buffers[name])
    assert made.meter.sums.sum() > 0
    seen = made.meter.sums.clone()
    plain = trainer(pictures, sam=0.0)
    plain.update(plain.wrapped(), next(plain.loader.epoch(0)))
    torch.testing.assert_close(seen, plain.meter.sums)  # what is reported is the first pass
    moved = [
        (a - b).abs().max()
        for a, b in zip(made.method.parameters(), plain.method.parameters(), strict=True)
    ]
    assert max(moved) > 1e-4


def test_parts_of_a_batch_climb_together(pictures: Path) -> None:
    whole, parts = trainer(pictures), trainer(pictures, accumulate=2)
    for made in (whole, parts):  # without what depends on the batch or on dropout's draws
        made.method.eval()
        object.__setattr__(made.method.views, "augment", _plain(made))
        made.update(made.wrapped(), next(made.loader.epoch(0)))
    for a, b in zip(whole.method.parameters(), parts.method.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-9)


def _plain(made: Trainer):
    augment = made.method.views.augment
    return replace(augment, config=replace(augment.config, mixup=0.0))
