"""Xavier's initialisation: bounds and spread by the formula, all else as torch's layers begin."""

import math

import pytest
import torch
from torch import nn

from residua.networks.catalog import create_model
from residua.networks.initialise import initialise_xavier


def fans(weight: torch.Tensor) -> tuple[int, int]:
    """Inputs of an output value and outputs that an input value reaches."""
    positions = math.prod(weight.shape[2:])
    return weight.shape[1] * positions, weight.shape[0] * positions


@pytest.mark.parametrize("rank", [1, 2])
def test_weights_are_uniform_within_the_bound_of_the_paper(rank: int) -> None:
    network = create_model("resnet18", num_classes=10, in_chans=1, rank=rank)
    torch.manual_seed(0)
    initialise_xavier(network)
    seen = 0
    for module in network.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear):
            weight = module.weight.detach().double()
            bound = math.sqrt(6 / sum(fans(weight)))
            spread = 4 * bound / math.sqrt(weight.numel())
            assert weight.abs().max() <= bound
            assert weight.abs().max() > 0.9 * bound
            assert abs(weight.mean()) < spread
            assert weight.std() == pytest.approx(bound / math.sqrt(3), rel=0.1)
            seen += 1
    assert seen == 21


def test_biases_and_norms_are_those_of_fresh_layers() -> None:
    layers = nn.Sequential(nn.Conv2d(3, 64, 5), nn.BatchNorm2d(64), nn.Linear(50, 400))
    conv, norm, linear = layers
    for parameter in layers.parameters():
        nn.init.constant_(parameter, 7.0)
    norm.running_mean.fill_(7.0)
    initialise_xavier(layers)
    for layer, fan_in in ((conv, 75), (linear, 50)):
        bias = layer.bias.detach()
        assert 0 < bias.abs().max() <= 1 / math.sqrt(fan_in)
        assert bias.unique().numel() == len(bias)
    assert norm.weight.detach().eq(1).all()
    assert norm.bias.detach().eq(0).all()
    assert norm.running_mean.eq(0).all()


def test_a_network_that_starts_residuals_at_zero_no_longer_does() -> None:
    network = create_model("seresnet18", num_classes=10)
    initialise_xavier(network)
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert all(norm.weight.detach().eq(1).all() for norm in norms)


def test_the_seed_decides() -> None:
    networks = []
    for _ in range(2):
        network = create_model("resnet20", num_classes=10)
        torch.manual_seed(3)
        initialise_xavier(network)
        networks.append(network.state_dict())
    assert all(networks[0][name].equal(networks[1][name]) for name in networks[0])
