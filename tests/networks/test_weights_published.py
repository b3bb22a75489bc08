"""Weights by name: huggingface.co and download.pytorch.org, played by a server on this machine."""

import hashlib
import io
import json

import pytest
import torch
from tests.contracts.thin import thin
from tests.networks.peers import has_state
from tests.networks.server import COMMIT, local_hub, timm_config

from residua.errors import (
    CheckpointError,
    CorruptCheckpointError,
    UnknownNameError,
    UsageError,
    WeightsError,
)
from residua.networks.catalog import SPECS, build, create_model, get_spec
from residua.networks.pretrained import transformers_config as transformers
from residua.networks.pretrained.card import Inputs, Origin
from residua.networks.pretrained.timm_tags import TIMM_TAGS
from residua.networks.weights import load_weights, open_weights

USUAL = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


@pytest.fixture
def hub(tmp_path):
    with local_hub(tmp_path) as server:
        yield server


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(1)
    return create_model("resnet20", num_classes=10).state_dict()


def down(hub):
    """The server is not there any more; later stops do nothing."""
    hub.stop()
    hub.stop = lambda: None


# ---- huggingface.co -----------------------------------------------------------------------------


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


def transformers_config(**changes):
    """config.json of microsoft/resnet-50, in parts."""
    said = {
        "architectures": ["ResNetForImageClassification"],
        "depths": [3, 4, 6, 3],
        "downsample_in_first_stage": False,
        "hidden_sizes": [256, 512, 1024, 2048],
        "id2label": {"0": "tench", "1": "goldfish"},
        "layer_type": "bottleneck",
        "model_type": "resnet",
        "transformers_version": "4.18.0",
    }
    return said | changes


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


# ---- timm ---------------------------------------------------------------------------------------


def test_timm_by_tag_and_by_default(hub):
    state = create_model("resnetv2_18", num_classes=1).state_dict()
    hub.add_weights("timm/resnetv2_18.ra4_e3600_r224_in1k", state, timm_config("resnetv2_18"))
    for name in ("timm/resnetv2_18", "timm/resnetv2_18.ra4_e3600_r224_in1k"):
        card = open_weights(name).card
        assert card.source == "timm/resnetv2_18.ra4_e3600_r224_in1k"
        assert card.network == "resnetv2_18"


def test_timm_own_cache_holds_no_description(hub, state):
    hub.add_weights("timm/resnet18.a3_in1k", state)
    card = open_weights("timm/resnet18.a3_in1k").card
    assert (card.network, card.licence) == ("resnet18", "apache-2.0")
    assert card.inputs == Inputs(
        size=(160, 160), resize=(168, 168), interpolation="bicubic", **USUAL
    )


def test_unknown_tags_and_networks_list_the_known_ones():
    with pytest.raises(UsageError, match=r"expected a1_in1k, a1h_in1k, .*gluon_in1k\. Newer"):
        open_weights("timm/resnet50.a9_in1k")
    with pytest.raises(UnknownNameError, match="Did you mean resnet50"):
        open_weights("timm/resnet5o")
    with pytest.raises(UnknownNameError, match="network of timm"):
        open_weights("timm/resnet20")  # in the catalog, not in timm
    with pytest.raises(
        UsageError, match=r"'V3' of network 'resnet50': expected IMAGENET1K_V2, IMAGENET1K_V1"
    ):
        open_weights("torchvision/resnet50.V3")
    with pytest.raises(UnknownNameError, match="Did you mean"):
        open_weights("torchvision/resnet5o")


def test_another_network_is_not_fetched(hub):
    for package in ("timm", "torchvision"):
        with pytest.raises(WeightsError, match="expected resnet18, received resnet34"):
            create_model("resnet18", pretrained=f"{package}/resnet34")
    assert not hub.asked


def test_table_of_tags_is_timms():
    timm = pytest.importorskip("timm")
    published = timm.list_pretrained()
    for name, tags in TIMM_TAGS.items():
        found = {key.partition(".")[2] for key in published if key.partition(".")[0] == name}
        assert set(tags) == found, name
        assert next(iter(tags)) == timm.get_pretrained_cfg(name).tag
    cfg = timm.get_pretrained_cfg("resnet50.tv2_in1k")
    row = TIMM_TAGS["resnet50"]["tv2_in1k"]
    assert (row.size, row.crop_pct, row.licence) == (cfg.input_size[1], cfg.crop_pct, cfg.license)
    assert (row.mean, row.std, row.interpolation) == (cfg.mean, cfg.std, cfg.interpolation)


# ---- torchvision --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def member():
    models = pytest.importorskip("torchvision").models
    return models.ResNet18_Weights.IMAGENET1K_V1


@pytest.fixture
def torchvision_file(hub, member, monkeypatch):
    """Weights of resnet18 at an address that names the start of their hash."""
    file = io.BytesIO()
    torch.save({"fc.bias": torch.arange(3.0)}, file)
    content = file.getvalue()
    path = f"/models/resnet18-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    hub.files[path] = content
    monkeypatch.setattr(member.value, "url", hub.url + path)
    return path


