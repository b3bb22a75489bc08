"""A hub on loopback, and weights to put there."""

import pytest
import torch
from tests.networks.server import local_hub

from residua.networks.catalog import create_model


@pytest.fixture
def hub(tmp_path):
    with local_hub(tmp_path) as server:
        yield server


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(1)
    return create_model("resnet20", num_classes=10).state_dict()
