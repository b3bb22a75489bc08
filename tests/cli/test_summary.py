"""`residua summary` as a user calls it."""

import json
from typing import Any

import pytest

from residua.cli.main import main


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    with pytest.raises(SystemExit) as caught:
        main(["summary", *arguments])
    out, err = capsys.readouterr()
    assert isinstance(caught.value.code, int)
    return caught.value.code, out, err


def table(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    code, out, _ = call(capsys, *arguments, "--json")
    assert code == 0
    return json.loads(out)


def test_the_table_of_resnet50(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "resnet50")
    lines = [line.split() for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert ["resnet50", "(ResNet),", "input", "3×224×224"] in lines
    stage = next(line for line in out.splitlines() if line.startswith("layer3 "))
    block = "6 × Bottleneck [1×1, 256 · 3×3, 256 · 1×1, 1024]"
    words = f"layer3 {block} 1024×14×14 267 7,098,368 1.46 G"
    assert stage.split()[: len(words.split())] == words.split()
    assert "parameters  25,557,032 (97.7 MiB with buffers)" in out
    assert "MACs        4.09 G a sample" in out


def test_defaults_are_those_of_the_paper(capsys: pytest.CaptureFixture[str]) -> None:
    found = table(capsys, "resnet20")
    assert found["input_shape"] == [3, 32, 32]
    assert found["parameters"] == 269_722


@pytest.mark.parametrize(
    ("arguments", "shape"),
    [
        (("--input", "1", "28", "28"), [1, 28, 28]),
        (("--input", "12", "500"), [12, 500]),
        (("--rank", "1"), [1, 1000]),
        (("--rank", "2", "--input", "5", "40", "56"), [5, 40, 56]),
    ],
)
def test_the_network_takes_the_input_that_is_asked_for(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], shape: list[int]
) -> None:
    found = table(capsys, "resnet20", "--classes", "4", *arguments)
    assert found["input_shape"] == found["rows"][0]["output_shape"] == shape
    assert found["rows"][-1]["output_shape"] == [4]


def test_receptive_fields_are_in_the_json(capsys: pytest.CaptureFixture[str]) -> None:
    rows = {row["name"]: row["field"] for row in table(capsys, "resnet18")["rows"]}
    assert (rows["input"], rows["maxpool"], rows["layer1"]) == ([1, 1], [11, 11], [43, 43])
    assert rows["fc"] == [None, None]
    assert table(capsys, "resnet18", "--rank", "1")["rows"][1]["field"] == [7]


def test_a_block_alone(capsys: pytest.CaptureFixture[str]) -> None:
    found = table(capsys, "resnet18", "--block", "layer2.0")
    assert found["network"] == "resnet18.layer2.0"
    assert found["type"] == "BasicBlock"
    assert found["input_shape"] == [64, 56, 56]
    own = table(capsys, "resnet18", "--block", "layer2.0", "--input", "64", "10", "12")
    assert own["rows"][-1]["output_shape"] == [128, 5, 6]


def test_all_opens_every_layer(capsys: pytest.CaptureFixture[str]) -> None:
    names = {row["name"] for row in table(capsys, "resnet18", "--all")["rows"]}
    assert {"layer1.0.conv1", "layer2.0.downsample.0", "layer4.1.bn2"} <= names
    assert names == {row["name"] for row in table(capsys, "resnet18", "--depth", "9")["rows"]}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("resnt50",), 2, "Did you mean resnet50"),
        (("resnet18", "--block", "layer9"), 2, "Did you mean layer4"),
        (("resnet18", "--input", "3"), 2, "expected 2 or 3 numbers, received [3]"),
        (("resnet18", "--rank", "2", "--input", "3", "64"), 2, "expected 3 numbers"),
        (("resnet18", "--rank", "3"), 2, "expected 1 or 2, received 3"),
        (("resnet18", "--input", "3", "0", "64"), 1, "sizes from 1 up"),
        (("resnet18", "--block", "layer2", "--input", "3", "8", "8"), 1, "expected 64 channels"),
        (("resnet18", "--depth", "0"), 2, "at least 1"),
    ],
)
def test_wrong_use_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, said: str
) -> None:
    found = call(capsys, *arguments)
    assert found[0] == code
    assert found[1] == ""
    assert said in found[2]
    assert len(found[2].splitlines()) == 1
