"""What a report says about where a run's weights came from."""

import hashlib
import html
import re
import shlex

import numpy as np
import pytest
import torch
from tests.networks.server import local_hub, timm_config

from residua.checkpoint import load
from residua.cli.main import run_command
from residua.networks.catalog import create_model
from residua.networks.pretrained.card import Origin
from residua.recipes.recipe import Recipe
from residua.run.reporting import origin_rows

FIRST = Origin(source="timm/resnet50.a1_in1k", licence="apache-2.0", sha256="0123456789abcdef")
SECOND = Origin(source="/runs/first", sha256="fedcba9876543210")


@pytest.mark.parametrize(
    ("origin", "rows"),
    [
        ((), {}),
        (
            (FIRST,),
            {"Starting weights": "timm/resnet50.a1_in1k (apache-2.0, sha256 0123456789ab)"},
        ),
        (
            (FIRST, SECOND),
            {
                "Starting weights": "/runs/first (sha256 fedcba987654)",
                "Which had started from": "timm/resnet50.a1_in1k (apache-2.0, sha256 0123456789ab)",
            },
        ),
        (
            (Origin(source="hf-hub:a/b"), Origin(source="x"), Origin(source="y")),
            {
                "Starting weights": "y",
                "Which had started from": "x, before that hf-hub:a/b (no licence stated)",
            },
        ),
    ],
)
def test_origin_among_the_facts(origin, rows):
    assert origin_rows(origin) == rows


def facts(run):
    text = (run / "report" / "report.html").read_text()
    pairs = re.findall(r"<dt>(.*?)</dt>\s*<dd>(.*?)</dd>", text, re.DOTALL)
    return {html.unescape(label): html.unescape(value) for label, value in pairs}


def test_the_page_of_a_run_that_started_from_published_weights(pictures, tmp_path):
    run = tmp_path / "run"
    options = ["--threads", "1", "--epochs", "1", "--device", "cpu", "--size", "16", "16"]
    with local_hub(tmp_path) as hub:
        torch.manual_seed(0)
        state = create_model("resnet20", num_classes=10).state_dict()
        hub.add_weights("lab/small", state, timm_config("resnet20"))
        start = ["--start", "hf-hub:lab/small", "--run", str(run), "--quiet"]
        assert run_command(["train", str(pictures), *start, *options]) == 0
        sha256 = hashlib.sha256(hub.files["/lab/small/resolve/main/model.safetensors"]).hexdigest()
    found = facts(run)
    assert found["Starting weights"] == f"hf-hub:lab/small (apache-2.0, sha256 {sha256[:12]})"
    assert "Which had started from" not in found


def test_the_same_run_again_is_the_same(tmp_path):
    """What the page prints, typed in again, makes the recipe and the weights of the run."""
    generator = np.random.default_rng(0)
    labels = np.arange(60) % 2
    values = np.sin(np.arange(40) * (0.3 + 0.4 * labels[:, None])) + generator.normal(size=(60, 40))
    np.savez(tmp_path / "waves.npz", X=values, y=labels)
    first, second = tmp_path / "first", tmp_path / "second"
    options = ["--network", "xresnet1d18", "--threads", "1", "--device", "cpu", "--updates", "8"]
    data = str(tmp_path / "waves.npz")
    assert run_command(["train", data, *options, "--run", str(first), "--quiet"]) == 0
    page = html.unescape((first / "report" / "report.html").read_text())
    (line,) = re.findall(r"residua train [^<]*", page)
    assert "--batch-size" in line  # which depends on the data
    assert "--batch-share" not in line
    assert "--updates" not in line
    words = shlex.split(line)[1:]
    assert run_command([*words, "--device", "cpu", "--run", str(second), "--quiet"]) == 0
    assert Recipe.load(second / "recipe.json") == Recipe.load(first / "recipe.json")
    one, other = (load(run / "checkpoints" / "final").weights for run in (first, second))
    assert all(torch.equal(one[name], other[name]) for name in one)
