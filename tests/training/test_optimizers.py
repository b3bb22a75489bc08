"""Groups, updates against formulas, and state that continues bit for bit."""

import json

import pytest
import torch
from torch import nn

from residua.errors import CheckpointError, UsageError
from residua.networks.catalog import create_model
from residua.training.config import OptimizerConfig, ScheduleConfig, TrainingConfig
from residua.training.optimizers import (
    load_optimizer_state,
    make_optimizer,
    named_parameters,
    optimizer_state,
    parameter_groups,
    set_learning_rates,
)

OPTIMIZERS = ["sgd", "adamw", "lamb"]


def tiny(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(4 * 36, 5),
    )


def train(network: nn.Module, optimizer: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        inputs = torch.randn(8, 3, 8, 8, generator=generator)
        network(inputs).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()


def test_weights_decay_and_norms_and_biases_do_not():
    network = create_model("resnet20", num_classes=10)
    modules = dict(network.named_modules())
    for decay_norms in (False, True):
        config = OptimizerConfig(weight_decay=0.3, decay_norms=decay_norms)
        decays = {
            name: group["weight_decay"]
            for group in parameter_groups(network, config)
            for name, _ in group["params"]
        }
        assert decays.keys() == {name for name, _ in network.named_parameters()}
        for name, decay in decays.items():
            owner, _, kind = name.rpartition(".")
            is_weight = isinstance(modules[owner], nn.Conv2d | nn.Linear) and kind == "weight"
            assert decay == (0.3 if is_weight or decay_norms else 0.0), name


def test_layer_decay_falls_from_head_to_stem():
    network = create_model("resnet18", num_classes=10)
    groups = parameter_groups(network, OptimizerConfig(lr=0.8, layer_decay=0.5))
    rates = {name: group["base_lr"] for group in groups for name, _ in group["params"]}
    assert rates["fc.weight"] == rates["fc.bias"] == 0.8
    names = [stage.name for stage in network.stages()]
    assert rates["layer4.0.conv1.weight"] == 0.4
    assert rates["layer1.1.bn2.bias"] == 0.8 * 0.5**4
    assert rates["conv1.weight"] == 0.8 * 0.5 ** (len(names) - 1)


def test_layer_decay_leaves_auxiliary_classifiers_at_the_heads_rate():
    with torch.device("meta"):
        network = create_model("googlenet", num_classes=10)
    groups = parameter_groups(network, OptimizerConfig(lr=0.8, layer_decay=0.5))
    rates = {name: group["base_lr"] for group in groups for name, _ in group["params"]}
    assert rates.keys() == {name for name, _ in network.named_parameters()}
    heads = [name for name in rates if name.startswith(("aux1.", "aux2.", "fc."))]
    assert len(heads) == 2 * 7 + 2
    assert {rates[name] for name in heads} == {0.8}
    assert rates["inception5b.branch1.conv.weight"] == 0.4
    assert rates["inception4a.branch1.conv.weight"] == 0.2
    assert rates["conv1.conv.weight"] == 0.8 * 0.5**5


def test_frozen_parameters_are_left_out():
    network = tiny()
    network[0].requires_grad_(False)
    optimizer = make_optimizer(network, OptimizerConfig())
    names = {name for name, _ in named_parameters(optimizer)}
    assert names == {"1.weight", "1.bias", "4.weight", "4.bias"}
    network.requires_grad_(False)
    with pytest.raises(UsageError, match="no parameter is left to train"):
        make_optimizer(network, OptimizerConfig())


def test_sgd_is_nesterovs_with_l2():
    weight = nn.Linear(3, 2, bias=False)
    config = OptimizerConfig(lr=0.1, momentum=0.9, weight_decay=0.01)
    optimizer = make_optimizer(weight, config)
    x, velocity = weight.weight.detach().double().clone(), torch.zeros(2, 3, dtype=torch.float64)
    for step in range(4):
        gradient = torch.randn(2, 3, generator=torch.Generator().manual_seed(step))
        weight.weight.grad = gradient.clone()
        optimizer.step()
        total = gradient.double() + 0.01 * x
        velocity = 0.9 * velocity + total
        x = x - 0.1 * (total + 0.9 * velocity)
    torch.testing.assert_close(weight.weight.detach().double(), x, rtol=1e-5, atol=1e-6)


def test_adamw_decays_apart_from_the_gradient():
    layer = nn.Linear(3, 2, bias=False)
    config = OptimizerConfig(optimizer="adamw", lr=0.1, beta2=0.99, weight_decay=0.2)
    optimizer = make_optimizer(layer, config)
    x = layer.weight.detach().double().clone()
    m = v = torch.zeros(2, 3, dtype=torch.float64)
    for t in range(1, 5):
        gradient = torch.randn(2, 3, generator=torch.Generator().manual_seed(t))
        layer.weight.grad = gradient.clone()
        optimizer.step()
        g = gradient.double()
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g
        direction = (m / (1 - 0.9**t)) / ((v / (1 - 0.99**t)).sqrt() + 1e-8)
        x = x - 0.1 * 0.2 * x - 0.1 * direction
    torch.testing.assert_close(layer.weight.detach().double(), x, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_fused_updates_of_channels_last_networks_equal_torchs_plain_ones(name):
    fused, plain = tiny(), tiny()
    fused = fused.to(memory_format=torch.channels_last)
    config = OptimizerConfig(optimizer=name, lr=0.01, weight_decay=0.0)
    optimizer = make_optimizer(fused, config)
    if name == "sgd":
        reference = torch.optim.SGD(
            plain.parameters(), 0.01, momentum=0.9, nesterov=True, foreach=False
        )
    else:
        reference = torch.optim.AdamW(
            plain.parameters(), 0.01, betas=(0.9, 0.999), weight_decay=0.0, foreach=False
        )
    train(fused, optimizer, range(5))
    train(plain, reference, range(5))
    for ours, theirs in zip(fused.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_memory_format_changed_after_the_optimizer_was_made_is_noticed():
    network = tiny()
    optimizer = make_optimizer(network, OptimizerConfig())
    network.to(memory_format=torch.channels_last)
    with pytest.raises(AssertionError, match=r"0\.weight changed its memory format"):
        train(network, optimizer, range(1))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_saved_and_loaded_training_continues_bit_for_bit(name, layout):
    def fresh(seed: int) -> tuple[nn.Module, torch.optim.Optimizer]:
        network = tiny(seed).to(memory_format=layout)
        config = OptimizerConfig(optimizer=name, lr=0.05, weight_decay=0.01)
        return network, make_optimizer(network, config)

    whole, optimizer = fresh(0)
    train(whole, optimizer, range(5))

    first, optimizer = fresh(0)
    train(first, optimizer, range(2))
    set_learning_rates(optimizer, 1.0)
    tensors, scalars = optimizer_state(optimizer)
    # as a checkpoint keeps them: contiguous tensors and JSON
    tensors = {
        name: tensor.clone(memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    scalars = json.loads(json.dumps(scalars))

    second, optimizer = fresh(1)
    second.load_state_dict(first.state_dict())
    load_optimizer_state(optimizer, tensors, scalars)
    train(second, optimizer, range(2, 5))
    for name, value in whole.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


def test_state_is_named_after_parameters():
    tensors, scalars = optimizer_state(make_optimizer(tiny(), OptimizerConfig()))
    assert set(tensors) == {
        f"momentum_buffer:{name}"
        for name in ("0.weight", "1.weight", "1.bias", "4.weight", "4.bias")
    }
    assert scalars == {"optimizer": "SGD", "lr": [0.1, 0.1]}


def test_state_of_something_else_is_refused():
    optimizer = make_optimizer(tiny(), OptimizerConfig())
    tensors, scalars = optimizer_state(optimizer)
    adamw = make_optimizer(tiny(), OptimizerConfig(optimizer="adamw"))
    with pytest.raises(CheckpointError, match="another optimizer: expected SGD, received AdamW"):
        load_optimizer_state(optimizer, *optimizer_state(adamw))
    missing = {name: tensor for name, tensor in tensors.items() if "4.bias" not in name}
    with pytest.raises(CheckpointError, match=r"momentum_buffer:4\.bias"):
        load_optimizer_state(optimizer, missing, scalars)
    wrong = tensors | {"momentum_buffer:4.bias": torch.zeros(7)}
    with pytest.raises(CheckpointError, match=r"float32 \[5\], received torch.float32 \[7\]"):
        load_optimizer_state(optimizer, wrong, scalars)


def test_learning_rates_keep_their_proportions():
    optimizer = make_optimizer(create_model("resnet20"), OptimizerConfig(lr=1.0, layer_decay=0.5))
    set_learning_rates(optimizer, 0.1)
    set_learning_rates(optimizer, 0.2)
    assert {group["lr"] for group in optimizer.param_groups} == {
        0.2 * group["base_lr"] for group in optimizer.param_groups
    }
    assert len({group["lr"] for group in optimizer.param_groups}) > 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"lr": 0.0},
        {"lr": float("nan")},
        {"momentum": 1.0},
        {"beta2": -0.1},
        {"weight_decay": -1.0},
        {"layer_decay": 0.0},
        {"layer_decay": 1.5},
        {"clip": 0.0},
    ],
)
def test_values_out_of_range_are_named(wrong):
    with pytest.raises(UsageError, match=f"wrong {next(iter(wrong))}"):
        make_optimizer(tiny(), OptimizerConfig(**wrong))


def test_without_momentum_there_is_no_state():
    optimizer = make_optimizer(tiny(), OptimizerConfig(momentum=0.0))
    assert optimizer_state(optimizer)[0] == {}
    network = tiny()
    train(network, make_optimizer(network, OptimizerConfig(momentum=0.0)), range(1))
    assert not torch.equal(network[0].weight, tiny()[0].weight)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch_size": -1},
        {"accumulate": 0},
        {"threads": 0},
        {"ema": 1.0},
        {"early_stopping": 0},
        {"checkpoint_minutes": 0.0},
        {"optimizer": OptimizerConfig(lr=-1.0)},
        {"schedule": ScheduleConfig(gamma=2.0)},
    ],
)
def test_the_whole_training_configuration_is_checked_at_once(wrong):
    name = {"optimizer": "lr", "schedule": "gamma"}.get(*[next(iter(wrong))] * 2)
    with pytest.raises(UsageError, match=f"wrong {name}: expected"):
        TrainingConfig(**wrong).check()
    TrainingConfig().check()
