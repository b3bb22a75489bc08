"""Measured statistics against float64 formulas, and what they are for: runs of few updates."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from residua.cli.main import run_command
from residua.networks.catalog import create_model
from residua.training.ema import EMA
from residua.training.norm_statistics import learning_norms, measure_statistics
from residua.training.transfer import freeze


def alone(values: torch.Tensor) -> torch.Tensor:
    return values


def measured(network: nn.Module, batches: list[torch.Tensor], total=alone) -> None:
    measure_statistics(network, learning_norms(network), batches, network, total)


def test_are_the_means_of_the_batches_own():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv1d(2, 3, 1), nn.BatchNorm1d(3), nn.Conv1d(3, 4, 1))
    network.append(nn.BatchNorm1d(4))
    network.double()
    network[1].running_var.fill_(float("inf"))  # of weights that have run away
    batches = [torch.randn(5, 2, 7, dtype=torch.float64) * scale for scale in (1, 2, 5)]
    measured(network, batches)

    def statistics(maps: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        flat = [m.movedim(1, 0).flatten(1) for m in maps]
        return sum(f.mean(1) for f in flat) / 3, sum(f.var(1) for f in flat) / 3

    with torch.no_grad():
        first = [network[0](batch) for batch in batches]
        # each layer sees its batch as training normalises it
        normal = [nn.functional.batch_norm(m, None, None, training=True) for m in first]
        second = [network[2](m) for m in normal]
    for norm, maps in ((network[1], first), (network[3], second)):
        mean, variance = statistics(maps)
        torch.testing.assert_close(norm.running_mean, mean)
        torch.testing.assert_close(norm.running_var, variance)


def test_ranks_share_theirs():
    def with_another_rank(sums: torch.Tensor) -> torch.Tensor:
        """It had two batches of mean 7 and variance 10."""
        assert sums.tolist() == pytest.approx([0.0, 4.0, 1.0])
        return sums + torch.tensor([14.0, 20.0, 2.0])

    network = nn.Sequential(nn.BatchNorm1d(1))
    measured(network, [torch.tensor([[-2.0], [0.0], [2.0]])], with_another_rank)
    assert network[0].running_mean.item() == pytest.approx(14 / 3)
    assert network[0].running_var.item() == pytest.approx(24 / 3)


def test_leave_no_trace_but_themselves():
    network = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(3, momentum=0.3), nn.Linear(3, 2))
    state = {name: value.clone() for name, value in network.state_dict().items()}
    batch = torch.randn(8, 3)
    before = torch.get_rng_state()
    measured(network, [batch])
    assert torch.equal(torch.get_rng_state(), before)  # dropout was off
    torch.testing.assert_close(network[1].running_mean, batch.mean(0))
    assert network[1].momentum == 0.3
    assert all(module.training for module in network.modules())
    for name, value in network.state_dict().items():
        assert torch.equal(value, state[name]) or name.startswith("1.")
    assert not network[1].running_mean.requires_grad


def test_frozen_ones_stay():
    network = create_model("resnet20", num_classes=3)
    freeze(network, 2)
    norms = learning_norms(network.train())
    assert network.bn1 not in norms
    assert network.layer1[0].bn1 not in norms
    assert network.layer2[0].bn1 in norms
    assert network.layer3[-1].bn2 in norms


def test_averaged_weights_have_the_loss_that_training_sees():
    """A dozen updates at a high rate: running statistics lag behind, layer upon layer."""
    torch.manual_seed(0)
    network = create_model("resnet20", num_classes=4, in_chans=1)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.5, momentum=0.9, nesterov=True)
    ema = EMA(network, 0.98)
    inputs, targets = torch.randn(64, 1, 8, 8), torch.arange(64) % 4
    for step in range(12):
        loss = nn.functional.cross_entropy(network(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        ema.update(network, step)

    @torch.no_grad()
    def evaluated() -> float:
        value = nn.functional.cross_entropy(network.eval()(inputs), targets).item()
        network.train()
        return value

    with ema.swapped(network):
        before = evaluated()
        measured(network, [inputs])
        after = evaluated()
        with torch.no_grad():
            own = nn.functional.cross_entropy(network(inputs), targets).item()
    assert after == pytest.approx(own, rel=0.05)  # the variance is unbiased in evaluation alone
    assert before > 10 * after


def test_a_short_run_has_learnt_what_its_validation_says(pictures: Path, tmp_path: Path):
    options = ["--network", "resnet20", "--epochs", "2", "--batch-size", "16", "--threads", "1"]
    run = tmp_path / "run"
    assert run_command(["train", str(pictures), "--run", str(run), *options, "--quiet"]) == 0
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["step"] < 10
    assert last["validation"]["accuracy"] > 0.8
    assert last["validation"]["loss"] < last["train"]["loss"]
