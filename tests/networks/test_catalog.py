"""Names, specs as JSON, and what may not be imported."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from residua.errors import UnknownNameError, UsageError
from residua.networks.catalog import (
    SPECS,
    TABLES,
    create_model,
    get_spec,
    list_models,
    spec_from_json,
    spec_to_json,
)


def test_listing_does_not_import_torch():
    code = (
        "import sys; from residua.networks.catalog import list_models, get_spec, spec_to_json;"
        "list_models(); spec_to_json(get_spec('resnet18')); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_names_are_unique_and_match_patterns():
    assert len(SPECS) == sum(map(len, TABLES))
    assert list_models("wrn*") == ["wrn_16_8", "wrn_28_2", "wrn_28_10", "wrn_40_4"]
    assert list_models("none*") == []
    assert "resnet50" in list_models()


def test_every_row_says_where_it_comes_from():
    numbers = ("arXiv:", "NIPS 2012", "github.com/")
    for name in list_models():
        assert any(number in get_spec(name).reference for number in numbers), name


def test_unknown_names_get_near_ones():
    with pytest.raises(UnknownNameError, match=r"Did you mean .*resnet50"):
        create_model("resnet5O")


def test_arguments_reach_the_spec():
    network = create_model("resnet20", num_classes=7, in_chans=5, rank=1, drop_rate=0.5)
    expected = replace(get_spec("resnet20"), num_classes=7, in_chans=5, rank=1, drop_rate=0.5)
    assert network.spec == expected
    assert network(torch.randn(2, 5, 16)).shape == (2, 7)


def test_features_only_returns_maps():
    maps = create_model("resnet20", features_only=True)(torch.randn(1, 3, 9, 8))
    assert [tuple(m.shape) for m in maps] == [
        (1, 16, 9, 8),
        (1, 16, 9, 8),
        (1, 32, 5, 4),
        (1, 64, 3, 2),
    ]


def test_pretrained_local_file_warns_about_the_head(tmp_path):
    torch.save(create_model("resnet20", num_classes=10).state_dict(), tmp_path / "a.pt")
    with pytest.warns(UserWarning, match=r"new: fc.weight, fc.bias"):
        create_model("resnet20", num_classes=3, pretrained=tmp_path / "a.pt")


def test_spec_json_refuses_what_it_does_not_know():
    good = spec_to_json(get_spec("resnet18"))
    assert json.loads(json.dumps(good)) == good
    for change, message in (
        ({"family": "other"}, "unknown family"),
        ({"colour": 1}, "no field colour"),
        ({"depths": "2222"}, "wrong value of the spec field depths"),
        ({"depths": [2, 2.5, 2, 2]}, "wrong value of the spec field depths"),
        ({"block": "triple"}, "wrong value of the spec field block"),
        ({"rank": True}, "wrong value of the spec field rank"),
        ({"zero_init": 1}, "wrong value of the spec field zero_init"),
        ({"rank": 4}, "cannot have this rank"),
    ):
        with pytest.raises(UsageError, match=message):
            spec_from_json({**good, **change})
    with pytest.raises(UsageError, match="lacks block"):
        spec_from_json({key: value for key, value in good.items() if key != "block"})
    with pytest.raises(UsageError, match="unknown family"):
        spec_from_json({})


def test_an_integer_is_a_fraction_to_json():
    assert spec_from_json({**spec_to_json(get_spec("resnet18")), "drop_rate": 0}).drop_rate == 0.0
