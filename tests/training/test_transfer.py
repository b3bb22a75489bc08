"""Frozen stages keep every bit while the rest learns."""

import copy

import pytest
import torch
from torch import nn

from residua.errors import UnknownNameError, UsageError
from residua.networks.catalog import create_model
from residua.networks.network import Network
from residua.training.config import OptimizerConfig
from residua.training.optimizers import make_optimizer
from residua.training.transfer import freeze, unfreeze


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    return create_model("resnet20", num_classes=4)


def update(network: nn.Module) -> None:
    optimizer = make_optimizer(network, OptimizerConfig(lr=0.01))
    network.train()
    network(torch.randn(4, 3, 16, 16)).square().mean().backward()
    optimizer.step()


def changed(network: nn.Module, before: dict[str, torch.Tensor]) -> set[str]:
    return {
        name for name, value in network.state_dict().items() if not torch.equal(value, before[name])
    }


def snapshot(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def stage_keys(network: Network, names: tuple[str, ...]) -> set[str]:
    owned = {
        id(tensor)
        for stage in network.stages()
        if stage.name in names
        for module in stage.modules
        for tensor in module.state_dict(keep_vars=True).values()
    }
    state = network.state_dict(keep_vars=True)
    return {name for name, tensor in state.items() if id(tensor) in owned}


@pytest.mark.parametrize("count", [0, 1, 2, 4])
def test_the_first_stages_stay_and_the_others_learn(network, count):
    names = tuple(stage.name for stage in network.stages())
    assert freeze(network, count) == names[:count]
    before = snapshot(network)
    update(network)
    frozen = stage_keys(network, names[:count])
    assert len(frozen) > count or count == 0
    assert changed(network, before) == set(before) - frozen


def test_stages_by_name(network):
    names = [stage.name for stage in network.stages()]
    assert freeze(network, [names[2], names[0]]) == (names[0], names[2])
    assert freeze(network, names[1]) == (names[1],)
    before = snapshot(network)
    update(network)
    assert changed(network, before) == set(before) - stage_keys(network, tuple(names[:3]))


def test_frozen_norms_survive_train_and_deepcopy(network):
    freeze(network, 2)
    other = copy.deepcopy(network)
    for model in (network, other):
        model.eval()
        model.train()
        first, last = model.stages()[0], model.stages()[-2]
        norms = [
            [
                m
                for module in stage.modules
                for m in module.modules()
                if isinstance(m, nn.BatchNorm2d)
            ]
            for stage in (first, last)
        ]
        assert norms[0]
        assert norms[1]
        assert not any(norm.training for norm in norms[0])
        assert all(norm.training for norm in norms[1])
    unfreeze(other)
    assert all(module.training for module in other.modules())
    assert not all(module.training for module in network.modules())


def test_unfreeze_lets_everything_learn_again(network):
    freeze(network, 3)
    unfreeze(network)
    before = snapshot(network)
    update(network)
    assert changed(network, before) == set(before)


@pytest.mark.parametrize("count", [-1, 5, 99])
def test_something_must_be_left_to_learn(network, count):
    with pytest.raises(UsageError, match=r"0 to 4 of .*, so that one is left") as caught:
        freeze(network, count)
    assert network.stages()[0].name in str(caught.value)
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_unknown_names_suggest_known_ones(network):
    near = network.stages()[1].name
    with pytest.raises(UnknownNameError, match=f"Did you mean .*{near}"):
        freeze(network, [near + "x"])
