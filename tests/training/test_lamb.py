"""LAMB against the paper's formula in float64, and against timm's."""

import pytest
import torch
from torch import nn

from residua.training.lamb import Lamb


def gradients(steps: int, *shapes: tuple[int, ...]) -> list[list[torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return [[torch.randn(shape, generator=generator) for shape in shapes] for _ in range(steps)]


def reference(x, grads, *, lr, b1, b2, eps, decay, adapt):
    """Algorithm 2 of You et al., a tensor at a time."""
    x = x.double()
    m = v = torch.zeros_like(x)
    for t, g in enumerate((g.double() for g in grads), start=1):
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g * g
        r = (m / (1 - b1**t)) / ((v / (1 - b2**t)).sqrt() + eps) + decay * x
        ratio = x.norm() / r.norm() if adapt and x.norm() > 0 and r.norm() > 0 else 1.0
        x = x - lr * ratio * r
    return x


@pytest.mark.parametrize("adapt", [True, False])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_equals_the_paper(adapt, decay):
    shapes = [(4, 3), (5,), (2, 3, 3, 3)]
    start = gradients(1, *shapes)[0]
    start[1].zero_()  # without a norm the ratio is 1
    parameters = [nn.Parameter(value.clone()) for value in start]
    options = {"lr": 0.05, "eps": 1e-6, "weight_decay": decay}
    optimizer = Lamb(parameters, betas=(0.9, 0.99), adapt=adapt, **options)
    steps = gradients(6, *shapes)
    for step in steps:
        for parameter, gradient in zip(parameters, step, strict=True):
            parameter.grad = gradient.clone()
        optimizer.step()
    for index, parameter in enumerate(parameters):
        expected = reference(
            start[index],
            [step[index] for step in steps],
            lr=0.05,
            b1=0.9,
            b2=0.99,
            eps=1e-6,
            decay=decay,
            adapt=adapt,
        )
        torch.testing.assert_close(parameter.detach().double(), expected, rtol=2e-5, atol=2e-6)


def test_equals_timms():
    timm_lamb = pytest.importorskip("timm.optim.lamb")
    shapes = [(8, 4), (3, 2, 3, 3)]
    start = gradients(1, *shapes)[0]
    ours, theirs = ([nn.Parameter(value.clone()) for value in start] for _ in range(2))
    options = {"lr": 0.02, "weight_decay": 0.03, "betas": (0.9, 0.999), "eps": 1e-6}
    optimizers = (
        Lamb(ours, **options),
        timm_lamb.Lamb(theirs, max_grad_norm=None, **options),
    )
    for step in gradients(10, *shapes):
        for parameters, optimizer in zip((ours, theirs), optimizers, strict=True):
            for parameter, gradient in zip(parameters, step, strict=True):
                parameter.grad = gradient.clone()
            optimizer.step()
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("after", [0, 3])
def test_found_inf_leaves_every_bit(after):
    parameter = nn.Parameter(torch.tensor([[1.0, -0.0, 0.0, -2.0]]))
    optimizer = Lamb([parameter], lr=0.1, weight_decay=0.1)
    for (gradient,) in gradients(after, (1, 4)):
        parameter.grad = gradient
        optimizer.step()
    optimizer.found_inf = torch.zeros(())
    parameter.grad = torch.ones(1, 4)
    if after:
        optimizer.step()
    tensors = [parameter, *optimizer.state[parameter].values()]
    before = [tensor.detach().clone() for tensor in tensors]

    optimizer.found_inf = torch.ones(())
    parameter.grad = torch.full((1, 4), float("nan"))
    optimizer.step()
    after_step = [parameter, *optimizer.state[parameter].values()]
    for old, new in zip(before, after_step, strict=False):
        assert torch.equal(old, new)
        assert torch.equal(old.signbit(), new.signbit())
    optimizer.found_inf = torch.zeros(())
    parameter.grad = torch.ones(1, 4)
    optimizer.step()
    assert not torch.equal(before[0], parameter)
    assert parameter.isfinite().all()


def test_parameters_without_gradient_stay():
    used, unused = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2, 2))
    optimizer = Lamb([used, unused])
    used.grad = torch.ones(2, 2)
    optimizer.step()
    assert torch.equal(unused, torch.ones(2, 2))
    assert not torch.equal(used, torch.ones(2, 2))


def test_closure_gives_the_loss():
    parameter = nn.Parameter(torch.ones(2, 2))
    optimizer = Lamb([parameter], lr=0.1)

    def closure() -> float:
        optimizer.zero_grad()
        loss = parameter.square().sum()
        loss.backward()
        return loss.item()

    assert optimizer.step(closure) == 4.0
    assert optimizer.step(closure) < 4.0
