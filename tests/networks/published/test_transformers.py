"""Repositories of the library transformers, and our own checkpoints there."""

import hashlib

import pytest
from tests.networks.published.tools import USUAL, transformers_config
from tests.networks.server import timm_config

from residua.errors import (
    CheckpointError,
    CorruptCheckpointError,
    WeightsError,
)
from residua.networks.catalog import SPECS, get_spec
from residua.networks.pretrained import transformers_config as transformers
from residua.networks.pretrained.card import Inputs, Origin
from residua.networks.weights import open_weights


def test_repository_of_transformers(hub, state):
    hub.add_weights("lab/tr", state, transformers_config())
    with pytest.raises(WeightsError, match="expected resnet18, received resnet50"):
        open_weights("hf-hub:lab/tr", network="resnet18")
    assert open_weights("hf-hub:lab/tr").card.inputs is None
    hub.add("lab/tr2", preprocessor_config_json=IMAGENET_PROCESSOR)
    hub.add_weights("lab/tr2", state, transformers_config())
    card = open_weights("hf-hub:lab/tr2", network="resnet50").card
    assert (card.network, card.classes) == ("resnet50", ("tench", "goldfish"))
    assert card.inputs == Inputs(
        size=(224, 224), resize=(256, 256), interpolation="bicubic", **USUAL
    )
    hub.add("lab/tr3", preprocessor_config_json={"size": {}})
    hub.add_weights("lab/tr3", state, transformers_config())
    with pytest.raises(WeightsError, match=r"damaged description.*preprocessor_config\.json"):
        open_weights("hf-hub:lab/tr3")


def test_timms_own_description_needs_no_other(hub, state):
    hub.add_weights("lab/small", state, timm_config("resnet20"))
    open_weights("hf-hub:lab/small")
    assert not any("preprocessor" in path for _, path in hub.asked)


@pytest.mark.parametrize(
    ("changes", "network"),
    [
        ({"depths": [3, 8, 36, 3]}, "resnet152"),
        ({"downsample_in_bottleneck": True}, "resnet50_v1"),
        ({"layer_type": "basic", "hidden_sizes": [64, 128, 256, 512]}, "resnet34"),
        ({"depths": [1, 1, 1, 1]}, None),
        ({"model_type": "convnext"}, "convnext"),
    ],
)
def test_networks_of_transformers(changes, network):
    assert transformers.network_of(transformers_config(**changes)) == network
    assert network not in SPECS or get_spec(network).depths == tuple(
        transformers_config(**changes)["depths"]
    )


IMAGENET_PROCESSOR = {
    "crop_pct": 0.875,
    "do_normalize": True,
    "do_resize": True,
    "feature_extractor_type": "ConvNextFeatureExtractor",
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
    "resample": 3,
    "size": 224,
}


@pytest.mark.parametrize(
    ("changes", "size", "resize", "interpolation"),
    [
        ({}, 224, 256, "bicubic"),
        ({"size": {"shortest_edge": 224}, "resample": 2}, 224, 256, "bilinear"),
        ({"size": 384}, 384, 384, "bicubic"),  # ConvNextImageProcessor ignores crop_pct from here
        ({"crop_pct": None, "size": {"height": 192, "width": 160}}, (192, 160), (192, 160), None),
        (
            {"crop_size": {"height": 224, "width": 224}, "size": {"shortest_edge": 232}},
            224,
            232,
            None,
        ),
        ({"crop_size": 224, "do_center_crop": False, "crop_pct": 1.0}, 224, 224, None),
    ],
)
def test_processors_of_transformers(changes, size, resize, interpolation):
    def both(side):
        return side if isinstance(side, tuple) else (side, side)

    found = transformers.inputs_of(IMAGENET_PROCESSOR | changes)
    assert (found.size, found.resize) == (both(size), both(resize))
    assert found.interpolation == (interpolation or "bicubic")
    assert (found.mean, found.std) == (USUAL["mean"], USUAL["std"])


@pytest.mark.parametrize(
    "changes",
    [
        {"do_normalize": False},
        {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "do_rescale": True},
        {"image_mean": [127.5] * 3, "image_std": [60.0] * 3, "do_rescale": False},
        {"image_mean": [1.0] * 3, "image_std": [1.0] * 3, "rescale_factor": 1 / 127.5},
    ],
)
def test_values_of_transformers_processors(changes):
    """What the network sees of a grey pixel, as their rescaling and normalisation make it."""
    said = IMAGENET_PROCESSOR | changes
    pixel = 200.0
    value = pixel * (said.get("rescale_factor", 1 / 255) if said.get("do_rescale", True) else 1)
    if said["do_normalize"]:
        value = (value - said["image_mean"][0]) / said["image_std"][0]
    found = transformers.inputs_of(said)
    assert (pixel / 255 - found.mean[0]) / found.std[0] == pytest.approx(value)


@pytest.mark.parametrize(
    "config", [b"{", b"[]", b'{"pretrained_cfg": {"mean": 3}}', b'{"pretrained_cfg": [1]}']
)
def test_a_damaged_description(hub, state, config):
    hub.add_weights("lab/small", state)
    hub.add("lab/small", config_json=config)
    with pytest.raises(WeightsError, match=r"damaged description.*config\.json"):
        open_weights("hf-hub:lab/small")


def test_own_checkpoint_on_the_hub(hub, state):
    hub.add_weights("lab/own", state)
    path = "/lab/own/resolve/main/model.safetensors"
    sha256 = hashlib.sha256(hub.files[path]).hexdigest()
    before = Origin(source="timm/resnet50.a1_in1k", licence="apache-2.0", sha256="0")
    content = {
        "network": {"name": "resnet20"},
        "files": {"model.safetensors": sha256},
        "preprocess": {
            "size": [32, 32], "resize": [36, 36], "fit": "crop", "interpolation": "bilinear",
            "channels": 1, "mean": [0.3], "std": [0.2],
        },
        "schema": {"classes": ["cat", "dog"]},
        "origin": [before.to_json()],
    }  # fmt: skip
    hub.add("lab/own", checkpoint_json=content)
    card = open_weights("hf-hub:lab/own").card
    assert card.network == "resnet20"
    assert card.classes == ("cat", "dog")
    assert card.inputs == Inputs(
        size=(32, 32), resize=(36, 36), interpolation="bilinear", mean=(0.3,), std=(0.2,)
    )
    assert card.chain == (before, Origin(source="hf-hub:lab/own", sha256=sha256))
    hub.add_weights("lab/changed", state)
    hub.add("lab/changed", checkpoint_json=content | {"files": {"model.safetensors": "0"}})
    with pytest.raises(CorruptCheckpointError, match="does not match its checksum"):
        open_weights("hf-hub:lab/changed")
    hub.add_weights("lab/less", state)
    hub.add("lab/less", checkpoint_json={"files": {"model.safetensors": sha256}})
    with pytest.raises(CheckpointError, match="without 'network'"):
        open_weights("hf-hub:lab/less")
