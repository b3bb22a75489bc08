"""torchvision's weights."""

import hashlib
import io
import json

import pytest
import torch
from tests.contracts.thin import thin
from tests.networks.published.tools import USUAL, down

from residua.errors import (
    WeightsError,
)
from residua.networks.catalog import build
from residua.networks.pretrained.card import Inputs, Origin
from residua.networks.weights import open_weights


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
