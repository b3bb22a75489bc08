"""What semi-supervised methods share: their choice, views side by side, running means, ranks."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.methods.semi_cases import SCHEMA, batch, draws, method, network, strong, weak
from tests.methods.semi_ranks_worker import NAMES, effects
from torch import Tensor

from residua.augment.config import AugmentConfig
from residua.batch import Batch, Task
from residua.errors import UsageError
from residua.methods.adamatch import AdaMatch
from residua.methods.alignment import RunningMean, mean_over_ranks, moments_over_ranks
from residua.methods.config import SemiConfig, SupervisedConfig
from residua.methods.fixmatch import FixMatch
from residua.methods.mean_teacher import MeanTeacher
from residua.methods.semi import check_semi, semi_method_for
from residua.methods.semi_supervised import side_by_side, sparing_statistics
from residua.methods.softmatch import SoftMatch
from residua.networks.catalog import create_model
from residua.training.distributed import Ranks

ROOT = Path(__file__).parents[2]


def test_names_are_methods() -> None:
    kinds = FixMatch, AdaMatch, SoftMatch, MeanTeacher
    assert tuple(type(method(name)) for name in NAMES) == kinds


@pytest.mark.parametrize("task", [Task.MULTILABEL, Task.REGRESSION, Task.CTC])
def test_other_tasks_are_refused(task: Task) -> None:
    with pytest.raises(UsageError, match="one class a sample: expected task classification"):
        semi_method_for(
            replace(SCHEMA, task=task), network(), weak=weak, strong=strong,
            config=SemiConfig(semi="fixmatch"), supervised=SupervisedConfig(),
        )  # fmt: skip


def test_mixed_samples_are_refused() -> None:
    config = SemiConfig(semi="adamatch")
    for mixing in (AugmentConfig(mixup=0.2), AugmentConfig(cutmix=1.0)):
        with pytest.raises(UsageError, match="cannot be mixed: received mixup"):
            check_semi(config, mixing)
        check_semi(SemiConfig(), mixing)
    check_semi(config, AugmentConfig())


@pytest.mark.parametrize("name", NAMES)
def test_the_labelled_loss_is_as_configured(name: str) -> None:
    samples = batch()
    step = semi_method_for(
        SCHEMA, network(), weak=weak, strong=strong, config=SemiConfig(semi=name),
        supervised=SupervisedConfig(), class_weights=torch.tensor([1.0, 2.0, 0.5]),
    ).double().eval()  # fmt: skip
    found = step(samples, draws(samples))
    powers = torch.exp(step.network(weak(samples, draws(samples)).inputs))
    shares = powers / powers.sum(1, keepdim=True)
    weights = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)[samples.targets]
    expected = -weights * shares.gather(1, samples.targets[:, None])[:, 0].log()
    torch.testing.assert_close(found.losses, expected, rtol=1e-5, atol=1e-9)


def series(n: int, t: int, lengths: list[int] | None = None) -> Batch:
    return Batch(
        inputs=torch.randn(n, 2, t),
        targets=torch.zeros(n, dtype=torch.int64),
        ids=torch.arange(n),
        lengths=None if lengths is None else torch.tensor(lengths),
    )


def test_series_of_several_lengths_go_side_by_side() -> None:
    torch.manual_seed(0)
    net = create_model("fcn_wang", num_classes=3, in_chans=2).eval()
    views = series(2, 20, [20, 13]), series(3, 30), series(1, 30, [25])
    inputs, lengths = side_by_side(views)
    assert inputs.shape == (6, 2, 30)
    assert lengths.tolist() == [20, 13, 30, 30, 30, 25]
    together = net(inputs, lengths=lengths)
    apart = torch.cat([net(view.inputs, lengths=view.lengths) for view in views])
    torch.testing.assert_close(together, apart, rtol=1e-4, atol=1e-5)
    _, lengths = side_by_side((series(2, 20), series(3, 20)))
    assert lengths is None


def test_statistics_are_spared_inside_the_block_alone() -> None:
    net = network().train()
    before = net.get_buffer("features.1.running_mean").clone()
    with sparing_statistics(net):
        net(batch().inputs.double())
    assert net.get_buffer("features.1.running_mean").equal(before)
    net(batch().inputs.double())
    assert not net.get_buffer("features.1.running_mean").equal(before)


def test_a_running_mean_is_its_closed_form() -> None:
    torch.manual_seed(0)
    values = torch.randn(30, 3, dtype=torch.float64)
    running = RunningMean(torch.full((3,), 0.5), decay=0.6).double()
    expected = torch.full((3,), 0.5, dtype=torch.float64)
    for t, value in enumerate(values):
        d = min(0.6, (1 + t) / (10 + t))
        expected = d * expected + (1 - d) * value
        torch.testing.assert_close(running.after(value), expected)
    assert set(running.state_dict()) == {"mean", "updates"}


def test_moments_of_one_rank() -> None:
    torch.manual_seed(0)
    values = torch.randn(9, 4, dtype=torch.float64)
    torch.testing.assert_close(mean_over_ranks(values), values.mean(0))
    expected = torch.stack([values[:, 0].mean(), values[:, 0].var(correction=1)])
    torch.testing.assert_close(moments_over_ranks(values[:, 0]), expected)
    assert moments_over_ranks(values[:1, 0])[1] == 0


def test_two_ranks_make_the_step_of_one(tmp_path: Path) -> None:
    """Synchronised batch normalisation, unequal shares, float64; gloo, on processors."""
    worker = [sys.executable, "-m", "tests.methods.semi_ranks_worker", str(tmp_path)]
    shared = {**os.environ, "OMP_NUM_THREADS": "1", "WORLD_SIZE": "2"}
    running = [
        subprocess.Popen(worker, cwd=ROOT, env={**shared, "RANK": str(rank)}) for rank in range(2)
    ]
    one: dict[str, Tensor] = {}
    for name in NAMES:
        one |= effects(name, Ranks(device=torch.device("cpu")))
    assert [process.wait(timeout=120) for process in running] == [0, 0]
    for rank in range(2):
        found = load_file(tmp_path / f"{rank}.safetensors")
        assert found.keys() == one.keys()
        for key, expected in one.items():
            torch.testing.assert_close(found[key], expected, rtol=1e-7, atol=1e-10, msg=key)
