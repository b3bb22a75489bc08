"""SoftMatch against its equations in float64."""

import torch
from tests.methods.semi_cases import (
    CLASSES,
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
    step = method("softmatch")
    classes, mean, variance = torch.full((CLASSES,), 1 / CLASSES).double(), 1 / CLASSES, 1.0
    for number in range(3):
        samples = batch(step=number)
        labelled, weak, strong, _ = seen(samples)
        logits = step.network(torch.cat([labelled, weak, strong]))
        known, weak, strong = logits.split([LABELLED, U, U])
        d = min(0.999, (1 + number) / (10 + number))
        q = softmax(weak).detach()
        classes = d * classes + (1 - d) * q.mean(0)
        fair = q / CLASSES / (classes + 1e-6)
        fair = fair / fair.sum(1, keepdim=True)
        c = fair.max(1).values
        mean = d * mean + (1 - d) * c.mean()
        variance = d * variance + (1 - d) * ((c - c.mean()) ** 2).sum() / (U - 1)
        bell = torch.exp(-((c - mean) ** 2) / (2 * variance / 2**2))
        weights = torch.where(c < mean, bell, 1.0)
        found = step(samples, draws(samples))
        expected = weights * entropy(q.argmax(1), strong)
        assert_step(found, step, entropy(smooth(samples.targets), known), expected)
        torch.testing.assert_close(found.pseudo.weights, weights.float(), rtol=1e-5, atol=1e-7)
        assert found.pseudo.labels.equal(q.argmax(1))
    assert 0 < weights.min() < 0.99
    assert weights.max() == 1


def test_answers_that_are_all_alike_count_fully() -> None:
    step, samples = method("softmatch", norm=False), batch()
    for parameter in step.network.parameters():
        parameter.data.zero_()
    for _ in range(20):
        found = step(samples, draws(samples))
    assert found.pseudo.weights.equal(torch.ones(U))
