"""Two ranks with unequal shares learn from two views what one rank learns. Gloo, on processors."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.methods import two_views_worker

WORKER = Path(two_views_worker.__file__)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    out = tmp_path_factory.mktemp("ranks")
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": root}
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [sys.executable, *launcher, str(WORKER), str(out)]
    subprocess.run(command, check=True, env=environment, capture_output=True, text=True)
    two_views_worker.main(str(out))
    return out


@pytest.mark.parametrize("name", list(two_views_worker.CONFIGS))
def test_gradients_are_those_of_one_rank(runs, name):
    one = load_file(runs / f"{name}-0-of-1.safetensors")
    for rank in range(2):
        two = load_file(runs / f"{name}-{rank}-of-2.safetensors")
        assert two.keys() == one.keys()
        for key, expected in one.items():
            scale = float(expected.abs().max())
            if key == "measures":
                torch.testing.assert_close(two[key], expected, rtol=1e-4, atol=1e-4)
            else:
                assert torch.allclose(two[key], expected, rtol=0, atol=1e-6 * scale + 1e-9), key
