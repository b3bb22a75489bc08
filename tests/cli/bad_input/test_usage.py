"""Names, options and values that are wrong; batches that are too small."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from tests.cli.bad_input.tools import Capture, fails, succeeds, train, with_classes

from residua.cli.main import VERBS, run_command


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        ("unknown verb 'trian'|Did you mean train", ["trian", "DATA"]),
        ("unknown verb '--data'|Known names", ["--data"]),
        ("unknown network 'resnet21'|resnet20", ["train", "DATA", "--network", "resnet21"]),
        ("unknown network 'resnt50'|resnet50", ["summary", "resnt50"]),
        ("unknown recipe 'fst'|Did you mean fast?", ["train", "DATA", "--recipe", "fst"]),
        ("unknown recipe 'fst'|Did you mean fast?", ["find-lr", "DATA", "--recipe=fst"]),
        ("unknown kind 'foo'|networks", ["list", "foo", "bar"]),
        ("'network'|Did you mean networks?", ["list", "network"]),
        ("wrong size|expected 1 to 8192|received (0, 0)", ["train", "DATA", "--size", "0", "0"]),
        ("wrong size|received (99999, 16)", ["train", "DATA", "--size", "99999", "16"]),
        ("wrong channels|expected 1 (grey) or 3|received 5", ["train", "DATA", "--channels", "5"]),
        ("wrong channels|received 0", ["train", "DATA", "--channels", "0"]),
        ("wrong batch_size|expected >= 1|received 0", ["train", "DATA", "--batch-size", "0"]),
        ("wrong epochs|expected >= 1|received 0", ["train", "DATA", "--epochs", "0"]),
        ("wrong lr|expected > 0|received -1", ["train", "DATA", "--lr", "-1"]),
        ("optimizer.lr|expected a finite number|received inf", ["train", "DATA", "--lr", "inf"]),
        ("augment.mixup|a finite number", ["train", "DATA", "--mixup", "inf"]),
        ("optimizer.lr|received nan", ["train", "DATA", "--lr", "nan"]),
        ("wrong threads|>= 1", ["train", "DATA", "--threads", "-1"]),
        ("wrong workers|>= 0", ["train", "DATA", "--workers", "-1"]),
        ("erasing|a probability from 0 to 1|received 3", ["train", "DATA", "--erasing", "3"]),
        ("drop_rate|in [0, 1)|received 2", ["train", "DATA", "--drop-rate", "2"]),
        ("label_smoothing|received 3", ["train", "DATA", "--label-smoothing", "3"]),
        ("cannot freeze|expected 0 to 4|received 99", ["train", "DATA", "--freeze", "99"]),
        ("fraction|expected 0 <= share < 1", ["train", "DATA", "--validation-fraction", "1.5"]),
        ("too small to be divided|at least 100", ["train", "DATA", "--accumulate", "100"]),
        ("fp16 is for GPUs|Use bf16", ["train", "DATA", "--precision", "fp16", "--device", "cpu"]),
        ("unknown device|expected auto, cpu|received gpu", ["train", "DATA", "--device", "gpu"]),
        ("cannot compute on this device|meta", ["train", "DATA", "--device", "meta"]),
        ("range of learning rates|received 100 to 10", ["find-lr", "DATA", "--lowest", "100"]),
        ("range of learning rates|inf", ["find-lr", "DATA", "--highest", "inf"]),
        ("range of learning rates|2 steps", ["find-lr", "DATA", "--steps", "2"]),
        (
            "unknown network of timm|Did you mean resnet18",
            ["train", "DATA", "--start", "timm/resnt18"],
        ),
        ("no weights 'x'|expected a1_in1k, a2", ["train", "DATA", "--start", "timm/resnet18.x"]),
        ("are not on this machine|https://a.b/c.pth", ["train", "DATA", "--start", "https://a.b/c.pth"]),
        ("--depth does not fit", ["summary", "resnet20", "--depth", "0"]),
        ("cannot have this in_chans|received 0", ["summary", "resnet20", "--input", "0", "9", "9"]),
    ],
)  # fmt: skip
def test_wrong_names_and_values(
    capsys: Capture,
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    arguments: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    fails(capsys, 2, words, *(pictures if word == "DATA" else word for word in arguments))
    assert not list(tmp_path.glob("runs/*"))


@pytest.mark.parametrize("option", ["--early-stopping 1", "--schedule plateau"])
def test_what_needs_validation(capsys: Capture, pictures: Path, option: str) -> None:
    words = f"{option.removesuffix(' 1')} needs a validation split|--validation-fraction"
    without = ["--validation-fraction", 0, *option.split()]
    fails(capsys, 2, words, "train", pictures, *without)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("verb", ["train", "evaluate", "predict"])
def test_no_gpu(capsys: Capture, pictures: Path, finished: Path, verb: str) -> None:
    inputs = [pictures] if verb == "train" else [finished, pictures]
    fails(capsys, 2, "no GPU|--device cuda|Use --device cpu", verb, *inputs, "--device", "cuda")


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        ("missing: DATA", ["train"]),
        ("missing: RUN", ["predict"]),
        (
            "unrecognized|--netwrok|Did you mean --network?",
            ["train", "DATA", "--netwrok", "resnet20"],
        ),
        ("--epochs|'many'", ["train", "DATA", "--epochs", "many"]),
        ("invalid choice 'adam'|'sgd'|'adamw'|'lamb'", ["train", "DATA", "--optimizer", "adam"]),
        ("--size|Expected 2 values", ["train", "DATA", "--size", "16"]),
        ("--lr|'high'", ["train", "DATA", "--lr", "high"]),
        ("unrecognized|--frobnicate", ["report", "RUN", "--frobnicate"]),
    ],
)
def test_wrong_usage_is_one_line(capsys: Capture, words: str, arguments: list[str]) -> None:
    help_line = f"All options: residua {arguments[0]} --help"
    fails(capsys, 2, f"{words}|{help_line}", *arguments)


@pytest.mark.parametrize("verb", VERBS)
def test_help(capsys: Capture, verb: str) -> None:
    out, err = succeeds(capsys, verb, "--help")
    assert out.startswith(f"usage: residua {verb} ")
    assert "{None}" not in out
    assert "--no-json" not in out
    assert err == ""


def test_help_without_a_verb(capsys: Capture) -> None:
    assert run_command([]) == 2
    assert run_command(["--help"]) == 0
    out, _ = capsys.readouterr()
    assert all(out.count(f"\n  {verb} ") == 2 for verb in VERBS)


def test_fewer_samples_than_a_batch(capsys: Capture, pictures: Path, tmp_path: Path) -> None:
    succeeds(capsys, *train(pictures, tmp_path / "run", "--batch-size", 1000))
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["steps"] == 1


def test_a_batch_that_cannot_be_normalised(capsys: Capture, tmp_path: Path) -> None:
    data = with_classes(tmp_path / "data", cat=1, dog=1)
    Image.new("RGB", (16, 16), "red").save(data / "dog" / "0.jpg")
    options = ["--network", "resnet18", "--size", 8, 8]
    words = "batch normalisation|expected two samples|[1, 3, 8, 8]|larger batch size"
    fails(capsys, 1, words, *train(data, tmp_path / "one", *options, "--batch-size", 1))
    out, _ = succeeds(capsys, *train(data, tmp_path / "two", *options), "--json")
    assert json.loads(out)["validation"] is None
    assert json.loads(out)["test"] is None
