"""FixMatch against its equations in float64."""

from dataclasses import replace

import pytest
import torch
from tests.methods.semi_cases import (
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


def test_losses_and_gradients_are_those_of_the_equations() -> None:
    samples = batch()
    labelled, weak, strong, _ = seen(samples)
    step = method("fixmatch")
    logits = step.network(torch.cat([labelled, weak, strong]))
    known, weak, strong = logits.split([LABELLED, RATIO * LABELLED, RATIO * LABELLED])
    q = softmax(weak).detach()
    threshold = between(q.max(1).values)
    step.config = replace(step.config, threshold=threshold)
    counts = (q.max(1).values >= threshold).double()
    assert 0 < counts.sum() < len(counts)
    found = step(samples, draws(samples))
    expected = counts * entropy(q.argmax(1), strong)
    assert_step(found, step, entropy(smooth(samples.targets), known), expected)
    assert found.correct.equal((known.argmax(1) == samples.targets).float())
    assert found.pseudo.ids.equal(samples.unlabelled.ids)
    assert found.pseudo.labels.equal(q.argmax(1))
    assert found.pseudo.weights.equal(counts.float())


def test_the_unlabelled_part_counts_by_its_weight() -> None:
    samples = batch()
    whole = method("fixmatch", threshold=0.0)(samples, draws(samples))
    half = method("fixmatch", threshold=0.0, unlabelled_weight=0.5)(samples, draws(samples))
    torch.testing.assert_close(half.extra, whole.extra / 2)
    torch.testing.assert_close(half.losses, whole.losses)


def test_weak_views_teach_and_do_not_learn() -> None:
    """Without batch normalisation nothing but the strong view connects the loss to the weights."""
    samples = batch()
    step = method("fixmatch", norm=False, threshold=0.0)
    found = step(samples, draws(samples))
    found.extra.sum().backward()
    _, weak, strong, _ = seen(samples)
    guesses = step.network(weak).argmax(1)
    parameters = list(step.network.parameters())
    expected = torch.autograd.grad(entropy(guesses, step.network(strong)).sum() / 2, parameters)
    torch.testing.assert_close([p.grad for p in parameters], list(expected), rtol=1e-5, atol=1e-9)


def test_losses_are_float32_under_autocast() -> None:
    samples = batch()
    step = method("fixmatch").float()
    step.weak = step.strong = lambda batch, draws: replace(batch, inputs=batch.inputs.float())
    with torch.autocast("cpu", torch.bfloat16):
        found = step(samples, draws(samples))
    assert found.losses.dtype == found.extra.dtype == found.pseudo.weights.dtype == torch.float32


def test_without_unlabelled_samples_there_is_no_step() -> None:
    samples = replace(batch(), unlabelled=None)
    with pytest.raises(AssertionError, match="unlabelled"):
        method("fixmatch")(samples, draws(samples))
