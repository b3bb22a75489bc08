"""Mean Teacher against its equations in float64."""

import math

import torch
from tests.methods.semi_cases import (
    LABELLED,
    RATIO,
    assert_step,
    batch,
    draws,
    entropy,
    method,
    seen,
    smooth,
    softmax,
)

U = RATIO * LABELLED


def test_losses_and_gradients_are_those_of_the_equations() -> None:
    step, samples = method("mean-teacher"), batch()
    for parameter in step.teacher.parameters():
        parameter.data.add_(0.05)
    step.after_update(done=0.1)
    labelled, weak, _, other = seen(samples)
    known, student = step.network(torch.cat([labelled, weak])).split([LABELLED, U])
    teacher = step.teacher(torch.cat([labelled, other]))[LABELLED:].detach()
    weight = 10 * math.exp(-5 * (1 - 0.1 / (40 / 150)) ** 2)
    expected = weight * ((softmax(student) - softmax(teacher)) ** 2).sum(1)
    found = step(samples, draws(samples))
    assert_step(found, step, entropy(smooth(samples.targets), known), expected)
    assert found.pseudo.labels.equal(teacher.argmax(1))
    torch.testing.assert_close(found.pseudo.weights, torch.full((U,), weight / 10))


def test_the_teacher_gets_no_gradient_and_does_not_learn_by_itself() -> None:
    step, samples = method("mean-teacher"), batch()
    step(samples, draws(samples)).total.backward()
    assert all(p.grad is None and not p.requires_grad for p in step.teacher.parameters())
    assert all(p.grad is not None for p in step.network.parameters())


def test_the_teacher_is_the_average_of_all_students() -> None:
    """While the decay is 1 - 1 / (t + 1) that is the plain mean of students 0 to t."""
    step = method("mean-teacher")
    students = [[p.detach().clone() for p in step.network.parameters()]]
    for number in range(6):
        for parameter in step.network.parameters():
            parameter.data.add_(0.1 * (number - 2))
        students.append([p.detach().clone() for p in step.network.parameters()])
        step.after_update(done=0.01 * number)
    for mean, *values in zip(step.teacher.parameters(), *students, strict=True):
        torch.testing.assert_close(mean.data, torch.stack(values).mean(0), rtol=1e-12, atol=1e-12)


def test_later_its_decay_is_constant_in_two_parts() -> None:
    step = method("mean-teacher")
    step.updates.fill_(5000)
    for done, decay in ((0.1, 0.99), (0.9, 0.999)):
        step.teacher.load_state_dict(step.network.state_dict())
        before = [p.detach().clone() for p in step.teacher.parameters()]
        for parameter in step.network.parameters():
            parameter.data.add_(1.0)
        step.after_update(done=done)
        for was, now in zip(before, step.teacher.parameters(), strict=True):
            torch.testing.assert_close(now.data, was + 1 - decay, rtol=1e-9, atol=1e-9)


def test_its_state_is_saved_beside_the_network() -> None:
    step = method("mean-teacher")
    step.after_update(done=0.5)
    state = step.state_dict()
    names = {name for name in state if not name.startswith("network.")}
    assert {"done", "updates"} <= names
    assert {f"teacher.{n}" for n in step.network.state_dict()} <= names
    other = method("mean-teacher")
    other.load_state_dict(state)
    assert float(other.done) == 0.5
    assert int(other.updates) == 1
