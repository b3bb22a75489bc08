"""Keys, shapes and logits of torchvision's and timm's networks, from files that they wrote."""

import json
from pathlib import Path

import pytest
import torch

from residua.networks.catalog import build, create_model, get_spec
from residua.networks.weights import load_state

FILES = {path.stem: path for path in sorted((Path(__file__).parent / "snapshots").glob("*.json"))}


def read(name):
    return json.loads(FILES[name].read_text(encoding="utf-8"))


def test_all_peers_networks_have_a_snapshot(snapshots):
    assert set(FILES) == {*snapshots.TORCHVISION, *snapshots.TIMM}


@pytest.mark.parametrize("name", FILES)
def test_keys_and_shapes(name, snapshots):
    snapshot = read(name)
    with torch.device("meta"):
        network = build(get_spec(name))
    ours = {key: list(value.shape) for key, value in network.state_dict().items()}
    assert sum(p.numel() for p in network.parameters()) == snapshot["parameters"]
    if "shapes" not in snapshot:
        assert snapshots.digest(ours) == snapshot["sha256"]
        return
    theirs = {network.translate_key(key): shape for key, shape in snapshot["shapes"].items()}
    head = f"{network.classifier_name}.weight"
    theirs[head] = theirs[head][:2]  # timm's pre-activation head is a convolution
    assert ours == theirs


@pytest.mark.parametrize("name", [name for name in FILES if "logits" in read(name)])
def test_logits(name, snapshots):
    snapshot = read(name)
    network = create_model(name).double().eval()
    ours = {key: list(value.shape) for key, value in network.state_dict().items()}
    load_state(network, snapshots.fill(snapshot.get("shapes", ours)), where="snapshot")
    with torch.no_grad():
        logits = network(snapshots.picture(snapshots.SIZES.get(name, 64)))[0, :8]
    expected = torch.tensor(snapshot["logits"], dtype=torch.float64)
    torch.testing.assert_close(logits, expected, rtol=1e-9, atol=1e-9)
