"""The same state dict gives the logits of torchvision and timm, where they are installed."""

import pytest
import torch
from tests.networks.peers import assert_same_state, from_one_seed

from residua.networks.catalog import create_model
from residua.networks.weights import load_state


@pytest.fixture
def picture():
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def difference(network, peer, picture):
    """Largest difference of logits after random norm parameters and statistics."""
    generator = torch.Generator().manual_seed(1)
    for key, value in peer.state_dict().items():
        if value.ndim == 1:
            value.uniform_(0.8, 1.2, generator=generator)
        if key.endswith(("bias", "running_mean")):
            value.sub_(1.0)
    load_state(network, peer.state_dict(), where="peer")
    with torch.no_grad():
        ours, theirs = network.eval()(picture), peer.eval()(picture)
    assert theirs.std() > 0.01
    return (ours - theirs).abs().max() / theirs.abs().max()


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnext50_32x4d"])
def test_torchvision(name, picture):
    models = pytest.importorskip("torchvision").models
    network, peer = from_one_seed(lambda: create_model(name), lambda: models.get_model(name))
    assert_same_state(network, peer)
    assert difference(network, peer, picture) == 0


def test_v1_is_torchvision_with_the_stride_moved(picture):
    peer = pytest.importorskip("torchvision").models.resnet50()
    for layer in (peer.layer2, peer.layer3, peer.layer4):
        layer[0].conv1.stride, layer[0].conv2.stride = (2, 2), (1, 1)
    assert difference(create_model("resnet50_v1"), peer, picture) == 0


@pytest.mark.parametrize(("name", "bound"), [("seresnet18", 0.0), ("resnetv2_18", 1e-6)])
def test_timm(name, bound, picture):
    peer = pytest.importorskip("timm").create_model(name)
    assert difference(create_model(name), peer, picture) <= bound
