"""Our weights in torchvision's and timm's names: their networks take all, and answer alike."""

import pytest
import torch
from safetensors import safe_open
from tests.contracts.thin import thin

from residua.errors import UsageError, WeightsError
from residua.networks.catalog import FACTS, build, create_model, get_spec
from residua.networks.pretrained.card import Inputs, Origin
from residua.networks.pretrained.export import export_state, write_weights
from residua.networks.pretrained.layouts import (
    SAME,
    TIMM_RESNETV2,
    TIMM_VGG,
    TRANSFORMERS_RESNET,
    our_key,
)
from residua.networks.weights import WeightsCard, load_state, load_weights, open_weights

SHARED = [(package, name) for name, facts in FACTS.items() for package in facts.elsewhere]


def shapes(state):
    return {key: tuple(value.shape) for key, value in state.items()}


def peer(package, name):
    if package == "torchvision":
        models = pytest.importorskip("torchvision").models
        options = {"aux_logits": True, "init_weights": False} if name == "googlenet" else {}
        return models.get_model(name, num_classes=7, **options)
    return pytest.importorskip("timm").create_model(name, num_classes=7)


def on_meta(make, *arguments, **options):
    with torch.device("meta"):
        return make(*arguments, **options)


@pytest.mark.parametrize(("package", "name"), SHARED)
def test_keys_and_shapes_are_theirs(package, name):
    """Of every network that both have; and back again they are ours."""
    network = on_meta(create_model, name, num_classes=7)
    exported = export_state(network, package)
    assert shapes(exported) == shapes(on_meta(peer, package, name).state_dict())
    result = load_state(on_meta(create_model, name, num_classes=7), exported, where="export")
    assert not result.notes


@pytest.mark.parametrize(
    ("package", "name", "bound"),
    [
        ("torchvision", "resnet18", 0.0),
        ("torchvision", "densenet121", 1e-5),
        ("timm", "resnetv2_18", 1e-5),
        ("timm", "seresnet18", 0.0),
    ],
)
def test_their_networks_answer_as_ours(package, name, bound):
    torch.manual_seed(0)
    network = create_model(name, num_classes=7).eval()
    theirs = peer(package, name).eval()
    theirs.load_state_dict(export_state(network, package), strict=True)
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(theirs(x), network(x), rtol=0, atol=bound)


def test_timms_vgg_answers_as_ours():
    """Its hidden layers are convolutions; narrow ones, to be quick."""
    vgg = pytest.importorskip("timm.models.vgg")
    torch.manual_seed(0)

    cfg = [8, "M", 8, "M", 8, 8, "M", 8, 8, "M", 8, 8, "M"]
    theirs = vgg.VGG(cfg, num_classes=4).eval()
    state = {
        key: value.flatten(1) if key.startswith("pre_logits") and value.ndim > 1 else value
        for key, value in theirs.state_dict().items()
    }
    ours = {our_key("vgg", key): value for key, value in state.items()}
    assert {key for key in ours if key.startswith("classifier")} == {
        f"classifier.{n}.{part}" for n in (0, 3, 6) for part in ("weight", "bias")
    }
    back = {}
    for key, value in ours.items():
        name, spatial = TIMM_VGG.theirs(key)
        back[name] = value if spatial is None else value.unflatten(1, (-1, *spatial))
    assert shapes(back) == shapes(theirs.state_dict())
    assert all(torch.equal(back[key], value) for key, value in theirs.state_dict().items())
    x = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        features = theirs.forward_features(x)
        hidden = torch.relu(
            features.flatten(1) @ ours["classifier.0.weight"].T + ours["classifier.0.bias"]
        )
        hidden = torch.relu(hidden @ ours["classifier.3.weight"].T + ours["classifier.3.bias"])
        logits = hidden @ ours["classifier.6.weight"].T + ours["classifier.6.bias"]
        torch.testing.assert_close(theirs(x), logits)


@pytest.mark.parametrize(
    ("layout", "name"),
    [(TIMM_RESNETV2, "resnetv2_50"), (TIMM_VGG, "vgg16_bn"), (TRANSFORMERS_RESNET, "resnet50")],
)
def test_layouts_work_in_both_directions(layout, name):
    network = on_meta(create_model, name)
    keys = list(network.state_dict())
    theirs = [layout.theirs(key)[0] for key in keys]
    assert len(set(theirs)) == len(keys)
    assert theirs != keys
    assert [layout.ours(key) for key in theirs] == keys
    assert [network.translate_key(key) for key in theirs] == keys
    assert [network.translate_key(key) for key in keys] == keys
    assert SAME.ours(keys[0]) == keys[0]
    assert SAME.theirs(keys[0]) == (keys[0], None)


def test_networks_that_the_package_lacks():
    with pytest.raises(UsageError, match=r"timm has no network 'googlenet'\. Export it for torchv"):
        export_state(on_meta(create_model, "googlenet"), "timm")
    with pytest.raises(UsageError, match=r"torchvision has no network 'resnet20'\. The run's own"):
        export_state(on_meta(create_model, "resnet20"), "torchvision")
    with pytest.raises(UsageError, match="'resnet18' for signals"):
        export_state(on_meta(create_model, "resnet18", rank=1), "timm")


def test_a_narrow_vgg_does_not_fit_a_7x7_convolution():
    spec = thin("vgg11")
    network = build(spec)
    if network.state_dict()["classifier.0.weight"].shape[1] % 49:
        with pytest.raises(WeightsError, match=r"classifier\.0\.weight cannot become"):
            export_state(network, "timm")
    else:
        weight = export_state(network, "timm")["pre_logits.fc1.weight"]
        assert weight.shape[2:] == (7, 7)


def test_a_written_file_says_what_it_is(tmp_path):
    network = build(thin("resnetv2_18"))
    before = Origin(source="timm/resnetv2_18.a1", licence="mit", sha256="00")
    inputs = Inputs(
        size=(64, 48), resize=(70, 52), interpolation="bicubic", mean=(0.1,), std=(0.2,)
    )
    card = WeightsCard(
        source="runs/a", network="resnetv2_18", inputs=inputs, classes=("é", "b"), before=(before,)
    )
    path = tmp_path / "new" / "a.safetensors"
    write_weights(path, export_state(network, "timm"), card)
    with safe_open(path, framework="pt") as file:
        assert file.metadata()["network"] == "resnetv2_18"
        assert "stem.conv.weight" in file.keys()  # noqa: SIM118 it is no dictionary
    found = open_weights(path).card
    assert (found.network, found.inputs, found.classes) == ("resnetv2_18", inputs, ("é", "b"))
    assert found.chain == (before, Origin(source=str(path), sha256=found.sha256))
    again = build(thin("resnetv2_18"))
    assert not load_weights(again, path).notes
    for key, value in network.state_dict().items():
        assert torch.equal(again.state_dict()[key], value), key
    with pytest.raises(WeightsError, match="expected resnet20, received resnetv2_18"):
        load_weights(build(get_spec("resnet20")), path)
