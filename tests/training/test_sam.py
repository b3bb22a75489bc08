"""Sharpness-aware steps on functions whose worst place nearby is known in float64."""

import numpy as np
import pytest
import torch
from torch import nn

from residua.errors import UsageError
from residua.training.config import OptimizerConfig, TrainingConfig
from residua.training.sam import worst_nearby


class Quadratic(nn.Module):
    """``w A w / 2 - b w`` of two parameters that together are w, beside a frozen one."""

    def __init__(self, matrix: np.ndarray, linear: np.ndarray, start: np.ndarray) -> None:
        super().__init__()
        values = torch.from_numpy(start)
        self.first, self.second = nn.Parameter(values[:2].clone()), nn.Parameter(values[2:].clone())
        self.frozen = nn.Parameter(torch.ones(3, dtype=torch.float64), requires_grad=False)
        self.matrix, self.linear = torch.from_numpy(matrix), torch.from_numpy(linear)
        self.register_buffer("passes", torch.zeros((), dtype=torch.int64))

    def forward(self) -> torch.Tensor:
        self.passes += 1
        w = torch.cat([self.first, self.second])
        return w @ self.matrix @ w / 2 - self.linear @ w + 0 * self.frozen.sum()

    def gradient(self) -> np.ndarray:
        return torch.cat([self.first.grad, self.second.grad]).numpy()

    def weights(self) -> np.ndarray:
        return torch.cat([self.first, self.second]).detach().numpy().copy()


@pytest.fixture
def made() -> tuple[Quadratic, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    root = rng.normal(size=(5, 5))
    matrix, linear, start = root @ root.T, rng.normal(size=5), rng.normal(size=5)
    return Quadratic(matrix, linear, start), matrix, linear, start


@pytest.mark.parametrize("rho", [0.05, 2.0])
def test_the_second_gradient_is_that_of_the_worst_place(made, rho):
    module, matrix, linear, start = made
    module().backward()
    with worst_nearby(module, rho):
        away = module.weights() - start
        assert np.linalg.norm(away) == pytest.approx(rho)
        assert module.first.grad is None
        module().backward()
    gradient = matrix @ start - linear
    worst = start + rho * gradient / np.linalg.norm(gradient)
    np.testing.assert_allclose(module.gradient(), matrix @ worst - linear, rtol=1e-9)
    assert (module.weights() == start).all()
    assert module.frozen.eq(1).all()
    assert module.frozen.grad is None


def test_gradient_descent_with_it_is_the_recursion_of_the_paper(made):
    module, matrix, linear, w = made
    optimizer = torch.optim.SGD(module.parameters(), lr=0.02, momentum=0.9)
    speed = np.zeros(5)
    for _ in range(20):
        optimizer.zero_grad()
        module().backward()
        with worst_nearby(module, 0.1):
            module().backward()
        optimizer.step()
        gradient = matrix @ w - linear
        speed = 0.9 * speed + matrix @ (w + 0.1 * gradient / np.linalg.norm(gradient)) - linear
        w = w - 0.02 * speed
    np.testing.assert_allclose(module.weights(), w, rtol=1e-8)


def test_parts_add_up_to_the_gradient_of_the_whole(made):
    module, matrix, linear, start = made
    for _ in range(2):
        (module() / 2).backward()
    with worst_nearby(module, 0.3):
        for _ in range(2):
            (module() / 2).backward()
    gradient = matrix @ start - linear
    worst = start + 0.3 * gradient / np.linalg.norm(gradient)
    np.testing.assert_allclose(module.gradient(), matrix @ worst - linear, rtol=1e-9)


def test_running_statistics_are_those_of_the_first_pass():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))
    inputs = torch.randn(16, 4)
    network(inputs).square().sum().backward()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with worst_nearby(network, 0.5):
        network(inputs).square().sum().backward()
        inside = {name: value.clone() for name, value in network.state_dict().items()}
    after = network.state_dict()
    assert before.keys() == after.keys()
    for name, value in before.items():
        assert value.equal(after[name]), name
    for name in ("0.weight", "1.weight", "1.running_mean", "1.num_batches_tracked"):
        assert not before[name].equal(inside[name]), name


def test_weights_come_back_from_an_error(made):
    module, _, _, start = made
    module().backward()
    with pytest.raises(KeyError), worst_nearby(module, 0.1):
        raise KeyError
    assert (module.weights() == start).all()
    assert module.passes == 1


def test_at_a_minimum_nothing_moves(made):
    module, _, _, start = made
    (0 * module()).backward()
    with worst_nearby(module, 0.1):
        assert (module.weights() == start).all()


def test_a_gradient_that_is_not_finite_is_still_seen_afterwards(made):
    module, _, _, start = made
    (module() * float("inf")).backward()
    with worst_nearby(module, 0.1):
        module().backward()
    assert not np.isfinite(module.gradient()).any()
    assert (module.weights() == start).all()


@pytest.mark.parametrize(
    ("config", "word"),
    [
        (TrainingConfig(optimizer=OptimizerConfig(sam=-0.1)), "wrong sam"),
        (TrainingConfig(optimizer=OptimizerConfig(sam=0.05), precision="fp16"), "loss scale"),
    ],
)
def test_wrong_options_are_one_line(config, word):
    with pytest.raises(UsageError, match=word) as caught:
        config.check()
    assert "\n" not in str(caught.value)
