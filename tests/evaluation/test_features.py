"""First filters and feature maps, against hooks on the network itself."""

import numpy as np
import pytest
import torch

from residua.evaluation.features import feature_maps, first_filters
from residua.networks.catalog import create_model


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return create_model("resnet20", num_classes=5, in_chans=3).eval()


def test_all_filters_in_their_own_order(network):
    found = first_filters(network)
    assert (found.layer, found.total, found.shown) == ("conv1", 16, tuple(range(16)))
    np.testing.assert_array_equal(found.values, network.conv1.weight.detach().numpy())


def test_of_many_filters_the_largest(network):
    norms = network.conv1.weight.detach().double().square().sum(dim=(1, 2, 3))
    largest = sorted(sorted(range(16), key=lambda i: -float(norms[i]))[:5])
    found = first_filters(network, most=5)
    assert found.total == 16
    assert found.shown == tuple(largest)
    np.testing.assert_array_equal(found.values, network.conv1.weight.detach().numpy()[largest])


def test_signals_have_filters_of_one_axis():
    network = create_model("resnet18", rank=1, in_chans=2)
    assert first_filters(network).values.shape == (64, 2, 7)


def test_maps_are_what_the_stages_put_out_strongest_first(network):
    seen = {}
    handles = [
        network.get_submodule(name).register_forward_hook(
            lambda module, inputs, output, name=name: seen.update({name: output.clone()})
        )
        for name in network.layer_names
    ]
    inputs = torch.randn(2, 3, 16, 12)
    found = feature_maps(network, inputs, most=4)
    for handle in handles:
        handle.remove()
    assert [len(stages) for stages in found] == [4, 4]
    for sample, stages in enumerate(found):
        assert [stage.stage for stage in stages] == ["stem", "layer1", "layer2", "layer3"]
        assert [stage.total for stage in stages] == [16, 16, 32, 64]
        for stage in stages[1:]:
            maps = seen[stage.stage][sample].numpy()
            peaks = np.abs(maps).max(axis=(1, 2))
            assert list(stage.shown) == np.argsort(-peaks, kind="stable")[:4].tolist()
            np.testing.assert_array_equal(stage.values, maps[list(stage.shown)])


def test_many_stages_are_thinned_from_first_to_last(network):
    (stages,) = feature_maps(network, torch.randn(1, 3, 16, 16), most_stages=3)
    assert [stage.stage for stage in stages] == ["stem", "layer2", "layer3"]
    assert {stage.values.shape[0] for stage in stages} == {8}


def test_the_network_stays_as_it_is(network):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    first = feature_maps(network, torch.ones(1, 3, 16, 16))
    second = feature_maps(network, torch.ones(1, 3, 16, 16))
    for a, b in zip(first[0], second[0], strict=True):
        np.testing.assert_array_equal(a.values, b.values)
    assert all(before[name].equal(value) for name, value in network.state_dict().items())


@pytest.mark.parametrize("name", ["alexnet", "nin_cifar", "googlenet", "densenet_40_12"])
def test_no_later_stage_changes_a_map(name):
    torch.manual_seed(0)
    network = create_model(name, num_classes=3).eval()
    inputs = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        x, expected = inputs, []
        for stage in network.stages()[:-1]:
            x = stage(x)
            expected.append(x[0].clone().numpy())
    (stages,) = feature_maps(network, inputs)
    for stage, maps in zip(stages, expected, strict=True):
        np.testing.assert_array_equal(stage.values, maps[list(stage.shown)])
