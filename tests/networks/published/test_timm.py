"""timm's weights, by tag and by default."""

import pytest
from tests.networks.published.tools import USUAL
from tests.networks.server import timm_config

from residua.errors import (
    UnknownNameError,
    UsageError,
    WeightsError,
)
from residua.networks.catalog import create_model
from residua.networks.pretrained.card import Inputs
from residua.networks.pretrained.timm_tags import TIMM_TAGS
from residua.networks.weights import open_weights


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
