"""Building is cheap on the meta device, and the same as ever elsewhere."""

import contextlib
import gc
import threading

import pytest
import torch
from torch import nn

from residua.networks import catalog
from residua.networks.building import building
from residua.networks.catalog import build, get_spec


@pytest.mark.parametrize("name", ["resnet20", "nin_cifar"])
def test_the_draws_on_a_processor_are_those_of_the_constructors(name: str) -> None:
    torch.manual_seed(3)
    expected = catalog._construct(get_spec(name)).state_dict()
    torch.manual_seed(3)
    found = build(get_spec(name)).state_dict()
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    assert any(value.std() > 0 for key, value in found.items() if key.endswith("conv1.weight"))


@pytest.mark.parametrize("name", ["resnet20", "nin_bn", "densenet_40_12", "googlenet_compact"])
def test_a_network_on_meta_has_the_structure_of_one_with_values(name: str) -> None:
    expected = build(get_spec(name))
    with torch.device("meta"):
        found = build(get_spec(name))
    assert all(value.is_meta for value in found.state_dict().values())
    assert [(k, v.shape, v.dtype) for k, v in found.state_dict().items()] == [
        (k, v.shape, v.dtype) for k, v in expected.state_dict().items()
    ]
    assert repr(found) == repr(expected)
    assert all(parameter.requires_grad for parameter in found.parameters())


def test_values_are_set_wherever_there_are_any() -> None:
    with torch.device("meta"), building():
        assert nn.init.constant_(torch.empty(2, device="cpu"), 5.0).tolist() == [5.0, 5.0]
        assert torch.zeros(2, device="cpu").fill_(2.0).tolist() == [2.0, 2.0]
        weight = torch.empty(3, 3)
        assert nn.init.kaiming_uniform_(weight) is weight
        assert weight.is_meta


def test_other_threads_initialise_as_ever() -> None:
    sums = list[float]()

    def work() -> None:
        sums.append(nn.BatchNorm1d(4).weight.sum().item())

    with torch.device("meta"), building():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert sums == [4.0]


@pytest.mark.parametrize("collects", [True, False])
def test_the_collector_is_as_before_also_after_an_error(collects: bool) -> None:
    before = gc.isenabled()
    inside = list[bool]()
    try:
        (gc.enable if collects else gc.disable)()
        with contextlib.suppress(ZeroDivisionError), building():
            inside.append(gc.isenabled())
            raise ZeroDivisionError
        assert gc.isenabled() is collects
        assert inside == [False]
    finally:
        (gc.enable if before else gc.disable)()
