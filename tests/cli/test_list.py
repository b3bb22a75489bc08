"""`residua list` as a user calls it."""

import json
import subprocess
import sys

import pytest

from residua.cli.list import KINDS, List
from residua.errors import UnknownNameError
from residua.networks.catalog import list_models


def rows(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """The first words of the printed table's rows."""
    List(**dict(zip(("kind", "pattern"), arguments, strict=False))).run()
    return [line.split()[0] for line in capsys.readouterr().out.splitlines()[2:]]


def test_networks_are_listed_in_full_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    assert rows(capsys) == rows(capsys, "networks") == list_models()


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (("networks", "wrn*"), ["wrn_16_8", "wrn_28_2", "wrn_28_10", "wrn_40_4"]),
        (("wrn",), ["wrn_16_8", "wrn_28_2", "wrn_28_10", "wrn_40_4"]),
        (("networks", "resnet1?"), ["resnet18"]),
        (
            ("methods",),
            [
                *("supervised", "fixmatch", "adamatch", "softmatch", "mean-teacher"),
                *("simclr", "byol", "vicreg"),
            ],
        ),
        (("data", "digits"), ["digits"]),
        (("recipes", "he2015"), ["he2015_cifar"]),
    ],
)
def test_patterns_choose(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], names: list[str]
) -> None:
    assert rows(capsys, *arguments) == names


@pytest.mark.parametrize(
    ("arguments", "suggestion"),
    [(("recipies",), "recipes"), (("networks", "resnxt50"), "resnet50"), (("kits", "x"), "data")],
)
def test_what_matches_nothing_is_refused_with_near_names(
    arguments: tuple[str, ...], suggestion: str
) -> None:
    with pytest.raises(UnknownNameError, match=suggestion) as caught:
        List(**dict(zip(("kind", "pattern"), arguments, strict=False))).run()
    assert caught.value.exit_code == 2


def test_networks_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    List(pattern="resnext50", json=True).run()
    first = json.loads(capsys.readouterr().out)[0]
    assert first["name"] == "resnext50_32x4d"
    assert first["blocks"] == "bottleneck 3-4-6-3, 32x4d, v1.5"
    assert first["parameters"] == 25_028_904
    assert first["input"] == [3, 224, 224]
    assert "1611.05431" in first["reference"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_json_too(capsys: pytest.CaptureFixture[str], kind: str) -> None:
    List(kind=kind, json=True).run()
    assert isinstance(json.loads(capsys.readouterr().out), list)


def test_networks_are_listed_without_torch_and_without_cuts() -> None:
    code = (
        "import sys; from residua.cli.list import List; List().run(); print('torch' in sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    *lines, torch_is_loaded = found.stdout.splitlines()
    assert torch_is_loaded == "False"
    wide = next(line for line in lines if line.startswith("wide_resnet101_2"))
    assert wide.rstrip().endswith("Zagoruyko & Komodakis, 2016, arXiv:1605.07146")
    assert "\x1b" not in found.stdout
