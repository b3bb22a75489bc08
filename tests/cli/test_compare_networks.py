"""`residua compare-networks` as a user calls it."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from residua.cli.main import run_command
from residua.evaluation import speed
from residua.networks.catalog import FACTS

Capture = pytest.CaptureFixture[str]


def call(capsys: Capture, *arguments: object) -> tuple[int, str, str]:
    code = run_command(["compare-networks", *map(str, arguments)])
    return code, *capsys.readouterr()


def rows(capsys: Capture, *arguments: object) -> list[dict[str, Any]]:
    code, out, err = call(capsys, *arguments, "--no-speed", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["setting"] is None
    return found["networks"]


def test_costs_in_the_order_given_each_once(capsys: Capture) -> None:
    found = rows(capsys, "resnet32", "resnet2*", "resnet32", "resnet20")
    assert [row["name"] for row in found] == ["resnet32", "resnet20", "resnet20_b"]
    assert [row["parameters"] for row in found] == [464_154, 269_722, 272_474]
    assert [row["input"] for row in found] == [[3, 32, 32]] * 3


def test_input_and_classes(capsys: Capture) -> None:
    small, large = (rows(capsys, "resnet20", "--input", 1, n, n)[0] for n in (16, 32))
    assert 4 * small["macs"] == pytest.approx(large["macs"], rel=1e-3)
    assert large["parameters"] == 269_722 - 2 * 16 * 9
    (signal,) = rows(capsys, "resnet20", "--input", 2, 100, "--classes", 4)
    assert (signal["input"], signal["classes"]) == ([2, 100], 4)


def test_speeds(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "_SHORTEST", 0.0)
    arguments = "resnet20", "plain20", "--batch", 2, "--repeats", 2, "--threads", 1
    code, out, err = call(capsys, *arguments, "--precision", "float32", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    first, second = (row["speed"] for row in found["networks"])
    assert first["forward_ratio"] == {"median": 1, "low": 1, "high": 1}
    assert second["training"]["low"] <= second["training"]["median"] <= second["training"]["high"]
    assert first["forward"]["median"] > first["training"]["median"] > 0
    setting = found["setting"]
    assert (setting["batch"], setting["rounds"], setting["layout"]) == (2, 2, "channels_last")
    assert "1 threads, float32" in setting["device"] or "cuda" in setting["device"].lower()


def test_the_tables(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "_SHORTEST", 0.0)
    code, out, err = call(capsys, "resnet20", "--batch", 2, "--repeats", 1, "--threads", 1)
    lines = [line.split() for line in out.splitlines()]
    assert (code, err) == (0, "")
    costs = ["resnet20", "3×32×32", "269,722", "1.0", "MiB", "40.6", "M", "1.45", "MiB"]
    assert costs in lines
    assert "batch 2" in out
    assert "medians of 1 rounds (quartiles)" in out
    assert [line[3] for line in lines if line[:1] == ["resnet20"]][1] == "1.00×"


@pytest.mark.parametrize(("ending", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_plot(capsys: Capture, tmp_path: Path, ending: str, start: bytes) -> None:
    path = tmp_path / "new" / f"plot.{ending}"
    names = "resnet20", "resnet20_b", "wrn_16_8"
    code, _, err = call(capsys, *names, "--no-speed", "--plot", path, "--input", 1, 16, 16)
    assert code == 0
    assert err.split("plot  ")[1] == f"{path} (no accuracy was published of resnet20_b)\n"
    assert path.read_bytes().startswith(start)
    if ending == "png":
        assert Image.open(path).size[0] > 1000


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, ("nothing to compare",)),
        (("resnt50",), 2, ("unknown network 'resnt50'", "resnet50")),
        (("resnext9*",), 2, ("unknown network 'resnext9*'",)),
        (("resnet20", "vgg16", "--input", 3, 16, 16), 1, ("'vgg16'", "at least 32")),
        (("resnet20", "--input", 3), 2, ("--input", "2 or 3 numbers")),
        (("resnet20", "--input", 3, 0, 4), 1, ("from 1 up",)),
        (("resnet20", "--batch", 0), 2, ("--batch", "at least 1")),
        (("resnet20", "--repeats", 0), 2, ("--repeats", "at least 1")),
        (("resnet20", "--threads", -1), 2, ("--threads", "at least 1")),
        (("resnet20", "--classes", 0), 2, ("--classes", "at least 1")),
        (("resnet20", "--device", "warp"), 2, ("device", "warp")),
        (("resnet20", "--plot", "a.jpg"), 2, (".png or .svg", "a.jpg")),
        (("resnet20_b", "--plot", "a.png"), 2, ("nothing to plot",)),
        (("resnet20", "--batch", 1, "--input", 3, 4, 4), 1, ("two samples",)),
    ],
)
def test_wrong_use_is_one_line(
    capsys: Capture, arguments: tuple[object, ...], code: int, words: tuple[str, ...]
) -> None:
    found, out, err = (
        call(capsys, *arguments, "--repeats", 1)
        if ("--repeats" not in arguments)
        else call(capsys, *arguments)
    )
    assert (found, out) == (code, "")
    assert len(err.splitlines()) == 1
    for word in words:
        assert word in err


def test_networks_without_a_published_accuracy_exist() -> None:
    """Else the tests above would not see that they are left out."""
    assert FACTS["resnet20_b"].top1 is None
