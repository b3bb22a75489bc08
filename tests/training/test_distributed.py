"""Two ranks compute what one does, and see each sample once. Gloo, on processors."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from residua.data.readers.folder import open_folder

WORKER = Path(__file__).with_name("ranks_worker.py")


def launch(ranks: int, *command: str) -> None:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    subprocess.run(
        [*launcher, "--nproc-per-node", str(ranks), *command],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.parametrize(
    ("sync", "accumulate", "sam"),
    [("sync", "1", "0"), ("frozen", "1", "0"), ("frozen", "2", "0"), ("frozen", "2", "0.5")],
)
def test_two_ranks_make_the_update_of_one(
    pictures: Path, tmp_path: Path, sync: str, accumulate: str, sam: str
) -> None:
    alone = [str(WORKER), str(pictures), str(tmp_path), sync, "1", sam]
    subprocess.run([sys.executable, *alone], check=True)
    launch(2, str(WORKER), str(pictures), str(tmp_path), sync, accumulate, sam)
    one = load_file(tmp_path / "rank-0-of-1.safetensors")
    two = [load_file(tmp_path / f"rank-{rank}-of-2.safetensors") for rank in range(2)]
    for name, expected in one.items():
        if name == "seen":
            continue
        for rank in two:
            scale = float(expected.abs().max())
            assert torch.allclose(rank[name], expected, rtol=0, atol=max(1e-6 * scale, 1e-9)), name
    seen = torch.cat([rank["seen"] for rank in two])
    assert seen.unique().numel() == seen.numel()
    assert set(seen.tolist()) == set(one["seen"].tolist())


def test_command_line_under_torchrun(pictures: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    options = ["--network", "resnet20", "--epochs", "2", "--batch-size", "16", "--quiet"]
    launch(2, "-m", "residua", "train", str(pictures), "--out", str(run), *options)
    summary = json.loads((run / "summary.json").read_text())
    total = sum(summary[split]["n"] for split in ("train", "validation", "test"))
    assert total == len(open_folder(pictures).table)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert (run / "report/report.html").is_file()
