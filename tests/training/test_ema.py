"""The average against its closed form, and the exchange with the network."""

import pytest
import torch
from torch import nn

from residua.errors import CheckpointError, UsageError
from residua.training.ema import EMA


def tiny(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Conv2d(2, 2, 1))


def change(network: nn.Module, seed: int) -> dict[str, torch.Tensor]:
    """Other weights and running statistics; returns copies."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in network.state_dict().values():
            if value.is_floating_point():
                value.copy_(torch.randn(value.shape, generator=generator))
            else:
                value.add_(1)
    return {name: value.clone() for name, value in network.state_dict().items()}


@pytest.mark.parametrize("decay", [0.5, 0.999])
def test_equals_its_closed_form(decay):
    network = tiny()
    ema = EMA(network, decay)
    history = [{name: value.clone() for name, value in network.state_dict().items()}]
    decays = []
    for step in range(12):
        history.append(change(network, step))
        ema.update(network, step)
        decays.append(min(decay, (1 + step) / (10 + step)))
    # weight of value i: what its own update took in, times what all later ones left of it
    weights = [1.0] + [1 - d for d in decays]
    for i in range(len(weights)):
        for later in decays[i:]:
            weights[i] *= later
    assert sum(weights) == pytest.approx(1)
    for name, mean in ema.state_dict().items():
        if mean.is_floating_point():
            values = [w * past[name].double() for w, past in zip(weights, history, strict=True)]
            torch.testing.assert_close(mean.double(), sum(values), rtol=1e-5, atol=1e-6)
        else:
            assert torch.equal(mean, history[-1][name])


def test_running_statistics_are_averaged_and_counters_copied():
    network = tiny()
    ema = EMA(network, 0.9)
    network[1].running_mean.fill_(1.0)
    network[1].num_batches_tracked.fill_(7)
    ema.update(network, 1000)
    state = ema.state_dict()
    torch.testing.assert_close(state["1.running_mean"], torch.full((2,), 0.1))
    assert state["1.num_batches_tracked"].item() == 7


def test_swapped_lends_the_average_and_gives_the_weights_back():
    network = tiny()
    ema = EMA(network, 0.9)
    own = change(network, 1)
    ema.update(network, 0)
    average = {name: value.clone() for name, value in ema.state_dict().items()}
    tensors = [value.data_ptr() for value in network.state_dict().values()]

    def borrow() -> None:
        with ema.swapped(network):
            for name, value in network.state_dict().items():
                assert torch.equal(value, average[name])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        borrow()
    for name, value in network.state_dict().items():
        assert torch.equal(value, own[name])
        assert torch.equal(ema.state_dict()[name], average[name])
    assert tensors == [value.data_ptr() for value in network.state_dict().values()]


def test_saved_and_loaded_it_goes_on_bit_for_bit():
    network, other = tiny(), tiny(1)
    whole, first = EMA(network, 0.99), EMA(network, 0.99)
    for step in range(2):
        change(network, step)
        whole.update(network, step)
        first.update(network, step)
    second = EMA(other, 0.99)
    second.load_state_dict({name: value.clone() for name, value in first.state_dict().items()})
    change(network, 2)
    whole.update(network, 2)
    second.update(network, 2)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, second.state_dict()[name])


def test_keeps_the_networks_layout_and_does_not_alias_it():
    network = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    ema = EMA(network, 0.9)
    average = ema.state_dict()["weight"]
    assert average.is_contiguous(memory_format=torch.channels_last)
    assert average.data_ptr() != network.weight.data_ptr()
    assert not average.requires_grad


def test_the_state_of_another_network_is_refused():
    ema = EMA(tiny(), 0.9)
    state = ema.state_dict()
    with pytest.raises(CheckpointError, match=r"unmatched averaged weight '2\.bias'"):
        ema.load_state_dict({name: v for name, v in state.items() if name != "2.bias"})
    with pytest.raises(CheckpointError, match=r"expected \[2\], received \[9\]"):
        ema.load_state_dict(state | {"2.bias": torch.zeros(9)})


@pytest.mark.parametrize("decay", [0.0, 1.0, -0.5, float("nan")])
def test_decay_out_of_range(decay):
    with pytest.raises(UsageError, match="wrong ema"):
        EMA(tiny(), decay)
