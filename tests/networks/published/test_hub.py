"""Weights of repositories of huggingface.co, asked of a server on loopback."""

import hashlib
import io

import pytest
import torch
from tests.networks.peers import has_state
from tests.networks.published.tools import USUAL, down
from tests.networks.server import COMMIT, timm_config

from residua.errors import (
    CorruptCheckpointError,
    UsageError,
    WeightsError,
)
from residua.networks.catalog import SPECS, create_model
from residua.networks.pretrained.card import Inputs
from residua.networks.weights import load_weights, open_weights


def test_repository_with_a_description(hub, state):
    hub.add_weights("lab/small", state, timm_config("resnet20", label_names=["a", "b"]))
    weights = open_weights("hf-hub:lab/small")
    card = weights.card
    assert (card.source, card.network, card.licence) == (
        "hf-hub:lab/small",
        "resnet20",
        "apache-2.0",
    )
    assert card.inputs == Inputs(
        size=(224, 224), resize=(235, 235), interpolation="bicubic", **USUAL
    )  # timm: floor(224 / 0.95)
    assert card.classes == ("a", "b")
    content = hub.files["/lab/small/resolve/main/model.safetensors"]
    assert card.sha256 == hashlib.sha256(content).hexdigest()
    assert card.url.startswith(hub.url)
    network = create_model("resnet20", num_classes=10, pretrained="hf-hub:lab/small")
    assert has_state(network, state)


def test_what_is_cached_needs_no_server(hub, state, monkeypatch):
    hub.add_weights("lab/small", state, timm_config("resnet20"))
    first = open_weights("hf-hub:lab/small")
    fetched = [path for method, path in hub.asked if method == "GET"]
    assert len(fetched) == 2
    open_weights("hf-hub:lab/small")
    assert [path for method, path in hub.asked if method == "GET"] == fetched
    down(hub)
    assert open_weights("hf-hub:lab/small").card == first.card
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert open_weights("hf-hub:lab/small").card == first.card


@pytest.mark.parametrize("offline", [True, False])
def test_offline_without_a_cached_file(hub, monkeypatch, offline):
    if offline:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    down(hub)
    with pytest.raises(WeightsError, match="not on this machine and cannot be fetched") as caught:
        open_weights("timm/resnet50.a1_in1k")
    line = str(caught.value)
    assert f"{hub.url}/timm/resnet50.a1_in1k/resolve/main/model.safetensors" in line
    assert "config.json beside it" in line
    assert "\n" not in line


def test_what_the_hub_does_not_have(hub, state):
    with pytest.raises(WeightsError, match=r"no such repository.*HF_TOKEN"):
        open_weights("hf-hub:lab/none")
    hub.add("lab/empty", config_json=timm_config("resnet20"))
    with pytest.raises(
        WeightsError, match=r"has no weights: expected model.safetensors or pytorch"
    ):
        open_weights("hf-hub:lab/empty")
    for name in ("hf-hub:alone", "hf-hub:a/b/c", "hf-hub:"):
        with pytest.raises(UsageError, match="expected hf-hub:OWNER/NAME"):
            open_weights(name)


def test_torch_file_where_there_are_no_safetensors(hub, state):
    file = io.BytesIO()
    torch.save(state, file)
    hub.files["/lab/old/resolve/main/pytorch_model.bin"] = file.getvalue()
    network = create_model("resnet20", num_classes=10)
    load_weights(network, "hf-hub:lab/old")
    assert has_state(network, state)
    assert open_weights("hf-hub:lab/old").card.network is None


def test_a_revision_is_asked_for(hub, state):
    hub.add_weights("lab/small", state)
    for path in list(hub.files):
        hub.files[path.replace("/main/", "/v2/")] = hub.files.pop(path)
    assert open_weights("hf-hub:lab/small@v2").card.url.endswith("/v2/model.safetensors")


def test_a_truncated_file_is_not_kept(hub, state, tmp_path):
    hub.add_weights("lab/small", state, timm_config("resnet20"))
    hub.cut.add("/lab/small/resolve/main/model.safetensors")
    with pytest.raises(WeightsError, match="cannot be fetched"):
        open_weights("hf-hub:lab/small")
    assert not list(tmp_path.rglob("model.safetensors"))
    hub.cut.clear()
    assert open_weights("hf-hub:lab/small").read().keys() == state.keys()


def test_a_damaged_cache_is_noticed(hub, state, tmp_path):
    hub.add_weights("lab/small", state)
    open_weights("hf-hub:lab/small")
    (link,) = tmp_path.rglob(f"snapshots/{COMMIT}/model.safetensors")
    content = bytearray(link.read_bytes())
    content[-1] ^= 1
    link.resolve().write_bytes(content)
    with pytest.raises(CorruptCheckpointError, match=r"damaged.*Delete it"):
        open_weights("hf-hub:lab/small")


def test_a_description_of_another_network(hub, state):
    hub.add_weights("lab/small", state, timm_config("resnet20"))
    with pytest.raises(
        WeightsError, match=r"expected resnet32, received resnet20.*--network resnet20"
    ):
        create_model("resnet32", pretrained="hf-hub:lab/small")
    hub.add_weights("lab/d", state, timm_config("resnet20d"))
    with pytest.raises(WeightsError, match="received resnet20d") as caught:
        create_model("resnet20", pretrained="hf-hub:lab/d")
    assert "--network" not in str(caught.value)
    assert not any("safetensors" in path for _, path in hub.asked)  # config.json was enough


def test_what_none_of_ours_is_is_not_fetched(hub, state):
    hub.add_weights("lab/vit", state, {"model_type": "vit", "transformers_version": "4.44.0"})
    with pytest.raises(WeightsError, match="one of `residua list networks`, received vit"):
        open_weights("hf-hub:lab/vit", network=SPECS)
    assert not any("safetensors" in path for _, path in hub.asked)
    assert open_weights("hf-hub:lab/vit").card.network == "vit"  # nobody minds
