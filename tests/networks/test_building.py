"""Building is cheap on the meta device, and the same as ever elsewhere."""

import gc
import threading
from dataclasses import replace

import pytest
import torch
from torch import nn

from residua.networks import catalog
from residua.networks.building import building
from residua.networks.catalog import FAMILIES, SPECS, build, get_spec

ONE_EACH = [next(s.name for s in SPECS.values() if isinstance(s, kind)) for kind in FAMILIES]


@pytest.mark.parametrize("name", ["resnet20", "nin_cifar"])
def test_the_draws_on_a_processor_are_those_of_the_constructors(name: str) -> None:
    torch.manual_seed(3)
    expected = catalog._construct(get_spec(name)).state_dict()
    torch.manual_seed(3)
    found = build(get_spec(name)).state_dict()
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    assert any(value.std() > 0 for key, value in found.items() if key.endswith("conv1.weight"))


@pytest.mark.parametrize("name", ONE_EACH)
def test_a_network_on_meta_has_the_same_structure(name: str) -> None:
    spec = replace(get_spec(name), num_classes=3)
    with torch.device("meta"):
        found, expected = build(spec), catalog._construct(spec)
    assert [(k, v.shape, v.dtype, v.is_meta) for k, v in found.state_dict().items()] == [
        (k, v.shape, v.dtype, True) for k, v in expected.state_dict().items()
    ]
    assert repr(found) == repr(expected)
    assert all(parameter.requires_grad for parameter in found.parameters())


def test_nothing_is_initialised_on_meta(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that is not on meta is set all the same."""
    with torch.device("meta"), building():
        assert nn.init.constant_(torch.empty(2, device="cpu"), 5.0).tolist() == [5.0, 5.0]
        weight = torch.empty(3)
        assert nn.init.kaiming_uniform_(weight) is weight if weight.ndim > 1 else True
        assert torch.zeros(2).is_meta


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
    try:
        (gc.enable if collects else gc.disable)()
        with pytest.raises(ZeroDivisionError), building():
            assert not gc.isenabled()
            raise ZeroDivisionError
        assert gc.isenabled() is collects
    finally:
        (gc.enable if before else gc.disable)()
