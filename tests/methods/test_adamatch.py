"""AdaMatch against its equations in float64."""

from copy import deepcopy
from dataclasses import replace

import torch
from tests.methods.semi_cases import (
    CLASSES,
    LABELLED,
    RATIO,
    assert_step,
    batch,
    between,
    draws,
    entropy,
    method,
    seen,
    smooth,
    softmax,
)
from torch import Tensor

from residua.methods.adamatch import AdaMatch

U = RATIO * LABELLED


def aligned(step: AdaMatch, known: Tensor, q: Tensor) -> Tensor:
    """After one update the means are 9/10 of the way from uniform to what was seen."""
    target = 0.1 / CLASSES + 0.9 * known.mean(0)
    mean = 0.1 / CLASSES + 0.9 * q.mean(0)
    ratio = q * (target + 1e-6) / (mean + 1e-6)
    return ratio / ratio.sum(1, keepdim=True)


def test_losses_and_gradients_are_those_of_the_equations() -> None:
    samples = batch()
    labelled, weak, strong, _ = seen(samples)
    step = method("adamatch")
    together = step.network(torch.cat([labelled, weak, strong]))
    first, weak, strong = together.split([LABELLED, U, U])
    second = step.network(labelled)
    places = draws(samples).uniform("adamatch.interpolation", CLASSES).double()
    logits = places * first + (1 - places) * second
    known = softmax(logits).detach()
    guesses = aligned(step, known, softmax(weak).detach())
    usual = known.max(1).values.mean()
    relative = between(guesses.max(1).values / usual)
    step.config = replace(step.config, threshold=relative)
    counts = (guesses.max(1).values >= relative * usual).double()
    assert 0 < counts.sum() < len(counts)
    found = step(samples, draws(samples))
    expected = counts * entropy(guesses.argmax(1), strong)
    assert_step(found, step, entropy(smooth(samples.targets), logits), expected)
    assert found.pseudo.weights.equal(counts.float())
    assert found.pseudo.labels.equal(guesses.argmax(1))


def test_running_statistics_follow_the_batch_of_all_alone() -> None:
    samples = batch()
    step = method("adamatch")
    alone = deepcopy(step.network)
    alone(torch.cat(seen(samples)[:3]))
    step(samples, draws(samples))
    for name in ("features.1.running_mean", "features.1.running_var"):
        torch.testing.assert_close(step.network.get_buffer(name), alone.get_buffer(name))
    assert all(m.momentum == 0.1 for m in step.modules() if hasattr(m, "momentum"))


def test_means_go_on_from_what_was_saved() -> None:
    one, samples = method("adamatch"), [batch(step=number) for number in range(3)]
    for item in samples[:2]:
        one(item, draws(item))
    two = method("adamatch")
    two.load_state_dict(one.state_dict())
    results = [step(samples[2], draws(samples[2])) for step in (one, two)]
    assert results[0].extra.equal(results[1].extra)
    for mine, others in zip(one.buffers(), two.buffers(), strict=True):
        assert mine.equal(others)


def test_measuring_moves_no_mean() -> None:
    step, samples = method("adamatch"), batch()
    before = deepcopy(step.labelled_classes.state_dict())
    with torch.no_grad():
        step(samples, draws(samples))
    assert all(before[k].equal(v) for k, v in step.labelled_classes.state_dict().items())
    step(samples, draws(samples))
    assert not before["mean"].equal(step.labelled_classes.mean)
