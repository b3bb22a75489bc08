"""The range test on problems whose best rate is known."""

import math

import pytest
import torch
from torch import nn

from residua.errors import UsageError
from residua.training.config import OptimizerConfig
from residua.training.lr_finder import LrCurve, find_lr, steepest_descent
from residua.training.optimizers import make_optimizer, optimizer_state, set_learning_rates


class Quadratic:
    """Regression of y = x w; plain SGD diverges beyond a rate of 1."""

    def __init__(self, curvature: float = 1.0) -> None:
        torch.manual_seed(0)
        self.network = nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(0.1), nn.Linear(4, 1))
        self.config = OptimizerConfig(lr=0.5, momentum=0.5, weight_decay=0.0)
        self.optimizer = make_optimizer(self.network, self.config)
        self.curvature = curvature
        self.seen: list[float] = []

    def train_step(self, lr: float) -> float:
        self.seen.append(lr)
        set_learning_rates(self.optimizer, lr / self.config.lr)
        inputs = torch.randn(32, 4)
        loss = (self.network(inputs)[:, 0] - 3 * inputs.sum(1)).square().mean() * self.curvature
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def find(self, **options) -> LrCurve:
        return find_lr(self.train_step, network=self.network, optimizer=self.optimizer, **options)


def test_rates_rise_by_a_constant_factor_and_losses_are_recorded():
    problem = Quadratic()
    curve = problem.find(lowest=1e-4, highest=1e-2, steps=21)
    assert curve.lrs == pytest.approx([1e-4 * 10 ** (step / 10) for step in range(21)])
    assert curve.lrs == tuple(problem.seen)
    assert len(curve.losses) == 21


def test_suggests_a_rate_between_no_progress_and_divergence():
    curve = Quadratic().find(lowest=1e-5, highest=100.0)
    assert len(curve.lrs) < 100  # it stopped once it diverged
    assert curve.suggestion is not None
    assert 3e-3 < curve.suggestion < 0.5


def test_suggestion_moves_with_the_curvature():
    gentle, steep = (Quadratic(c).find(lowest=1e-5, highest=100.0) for c in (1.0, 100.0))
    assert gentle.suggestion / steep.suggestion == pytest.approx(100, rel=1.5)


def test_everything_is_as_before():
    problem = Quadratic()
    problem.train_step(0.01)
    problem.network[1].eval()
    tensors = optimizer_state(problem.optimizer)[0]
    watched = [*problem.network.state_dict().values(), *tensors.values()]
    before = [tensor.clone() for tensor in watched]
    rates = [group["lr"] for group in problem.optimizer.param_groups]
    random = torch.get_rng_state()

    problem.find(highest=1e4)
    assert all(torch.equal(a, b) for a, b in zip(watched, before, strict=True))
    assert [group["lr"] for group in problem.optimizer.param_groups] == rates
    assert torch.equal(torch.get_rng_state(), random)
    assert not problem.network[1].training
    assert problem.network[0].training
    assert all(parameter.grad is None for parameter in problem.network.parameters())


def test_everything_is_as_before_after_an_error_too():
    problem = Quadratic()
    before = [tensor.clone() for tensor in problem.network.state_dict().values()]

    def failing(lr: float) -> float:
        problem.train_step(lr)
        raise RuntimeError("no more batches")

    with pytest.raises(RuntimeError, match="no more batches"):
        find_lr(failing, network=problem.network, optimizer=problem.optimizer)
    after = problem.network.state_dict().values()
    assert all(torch.equal(a, b) for a, b in zip(after, before, strict=True))


def test_a_loss_that_is_not_a_number_ends_it():
    problem = Quadratic()
    losses = iter([*[2.0 - 0.1 * step for step in range(15)], math.nan])
    curve = find_lr(
        lambda lr: next(losses), network=problem.network, optimizer=problem.optimizer, steps=50
    )
    assert len(curve.losses) == 15
    assert all(math.isfinite(loss) for loss in curve.losses)


def test_steepest_descent_is_found_without_lag():
    # a smooth fall whose steepest point is at 60
    losses = [1 / (1 + math.exp((step - 60) / 5)) for step in range(100)]
    lrs = [10 ** (step / 20) for step in range(100)]
    assert steepest_descent(lrs, losses, 100) == lrs[60]


def test_no_suggestion_where_the_loss_never_falls():
    lrs = [10 ** (step / 20) for step in range(100)]
    assert steepest_descent(lrs, [float(step) for step in range(100)], 100) is None
    assert steepest_descent(lrs[:3], [1.0, 0.9, 0.8], 100) is None


@pytest.mark.parametrize(
    "options", [{"lowest": 0.0}, {"lowest": 1.0, "highest": 0.1}, {"steps": 3}]
)
def test_ramps_that_are_none(options):
    with pytest.raises(UsageError, match="wrong range of learning rates"):
        Quadratic().find(**options)
