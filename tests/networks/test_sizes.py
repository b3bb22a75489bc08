"""Parameters by arithmetic against the networks themselves."""

from dataclasses import replace

import pytest
import torch

from residua.networks.catalog import build, get_spec, list_models
from residua.networks.sizes import count_parameters


@pytest.mark.parametrize("name", list_models())
@pytest.mark.parametrize("changes", [{}, {"num_classes": 7, "in_chans": 5, "rank": 1}])
def test_counted_parameters_are_those_of_the_built_network(
    name: str, changes: dict[str, int]
) -> None:
    spec = replace(get_spec(name), **changes)
    with torch.device("meta"):
        net = build(spec)
    assert count_parameters(spec) == sum(parameter.numel() for parameter in net.parameters())
