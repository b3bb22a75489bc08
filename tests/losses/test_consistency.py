"""Consistency losses and weights against formulas in float64."""

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from residua.losses.consistency import (
    aligned,
    passing,
    probabilities,
    ramp_up,
    squared_distance,
    truncated_gaussian,
)


def logits(seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(7, 4, generator=generator, dtype=torch.float64)


def softmax(z: torch.Tensor) -> torch.Tensor:
    return torch.exp(z) / torch.exp(z).sum(1, keepdim=True)


def test_probabilities_are_float32_or_better() -> None:
    assert probabilities(logits().bfloat16()).dtype == torch.float32
    torch.testing.assert_close(probabilities(logits()), softmax(logits()), rtol=1e-12, atol=0)


def test_squared_distance_and_its_gradient() -> None:
    z, other = logits(0).requires_grad_(), logits(1)
    found = squared_distance(z, other)
    p, q = softmax(z.detach()), softmax(other)
    torch.testing.assert_close(found, (p * p - 2 * p * q + q * q).sum(1), rtol=1e-9, atol=1e-12)
    (gradient,) = torch.autograd.grad(found.sum(), z)
    # d/dz_j = 2 p_j (d_j - sum_k p_k d_k), d = p - q
    d = p - q
    expected = 2 * p * (d - (p * d).sum(1, keepdim=True))
    torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-12)


def test_alignment_multiplies_by_the_ratio_of_frequencies() -> None:
    q, target = softmax(logits()), torch.tensor([0.1, 0.2, 0.3, 0.4]).double()
    found = aligned(q, target, q.mean(0))
    for row, guess in zip(found, q, strict=True):
        terms = [
            float(guess[k]) * (float(target[k]) + 1e-6) / (float(q[:, k].mean()) + 1e-6)
            for k in range(4)
        ]
        torch.testing.assert_close(row, torch.tensor(terms).double() / sum(terms))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31))
def test_aligned_guesses_are_probabilities_and_nothing_changes_at_the_target(seed: int) -> None:
    q = softmax(logits(seed))
    other = softmax(logits(seed + 1))
    found = aligned(q, other.mean(0), q.mean(0))
    torch.testing.assert_close(found.sum(1), torch.ones(7).double())
    assert (found >= 0).all()
    torch.testing.assert_close(aligned(q, q.mean(0), q.mean(0)), q)


def test_a_class_that_is_never_guessed_divides_by_no_zero() -> None:
    q = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert aligned(q, torch.tensor([0.5, 0.5]), q.mean(0)).equal(q)


def test_what_passes() -> None:
    confidence = torch.tensor([0.94, 0.95, 0.96])
    assert passing(confidence, 0.95).tolist() == [0, 1, 1]
    assert passing(confidence, torch.tensor(0.955)).tolist() == [0, 0, 1]


def test_truncated_gaussian() -> None:
    confidence = torch.linspace(0.2, 1, 9, dtype=torch.float64)
    mean, variance = torch.tensor([0.6, 0.02], dtype=torch.float64)
    for sigmas in (1.0, 2.0):
        found = truncated_gaussian(confidence, mean, variance, sigmas=sigmas)
        sd = math.sqrt(0.02) / sigmas
        expected = [
            math.exp(-((c - 0.6) ** 2) / (2 * sd * sd)) if c < 0.6 else 1.0
            for c in confidence.tolist()
        ]
        torch.testing.assert_close(found, torch.tensor(expected).double(), rtol=1e-6, atol=1e-9)


def test_no_variance_gives_no_nan() -> None:
    same = torch.full((4,), 0.5)
    found = truncated_gaussian(same, torch.tensor(0.5), torch.tensor(0.0))
    assert found.tolist() == [1, 1, 1, 1]


def test_ramp_up() -> None:
    shares = torch.tensor([0.0, 0.5, 1.0, 7.0]).double()
    expected = torch.tensor([math.exp(-5), math.exp(-1.25), 1.0, 1.0]).double()
    torch.testing.assert_close(ramp_up(shares), expected)
