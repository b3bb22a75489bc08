"""Reports of whole, very short runs on signals and sound."""

import re

import numpy as np
import pytest
import soundfile

from residua.cli.main import run_command


def write_signals(path):
    rng = np.random.default_rng(0)
    bumps = rng.normal(0, 0.3, size=(40, 3, 64))
    for i in range(40):
        at = (8, 40)[i % 2]
        bumps[i, :, at : at + 8] += 3
    np.savez(path, x=bumps.astype(np.float32), y=np.arange(40) % 2)


def write_clips(root):
    rng = np.random.default_rng(0)
    for name, pitch in (("low", 300), ("high", 1500)):
        (root / name).mkdir(parents=True)
        for i in range(16):
            t = np.arange(2000 + 100 * i) / 8000
            values = 0.3 * np.sin(2 * np.pi * pitch * t) + 0.02 * rng.normal(size=len(t))
            soundfile.write(root / name / f"{i}.wav", values, 8000)


def sections(run):
    page = (run / "report" / "report.html").read_text(encoding="utf-8")
    found = re.findall(r'<section id="(\w+)">(.*?)</section>', page, re.S)
    return page, dict(found)


@pytest.mark.parametrize("kind", ["signals", "clips"])
def test_every_kind_of_sample_is_in_the_report(kind, tmp_path, capsys):
    data = tmp_path / ("waves.npz" if kind == "signals" else "clips")
    (write_signals if kind == "signals" else write_clips)(data)
    run = tmp_path / "run"
    options = ["--network", "resnet20", "--updates", "2", "--batch-size", "8", "--threads", "1"]
    assert run_command(["train", str(data), *options, "--run", str(run)]) == 0
    assert "shows no samples" not in capsys.readouterr().err
    page, parts = sections(run)
    answered = parts.get("mistakes", "") + parts.get("correct", "")
    assert "speaks for what the network answered" in answered
    assert f"test {kind} of" in page
    assert 6 <= parts["augmented"].count("<svg") <= 8  # the first batch
    assert ("<audio" in answered) == (kind == "clips")
    assert "<audio" not in parts["augmented"]
    assert "First filters" in parts["learnt"]
    assert "layer3" in parts["learnt"]
    assert len(page) < 3_000_000
