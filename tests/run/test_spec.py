"""Which network is fitted to which data."""

import pytest

from residua.batch import Modality, Schema
from residua.data.signal_preprocess import SignalPreprocess
from residua.errors import UsageError
from residua.networks.specs.multiscale import MultiScaleSpec
from residua.recipes.recipe import NetworkConfig
from residua.run.spec import spec_for

SCHEMA = Schema(modality=Modality.SIGNAL, channels=1, classes=("rest", "run"))


@pytest.mark.parametrize(
    ("shortest", "strides"),
    [(None, (1, 1, 1, 1, 2)), (192, (1, 1, 1, 2, 2)), (8, (2, 2, 2, 2, 2))],
)
def test_maps_are_as_short_as_is_said(shortest: int | None, strides: tuple[int, ...]) -> None:
    config = NetworkConfig(network="multiscale_resnet1d", shortest_map=shortest)
    spec = spec_for(config, SCHEMA, SignalPreprocess(channels=1), length=900)
    assert isinstance(spec, MultiScaleSpec)
    assert spec.strides == strides


@pytest.mark.parametrize("name", ["resnet18", "multiscale_resnet1d_2018"])
def test_networks_with_strides_of_their_own(name: str) -> None:
    config = NetworkConfig(network=name, shortest_map=8)
    with pytest.raises(UsageError, match=f"{name}.*--shortest-map 8"):
        spec_for(config, SCHEMA, SignalPreprocess(channels=1), length=900)


def test_maps_without_steps() -> None:
    config = NetworkConfig(network="multiscale_resnet1d", shortest_map=0)
    with pytest.raises(UsageError, match="shortest_map: expected at least 1"):
        spec_for(config, SCHEMA, SignalPreprocess(channels=1), length=900)