def test_torchvision(hub, torchvision_file, member, tmp_path):
    weights = open_weights("torchvision/resnet18")
    card = weights.card
    assert card.source == "torchvision/resnet18.IMAGENET1K_V1"
    assert card.network == "resnet18"
    assert "BSD-3-Clause" in card.licence
    assert card.top1 == 69.758
    assert card.classes[:2] == ("tench", "goldfish")
    assert card.inputs == Inputs(
        size=(224, 224), resize=(256, 256), interpolation="bilinear", **USUAL
    )
    assert weights.read()["fc.bias"].tolist() == [0, 1, 2]
    name = torchvision_file.rpartition("/")[2]
    assert (tmp_path / "torch" / "hub" / "checkpoints" / name).is_file()
    down(hub)
    again = open_weights("torchvision/resnet18.imagenet1k_v1")
    assert again.card == card
    before = len(hub.asked)
    assert before == 1


def test_torchvision_files_from_elsewhere(hub, torchvision_file):
    path = torchvision_file
    content = hub.files.pop(path)
    with pytest.raises(WeightsError, match=r"404 Not Found.*Fetch that file elsewhere and put it"):
        open_weights("torchvision/resnet18")
    hub.files[path] = content
    hub.cut.add(path)
    with pytest.raises(WeightsError, match="did not arrive whole"):
        open_weights("torchvision/resnet18")
    hub.cut.clear()
    hub.files[path] = content[:-1] + b"\0\0"
    with pytest.raises(WeightsError, match=r"did not arrive whole.*invalid hash"):
        open_weights("torchvision/resnet18")
    down(hub)
    with pytest.raises(WeightsError, match=r"cannot be fetched: received .*refused") as caught:
        open_weights("torchvision/resnet18")
    assert f"torch/hub/checkpoints/{path.rpartition('/')[2]}" in str(caught.value)


def test_nothing_broken_is_kept(hub, torchvision_file, tmp_path):
    hub.cut.add(torchvision_file)
    with pytest.raises(WeightsError):
        open_weights("torchvision/resnet18")
    assert not [path for path in (tmp_path / "torch").rglob("*") if path.is_file()]
    hub.cut.clear()
    open_weights("torchvision/resnet18")
    (path,) = (tmp_path / "torch").rglob("resnet18-*.pth")
    path.write_bytes(b"broken")
    with pytest.raises(WeightsError, match=r"damaged: .*resnet18-.*Delete it"):
        open_weights("torchvision/resnet18")


@pytest.mark.parametrize(
    ("network", "tag", "crop", "resize", "mean"),
    [
        ("resnet50", "IMAGENET1K_V2", 224, 232, 0.485),
        ("resnet50", "IMAGENET1K_V1", 224, 256, 0.485),
        ("googlenet", "IMAGENET1K_V1", 224, 256, 0.5),
        ("vgg16", "IMAGENET1K_FEATURES", 224, 256, 0.48235),
    ],
)
def test_inputs_of_torchvision(network, tag, crop, resize, mean):
    from residua.networks.pretrained.torchvision_weights import _inputs

    models = pytest.importorskip("torchvision").models
    inputs = _inputs(network, models.get_model_weights(network)[tag].transforms())
    assert (inputs.size, inputs.resize) == ((crop, crop), (resize, resize))
    assert inputs.mean[0] == mean


def test_googlenets_transform_input_is_its_mean_and_std():
    """What torchvision's network does to usual inputs, ours gets by mean and std."""
    models = pytest.importorskip("torchvision").models
    network = models.googlenet(transform_input=True, init_weights=False, aux_logits=False)
    pixels = torch.rand(1, 3, 4, 4)
    mean, std = (torch.tensor(USUAL[name]).view(3, 1, 1) for name in ("mean", "std"))
    theirs = network._transform_input((pixels - mean) / std)
    torch.testing.assert_close(theirs, (pixels - 0.5) / 0.5)


def test_a_classifier_without_values_stays_fresh():
    """As in torchvision's VGG16 of the features alone."""
    from residua.networks.weights import Weights, WeightsCard, load_opened

    network = build(thin("vgg11"))
    state = {key: torch.full_like(value, 0.5) for key, value in network.state_dict().items()}
    for key in state:
        if key.startswith("classifier."):
            state[key] = state[key] * float("nan")
    card = WeightsCard(source="x", network="vgg11", optional=("classifier.",))
    result = load_opened(network, Weights(card=card, read=lambda: state))
    assert set(result.fresh) == {key for key in state if key.startswith("classifier.")}
    assert all(value.isfinite().all() for value in network.state_dict().values())
    assert network.features[0].weight.eq(0.5).all()


def test_cards_survive_json():
    inputs = Inputs(size=(8, 9), resize=(10, 11), interpolation="bicubic", **USUAL)
    assert Inputs.from_json(json.loads(json.dumps(inputs.to_json()))) == inputs
    gray = inputs.for_channels(1)
    assert gray.mean == (0.449,)
    assert gray.std == (0.226,)
    assert gray.for_channels(3).mean == (0.449,) * 3
    with pytest.raises(WeightsError, match="not an origin"):
        Origin.from_json({"url": "x"})
