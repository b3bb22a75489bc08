"""The BYOL step: predictions of a slower teacher's projections."""

import math

import pytest
import torch
from tests.methods.two_views_tools import draws, learn, network, noisy, samples

from residua.errors import TrainingError
from residua.losses.bootstrap import regression_to_teacher
from residua.methods.byol import Byol
from residua.methods.config import PretrainConfig
from residua.methods.pretrain import pretrain_method_for


class WithoutStopGradient(Byol):
    """The student is its own teacher, and the gradient goes through both."""

    def teach(self, view):
        return self.project(view)


def method(kind=Byol, **options):
    net = network()
    torch.manual_seed(1)
    return kind(net, views=(noisy, noisy), projection=(64, 32), **options)


def test_losses_are_symmetrised():
    step, batch = method(), samples(8)
    with torch.no_grad():
        for p in step.teacher_network.parameters():
            p.mul_(0.9)
    found = step(batch, draws(batch))
    first = noisy(batch, draws(batch)).inputs
    second = noisy(batch, draws(batch).view(1)).inputs
    predicted = [step.predictor(step.projector(step.network(v))) for v in (first, second)]
    taught = [step.teacher_projector(step.teacher_network(v)) for v in (second, first)]
    expected = sum(regression_to_teacher(p, t) for p, t in zip(predicted, taught, strict=True))
    torch.testing.assert_close(found.losses, expected)


def test_the_teacher_gets_no_gradient():
    step, batch = method(), samples(8)
    step(batch, draws(batch)).losses.sum().backward()
    for name, parameter in step.named_parameters():
        assert (parameter.grad is None) == name.startswith("teacher_"), name
        assert parameter.requires_grad == (not name.startswith("teacher_")), name


def test_the_teacher_starts_as_a_copy_of_its_own():
    step = method()
    mine, teachers = dict(step.network.named_parameters()), step.teacher_network.named_parameters()
    for name, parameter in teachers:
        assert torch.equal(parameter, mine[name])
        assert parameter.data_ptr() != mine[name].data_ptr()
    assert {"teacher_network.conv1.weight", "teacher_projector.0.weight"} <= set(step.state_dict())


def test_the_teacher_is_the_moving_average_of_the_student():
    """w_K of w_k = t_k w_(k-1) + (1 - t_k) s_k, as the sum of all students with their weights."""
    step, updates = method(decay=0.9).double(), 7
    start = step.teacher_projector[0].weight.detach().clone()
    buffers = [b.clone() for b in step.teacher_network.buffers()]
    students = []
    for k in range(1, updates + 1):
        with torch.no_grad():
            for p in step.projector.parameters():
                p.add_(torch.randn(p.shape, generator=torch.Generator().manual_seed(k)))
        students.append(step.projector[0].weight.detach().clone())
        step.after_update(done=k / updates)
    decays = [
        1 - (1 - 0.9) * (math.cos(math.pi * k / updates) + 1) / 2 for k in range(1, updates + 1)
    ]
    expected = math.prod(decays) * start
    for k, student in enumerate(students):
        expected += math.prod(decays[k + 1 :]) * (1 - decays[k]) * student
    torch.testing.assert_close(step.teacher_projector[0].weight, expected, rtol=0, atol=1e-12)
    assert decays[-1] == 1  # at the end the teacher stands still
    for before, after in zip(buffers, step.teacher_network.buffers(), strict=True):
        assert torch.equal(before, after)  # running statistics are left to its own passes


def test_intact_it_does_not_collapse():
    step = method()
    for update in learn(step, samples(64), 40, lr=0.2):
        if update % 20 == 0:
            found = step.measures(torch.clone)
            assert found["embedding_std"] > 0.6
            assert found["effective_rank"] > 3


def test_without_stop_gradient_the_alarm_trips():
    step = method(WithoutStopGradient)

    def train():
        for update in learn(step, samples(64), 60, lr=0.2):
            if update % 20 == 0:
                step.measures(torch.clone)

    with pytest.raises(TrainingError, match="embeddings have collapsed") as caught:
        train()
    assert "\n" not in str(caught.value)
    assert "--method vicreg" in str(caught.value)


def test_config_decides_the_method():
    config = PretrainConfig(pretrain="byol", projection=(24, 12), teacher_decay=0.97)
    made = pretrain_method_for(network(), views=(noisy, noisy), config=config)
    assert isinstance(made, Byol)
    assert made.decay == 0.97
    assert [tuple(p.shape) for p in made.predictor.parameters() if p.ndim == 2] == [
        (24, 12),
        (12, 24),
    ]
